package reconcile_test

import (
	"slices"
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

// A plan gives the same reason for a move as the decision that carries it out: an operator asked for it.
func TestPlanGivesTheReasonOfAMove(t *testing.T) {
	b := threeNodes(t, spec("a", 3))
	slot := cluster.Slot{Task: "a"}
	from := b.places()[slot]
	to := "node-" + map[string]string{"L": "M", "M": "N", "N": "L"}[from]
	plan := b.plan(t, cluster.Move(slot, to))
	want := cluster.PlannedMove{Slot: slot, From: "node-" + from, To: to, Code: cluster.WhyMoved, Reason: "an operator moved it"}
	if i := slices.IndexFunc(plan.Moves, func(m cluster.PlannedMove) bool { return m.Slot == slot }); i < 0 || plan.Moves[i] != want {
		t.Errorf("planned %+v, want %+v", plan.Moves, want)
	}
}
