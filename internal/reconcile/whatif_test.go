package reconcile_test

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/operation"
)

// plan returns what operations would do to the board.
func (b *board) plan(t *testing.T, ops ...cluster.Operation) cluster.Plan {
	t.Helper()
	plan, err := operation.Operator{}.Plan(t.Context(), &b.snap, ops)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
