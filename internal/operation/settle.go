package operation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
)

// outcomeWait is how long the outcome of a commit is searched for in the audit after the caller's time is up.
const outcomeWait = 2 * time.Second

// draft makes a commit from what it reads, nil if there is nothing to write, and returns the revision that it leads to.
type draft func(ctx context.Context) (ops []coord.Op, revision string, err error)

// write commits a draft together with the operator's line of the audit, and returns its revision. It is drafted again when
// something has changed meanwhile.
//
// A commit with an unknown outcome is neither repeated blindly nor reported as failed: the audit is read. If it has the line, which
// was written in the same commit, the commit was made. If it does not, the next draft is bound to the audit as it was read, so that
// at most one of the two commits applies. If the service does not answer, the error matches cluster.ErrOutcomeUnknown.
//
// Without a line drafts have to lead to the same whether they were committed before or not.
func (o Operator) write(ctx context.Context, d draft) (revision string, err error) {
	w := writing{Operator: o, draft: d}
	if o.line != nil {
		w.what = o.line.What
	}
	_, err = coord.Update(ctx, o.Session, func(last error) ([]coord.Op, error) { return w.decide(ctx, last) })
	if err == nil && (w.committing || w.done) {
		return w.revision, nil
	}
	if w.committing {
		w.sent = w.sent || errors.Is(err, coord.ErrUnknown)
		err = w.commitError(err)
	}
	return o.outcome(ctx, w.sent, w.revision, err)
}

// writing is a write under way.
type writing struct {
	Operator
	draft      draft
	what       string // of the line, to which a draft may add
	revision   string // that the draft leads to
	committing bool   // the last step was a commit, and not the reading before it
	sent       bool   // a commit whose outcome is unknown
	done       bool   // the audit has its line
}

// decide returns the next commit, nil if there is none to make. Last is why the one before was not made.
func (w *writing) decide(ctx context.Context, last error) ([]coord.Op, error) {
	failed, checked := coord.FailedCheck(last)
	if checked && w.outdated(failed) {
		return nil, last
	}
	w.committing = false
	w.sent = w.sent || errors.Is(last, coord.ErrUnknown)
	if checked && w.earlier != nil {
		*w.earlier = removals{} // it may be that which has failed
	}
	if w.line != nil { // an earlier draft may have added to it
		w.line.What = w.what
	}
	audit, done, err := w.readAudit(ctx)
	if err != nil {
		return nil, err
	}
	if done != nil {
		w.revision, w.done = done.Revision, true
		return nil, nil
	}
	ops, revision, err := w.draft(ctx)
	w.revision = revision
	if w.line != nil {
		w.revision = cmp.Or(w.line.Revision, revision)
	}
	if err != nil || len(ops) == 0 {
		return nil, err
	}
	w.committing = true
	return w.withLine(audit, w.revision, ops), nil
}

// outdated reports whether a failed check shows that a plan is not one for the cluster as it is.
func (w *writing) outdated(failed *coord.CheckError) bool {
	return w.planned && failed.Op.Key != w.Keys.Audit() && !errors.Is(failed, coord.ErrUnauthorized)
}

// commitError returns why the last commit failed, as an error of package cluster where there is one.
func (w *writing) commitError(err error) error {
	failed, checked := coord.FailedCheck(err)
	switch {
	case errors.Is(err, coord.ErrTooLarge):
		return fmt.Errorf("%w: %w", cluster.ErrTooLarge, err)
	case checked && w.outdated(failed):
		return fmt.Errorf("%w: %w", cluster.ErrMovedOn, err)
	}
	return err
}

// outcome returns what became of an operation when there is nothing more to try: the result, or, after a commit with an unknown
// outcome, what the audit has of it.
func (o Operator) outcome(ctx context.Context, sent bool, revision string, err error) (string, error) {
	if !sent || err == nil && o.line == nil {
		return revision, Unanswered(err)
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeWait)
	defer cancel()
	_, done, lost := o.readAudit(look)
	switch {
	case done != nil:
		return done.Revision, nil
	case lost == nil && (err == nil || answered(err)):
		return revision, err // it was drafted again from records that a commit which comes late would not find as they were
	}
	return "", fmt.Errorf("%w: %w", cluster.ErrOutcomeUnknown, errors.Join(err, lost))
}

// Unanswered adds cluster.ErrUnanswered to the error of a call that has sent no commit, if the service did not answer.
func Unanswered(err error) error {
	if err == nil || answered(err) || errors.Is(err, cluster.ErrOutcomeUnknown) || errors.Is(err, cluster.ErrUnanswered) {
		return err
	}
	return fmt.Errorf("%w: %w", cluster.ErrUnanswered, err)
}

// answered reports whether an error is an answer of the service, and not the lack of one.
func answered(err error) bool {
	for _, unanswered := range []error{coord.ErrUnknown, coord.ErrSessionEnded, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, unanswered) {
			return false
		}
	}
	return true
}
