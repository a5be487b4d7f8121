package e2e_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/test/invariant"
	"gitee.com/ken.yang/xconsumer/test/link"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// three starts n1, n2 and n3, which join in this order, and waits until all workers run.
func (f *fleet) three() (n1, n2, n3 *proc) {
	f.Helper()
	n1 = f.start("n1")
	n1.awaitSpread("n1")
	n2 = f.start("n2")
	n1.awaitSpread("n1", "n2")
	n3 = f.start("n3")
	n1.awaitSpread("n1", "n2", "n3")
	return n1, n2, n3
}

func TestNodesComeAndGo(t *testing.T) { onBoth(t, testNodesComeAndGo) }

func testNodesComeAndGo(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 3).Hosts(), 3*time.Second)
	n1, n2, n3 := f.three()
	n4 := f.start("n4")
	state := n4.awaitSpread("n1", "n2", "n3", "n4")
	if state.Leader != "n1" || state.Term != 1 {
		t.Errorf("leader %q, term %d", state.Leader, state.Term)
	}
	for _, task := range state.Tasks {
		if task.WorkerNum != 2 || task.Running != 2 || task.Unplaced != 0 {
			t.Errorf("task %+v", task)
		}
	}

	t.Log("the leader is killed: its worker moves after the session timeout, and the next lowest leads")
	killed := f.session.Now()
	mark := len(f.journal())
	n1.Signal(syscall.SIGKILL)
	n1.exit()
	state = n2.awaitSpread("n2", "n3", "n4")
	if state.Leader != "n2" || state.Term != 2 {
		t.Errorf("leader %q, term %d", state.Leader, state.Term)
	}
	moved := f.notes(mark, "start", "")
	// ZooKeeper counts from the last it heard, which may be a heartbeat or a ping ago.
	if len(moved) != 1 || moved[0].At-killed < f.timeout/2 {
		t.Errorf("moved %+v; killed at %v", moved, killed)
	}

	t.Log("the old leader comes back as a follower")
	n1 = f.start("n1")
	state = n1.awaitSpread("n1", "n2", "n3", "n4")
	if state.Leader != "n2" || state.Term != 2 {
		t.Errorf("leader %q, term %d", state.Leader, state.Term)
	}

	t.Log("SIGTERM moves workers at once, without a session timeout")
	for _, leaver := range []*proc{n3, n2} { // a follower, then the leader
		mark := len(f.journal())
		leaver.leave()
		switch leaver {
		case n3:
			n4.awaitSpread("n1", "n2", "n4")
		case n2:
			n4.awaitSpread("n1", "n4")
		}
		stops := f.notes(mark, "stop", leaver.Name)
		if len(stops) != 1 {
			t.Fatalf("%s stopped %+v", leaver.Name, stops)
		}
		for _, n := range f.journal()[mark:] {
			if n.What == "start" && n.Slot == stops[0].Slot {
				t.Logf("%s ran elsewhere %v after it stopped", n.Slot, n.At-stops[0].At)
				if n.At-stops[0].At >= f.timeout {
					t.Errorf("handoff took %v, as long as a session timeout", n.At-stops[0].At)
				}
			}
		}
	}
	f.Await("n4 leads in term 3", func() bool { s := n4.State(); return s != nil && s.Leader == "n4" && s.Term == 3 })
	n4.leave()
	n1.awaitSpread("n1")
	n1.leave()
	left, err := f.session.List(t.Context(), f.keys.Members())
	if err != nil || len(left) != 0 {
		t.Errorf("members after all left: %v, %v", left, err)
	}
}

func TestNodeIsCutOff(t *testing.T) { onBoth(t, testNodeIsCutOff) }

func testNodeIsCutOff(t *testing.T, b backend) {
	server := b.start(t, 1)
	f := newFleet(t, b, server.Hosts(), 4*time.Second)
	wire := link.New(t, server.Addrs()...)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.start("n2", b.flag, wire.Hosts())
	state := n1.awaitSpread("n1", "n2")
	member := memberOf(state, "n2")

	t.Log("cut for less than the session timeout: nothing moves")
	mark := len(f.journal())
	wire.Cut()
	time.Sleep(f.timeout / 4) // the fault itself
	wire.Heal()
	time.Sleep(2 * f.timeout) // what might move has the time to
	n2.awaitSpread("n1", "n2")
	if moved := f.journal()[mark:]; len(moved) != 0 {
		t.Errorf("a short cut moved something: %+v", moved)
	}

	t.Log("cut for longer: the workers stop before the service ends the session")
	mark = len(f.journal())
	wire.Cut()
	f.Await("the service ends the session", func() bool {
		_, err := f.session.Get(t.Context(), f.keys.Member(member))
		return errors.Is(err, coord.ErrNotFound)
	})
	expired := f.session.Now()
	stops := f.notes(mark, "stop", "n2")
	if len(stops) != 2 {
		t.Fatalf("stopped by then: %+v", stops)
	}
	for _, n := range stops {
		t.Logf("%s stopped %v before the session was seen to have ended", n.Slot, expired-n.At)
		if n.At >= expired {
			t.Errorf("%s stopped %v after the session had ended", n.Slot, n.At-expired)
		}
	}
	n1.awaitSpread("n1")

	t.Log("healed: it joins again, as a new member")
	wire.Heal()
	state = n1.awaitSpread("n1", "n2")
	if again := memberOf(state, "n2"); again == member || again == "" {
		t.Errorf("n2 is member %q again", again)
	}
}

func TestServersFail(t *testing.T) { onBoth(t, testServersFail) }

func testServersFail(t *testing.T, b backend) {
	ensemble := b.start(t, 3)
	f := newFleet(t, b, ensemble.Hosts(), 4*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.start("n2")
	before := n1.awaitSpread("n1", "n2")

	t.Log("the servers' leader is killed: no member is lost")
	lead := ensemble.Leader()
	ensemble.Kill(lead)
	ensemble.Leader()
	ensemble.Restart(lead)
	f.sameAsBefore(before, n2.awaitSpread("n1", "n2"))

	t.Log("all servers are gone for longer than the lease: everything stops, and resumes under the same tokens")
	mark := len(f.journal())
	for i := range 3 {
		ensemble.Kill(i)
	}
	f.Await("all workers stop", func() bool {
		return len(f.notes(mark, "stop", "n1"))+len(f.notes(mark, "stop", "n2")) >= 4
	})
	for i := range 3 {
		ensemble.Launch(i)
	}
	f.sameAsBefore(before, n2.awaitSpread("n1", "n2"))
}

func TestTwoNodesOfOneName(t *testing.T) { onBoth(t, testTwoNodesOfOneName) }

func testTwoNodesOfOneName(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	first := f.start("same")
	first.awaitSpread("same")
	second := f.start("same")
	f.Await("the second one says who has its name", func() bool {
		return strings.Contains(second.Log.String(), `node name \"same\" is taken by host`)
	})
	state := first.awaitSpread("same")
	if len(state.Nodes) != 1 || state.Nodes[0].PID != first.PID() || state.Nodes[0].Address != first.Addr {
		t.Errorf("nodes %+v", state.Nodes)
	}
	first.leave()
	state = second.awaitSpread("same")
	if state.Nodes[0].PID != second.PID() {
		t.Errorf("nodes %+v", state.Nodes)
	}
}

func TestPausedNodeStopsWhenItWakes(t *testing.T) { onBoth(t, testPausedNodeStopsWhenItWakes) }

func testPausedNodeStopsWhenItWakes(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.start("n2")
	member := memberOf(n1.awaitSpread("n1", "n2"), "n2")

	t.Log("paused for less than the lease: nothing moves")
	mark := len(f.journal())
	n2.pause()
	time.Sleep(f.timeout / 4) // the fault itself
	n2.resume()
	state := n2.awaitSpread("n1", "n2")
	if moved := f.notes(mark, invariant.Start, ""); memberOf(state, "n2") != member || len(moved) > 0 {
		t.Errorf("a short pause moved something: %+v", moved)
	}

	t.Log("paused for longer than the session: its slots are granted again, with higher tokens")
	n2.pause()
	f.Await("n1 is granted everything", func() bool {
		s := n1.State()
		granted := 0
		for _, w := range s.Workers {
			if w.Node == "n1" && w.State != cluster.WorkerLost {
				granted++
			}
		}
		return granted == 4
	})
	n2.resume()
	f.Await("n2 stops its old workers", func() bool { return len(f.notes(mark, "stop", "n2")) == 2 })
	state = n1.awaitSpread("n1", "n2")
	if memberOf(state, "n2") == member {
		t.Error("n2 is still the member it was")
	}
}

func TestStrangersAreRefused(t *testing.T) {
	server := zkserver.Start(t, 1)
	f := newFleet(t, zookeeper, server.Hosts(), 3*time.Second)
	t.Setenv("XCONSUMER_ZOOKEEPER_USERNAME", "fleet")
	t.Setenv("XCONSUMER_ZOOKEEPER_PASSWORD", "right")
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	t.Setenv("XCONSUMER_ZOOKEEPER_PASSWORD", "wrong")
	stranger := f.start("n2")
	if code := stranger.exit(); code != 78 {
		t.Errorf("exit code %d; want 78", code)
	}
	const want = "xconsumer: the coordination service does not let this node use the records of cluster e2e: not authorized; check username and password of [zookeeper] or [etcd]"
	if got := stranger.Log.Tail(1); !strings.HasSuffix(strings.TrimSpace(got), want) {
		t.Errorf("%s; want %s", got, want)
	}
	n1.leave()
}

// The servers grant less than was asked for, which leaves no time to work: better not to start.
func TestGrantedTimeoutIsTooShort(t *testing.T) {
	t.Parallel()
	f := newFleet(t, zookeeper, zkserver.Start(t, 1).Hosts(), 3*time.Second)
	f.start("n1").awaitSpread("n1")
	config := strings.NewReplacer(`"3s"`, `"20s"`, `"200ms"`, `"2s"`).Replace(f.config())
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	n2 := f.start("n2")
	if code := n2.exit(); code != 78 || !strings.Contains(n2.Log.Tail(1), "with a session timeout of 4s") {
		t.Errorf("exit code %d: %s", code, n2.Log.Tail(1))
	}
}
