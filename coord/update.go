package coord

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/backoff"
)

// Update reads, decides and commits, and does so again for as long as others are in the way. It returns the results of
// the commit that was made, or nil if decide had nothing to write.
//
// Decide reads what it needs and returns the commit that follows from it: every write at the version that was read, no
// operation if the store is as it should be. Update calls it before every commit, so that no commit is ever sent twice.
// Last is nil at first; later it is the error of the commit before, for a decide to which one failed check means
// something else than another. An error of decide ends the update and is returned as it is: a decide for which reading
// again is no remedy returns last.
//
// Update decides again after
//
//   - a failed check: a key was there, was not there, or had another version. Nothing was written.
//   - [ErrUnknown]. The commit may have been applied, or may be applied while decide reads, or later. Decide must
//     recognize one that was applied, and return no operation. One that is applied later finds the versions that it names
//     replaced by the commit that follows, or makes that one fail: of two commits that write one key at a version, or
//     create it, at most one applies. This is the caller's to provide.
//   - an error that matches one of also, for whoever can wait until somebody has mended what the service refuses.
//
// It returns every other error as it is, at once: the session's end, a refusal, a commit that is too large. Between two
// tries it pauses: not before the second one, since to fail once is usual where others write, too; then 20 ms, and twice as
// long each time, up to a second. There is no limit to the tries but the end of ctx, of which the error then matches both
// the cause and why the last commit failed.
//
// Guaranteed: one commit is under way at a time, and an update without an error has either made exactly the one commit
// whose results it returns or written nothing in its last try. Not guaranteed: that an update which returns an error has
// written nothing. If the error matches ErrUnknown, or if last has done so, a commit may have been applied.
func Update(ctx context.Context, s Session, decide func(last error) ([]Op, error), also ...error) ([]Result, error) {
	var last error
	for failures := 0; ; failures++ {
		if err := backoff.Conflicts.Wait(ctx, failures); err != nil {
			return nil, fmt.Errorf("%w: %w", last, err)
		}
		ops, err := decide(last)
		if err != nil || len(ops) == 0 {
			return nil, err
		}
		results, err := s.Commit(ctx, ops...)
		if err == nil {
			return results, nil
		}
		if !decidedAgain(err, also) {
			return nil, err
		}
		last = err
	}
}

// decidedAgain reports whether what made a commit fail may be gone when everything is read again.
func decidedAgain(err error, also []error) bool {
	if errors.Is(err, ErrSessionEnded) { // of which a commit with an unknown outcome tells, too
		return false
	}
	matches := func(target error) bool { return errors.Is(err, target) }
	return matches(ErrUnknown) || matches(ErrVersion) || matches(ErrExists) || matches(ErrNotFound) || slices.ContainsFunc(also, matches)
}
