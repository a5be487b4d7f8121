package coord_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"gitee.com/ken.yang/xconsumer/coord"
)

// The text for a service that does not answer contains no keys, and no texts of libraries.
func TestReason(t *testing.T) {
	away := &coord.UnansweredError{Service: "etcd", Reasons: []string{"a: x", "b: y", "c: z", "d: z", "e: z"}, Err: context.DeadlineExceeded}
	if !errors.Is(away, context.DeadlineExceeded) {
		t.Error("it does not unwrap")
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("join: %w", away), "etcd does not answer: a: x; b: y; c: z; and 2 more"},
		{fmt.Errorf("get /xconsumer/a/meta: %w", coord.ErrSessionEnded), "its session with the coordination service has ended"},
		{fmt.Errorf("commit: /xconsumer/a: %w", errors.Join(coord.ErrUnknown, context.DeadlineExceeded, coord.ErrSessionEnded)), "its session with the coordination service has ended"},
		{fmt.Errorf("commit: /xconsumer/a: %w: %w", coord.ErrUnknown, context.DeadlineExceeded), "the coordination service did not answer in time"},
		{fmt.Errorf("list /xconsumer/a: %w", context.DeadlineExceeded), "the coordination service did not answer in time"},
		{fmt.Errorf("commit: create /x: %w: a quota is exceeded", coord.ErrRefused), "commit: create /x: refused by the service: a quota is exceeded"},
	} {
		if got := coord.Reason(c.err); got != c.want {
			t.Errorf("%v: %q; want %q", c.err, got, c.want)
		}
	}
}
