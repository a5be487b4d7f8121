package httpapi

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

func told(events []cluster.Event) string {
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

// What begins on other nodes is told to end: a reader counts no worker twice.
func TestDerivedStops(t *testing.T) {
	at := func(node string, token int64, state cluster.WorkerState) []cluster.WorkerInfo {
		w := cluster.WorkerInfo{Task: "a", Node: node, Member: node, Token: token, State: state}
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
		{"it begins", at("n2", 1, cluster.WorkerStarting), at("n2", 1, cluster.WorkerRunning), "n2 started a#0@1"},
		{"it is asked back", at("n2", 1, cluster.WorkerRunning), at("n2", 1, cluster.WorkerStopping), ""},
		{"it has stopped", at("n2", 1, cluster.WorkerStopping), at("", 0, cluster.WorkerPending), "n2 stopped a#0@1"},
		{"it moves between two looks", at("n2", 1, cluster.WorkerRunning), at("n3", 2, cluster.WorkerRunning), "n2 stopped a#0@1, n3 started a#0@2"},
		{"it is restarted", at("n2", 1, cluster.WorkerRunning), at("n2", 2, cluster.WorkerStarting), "n2 stopped a#0@1"},
		{"it moves to this node", at("n2", 1, cluster.WorkerRunning), at("n1", 2, cluster.WorkerRunning), "n2 stopped a#0@1"},
		{"the task shrinks", at("n2", 1, cluster.WorkerRunning), nil, "n2 stopped a#0@1"},
		{"its node is lost", at("n2", 1, cluster.WorkerRunning), at("n2", 1, cluster.WorkerLost), ""},
		{"and it goes elsewhere", at("n2", 1, cluster.WorkerLost), at("n3", 2, cluster.WorkerStarting), "n2 stopped a#0@1: its node is gone"},
		{"it never began", at("n2", 1, cluster.WorkerStarting), at("", 0, cluster.WorkerPending), ""},
		{"it fails at once", at("n2", 1, cluster.WorkerStarting), at("n2", 1, cluster.WorkerBackoff), "n2 started a#0@1, n2 failed a#0@1"},
		{"it fails and runs again between two looks", at("n2", 1, cluster.WorkerRunning), failed, "n2 failed a#0@1: boom, n2 started a#0@1"},
		{"it is tried again", at("n2", 1, cluster.WorkerBackoff), at("n2", 1, cluster.WorkerRunning), "n2 started a#0@1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(derive(&cluster.State{Workers: c.before}, &cluster.State{Workers: c.after}, "n1", time.Now())); got != c.want {
				t.Errorf("%q; want %q", got, c.want)
			}
		})
	}
}

// Whatever happens, a grant is told to have stopped once, and only after it was told to have started.
func TestDerivedStartsAndStopsArePaired(t *testing.T) {
	states := cluster.WorkerStates()
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		open := map[int64]bool{}
		last := cluster.WorkerInfo{Task: "a", State: cluster.WorkerPending}
		token := int64(0)
		for range 100 {
			next := last
			if next.State = states[dice.IntN(len(states))]; next.State == cluster.WorkerLost && !hasStarted(&last) {
				continue // it was not seen to begin
			}
			if dice.IntN(3) == 0 || next.Member == "" {
				token++
				next.Member, next.Node, next.Token = "m", "n2", token
			}
			if next.State == cluster.WorkerPending || next.State == cluster.WorkerHeld {
				next.Member, next.Node, next.Token = "", "", 0
			} else if next.State == cluster.WorkerLost && next.Token != last.Token {
				continue
			}
			for _, e := range eventsOf(&last, &next) {
				switch {
				case e.Kind == cluster.WorkerStarted:
					open[e.Token] = true
				case e.Kind == cluster.WorkerStopped && !open[e.Token]:
					t.Fatalf("seed %d: grant %d stopped and had not started", seed, e.Token)
				case e.Kind == cluster.WorkerStopped:
					delete(open, e.Token)
				}
			}
			if last = next; len(open) > 1 || len(open) == 1 != hasStarted(&last) {
				t.Fatalf("seed %d: %v go on, the last is %+v", seed, open, last)
			}
		}
	}
}

// Members that were there before are told once, whoever tells of them; what happened while nobody looked is caught up with.
func TestFeedCatchesUp(t *testing.T) {
	f := newFeed(named{})
	sight := func(n int64, nodes []string, workers ...cluster.WorkerInfo) cluster.Sight {
		s := cluster.Sight{N: n, State: cluster.State{Leader: "n2", Workers: workers}}
		for _, name := range nodes {
			s.State.Nodes = append(s.State.Nodes, cluster.NodeInfo{Name: name, Member: "m-" + name})
		}
		return s
	}
	worker := cluster.WorkerInfo{Task: "a", Node: "n3", Member: "m-n3", Token: 1, State: cluster.WorkerRunning}
	f.put(sight(1, []string{"n1", "n2", "n3"}, worker))
	f.event(cluster.Event{Kind: cluster.NodeJoined, Node: "n3", Member: "m-n3"}) // by this node, as it begins to lead
	f.rest()
	f.put(sight(2, []string{"n1", "n2"}))
	list, _ := f.list()
	const want = "n2 joined: before anybody looked at the cluster through this node, n3 joined: before anybody looked at the cluster through this node, " +
		"n3 left: while nobody looked at the cluster through this node, n3 stopped a#0@1: while nobody looked at the cluster through this node"
	if got := told(list); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// named is a node that is only asked for its name.
type named struct{ Node }

func (named) Name() string { return "n1" }
