package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
)

// awaitDelayed waits until the slots of a node that has left wait for it, as another node sees it.
func (p *proc) awaitDelayed(node, why string) {
	p.f.Helper()
	p.f.Await(node+" is waited for", func() bool {
		s := p.State()
		return s != nil && slices.ContainsFunc(s.Tasks, func(t cluster.TaskInfo) bool {
			return t.ReasonCode == cluster.WhyDelayed && strings.Contains(t.Reason, node) && strings.Contains(t.Reason, why)
		})
	})
}

func TestRestartGrace(t *testing.T) { onBoth(t, testRestartGrace) }

// A node that leaves to be restarted finds its work where it was, and nothing else moves, also where it leads. When its time is over, or
// an operator does not want to wait, its work moves.
func testRestartGrace(t *testing.T, b backend) {
	const grace = 8 * time.Second
	f := newFleet(t, b, b.start(t, 1).Hosts(), 4*time.Second)
	f.Env = append(f.Env, "XCONSUMER_NODE_RESTART_GRACE="+grace.String())
	n1, n2, n3 := f.three()
	nodes := map[string]*proc{"n1": n1, "n2": n2, "n3": n3}
	before := n1.awaitSpread("n1", "n2", "n3")

	t.Log("each node is restarted, the leader first: nothing runs elsewhere")
	for i, name := range []string{"n1", "n2", "n3"} {
		mark := len(f.journal())
		nodes[name].leave()
		witness := nodes[[]string{"n2", "n3", "n1"}[i]]
		witness.awaitDelayed(name, "it has left to be restarted, and is given 8s to come back, until ")
		nodes[name] = f.start(name)
		state := witness.awaitBalance("n1", "n2", "n3")
		if got, want := slotsOf(state, name), slotsOf(before, name); !slices.Equal(got, want) {
			t.Errorf("%s has %v after its restart; before it had %v", name, got, want)
		}
		if starts := f.notes(mark, "start", ""); len(starts) != len(slotsOf(before, name)) || len(f.notes(mark, "start", name)) != len(starts) {
			t.Errorf("started when %s was restarted: %+v", name, starts)
		}
	}

	t.Log("a node does not come back in time")
	state := nodes["n1"].awaitBalance("n1", "n2", "n3")
	slots, mark := slotsOf(state, "n3"), len(f.journal())
	left := f.session.Now()
	nodes["n3"].leave()
	for slot, took := range f.moved(mark, left, slots) {
		if took < grace || took > grace+4*time.Second {
			t.Errorf("%s ran elsewhere after %v; it was to wait for %v", slot, took, grace)
		}
	}
	nodes["n1"].awaitBalance("n1", "n2")

	t.Log("an operator does not want to wait")
	state = nodes["n1"].awaitBalance("n1", "n2")
	slots, mark = slotsOf(state, "n2"), len(f.journal())
	left = f.session.Now()
	nodes["n2"].leave()
	nodes["n1"].awaitDelayed("n2", "to come back")
	nodes["n1"].accepted("moves/now", "")
	for slot, took := range f.moved(mark, left, slots) {
		if took >= grace {
			t.Errorf("%s ran elsewhere after %v", slot, took)
		}
	}
	nodes["n1"].Signal(syscall.SIGTERM)
	nodes["n1"].exit()
}

func TestQuietBeforeBalance(t *testing.T) { onBoth(t, testQuietBeforeBalance) }

// A node that comes back gets what the next one leaves, and nothing that runs, until the nodes are quiet or an operator does not want to
// wait; everyone can see until when.
func testQuietBeforeBalance(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 4*time.Second)
	f.Env = append(f.Env, "XCONSUMER_REBALANCE_QUIET=10m")
	n1, n2, n3 := f.three()
	waits := func(p *proc) *cluster.Deferral {
		t.Helper()
		var state *cluster.State
		f.Await("balance waits", func() bool { state = p.State(); return state != nil && state.Deferred != nil })
		return state.Deferred
	}

	t.Log("n2 comes back and gets nothing that runs")
	n2.leave()
	n1.awaitBalance("n1", "n3")
	mark := len(f.journal())
	n2 = f.start("n2")
	d := waits(n1)
	if left := time.Until(d.Until); d.Code != cluster.WhyQuiet || !strings.Contains(d.Reason, "10m0s") || left < 9*time.Minute || left > 10*time.Minute+time.Second {
		t.Errorf("it waits for %v: %+v", left, d)
	}
	time.Sleep(time.Second) // what might move has the time to
	if starts := f.notes(mark, "start", ""); len(starts) != 0 {
		t.Errorf("started when n2 came back: %+v", starts)
	}

	t.Log("what n3 leaves goes to n2, and n3 gets nothing when it is back")
	n3.leave()
	n1.awaitBalance("n1", "n2")
	mark = len(f.journal())
	n3 = f.start("n3")
	waits(n3)

	t.Log("an operator does not want to wait")
	if starts := f.notes(mark, "start", ""); len(starts) != 0 {
		t.Errorf("started when n3 came back: %+v", starts)
	}
	var accepted client.Accepted
	if status := n3.post("moves/now?wait=1m", "", &accepted); status != http.StatusAccepted || accepted.Settled == nil || !*accepted.Settled {
		t.Errorf("it is answered with %d, %+v", status, accepted)
	}
	if s := n3.State(); s.Deferred != nil || fleets.Shares(s)["n3"] == 0 {
		t.Errorf("settled, and %+v waits; n3 has %d workers", s.Deferred, fleets.Shares(s)["n3"])
	}
	n1.awaitBalance("n1", "n2", "n3")
	f.Await("nothing waits any longer", func() bool { s := n1.State(); return s != nil && s.Deferred == nil })
}
