package reconcile_test

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Workers of a run do not move for balance, and the plan says so: nobody who waits for the cluster to settle waits for that.
func TestRunsStayInThePlan(t *testing.T) {
	s := spec("a", 4)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "r", WorkerNum: 4}, WorkName: "a"}}}}}
	all := cluster.RunTask("a", "r") + " 0-3 @6"
	l := b.live("L", 5, schematest.Granted(all), schematest.Releasing(), 5, schematest.Claimed(all))
	for i := range l.Assignment.Rec.Granted {
		l.Assignment.Rec.Granted[i].Spec.WorkName = "a"
	}
	b.live("M", 3, schematest.Granted(), schematest.Releasing(), 3, schematest.Claimed())
	if d := b.decide(atNoon); d.Pending > 0 || d.Assignments["L"] != nil && len(d.Assignments["L"].Releasing) > 0 {
		t.Errorf("pending %d, decision: %s", d.Pending, draw(d))
	}
	plan := b.plan(t)
	if len(plan.Moves)+len(plan.Starts)+len(plan.Stops) > 0 {
		t.Errorf("the plan: %+v", plan)
	}
	b.mark("L", schema.Mark{Drain: &schema.Drain{}})
	plan = b.plan(t)
	if len(plan.Moves) != 4 {
		t.Errorf("the plan of a node that is drained: %+v", plan)
	}
}

// What begins beside workers of runs that stay goes where there is room: no node is given more than its capacity.
func TestRunsBeginWhereThereIsRoom(t *testing.T) {
	x, y := spec("a", 2), spec("b", 2)
	x.Mode, y.Mode = cluster.ModeOnce, cluster.ModeOnce
	b := newBoard(x, y)
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{
		"a": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "x", WorkerNum: 2}, WorkName: "a"}}}},
		"b": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "y", WorkerNum: 2}, WorkName: "b"}}}},
	}
	all := cluster.RunTask("a", "x") + " 0-1 @6"
	l := b.live("L", 5, schematest.Granted(all), schematest.Releasing(), 5, schematest.Claimed(all))
	m := b.live("M", 3, schematest.Granted(), schematest.Releasing(), 3, schematest.Claimed())
	for i := range l.Assignment.Rec.Granted {
		l.Assignment.Rec.Granted[i].Spec.WorkName = "a"
	}
	l.Member.Rec.Capacity, m.Member.Rec.Capacity = 2, 2
	d := b.decide(atNoon)
	run := cluster.RunTask("b", "y")
	for index := range 2 {
		slot := cluster.Slot{Task: run, Index: index}
		if assignment := d.Assignments["M"]; assignment == nil || schema.Find(assignment.Granted, slot) == nil {
			t.Errorf("%s is not granted to M, the only node with room: %s", slot, draw(d))
		}
	}
	m.Member.Rec.Capacity = 1
	d = b.decide(atNoon)
	if assignment := d.Assignments["L"]; assignment != nil && schema.Find(assignment.Granted, cluster.Slot{Task: run}) != nil || d.Unplaced[run].Code != cluster.WhyFull {
		t.Errorf("one has no room: %s, %v", draw(d), d.Unplaced)
	}
}
