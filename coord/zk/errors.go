package zk

import (
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
)

// table maps what a server answered to the errors of the contract. What is not in it (a lost
// connection, an answer that never came) leaves the outcome unknown.
var table = []struct{ from, to error }{
	{zk.ErrNoNode, coord.ErrNotFound},
	{zk.ErrNodeExists, coord.ErrExists},
	{zk.ErrBadVersion, coord.ErrVersion},
	{zk.ErrNoAuth, coord.ErrUnauthorized},
	{zk.ErrAuthFailed, coord.ErrUnauthorized},
	{zk.ErrInvalidACL, coord.ErrUnauthorized},
	{zk.ErrNotEmpty, coord.ErrInvalid},
	{zk.ErrNoChildrenForEphemerals, coord.ErrInvalid},
	{zk.ErrInvalidPath, coord.ErrInvalid},
	{zk.ErrShortBuffer, coord.ErrTooLarge},
	{zk.ErrSessionExpired, coord.ErrSessionEnded},
	{zk.ErrSessionMoved, coord.ErrUnknown},
}

// answerError maps the error of a single request.
func answerError(err error) error {
	if err == nil {
		return nil
	}
	for _, row := range table {
		if errors.Is(err, row.from) {
			return row.to
		}
	}
	return fmt.Errorf("%w: %w", coord.ErrUnknown, err)
}

// commitError maps the outcome of a multi: the failed check, a refusal, or unknown.
func commitError(ops []coord.Op, responses []zk.MultiResponse, err error) error {
	for i, r := range responses {
		if i >= len(ops) {
			break
		}
		mapped := answerError(r.Error)
		if r.Error == nil || errors.Is(mapped, coord.ErrUnknown) {
			continue // "rolled back with the others" has no name in the library
		}
		return &coord.CheckError{Index: i, Op: ops[i], Err: mapped}
	}
	if err == nil {
		if len(responses) == len(ops) {
			return nil
		}
		err = fmt.Errorf("%d answers to %d operations", len(responses), len(ops))
	}
	return fmt.Errorf("commit: %s: %w", ops[0].Key, answerError(err))
}
