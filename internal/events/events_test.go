package events

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
)

func describe(events []cluster.Event) string {
	var lines []string
	for _, e := range events {
		what := fmt.Sprintf("%s %s", e.Node, e.Kind)
		if e.Slot != nil {
			what += fmt.Sprintf(" %s@%d", e.Slot, e.Token)
		}
		if e.Detail != "" {
			what += ": " + e.Detail
		}
		lines = append(lines, what)
	}
	return strings.Join(lines, ", ")
}

// A worker that was reported to start on another node is reported to stop: a reader counts no worker twice.
func TestDerivedStops(t *testing.T) {
	at := func(node string, token int64, state cluster.WorkerState) []cluster.WorkerInfo {
		w := cluster.WorkerInfo{Task: "a", Node: node, Member: node, Token: token, WorkerStatus: cluster.WorkerStatus{State: state}}
		if node == "" {
			w.Member = ""
		}
		return []cluster.WorkerInfo{w}
	}
	failed := at("n2", 1, cluster.WorkerRunning)
	failed[0].Restarts, failed[0].Error = 1, "boom"
	for _, c := range []struct {
		name          string
		before, after []cluster.WorkerInfo
		want          string
	}{
		{"it begins", at("n2", 1, cluster.WorkerStarting), at("n2", 1, cluster.WorkerRunning), "n2 worker-started a#0@1"},
		{"it is asked back", at("n2", 1, cluster.WorkerRunning), at("n2", 1, cluster.WorkerStopping), ""},
		{"it has stopped", at("n2", 1, cluster.WorkerStopping), at("", 0, cluster.WorkerPending), "n2 worker-stopped a#0@1"},
		{"it moves between two looks", at("n2", 1, cluster.WorkerRunning), at("n3", 2, cluster.WorkerRunning), "n2 worker-stopped a#0@1, n3 worker-started a#0@2"},
		{"it is restarted", at("n2", 1, cluster.WorkerRunning), at("n2", 2, cluster.WorkerStarting), "n2 worker-stopped a#0@1"},
		{"it moves to this node", at("n2", 1, cluster.WorkerRunning), at("n1", 2, cluster.WorkerRunning), "n2 worker-stopped a#0@1"},
		{"the task shrinks", at("n2", 1, cluster.WorkerRunning), nil, "n2 worker-stopped a#0@1"},
		{"its node is lost", at("n2", 1, cluster.WorkerRunning), at("n2", 1, cluster.WorkerLost), ""},
		{"and it goes elsewhere", at("n2", 1, cluster.WorkerLost), at("n3", 2, cluster.WorkerStarting), "n2 worker-stopped a#0@1: its node is gone"},
		{"it never began", at("n2", 1, cluster.WorkerStarting), at("", 0, cluster.WorkerPending), ""},
		{"it fails at once", at("n2", 1, cluster.WorkerStarting), at("n2", 1, cluster.WorkerBackoff), "n2 worker-started a#0@1, n2 worker-failed a#0@1"},
		{"it fails and runs again between two looks", at("n2", 1, cluster.WorkerRunning), failed, "n2 worker-failed a#0@1: boom, n2 worker-started a#0@1"},
		{"it is tried again", at("n2", 1, cluster.WorkerBackoff), at("n2", 1, cluster.WorkerRunning), "n2 worker-started a#0@1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := describe(Others(&cluster.State{Workers: c.before}, &cluster.State{Workers: c.after}, "n1")); got != c.want {
				t.Errorf("%q; want %q", got, c.want)
			}
		})
	}
}

// In every case, a grant is reported to have stopped once, and only after it was reported to have started.
func TestDerivedStartsAndStopsArePaired(t *testing.T) {
	states := cluster.WorkerStates()
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		open := map[int64]bool{}
		last := cluster.WorkerInfo{Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerPending}}
		token := int64(0)
		for range 100 {
			next := last
			next.State = states[dice.IntN(len(states))]
			if next.State == cluster.WorkerLost && !hasStarted(&last) {
				continue // it was not seen to begin
			}
			if dice.IntN(3) == 0 || next.Member == "" {
				token++
				next.Member, next.Node, next.Token = "m", "n2", token
			}
			if next.State == cluster.WorkerPending || next.State == cluster.WorkerWithheld {
				next.Member, next.Node, next.Token = "", "", 0
			} else if next.State == cluster.WorkerLost && next.Token != last.Token {
				continue
			}
			for _, e := range workerEvents(&last, &next) {
				switch {
				case e.Kind == cluster.WorkerStarted:
					open[e.Token] = true
				case e.Kind == cluster.WorkerStopped && !open[e.Token]:
					t.Fatalf("seed %d: grant %d stopped and had not started", seed, e.Token)
				case e.Kind == cluster.WorkerStopped:
					delete(open, e.Token)
				}
			}
			last = next
			if len(open) > 1 || len(open) == 1 != hasStarted(&last) {
				t.Fatalf("seed %d: %v go on, the last is %+v", seed, open, last)
			}
		}
	}
}

// Each change of the leader, of the members and of the unusable records is an event, and nothing else is.
func TestBetween(t *testing.T) {
	members := func(names ...string) (list []Member) {
		for _, name := range names {
			list = append(list, Member{"m-" + name, name})
		}
		return list
	}
	record := func(path, fault string) []cluster.RecordError {
		return []cluster.RecordError{{Path: path, Error: fault}}
	}
	for _, c := range []struct {
		name          string
		before, after Seen
		want          string
	}{
		{"nothing is known yet", Seen{}, Seen{Members: members("n1", "n2")}, "n1 node-joined, n2 node-joined"},
		{"nothing changes", Seen{Leader: "n1", Members: members("n1")}, Seen{Leader: "n1", Members: members("n1")}, ""},
		{"one goes and one comes", Seen{Members: members("n1", "n2")}, Seen{Members: members("n2", "n3")}, "n3 node-joined, n1 node-left"},
		{"a record gets another node name by a manual edit", Seen{Members: []Member{{"a", "n1"}, {"b", "n2"}}}, Seen{Members: []Member{{"a", "n3"}, {"b", "n2"}}}, ""},
		{"one comes back as another member", Seen{Members: []Member{{"a", "n1"}}}, Seen{Members: []Member{{"b", "n1"}}}, "n1 node-joined, n1 node-left"},
		{"another one leads", Seen{Leader: "n1"}, Seen{Leader: "n2"}, "n2 leader-elected"},
		{"no node leads", Seen{Leader: "n1"}, Seen{}, ""},
		{"a record cannot be used", Seen{}, Seen{Records: record("tasks/a", "no JSON")}, " record-unusable: tasks/a: no JSON"},
		{"it still cannot", Seen{Records: record("tasks/a", "no JSON")}, Seen{Records: record("tasks/a", "no JSON")}, ""},
		{"for another reason", Seen{Records: record("tasks/a", "no JSON")}, Seen{Records: record("tasks/a", "no name")}, " record-unusable: tasks/a: no name"},
		{"it can again", Seen{Records: record("tasks/a", "no JSON")}, Seen{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := describe(Between(&c.before, &c.after)); got != c.want {
				t.Errorf("%q; want %q", got, c.want)
			}
		})
	}
}

// A node emits its own events and, while it leads, those of all members: a reader of both gets no event twice.
func TestOthersLeavesOutWhatTheNodeEmits(t *testing.T) {
	state := func(leader string, names ...string) *cluster.State {
		s := &cluster.State{Leader: leader}
		for _, name := range names {
			s.Nodes = append(s.Nodes, cluster.NodeInfo{Name: name, Member: "m-" + name, State: cluster.NodeUp})
		}
		return s
	}
	for _, c := range []struct {
		name          string
		before, after *cluster.State
		want          string
	}{
		{"it follows", state("n2", "n2"), state("n2", "n1", "n2", "n3"), "n3 node-joined"},
		{"it leads", state("n1", "n1"), state("n1", "n1", "n3"), ""},
		{"it begins to lead", state("n2", "n1", "n2"), state("n1", "n1", "n3"), "n3 node-joined, n2 node-left: " + unseenEnd},
		{"it leads no longer", state("n1", "n1", "n2"), state("n2", "n1"), "n2 leader-elected, n2 node-left: " + unseenEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := describe(Others(c.before, c.after, "n1")); got != c.want {
				t.Errorf("%q; want %q", got, c.want)
			}
		})
	}
}

// How a node has left is in the event of those that do not lead, too: from its last records or, if they are deleted already, from
// the ones before.
func TestOthersHaveTheCause(t *testing.T) {
	state := func(of cluster.NodeInfo) *cluster.State {
		of.Name, of.Member = "n2", "m2"
		s := &cluster.State{Leader: "n3"}
		switch of.State {
		case cluster.NodeUp, cluster.NodeLeaving:
			s.Nodes = append(s.Nodes, of)
		case cluster.NodeLost, cluster.NodeClosed, cluster.NodeEvicted:
			s.Lost = append(s.Lost, of)
		}
		return s
	}
	up, leaving := state(cluster.NodeInfo{State: cluster.NodeUp}), state(cluster.NodeInfo{State: cluster.NodeLeaving})
	for _, c := range []struct {
		before, after *cluster.State
		want          string
	}{
		{up, state(cluster.NodeInfo{State: cluster.NodeLost}), "lost"},
		{up, state(cluster.NodeInfo{State: cluster.NodeEvicted}), "evicted"},
		{up, state(cluster.NodeInfo{State: cluster.NodeClosed, Cause: "exit code 2: panic"}), "exit code 2: panic"},
		{up, state(cluster.NodeInfo{State: cluster.NodeClosed}), "closed"},
		{leaving, state(cluster.NodeInfo{}), "leaving"},
		{leaving, state(cluster.NodeInfo{State: cluster.NodeLost}), "lost"},
		{up, state(cluster.NodeInfo{}), unseenEnd},
	} {
		if got := describe(Others(c.before, c.after, "n1")); got != "n2 node-left: "+c.want {
			t.Errorf("%q; want %q", got, c.want)
		}
	}
}
