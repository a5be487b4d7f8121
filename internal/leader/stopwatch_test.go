package leader

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A slot that is asked back is timed until its next node says that it runs; one whose node is gone, from then on.
func TestStopwatch(t *testing.T) {
	granted := func(indexes ...int) []schema.Granted {
		return []schema.Granted{{SlotRange: schema.SlotRange{Task: "t", Slots: indexes}}}
	}
	claimed := func(indexes ...int) []schema.Claimed {
		return []schema.Claimed{{SlotRange: schema.SlotRange{Task: "t", Slots: indexes}}}
	}
	peer := func(assignment []schema.Granted, holding []schema.Claimed, workers ...schema.WorkerState) *view.Peer {
		p := &view.Peer{}
		p.Assignment.Rec, p.Status.Rec = &schema.Assignment{Granted: assignment}, &schema.Status{Holding: holding, Workers: workers}
		return p
	}
	move := func(step cluster.Step, to string, indexes ...int) cluster.Decided {
		return cluster.Decided{Step: step, Task: "t", Slots: indexes, Node: "n", To: to}
	}
	w, seen := newStopwatch(), map[meter.Name][]time.Duration{}
	took := func(of meter.Name, d time.Duration) { seen[of] = append(seen[of], d) }
	at := func(d time.Duration, peers map[string]*view.Peer) { w.arrived(&view.Snapshot{Peers: peers}, d, took) }

	w.decided([]cluster.Decided{move(cluster.StepGrant, "", 9)}, map[string]*schema.Assignment{"b": {Granted: granted(9)}}, 1)
	w.decided([]cluster.Decided{move(cluster.StepRelease, "b", 0, 1), move(cluster.StepRelease, "", 2)}, nil, 10) // 2 is wanted nowhere
	w.gone(peer(granted(5), nil), 20)
	w.decided([]cluster.Decided{move(cluster.StepFree, "", 0, 1), move(cluster.StepGrant, "", 0, 1, 5)}, map[string]*schema.Assignment{"b": {Granted: granted(0, 1, 5, 9)}, "gone": nil}, 30)
	at(35, map[string]*view.Peer{"b": peer(nil, claimed(9))})
	at(40, map[string]*view.Peer{"b": peer(nil, claimed(0, 1, 9), schema.WorkerState{Slot: cluster.Slot{Task: "t", Index: 1}, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerStarting}})})
	at(50, map[string]*view.Peer{"b": peer(nil, claimed(0, 1, 5, 9))})
	at(60, map[string]*view.Peer{"b": peer(nil, claimed(0, 1, 5, 9))})
	// One that is taken back, and given to somebody much later, has not been on its way all the time.
	w.decided([]cluster.Decided{move(cluster.StepRelease, "b", 7)}, nil, 70)
	w.decided([]cluster.Decided{move(cluster.StepRelease, "", 7)}, nil, 80)
	w.decided([]cluster.Decided{move(cluster.StepGrant, "", 7)}, map[string]*schema.Assignment{"b": {Granted: granted(0, 1, 5, 7, 9)}}, 9000)
	at(9010, map[string]*view.Peer{"b": peer(nil, claimed(0, 1, 5, 7, 9))})
	want := map[meter.Name][]time.Duration{meter.Handoff: {30, 40}, meter.Failover: {30}}
	if diff := cmp.Diff(want, maps.Clone(seen)); diff != "" {
		t.Error(diff)
	}
	if len(w.coming) != 0 {
		t.Errorf("still waited for: %v", w.coming)
	}
}
