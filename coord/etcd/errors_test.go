package etcd

import (
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"gitee.com/ken.yang/xconsumer/coord"
)

// A server that has no space for a write refuses it before it does anything.
func TestNoSpaceIsARefusal(t *testing.T) {
	if err := answerError(t.Context(), rpctypes.ErrNoSpace); !errors.Is(err, coord.ErrRefused) || errors.Is(err, coord.ErrUnknown) {
		t.Errorf("no space: %v; want %v", err, coord.ErrRefused)
	}
	if err := answerError(t.Context(), rpctypes.ErrTimeout); !errors.Is(err, coord.ErrUnknown) {
		t.Errorf("timed out: %v; want %v", err, coord.ErrUnknown)
	}
}
