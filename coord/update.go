package coord

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/backoff"
)

// Update reads, decides and commits, and repeats this as long as writes of others are in the way. It returns the results
// of the commit that was made, or nil if decide had nothing to write.
//
// Decide reads what it needs and returns the commit that follows from it. Every write must name the version that was read;
// no operation means that the store is as it should be. Update calls decide before every commit, so no commit is ever sent
// twice. Last is nil in the first call, and later the error of the commit before, so that decide can distinguish failed
// checks. An error of decide ends the update and is returned as it is. If reading again cannot help, decide returns last.
//
// Update decides again after
//
//   - a failed check: a key was there, was not there, or had another version. Nothing was written.
//   - [ErrUnknown]. The commit may have been applied, or may be applied while decide reads, or later. Decide must
//     recognize a commit that was applied, and return no operation. A commit that is applied later finds the versions that
//     it names replaced by the next commit, or makes that one fail: of two commits that write one key at the same version,
//     or create it, at most one applies. The caller must see to that.
//   - an error that matches one of also. It is for callers that can wait until the reason of a refusal is removed.
//
// Update returns every other error as it is, at once: the end of the session, a refusal, a commit that is too large. The
// second try follows at once, since one failure is usual where others write as well. Before each later try Update pauses
// for 20 ms, twice as long each time, up to one second. The number of tries is limited only by ctx. When ctx ends, the
// error matches both its cause and the error of the last commit.
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

// decidedAgain reports whether the cause of a failed commit may be gone when everything is read again.
func decidedAgain(err error, also []error) bool {
	if errors.Is(err, ErrSessionEnded) { // an unknown outcome may match it, too
		return false
	}
	matches := func(target error) bool { return errors.Is(err, target) }
	return matches(ErrUnknown) || matches(ErrVersion) || matches(ErrExists) || matches(ErrNotFound) || slices.ContainsFunc(also, matches)
}
