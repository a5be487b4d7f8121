package operation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
)

// lookAgain bounds how long the outcome of a commit is looked for when the time of whoever asks is up.
const lookAgain = 2 * time.Second

// draft makes a commit from what it reads, nil if there is nothing to write, and says which revision it leads to.
type draft func(ctx context.Context) (ops []coord.Op, revision string, err error)

// write commits a draft together with the operator's line of the audit, and returns its revision. It is drafted again when
// something has changed meanwhile.
//
// A commit of which nobody knows the outcome is neither repeated blindly nor reported as failed: the audit is read, and its
// line, written in the same commit, says that it was made. A draft that is made after that is bound to the audit as it was
// read, so that of the two commits one applies at most. If the service does not answer, the error matches
// cluster.ErrOutcomeUnknown.
//
// Without a line drafts have to lead to the same whether they were committed before or not.
func (o Operator) write(ctx context.Context, d draft) (revision string, err error) {
	sent := false // a commit whose outcome nobody knows
	what := ""
	if o.line != nil {
		what = o.line.What
	}
	for failures := 0; ; failures++ {
		if err := jitter.Backoff(ctx, failures); err != nil {
			return o.outcome(ctx, sent, revision, err)
		}
		if o.line != nil { // an earlier draft may have added to it
			o.line.What = what
		}
		audit, done, err := o.readAudit(ctx)
		if done != nil {
			return done.Revision, nil
		}
		var ops []coord.Op
		if err == nil {
			if ops, revision, err = d(ctx); o.line != nil {
				revision = cmp.Or(o.line.Revision, revision)
			}
		}
		if err != nil || len(ops) == 0 {
			return o.outcome(ctx, sent, revision, err)
		}
		_, err = o.Session.Commit(ctx, o.withLine(audit, revision, ops)...)
		failed, checked := coord.FailedCheck(err)
		switch {
		case err == nil:
			return revision, nil
		case errors.Is(err, coord.ErrTooLarge):
			err = fmt.Errorf("%w: %w", cluster.ErrTooLarge, err)
		case errors.Is(err, coord.ErrUnauthorized):
		case checked && o.planned && failed.Op.Key != o.Keys.Audit():
			err = fmt.Errorf("%w: %w", cluster.ErrMovedOn, err)
		case checked && ctx.Err() == nil:
			if o.earlier != nil {
				*o.earlier = removals{} // it may be that which has failed
			}
			continue
		case errors.Is(err, coord.ErrUnknown):
			sent = true
			if ctx.Err() == nil && !errors.Is(err, coord.ErrSessionEnded) {
				continue
			}
		}
		return o.outcome(ctx, sent, revision, err)
	}
}

// outcome returns what became of what was asked for when there is nothing more to try: the result, or what the audit says
// if a commit was sent of which nobody knows the outcome.
func (o Operator) outcome(ctx context.Context, sent bool, revision string, err error) (string, error) {
	if !sent || err == nil && o.line == nil {
		return revision, Unanswered(err)
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookAgain)
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

// Unanswered adds cluster.ErrUnanswered to the error of somebody who has sent nothing that changes anything, if it says
// that nobody answered.
func Unanswered(err error) error {
	if err == nil || answered(err) || errors.Is(err, cluster.ErrOutcomeUnknown) || errors.Is(err, cluster.ErrUnanswered) {
		return err
	}
	return fmt.Errorf("%w: %w", cluster.ErrUnanswered, err)
}

// answered reports whether an error says how the cluster is, and not that nobody answered.
func answered(err error) bool {
	for _, unanswered := range []error{coord.ErrUnknown, coord.ErrSessionEnded, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, unanswered) {
			return false
		}
	}
	return true
}
