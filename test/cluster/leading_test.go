package cluster_test

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

// A stray write of the leader's candidate key, also of the value that it has, lets the next one lead: the key is given
// up, whoever wrote it.
func TestCandidateIsTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		started := w.floor.started()
		events := n1.Events(t.Context())
		h := w.hand()
		for _, p := range []*proc{n1, n2, n1} {
			if s := w.state(n1); s.Leader != p.Name() {
				t.Fatalf("%s leads, not %s", s.Leader, p.Name())
			}
			old := w.candidate(p)
			h.set(old, string(h.get(old).Value))
			time.Sleep(time.Second)
			if now := w.candidate(p); now == old {
				t.Errorf("%s stands with %s still", p.Name(), old)
			}
		}
		if n := w.floor.started() - started; n != 0 {
			t.Errorf("%d workers were started", n)
		}
		wantEvent(t, events, cluster.LeaderGaveUp)
		// One that is touched while another one leads costs nothing when its turn comes.
		h.set(w.candidate(n1), "{}")
		h.scale(4, 6)
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 3, "n2": 3})
		w.leave(n2)
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 6})
		w.leave(n1)
	})
}

// A candidate key that nobody stands with, and no session ends, keeps nobody from leading.
func TestStrayCandidate(t *testing.T) {
	for name, below := range map[string]bool{"alone": false, "with a key below it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("a", 4))
				w.asZooKeeper()
				n1 := w.start("n1")
				h := w.hand()
				made, err := h.s.Commit(t.Context(), coord.CreateSequenced(root+"/election/nobody-n_", []byte("{}")))
				if err != nil {
					t.Fatal(err)
				}
				if below {
					h.make(strings.TrimPrefix(made[0].Key, root) + "/note")
				}
				n2 := w.start("n2")
				time.Sleep(time.Second)
				w.leave(n1)
				time.Sleep(time.Second)
				w.wantShare(map[string]int{"n2": 4})
				if left := h.children("/election"); len(left) != 1 {
					t.Errorf("candidates: %v", left)
				}
				w.leave(n2)
			})
		})
	}
}

// A node for which a hand has made another candidate key, with a key below it, gives that up when its turn comes, stands again
// and goes on with its workers, as one does whose own key was written.
func TestCandidateOfAHandWithAKeyBelow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		w.asZooKeeper()
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		h, started := w.hand(), w.floor.started()
		prefix, _, _ := strings.Cut(w.candidate(n2), "_")
		made, err := h.s.Commit(t.Context(), coord.CreateSequenced(root+prefix+"_", []byte("{}")))
		if err != nil {
			t.Fatal(err)
		}
		h.make(strings.TrimPrefix(made[0].Key, root) + "/note")
		w.leave(n1)
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n2": 4})
		if n := w.floor.started() - started; n != 2 {
			t.Errorf("%d workers were started; want the 2 of the node that left", n)
		}
		if s := w.state(n2); s.Leader != "n2" {
			t.Errorf("%q leads", s.Leader)
		}
		w.leave(n2)
	})
}

// A decision whose number is taken is made under the next free one; so are those of an epoch that was put back.
func TestDecisionsThatExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		h := w.hand()
		want := 2
		scale := func() {
			t.Helper()
			h.scale(want, want+2)
			want += 2
			time.Sleep(2 * time.Second)
			w.wantShare(map[string]int{"n1": want})
		}
		before := h.get("/epoch")
		for range 3 {
			scale()
		}
		t.Log("the next one exists")
		var next int64
		_, rest, _ := strings.Cut(string(h.get("/epoch").Value), `"nextDecision":`)
		if _, err := fmt.Sscanf(rest, "%d", &next); err != nil {
			t.Fatal(err)
		}
		if _, err := h.s.Commit(t.Context(), coord.Create(fmt.Sprintf("%s/decisions/%d", root, next), []byte("{}"))); err != nil {
			t.Fatal(err)
		}
		scale()
		t.Log("the epoch is put back")
		at := h.get("/epoch").Version
		old := strings.Replace(string(before.Value), fmt.Sprintf(`"version":%d`, before.Version), fmt.Sprintf(`"version":%d`, at+1), 1)
		h.set("/epoch", old)
		time.Sleep(time.Second)
		scale()
		t.Log("the oldest one was written")
		h.set("/decisions/0", "{}")
		for range 140 { // once around
			h.scale(want, want+2)
			time.Sleep(100 * time.Millisecond)
			h.scale(want+2, want)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if kept := h.children("/decisions"); len(kept) > 128 {
			t.Errorf("%d decisions are kept", len(kept))
		}
		w.leave(n1)
	})
}

// Who leads and is refused again and again lets another one try, and says so.
func TestLeaderIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, live())
		var refuse atomic.Bool
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			mine := refuse.CompareAndSwap(false, true) // the first node
			return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
				if mine && time.Since(w.floor.began) > 5*time.Second && len(ops) > 2 && ops[1].Key == root+"/epoch" && !strings.Contains(ops[0].Key, "meta") {
					return nil, &coord.CheckError{Index: 2, Op: ops[2], Err: coord.ErrVersion}
				}
				return next(ctx, ops...)
			}}
		}
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(6 * time.Second)
		events := n1.Events(t.Context())
		started := w.floor.started()
		w.hand().scale(4, 6)
		time.Sleep(3 * time.Second)
		if ready := n1.Ready(); len(ready) != 1 || !strings.Contains(ready[0], "in a row") {
			t.Errorf("n1 is ready but for %q", ready)
		}
		time.Sleep(7 * time.Second)
		w.wantShare(map[string]int{"n1": 3, "n2": 3})
		if s := w.state(n2); s.Leader != "n2" {
			t.Errorf("%s leads", s.Leader)
		}
		if n := w.floor.started() - started; n != 2 {
			t.Errorf("%d workers were started", n)
		}
		if ready := n1.Ready(); len(ready) > 0 {
			t.Errorf("n1 is not ready: %q", ready)
		}
		wantEvent(t, events, cluster.LeaderGaveUp)
		w.leave(n1, n2)
	})
}

// Whom the service hears and who hears nothing leads no longer than its lease, and keeps its session no longer than a
// timeout after that: its slots run elsewhere although its link is never mended.
func TestDeafLeader(t *testing.T) { testDeaf(t, "n1", 2*20*time.Second+2*time.Second+10*time.Second) }

func TestDeafFollower(t *testing.T) { testDeaf(t, "n2", 3*20*time.Second+2*time.Second+10*time.Second) }

func testDeaf(t *testing.T, who string, within time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6))
		procs := map[string]*proc{}
		for _, name := range []string{"n1", "n2", "n3"} {
			procs[name] = w.start(name)
		}
		time.Sleep(5 * time.Second)
		deaf, witness := procs[who], procs["n3"]
		events := deaf.Events(t.Context())
		w.state(witness) // somebody has begun to ask
		w.state(deaf)
		began := time.Now()
		deaf.CutReplies()
		time.Sleep(21 * time.Second)
		if _, leads := deaf.Admin().Leading(); leads {
			t.Error("it says that it leads, without a lease")
		}
		if len(deaf.Ready()) == 0 {
			t.Error("it says that it is ready")
		}
		time.Sleep(8 * time.Second) // which takes a timeout to be seen
		if len(w.floor.share()) != 2 {
			t.Errorf("it still runs: %v", w.floor.share())
		}
		for _, p := range []*proc{witness, deaf} {
			s := w.state(p)
			for _, wk := range s.Workers {
				if wk.Node == who && wk.State != cluster.WorkerLost {
					t.Errorf("%s says that %s#%d is on %s, %s", p.Name(), wk.Task, wk.Index, wk.Node, wk.State)
				}
			}
			if running, _ := s.Tally(); running != 4 || who == "n1" && (s.Leader != "" || len(s.Warnings) == 0) {
				t.Errorf("%s says that %d run, and %q leads: %q", p.Name(), running, s.Leader, s.Warnings)
			}
		}
		for len(w.floor.share()) != 2 || w.floor.share()["n3"] != 3 {
			if time.Since(began) > within {
				t.Errorf("after %v: %v", time.Since(began), w.floor.share())
				break
			}
			time.Sleep(time.Second)
		}
		t.Logf("all ran after %v", time.Since(began))
		if s := w.state(witness); s.Leader == deaf.Name() || s.Leader == "" {
			t.Errorf("%q leads", s.Leader)
		}
		if who == "n1" {
			wantEvent(t, events, cluster.LeaderGaveUp)
		}
		time.Sleep(time.Minute)
		deaf.Heal()
		time.Sleep(15 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		for _, p := range procs {
			w.leave(p)
		}
	})
}

// An outage is not deafness: whoever cannot reach the service keeps its session, and its slots.
func TestOutageIsNotDeafness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(5 * time.Second)
		members := n1.LastReport().Member + n2.LastReport().Member
		n2.CutReplies() // for less than a timeout after its lease is over
		time.Sleep(35 * time.Second)
		n2.Heal()
		time.Sleep(5 * time.Second)
		if now := n1.LastReport().Member + n2.LastReport().Member; now != members {
			t.Error("a node has joined again")
		}
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		w.leave(n2, n1)
	})
}

// panicking is a service whose clock panics, once it is told to, when the follower reads it.
type panicking struct {
	coord.Store
	armed *atomic.Bool
}

func (p panicking) Open(ctx context.Context) (coord.Session, error) {
	s, err := p.Store.Open(ctx)
	return panickingSession{s, p.armed}, err
}

type panickingSession struct {
	coord.Session
	armed *atomic.Bool
}

func (p panickingSession) Now() time.Duration {
	if p.armed.Load() && strings.Contains(string(debug.Stack()), "(*following).step") && p.armed.CompareAndSwap(true, false) {
		panic("a fault")
	}
	return p.Session.Now()
}

// A panic of the follower stops the node's workers in order and lets it join again; the process lives.
func TestFollowerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1 := w.start("n1")
		var armed atomic.Bool
		w.store = func(s coord.Store) coord.Store { return panicking{s, &armed} }
		n2 := w.start("n2")
		time.Sleep(time.Second)
		member := n2.LastReport().Member
		armed.Store(true)
		time.Sleep(5 * time.Second)
		if armed.Load() {
			t.Fatal("nothing has panicked")
		}
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		if n2.LastReport().Member == member {
			t.Error("it has not joined again")
		}
		w.leave(n2, n1)
	})
}

// An outage of the coordination service looks like no leader that hangs: neither in the metric nor in what the node
// says of itself.
func TestAnOutageIsNoHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1 := w.start("n1")
		time.Sleep(5 * time.Second)
		if age := gauge(n1, "xconsumer_leader_last_round_age_seconds"); age <= 0 || age > 10 {
			t.Errorf("the last round ended %v s ago", age)
		}
		n1.Cut()
		for range 60 {
			time.Sleep(time.Second)
			if lasts := gauge(n1, "xconsumer_leader_round_seconds"); lasts > 5 {
				t.Fatalf("a step of leading lasts %v s", lasts)
			}
			if ready := strings.Join(n1.Ready(), "; "); strings.Contains(ready, "one step") {
				t.Fatalf("n1 says of itself: %s", ready)
			}
		}
		n1.Heal()
		time.Sleep(20 * time.Second)
		if ready := n1.Ready(); len(ready) > 0 {
			t.Errorf("n1 is not ready: %q", ready)
		}
		w.leave(n1)
	})
}

// Nodes leave one soon after the other in the order in which they joined, so that each of them leads when it does. Each but the first
// records for the next one how many have left before it.
func TestLeadersThatLeaveTellTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 10))
		var all []*proc
		for i := range 5 {
			all = append(all, w.start(fmt.Sprintf("n%d", i)))
		}
		time.Sleep(5 * time.Second)
		h := w.hand()
		for i, p := range all[:4] {
			memberID, keys := w.member(p), testcluster.Keys()
			w.leave(p)
			var assignment schema.Assignment
			if err := schema.Decode(memberID, h.get(strings.TrimPrefix(keys.Assignment(memberID), root)), &assignment); err != nil || assignment.Closed == nil {
				t.Fatalf("%s: %+v, %v", p.Name(), assignment, err)
			}
			if burst := assignment.Closed.Burst; i == 0 && burst != nil || i > 0 && (burst == nil || burst.Count != i) {
				t.Errorf("%s, the %dth that leaves, records %+v", p.Name(), i+1, burst)
			}
			time.Sleep(100 * time.Millisecond)
		}
		w.leave(all[4])
	})
}
