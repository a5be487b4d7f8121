package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

var keys = schema.NewKeys("test")

func entry[R any](rec *R) view.Entry[R] { return view.Entry[R]{Rec: rec} }

// peer makes a member of texts such as "t 0-2 @5".
func peer(node string, slots []schema.Granted, releasing []schema.Releasing, holding []schema.Claimed) *view.Peer {
	for i := range slots {
		slots[i].Spec = &cluster.TaskSpec{Name: slots[i].Task, WorkName: "w", WorkerNum: 9}
	}
	return &view.Peer{
		Assignment: entry(&schema.Assignment{Node: node, Granted: slots, Releasing: releasing}),
		Status:     entry(&schema.Status{Holding: holding}),
		Member:     entry(&schema.Member{Member: cluster.Member{Node: node, PID: 7, Version: "v1.2.3", Address: "addr", Works: []string{"w"}}}),
	}
}

func ranged(token int64, indexes []int) schema.SlotRange {
	return schema.SlotRange{Task: "t", Slots: indexes, Token: token}
}

func granted(token int64, indexes ...int) []schema.Granted {
	return []schema.Granted{{SlotRange: ranged(token, indexes)}}
}

func releasing(token int64, indexes ...int) []schema.Releasing {
	return []schema.Releasing{{SlotRange: ranged(token, indexes)}}
}

func claimed(token int64, indexes ...int) []schema.Claimed {
	return []schema.Claimed{{SlotRange: ranged(token, indexes)}}
}

func TestState(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	up := peer("n1", granted(5, 0, 1, 2), releasing(4, 3, 4), claimed(5, 0, 1))
	up.Status.Rec.Holding = append(up.Status.Rec.Holding, claimed(4, 3, 4)...)
	up.Status.Rec.Workers = []schema.WorkerState{
		{Slot: cluster.Slot{Task: "t", Index: 1}, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Since: since, Restarts: 3, Error: "boom"}},
		{Slot: cluster.Slot{Task: "t", Index: 4}, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerStuck, Since: since}},
	}
	fenced := peer("n2", granted(6, 5), nil, claimed(6, 5))
	fenced.Status.Rec.Fenced, fenced.Status.Rec.Leaving = true, true
	lost := peer("n3", granted(7, 6), nil, claimed(7, 6))
	lost.Member.Absent, lost.Status.Absent = true, true
	s := view.Snapshot{
		Cluster: "c",
		Epoch:   entry(&schema.Epoch{Leader: "g1", Term: 4, NextToken: 9}),
		Peers:   map[string]*view.Peer{"g1": up, "g2": fenced, "g3": lost},
		Tasks:   map[string]view.Entry[schema.Task]{"t": entry(&schema.Task{Spec: cluster.TaskSpec{Name: "t", WorkName: "w", WorkerNum: 8}})},
	}
	state := report.State(&s, keys)
	var lines []string
	for _, list := range [][]cluster.NodeInfo{state.Nodes, state.Lost} {
		for _, n := range list {
			lines = append(lines, fmt.Sprintf("%s %s %s leader=%v slots=%d", n.Name, n.Member, n.State, n.Leader, n.Slots))
		}
	}
	for _, task := range state.Tasks {
		lines = append(lines, fmt.Sprintf("%s running=%d unplaced=%d of %d", task.Name, task.Running, task.Unplaced, task.WorkerNum))
	}
	for _, w := range state.Workers {
		lines = append(lines, fmt.Sprintf("%s#%d %s@%d %s restarts=%d %s", w.Task, w.Index, w.Node, w.Token, w.State, w.Restarts, w.Error))
	}
	want := []string{
		"n1 g1 up leader=true slots=5",
		"n2 g2 leaving leader=false slots=1",
		"n3 g3 lost leader=false slots=1",
		"t running=1 unplaced=1 of 8",
		"t#0 n1@5 running restarts=0 ",
		"t#1 n1@5 backoff restarts=3 boom",
		"t#2 n1@5 pending restarts=0 ",
		"t#3 n1@4 stopping restarts=0 ",
		"t#4 n1@4 stuck restarts=0 ",
		"t#5 n2@6 pending restarts=0 ",
		"t#6 n3@7 lost restarts=0 ",
		"t#7 @0 pending restarts=0 ",
	}
	if diff := cmp.Diff(want, lines); diff != "" || state.Leader != "n1" || state.Term != 4 {
		t.Errorf("leader %q, term %d, state (-want +got):\n%s", state.Leader, state.Term, diff)
	}
}

// A slot that two assignments list is shown if that is certain. A slot that moves is in two of them for a moment, since
// they are read one after the other.
func TestDoublesAreShown(t *testing.T) {
	spec := cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 1}
	peer := func(node string, token int64, read time.Duration) *view.Peer {
		assignment := &schema.Assignment{Node: node, Granted: []schema.Granted{{SlotRange: schema.SlotRange{Task: "a", Slots: cluster.Indexes{0}, Token: token}, Spec: &spec}}}
		return &view.Peer{
			Assignment: view.Entry[schema.Assignment]{Rec: assignment, Read: read},
			Status:     view.Entry[schema.Status]{Rec: &schema.Status{Holding: []schema.Claimed{{SlotRange: schema.SlotRange{Task: "a", Slots: cluster.Indexes{0}, Token: token}}}}},
			Member:     view.Entry[schema.Member]{Rec: &schema.Member{Member: cluster.Member{Node: node}}},
		}
	}
	for _, c := range []struct {
		name  string
		older time.Duration // when the assignment with the older token was read
		want  int
	}{{"it moves", 1, 0}, {"read together", 2, 0}, {"put back", 3, 1}} {
		t.Run(c.name, func(t *testing.T) {
			s := &view.Snapshot{Peers: map[string]*view.Peer{"L": peer("n1", 5, c.older), "M": peer("n2", 9, 2)}, Tasks: map[string]view.Entry[schema.Task]{"a": {Rec: &schema.Task{Spec: spec}}}}
			s.Epoch.Rec = &schema.Epoch{}
			state := report.State(s, keys)
			if len(state.Errors) != c.want {
				t.Errorf("errors %+v", state.Errors)
			}
			if len(state.Workers) != 1 || state.Workers[0].Token != 9 {
				t.Errorf("workers %+v", state.Workers)
			}
		})
	}
	s := &view.Snapshot{Peers: map[string]*view.Peer{"L": peer("n1", 5, 1)}, Tasks: map[string]view.Entry[schema.Task]{"a": {Rec: &schema.Task{Spec: spec}}}}
	s.Epoch.Rec = &schema.Epoch{}
	status := s.Peers["L"].Status.Rec
	status.Holding, status.Refused, status.Above = nil, []schema.SlotRange{{Task: "a", Slots: cluster.Indexes{0}, Token: 5}}, 8
	if state := report.State(s, keys); len(state.Errors) != 1 || !strings.Contains(state.Workers[0].Error, "token 5 is not above 8") || state.Workers[0].State != cluster.WorkerPending {
		t.Errorf("%+v, %+v", state.Errors, state.Workers)
	}
}

// A node is shown with the version of its program, and without one if its record has none.
func TestVersionOfNode(t *testing.T) {
	old := peer("n2", nil, nil, nil)
	old.Member.Rec.Version = ""
	s := &view.Snapshot{Peers: map[string]*view.Peer{"m1": peer("n1", nil, nil, nil), "m2": old}}
	s.Epoch.Rec = &schema.Epoch{}
	nodes := report.State(s, keys).Nodes
	if len(nodes) != 2 || nodes[0].Version != "v1.2.3" || nodes[1].Version != "" {
		t.Errorf("%+v", nodes)
	}
}

// The state has the settings in force. The past has none: earlier ones are not kept.
func TestSettings(t *testing.T) {
	settings := cluster.Settings{LeaderWorkers: cluster.LeaderNone}
	s := view.Snapshot{Settings: entry(&schema.Settings{Spec: settings})}
	state := report.State(&s, keys)
	if state.Settings != settings {
		t.Errorf("%+v", state.Settings)
	}
	past, err := report.Past(&s, state, []cluster.Decision{{Number: 1}}, 1)
	if err != nil || past.Settings != (cluster.Settings{}) {
		t.Errorf("the past has %+v, %v", past.Settings, err)
	}
}
