package report_test

import (
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// While a node dies and another one stops workers and has given up on some, the numbers of every view add up and show the
// state of each worker. A worker that has failed permanently, or is withheld because it took down nodes, does not count as
// unplaced.
func TestEveryViewAddsUp(t *testing.T) {
	spec := cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 14, Weight: 3}
	ranged := func(token int64, slots ...int) schema.SlotRange {
		return schema.SlotRange{Task: "a", Slots: slots, Token: token}
	}
	granted := func(token int64, slots ...int) schema.Granted {
		return schema.Granted{SlotRange: ranged(token, slots...), Spec: &spec}
	}
	back := schema.Releasing{SlotRange: ranged(1, 3), Version: 2}
	peer := func(name string, slots []schema.Granted, releasing []schema.Releasing, holding []schema.Claimed, states ...schema.WorkerState) *view.Peer {
		return &view.Peer{
			Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Node: name, Granted: slots, Releasing: releasing}, Version: 2},
			Member:     view.Entry[schema.Member]{Rec: &schema.Member{Member: cluster.Member{Node: name}}},
			Status:     view.Entry[schema.Status]{Rec: &schema.Status{Holding: holding, Workers: states}},
		}
	}
	dead := peer("n2", []schema.Granted{granted(2, 4, 5)}, nil, nil)
	dead.Member.Absent, dead.Status.Absent = true, true
	s := &view.Snapshot{
		Epoch: view.Entry[schema.Epoch]{Rec: &schema.Epoch{}},
		Tasks: map[string]view.Entry[schema.Task]{"a": {Rec: &schema.Task{Spec: spec}}},
		Peers: map[string]*view.Peer{
			"m1": peer("n1", []schema.Granted{granted(1, 0, 1, 2, 10), granted(3, 6)}, []schema.Releasing{back}, []schema.Claimed{{SlotRange: ranged(1, 0, 1, 2, 3, 10)}},
				schema.WorkerState{Slot: cluster.Slot{Task: "a", Index: 2}, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff}},
				schema.WorkerState{Slot: cluster.Slot{Task: "a", Index: 10}, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp, Error: "it failed 5 times"}}),
			"m2": dead,
		},
		Suspects: view.Entry[schema.Suspects]{Rec: &schema.Suspects{Slots: []schema.Suspect{
			{Task: "a", Slots: cluster.Indexes{11, 12}, TookDown: slices.Repeat([]string{"n1"}, schema.CrashesToWithhold)},
			{Task: "a", Slots: cluster.Indexes{13}, TookDown: slices.Repeat([]string{"n1"}, schema.CrashesToFail)},
		}}},
	}
	state := report.State(s, keys)
	got := state.Tasks[0]
	want := cluster.TaskInfo{Name: "a", WorkName: "a", WorkerNum: 14, Revision: got.Revision, Reason: "a#13 failed: took down n1, n1, n1, n1",
		Running: 2, Unplaced: 3, Starting: 1, Pending: 1, Backoff: 1, Stopping: 1, Lost: 2, Withheld: 2, Failed: 2}
	if got != want {
		t.Errorf("task %+v\nwant %+v", got, want)
	}
	if sum := got.Running + got.Unplaced + got.Starting + got.Backoff + got.Stopping + got.Lost + got.Withheld + got.Failed; sum != got.WorkerNum {
		t.Errorf("%d workers add up to %d", got.WorkerNum, sum)
	}
	for _, n := range append(state.Nodes, state.Lost...) {
		if n.Load != 3*n.Slots {
			t.Errorf("%s has %d slots that weigh 3 each, and a load of %d", n.Name, n.Slots, n.Load)
		}
	}
}
