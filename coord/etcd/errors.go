package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gitee.com/ken.yang/xconsumer/coord"
)

// table maps the answers of a server to the errors of the contract. Every other error (a lost
// connection, no leader) leaves the outcome unknown.
var table = []struct{ from, to error }{
	{rpctypes.ErrLeaseNotFound, coord.ErrSessionEnded},
	{rpctypes.ErrPermissionDenied, coord.ErrUnauthorized},
	{rpctypes.ErrPermissionNotGranted, coord.ErrUnauthorized},
	{rpctypes.ErrAuthFailed, coord.ErrUnauthorized},
	{rpctypes.ErrUserEmpty, coord.ErrUnauthorized},
	{rpctypes.ErrUserNotFound, coord.ErrUnauthorized},
	{rpctypes.ErrRequestTooLarge, coord.ErrTooLarge},
	{rpctypes.ErrTooManyOps, coord.ErrTooLarge},
	{rpctypes.ErrEmptyKey, coord.ErrInvalid},
	{rpctypes.ErrNoSpace, coord.ErrRefused},
	{rpctypes.ErrCompacted, coord.ErrNoHistory},
}

// answerError maps the error of a request.
func answerError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	for _, row := range table {
		if errors.Is(err, row.from) {
			return fmt.Errorf("%w: %w", row.to, err)
		}
	}
	if isUnsupported(err) {
		return fmt.Errorf("%w: the server does not speak etcd's version 3 protocol: %w", coord.ErrUnsupported, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w: %w", coord.ErrUnknown, context.Cause(ctx), err)
	}
	return fmt.Errorf("%w: %w", coord.ErrUnknown, err)
}

// requestError is the reason why a request was not answered, in words for people.
type requestError struct{ err error }

func (e *requestError) Unwrap() error { return e.err }

// Error returns the last part of the library's text. The parts before it list the attempts.
func (e *requestError) Error() string {
	if errors.Is(e.err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	text := e.err.Error()
	return strings.Trim(text[strings.LastIndex(text, ": ")+1:], ` "`)
}

// isUnsupported reports whether the server that answered is not etcd.
func isUnsupported(err error) bool {
	return status.Code(err) == codes.Unimplemented
}

// isUnavailable reports whether a request failed because no server answered it.
func isUnavailable(err error) bool { return errors.Is(err, coord.ErrUnknown) }
