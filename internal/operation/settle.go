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

// outcomeWait is how long the audit is searched for the outcome of a commit after the caller's time is over.
const outcomeWait = 2 * time.Second

// draft makes a commit from what it reads, nil if there is nothing to write, and returns the resulting revision.
type draft func(ctx context.Context) (ops []coord.Op, revision string, err error)

// write commits a draft together with the operator's line of the audit, and returns its revision. It makes another draft when
// something has changed meanwhile.
//
// A commit with an unknown outcome is neither repeated blindly nor reported as failed. Instead the audit is read. The line is
// written in the same commit, so if it is there, the commit was made. If not, the next draft is bound to the audit as it was read,
// so that at most one of the two commits applies. If the service does not answer, the error matches cluster.ErrOutcomeUnknown.
//
// Without a line, drafts must have the same result whether they were committed before or not.
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
	what       string // the text of the line, to which a draft may add
	revision   string // the result of the draft
	committing bool   // the last step was a commit, not the reading before it
	sent       bool   // a commit whose outcome is unknown
	done       bool   // the audit has its line
}

// decide returns the next commit, nil if there is none. Last is the error of the commit before.
func (w *writing) decide(ctx context.Context, last error) ([]coord.Op, error) {
	failed, checked := coord.FailedCheck(last)
	if checked && w.outdated(failed) {
		return nil, last
	}
	w.committing = false
	w.sent = w.sent || errors.Is(last, coord.ErrUnknown)
	if checked && w.earlier != nil {
		*w.earlier = removals{} // its check may be the one that failed
	}
	if w.line != nil { // an earlier draft may have added text
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

// outdated reports whether a failed check shows that the cluster has changed since a plan was made.
func (w *writing) outdated(failed *coord.CheckError) bool {
	return w.planned && failed.Op.Key != w.Keys.Audit() && !errors.Is(failed, coord.ErrUnauthorized)
}

// commitError returns the error of the last commit, as one of package cluster if there is one.
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

// outcome returns the result of an operation when no further attempt is made. After a commit with an unknown outcome, the result
// comes from the audit.
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
		return revision, err // the new draft was made from records that have changed: a late commit would fail
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

// answered reports whether an error is an answer of the service, and not the absence of one.
func answered(err error) bool {
	for _, unanswered := range []error{coord.ErrUnknown, coord.ErrSessionEnded, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, unanswered) {
			return false
		}
	}
	return true
}
