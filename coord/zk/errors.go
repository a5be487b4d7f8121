package zk

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
)

// table maps the answers of a server to the errors of the contract. Other answers are refusals, except those of undecided.
// Without an answer (the connection was lost or never came) the outcome is unknown.
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
	{zk.ErrBadArguments, coord.ErrRefused},
	{zk.ErrInvalidFlags, coord.ErrRefused},
	{zk.ErrReconfigDisabled, coord.ErrRefused},
}

// undecided are codes without a name in the library that leave the outcome open: the server failed while it handled the
// request, perhaps after it had applied it, or asks the client to try again.
var undecided = map[int]string{
	-1:   "system error",
	-2:   "runtime inconsistency",
	-3:   "data inconsistency",
	-4:   "connection lost",
	-5:   "marshalling error",
	-7:   "operation timed out",
	-119: "server is read-only",
	-122: "request timed out",
	-127: "throttled",
}

// known are the names of codes that the library does not name.
var known = map[int]string{-6: "unimplemented", -125: "a quota is exceeded"}

// code returns the code of an answer that the library does not name.
func code(err error) (code int, ok bool) {
	text, ok := strings.CutPrefix(err.Error(), "unknown error: ")
	if !ok {
		return 0, false
	}
	code, err = strconv.Atoi(text)
	return code, err == nil
}

// answerError maps the error of a single request.
func answerError(err error) error {
	if err == nil {
		return nil
	}
	for _, row := range table {
		if errors.Is(err, row.from) {
			if errors.Is(row.to, coord.ErrRefused) {
				return fmt.Errorf("%w: %w", row.to, err)
			}
			return row.to
		}
	}
	if code, answered := code(err); answered && undecided[code] == "" {
		return fmt.Errorf("%w: code %d %s", coord.ErrRefused, code, known[code])
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
			continue // -2, "rolled back with the others"
		}
		if errors.Is(mapped, coord.ErrRefused) { // no check has failed: to read again would not help
			return fmt.Errorf("commit: %s %s: %w", ops[i].Kind, ops[i].Key, mapped)
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
