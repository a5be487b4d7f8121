package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
)

// post asks a node for something over HTTP, and returns the answer's status.
func (p *proc) post(path, body string, into any) int {
	p.f.Helper()
	resp, err := http.Post("http://"+p.Addr+"/api/v1/"+path, "application/json", bytes.NewBufferString(body))
	if err != nil {
		p.f.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			p.f.Fatal(err)
		}
	}
	return resp.StatusCode
}

// get asks a node, and returns the answer's status, 0 if there is none.
func (p *proc) get(path string, into any) int {
	p.f.Helper()
	resp, err := http.Get("http://" + p.Addr + "/api/v1/" + path)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) != nil {
		return 0
	}
	return resp.StatusCode
}

// accepted is post of what must be accepted.
func (p *proc) accepted(path, body string) {
	p.f.Helper()
	if status := p.post(path, body, nil); status != http.StatusAccepted {
		p.f.Errorf("POST %s is answered with %d", path, status)
	}
}

func TestOperateOverHTTP(t *testing.T) { onBoth(t, testOperateOverHTTP) }

func testOperateOverHTTP(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 3).Hosts(), 3*time.Second)
	n1, n2, n3 := f.three()

	t.Log("a drain empties a node, outlives its process, and ends")
	n3.accepted("nodes/n2/drain", "")
	state := n1.awaitBalance("n1", "n3")
	if i := slices.IndexFunc(state.Nodes, func(n cluster.NodeInfo) bool { return n.Name == "n2" }); i < 0 || state.Nodes[i].Drain == nil || state.Nodes[i].Drain.Left != 0 {
		t.Errorf("nodes %+v", state.Nodes)
	}
	n2.leave()
	n2 = f.start("n2")
	f.Await("n2 is back", func() bool { return n2.State() != nil })
	n1.awaitBalance("n1", "n3")
	n2.accepted("nodes/n2/uncordon", "")
	for _, n := range []*proc{n1, n2, n3} { // n2 plans and n3 applies, each from what it has heard itself
		n.awaitBalance("n1", "n2", "n3")
	}

	t.Log("what was planned is what happens, once")
	var plan cluster.Plan
	if status := n2.post("plan", `{"operations": [{"kind": "scale", "task": "test01", "workers": 5}]}`, &plan); status != http.StatusOK || len(plan.Starts) != 3 || len(plan.Moves) > 1 {
		t.Errorf("status %d, plan %+v", status, plan)
	}
	planned := `{"revision": "` + plan.Revision + `", "operations": [{"kind": "scale", "task": "test01", "workers": 5}]}`
	n3.accepted("plan/apply", planned)
	f.Await("7 workers run", func() bool {
		s := n1.State()
		return s != nil && len(s.Workers) == 7 && fleets.Spread(s, []string{"n1", "n2", "n3"})
	})
	state = *n1.State()
	for _, start := range plan.Starts {
		for _, w := range state.Workers {
			if w.Task == start.Slot.Task && w.Index == start.Slot.Index && w.Node != start.To {
				t.Errorf("%s is on %s; planned on %s", start.Slot, w.Node, start.To)
			}
		}
	}
	if status := n3.post("plan/apply", planned, nil); status != http.StatusPreconditionFailed {
		t.Errorf("the plan of another state is answered with %d", status)
	}

	t.Log("another leader, and the old one is killed: its candidate key was not the one that it joined with")
	n2.accepted("leader/step-down", "")
	f.Await("n3 or n2 leads", func() bool { s := n2.State(); return s != nil && s.Leader != "n1" && s.Leader != "" })
	n1.Signal(syscall.SIGKILL)
	n1.exit()
	n2.awaitState([]string{"n2", "n3"}, func(s *cluster.State, _ int) bool { return len(s.Workers) == 7 })
	n2.leave()
	n3.leave()
}

// followed is what a follower of the API has seen; for any goroutine.
type followed struct {
	mu        sync.Mutex
	state     cluster.State
	snapshots int
}

// add takes in news of client.Client.Follow.
func (f *followed) add(n client.News) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.Update == nil && n.Event == nil && n.Health == nil {
		f.snapshots++
	}
	f.state = *n.State // the lists are the follower's own, and change when it goes on
	f.state.Nodes, f.state.Tasks, f.state.Workers = slices.Clone(n.State.Nodes), slices.Clone(n.State.Tasks), slices.Clone(n.State.Workers)
	return nil
}

// now returns the state that was seen last, and how often there was a whole one.
func (f *followed) now() (cluster.State, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, f.snapshots
}

func TestManageOverHTTP(t *testing.T) { onBoth(t, testManageOverHTTP) }

// An operation with ?wait has settled when it is answered; a follower hears of all of it, and the past can be shown.
func testManageOverHTTP(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 3).Hosts(), 3*time.Second)
	n1, n2, n3 := f.three()
	api, err := client.New(n3.Addr, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var following sync.WaitGroup
	defer following.Wait()
	defer stop()
	var seen followed
	following.Go(func() {
		if err := api.Follow(ctx, nil, seen.add); err != nil {
			t.Error(err)
		}
	})
	settled := func(path, body string) {
		t.Helper()
		var accepted client.Accepted
		status := n3.post(path+"?wait=1m", body, &accepted)
		if status != http.StatusAccepted || accepted.Settled == nil || !*accepted.Settled {
			t.Errorf("POST %s: %d %+v", path, status, accepted)
		}
	}
	t.Log("a worker goes where it is wanted, and another one makes room")
	settled("tasks/test01/scale", `{"workers": 6}`)
	slot := n1.State().Workers[0]
	to := "n1"
	if slot.Node == "n1" {
		to = "n2"
	}
	settled("workers/"+slot.Task+"/0/move", `{"to": "`+to+`"}`)
	if w := n3.State().Workers[0]; w.Node != to || w.State != cluster.WorkerRunning {
		t.Errorf("%+v; want it on %s", w, to)
	}
	t.Log("a node is evicted, and is a member again")
	settled("nodes/n2/evict", "")
	f.Await("n2 is back", func() bool { s := n2.State(); return s != nil && len(s.Nodes) == 3 })
	f.Await("all 8 workers run", func() bool {
		s := n3.State()
		if s == nil {
			return false
		}
		running, _ := s.Tally()
		return running == 8
	})
	t.Log("the leader dies, and the follower of another node hears who leads")
	n1.Signal(syscall.SIGKILL)
	n1.exit()
	f.Await("the follower sees two nodes, a leader and all workers", func() bool {
		s, _ := seen.now()
		running, wanted := s.Tally()
		return len(s.Nodes) == 2 && s.Leader != "" && s.Leader != "n1" && running == wanted
	})
	if _, snapshots := seen.now(); snapshots != 1 {
		t.Errorf("%d snapshots", snapshots)
	}
	t.Log("the past is known from the first decision on")
	var list cluster.Decisions
	if status := n3.get("decisions", &list); status != http.StatusOK || len(list.Audit) != 3 {
		t.Errorf("%d, audit %+v", status, list.Audit)
	}
	for _, d := range list.Decisions {
		var past cluster.Past
		if status := n3.get(fmt.Sprint("state?at=", d.Number), &past); status != http.StatusOK || past.Incomplete {
			t.Errorf("at %d: %d, incomplete %v", d.Number, status, past.Incomplete)
		}
	}
	n2.leave()
	n3.leave()
}
