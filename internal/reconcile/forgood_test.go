package reconcile_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
)

// What has failed for good on a node is not moved by balance, where it would be tried again without anybody having asked
// for it: others of its task go in its place, or none. It moves when its node is drained.
func TestFailedForGoodStays(t *testing.T) {
	for _, c := range []struct {
		name   string
		tasks  []cluster.TaskSpec
		failed []cluster.Slot
		moved  int // slots that the new node has in the end
	}{
		{"the others of its task go", []cluster.TaskSpec{spec("a", 4)}, []cluster.Slot{{Task: "a", Index: 2}, {Task: "a", Index: 3}}, 2},
		{"what runs is even then", []cluster.TaskSpec{spec("a", 1), spec("b", 3)}, []cluster.Slot{{Task: "a", Index: 0}}, 1},
		{"none goes, if all have", []cluster.TaskSpec{spec("a", 2)}, []cluster.Slot{{Task: "a", Index: 0}, {Task: "a", Index: 1}}, 0},
		{"nor of several tasks", []cluster.TaskSpec{spec("a", 1), spec("b", 1)}, []cluster.Slot{{Task: "a", Index: 0}, {Task: "b", Index: 0}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(c.tasks...)
			b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
			b.settle(t)
			b.live("N", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
			rounds := func() {
				for range 50 {
					b.now += time.Minute
					for memberID := range b.snap.Peers {
						b.answer(memberID, false)
					}
					p := b.snap.Peers["M"]
					for _, slot := range c.failed {
						if schema.Find(p.Assignment.Rec.Granted, slot) != nil {
							p.Status.Rec.Workers = append(p.Status.Rec.Workers, schema.WorkerState{Slot: slot, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp, Restarts: 2, Error: "no"}})
						}
					}
					d := b.decide()
					if len(d.Assignments) == 0 {
						return
					}
					b.apply(t, d)
				}
				t.Fatal("it goes on and on")
			}
			rounds()
			there := b.snap.Peers["M"].Assignment.Rec.Granted
			for _, slot := range c.failed {
				if schema.Find(there, slot) == nil {
					t.Errorf("%s was moved", slot)
				}
			}
			if n := schema.Count(b.snap.Peers["N"].Assignment.Rec.Granted); n != c.moved {
				t.Errorf("the new node has %d; want %d", n, c.moved)
			}
			b.mark("M", schema.Mark{Drain: &schema.Drain{}})
			rounds()
			for _, slot := range c.failed {
				if schema.Find(b.snap.Peers["N"].Assignment.Rec.Granted, slot) == nil {
					t.Errorf("%s is not moved although its node is drained", slot)
				}
			}
		})
	}
}
