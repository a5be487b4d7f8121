package solver

import (
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// One zone has more of a task on a node that is gone than its part, and the other zone can take less than its part. What the first
// zone has leaves one slot for the other, and not two.
func TestZoneOfGoneNodeHasMore(t *testing.T) {
	eligible := model.NewEligibility([]int32{model.Ineligible, 0, 0}, []int32{0, 0, 1}, 2)
	p := &model.Problem{
		Nodes: []model.Node{
			{Weight: 1, Capacity: model.Unlimited, Gone: true}, {Weight: 1, Capacity: model.Unlimited}, {Weight: 1, Capacity: 2},
		},
		Tasks:   []model.Task{{Cost: 1, Slots: 7, Eligible: eligible}},
		Current: []int32{6, 0, 0},
	}
	if s := Solve(p); !slices.Equal(s.Share, []int32{6, 0, 1}) || !slices.Equal(s.Load, []int64{6, 0, 1}) {
		t.Errorf("%v, %v", s.Share, s.Load)
	}
}
