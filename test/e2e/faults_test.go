package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/invariant"
	"gitee.com/ken.yang/xconsumer/test/link"
)

// stopsBeforeItsEnd waits for the end of a member's session, as others see it, and wants its node's
// workers to have stopped before: by one clock.
func (f *fleet) stopsBeforeItsEnd(mark int, node, member string, workers int) {
	f.Helper()
	f.awaitEnd(member)
	expired := f.session.Now()
	stops := f.notes(mark, invariant.Stop, node)
	if len(stops) != workers {
		f.Errorf("%s has stopped %d of %d workers by the end of its session", node, len(stops), workers)
	}
	for _, n := range stops {
		f.Logf("%s stopped %v before the session was seen to have ended", n.Slot, expired-n.At)
	}
}

// An operator ends the lease of a node that is cut off, and so cannot hear of it. The leader, whose own session
// timeout is shorter, gives its slots away when the node's own has passed: the kernel's locks see every overlap.
func TestLeaseOfALongerSessionIsEndedEarly(t *testing.T) {
	t.Parallel()
	server := etcdBackend.start(t, 1)
	f := newFleet(t, etcdBackend, server.Hosts(), 5*time.Second)
	wire := link.New(t, server.Addrs()...)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.startTimed("n2", 15*time.Second, etcdBackend.flag, wire.Hosts())
	member := memberOf(n1.awaitSpread("n1", "n2"), "n2")
	mark := len(f.journal())
	wire.Cut()
	f.revoke(server.Hosts(), member)
	began := f.session.Now()
	f.Await("n1 runs everything", func() bool { return len(f.notes(mark, invariant.Start, "n1")) >= 2 })
	for _, n := range f.notes(mark, invariant.Start, "n1") {
		if waited := n.At - began; waited < 15*time.Second {
			t.Errorf("%s starts on n1 %v after the lease of n2 was ended; n2's session timeout is 15s", n.Slot, waited)
		}
	}
	if stops := f.notes(mark, invariant.Stop, "n2"); len(stops) != 2 {
		t.Errorf("n2 has stopped %d of 2 workers by then", len(stops))
	}
	wire.Heal()
	n1.awaitSpread("n1", "n2")
	n2.Signal(syscall.SIGTERM)
	n2.exit()
}

// revoke ends the lease of a member's session, as an operator of etcd can.
func (f *fleet) revoke(hosts, member string) {
	f.Helper()
	status, err := f.session.Get(f.Context(), f.keys.Status(member))
	if err != nil {
		return // it has ended
	}
	lease, err := strconv.ParseInt(status.Session, 16, 64)
	if err != nil {
		f.Fatal(err)
	}
	admin, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(hosts, ","), Context: f.Context(), Logger: zap.NewNop()})
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	ctx, cancel := context.WithTimeout(f.Context(), 10*time.Second)
	defer cancel()
	if _, err := admin.Revoke(ctx, clientv3.LeaseID(lease)); err != nil {
		f.Logf("the lease of %s is not ended: %v", member, err)
	}
}

func (f *fleet) awaitEnd(member string) {
	f.Helper()
	f.Await("the service ends the session", func() bool {
		_, err := f.session.Get(f.Context(), f.keys.Member(member))
		return errors.Is(err, coord.ErrNotFound)
	})
}

// What a node sends and hears comes seconds late, and then all at once: answers that are too old
// prolong no lease.
func TestPacketsAreLate(t *testing.T) { onBoth(t, testPacketsAreLate) }

func testPacketsAreLate(t *testing.T, b backend) {
	server := b.start(t, 1)
	f := newFleet(t, b, server.Hosts(), 4*time.Second)
	wire := link.New(t, server.Addrs()...)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	f.start("n2", b.flag, wire.Hosts())
	member := memberOf(n1.awaitSpread("n1", "n2"), "n2")
	mark := len(f.journal())
	wire.Delay(2 * f.timeout)
	f.stopsBeforeItsEnd(mark, "n2", member, 2)
	n1.awaitSpread("n1")
	wire.Heal()
	n1.awaitSpread("n1", "n2")

	t.Log("nothing that it sends arrives")
	member, mark = memberOf(*n1.State(), "n2"), len(f.journal())
	wire.LoseRequests()
	f.stopsBeforeItsEnd(mark, "n2", member, 2)
	n1.awaitSpread("n1") // which n1 has to see first
	wire.Heal()
	n1.awaitSpread("n1", "n2")

	t.Log("nothing that it should hear arrives: its session lives on, and it cannot know")
	mark = len(f.journal())
	wire.LoseReplies()
	f.Await("n2 has stopped its workers", func() bool { return len(f.notes(mark, invariant.Stop, "n2")) >= 2 })
	wire.Heal()
	n1.awaitSpread("n1", "n2")
}

// A node is paused for about as long as its session lasts, a little less and a little more: what it
// does when it wakes is either covered by its lease or not done.
func TestPausesAroundTheSessionsEnd(t *testing.T) { onBoth(t, testPausesAroundTheSessionsEnd) }

func testPausesAroundTheSessionsEnd(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.start("n2")
	n1.awaitSpread("n1", "n2")
	for _, beyond := range []time.Duration{-500, -200, 0, 100, 250, 500, 1000} {
		n2.pause()
		time.Sleep(f.timeout + beyond*time.Millisecond) // the fault itself
		n2.resume()
		n1.awaitSpread("n1", "n2")
	}
}

// The leader is paused just when it plans, until another one leads: what it sends when it wakes is
// refused, and it follows.
func TestLeaderIsPausedWhileItPlans(t *testing.T) { onBoth(t, testLeaderIsPausedWhileItPlans) }

func testLeaderIsPausedWhileItPlans(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	n1, n2, n3 := f.three()
	names, nodes := []string{"n1", "n2", "n3"}, map[string]*proc{"n1": n1, "n2": n2, "n3": n3}
	for round := range 3 {
		var witness *proc
		state := n2.State()
		if state == nil || nodes[state.Leader] == nil {
			t.Fatalf("no leader: %+v", state)
		}
		leader := nodes[state.Leader]
		for _, p := range nodes {
			if p != leader {
				witness = p
			}
		}
		leaver := f.start("n4")
		witness.awaitBalance(append(names, "n4")...)
		leaver.Signal(syscall.SIGTERM) // its slots are to be moved …
		time.Sleep(time.Duration(round) * 3 * time.Millisecond)
		leader.pause() // … by one that does not
		f.Await("another one leads", func() bool {
			s := witness.State()
			return s != nil && s.Leader != leader.Name && nodes[s.Leader] != nil
		})
		leader.resume()
		leaver.exit()
		after := witness.awaitBalance(names...)
		if after.Leader == leader.Name || after.Term <= state.Term {
			t.Errorf("%s leads term %d after the pause of %s in term %d", after.Leader, after.Term, leader.Name, state.Term)
		}
	}
}

// All servers are gone, nodes die and come meanwhile, and everything is sorted out when they are back.
func TestNodesCrashDuringAnOutage(t *testing.T) { onBoth(t, testNodesCrashDuringAnOutage) }

func testNodesCrashDuringAnOutage(t *testing.T, b backend) {
	server := b.start(t, 1)
	f := newFleet(t, b, server.Hosts(), 3*time.Second)
	n1, n2, n3 := f.three()
	server.Kill(0)
	n1.Signal(syscall.SIGKILL)
	n1.exit()
	n3.Signal(syscall.SIGKILL)
	n3.exit()
	n3 = f.start("n3")
	n4 := f.start("n4")
	f.Await("n2 has stopped its workers", func() bool { return len(f.notes(0, invariant.Stop, "n2")) >= 1 })
	server.Restart(0)
	state := n2.awaitBalance("n2", "n3", "n4")
	if len(state.Lost) > 0 {
		t.Errorf("lost: %+v", state.Lost)
	}
	for _, p := range []*proc{n4, n3, n2} {
		p.leave()
	}
}

// Records are deleted and damaged by hand, by somebody with a client of the service.
func TestRecordsAreDamagedByHand(t *testing.T) { onBoth(t, testRecordsAreDamagedByHand) }

func testRecordsAreDamagedByHand(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	f.start("n2")
	hand := func(key string, edit func(coord.Record) coord.Op) {
		t.Helper()
		for {
			r, err := f.session.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.session.Commit(t.Context(), edit(r))
			if err == nil {
				return
			}
			if _, checked := coord.FailedCheck(err); !checked {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		key    func(member string) string
		rejoin bool
		value  string // "" to delete it
	}{
		{"assignment deleted", f.keys.Assignment, true, ""},
		{"assignment damaged", f.keys.Assignment, false, `{"v":1,"version":`},
		{"member deleted", f.keys.Member, true, ""},
		{"status deleted", f.keys.Status, true, ""},
		{"status damaged", f.keys.Status, false, `no JSON`},
		{"heartbeat deleted", f.keys.Heartbeat, true, ""},
		{"task damaged", func(string) string { return f.keys.Task("test01") }, false, `{}`},
	} {
		t.Log(c.name)
		member := memberOf(n1.awaitSpread("n1", "n2"), "n2")
		hand(c.key(member), func(r coord.Record) coord.Op {
			if c.value == "" {
				return coord.Delete(c.key(member), r.Version)
			}
			return coord.Set(c.key(member), []byte(c.value), r.Version)
		})
		if c.rejoin {
			f.Await("n2 is a new member", func() bool {
				s := n1.State()
				now := ""
				if s != nil {
					now = memberOf(*s, "n2")
				}
				return now != "" && now != member
			})
		}
		if again := memberOf(n1.awaitSpread("n1", "n2"), "n2"); (again != member) != c.rejoin {
			t.Errorf("%s: n2 was member %s, is %s", c.name, member, again)
		}
	}
}

// A cluster that speaks another protocol is not joined, and those who are in it go on.
func TestOtherProtocolIsNotJoined(t *testing.T) { onBoth(t, testOtherProtocolIsNotJoined) }

func testOtherProtocolIsNotJoined(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	r, err := f.session.Get(t.Context(), f.keys.Meta())
	if err != nil {
		t.Fatal(err)
	}
	var meta schema.Meta
	if err := schema.Decode(f.keys.Meta(), r, &meta); err != nil {
		t.Fatal(err)
	}
	meta.Protocol++
	if _, err := f.session.Commit(t.Context(), coord.Set(f.keys.Meta(), schema.Encode(&meta, r.Version+1), r.Version)); err != nil {
		t.Fatal(err)
	}
	n2 := f.start("n2")
	if code := n2.exit(); code != 78 || !strings.Contains(n2.Log.Tail(2), "protocol") {
		t.Errorf("exit code %d; want 78: %s", code, n2.Log.Tail(2))
	}
	n1.awaitSpread("n1")
}

// Leaders die one after the other. Their slots move, and nothing else does.
func TestLeadersDieAndNothingElseMoves(t *testing.T) {
	onBoth(t, testLeadersDieAndNothingElseMoves)
}

func testLeadersDieAndNothingElseMoves(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	f.supervised = true
	n1, _, _ := f.three()
	for range 6 {
		state := n1.awaitBalance("n1", "n2", "n3")
		before := map[string]string{} // slot → node
		for _, w := range state.Workers {
			before[cluster.Slot{Task: w.Task, Index: w.Index}.String()] = w.Node
		}
		mark, term, member := len(f.journal()), state.Term, memberOf(state, state.Leader)
		f.kill(nodePID(t, state, state.Leader), syscall.SIGKILL)
		f.Await("n1 sees another term, and who died as a new member", func() bool {
			s := n1.State()
			return s != nil && s.Term > term && !slices.Contains([]string{"", member}, memberOf(*s, state.Leader))
		})
		after := n1.awaitBalance("n1", "n2", "n3")
		for _, n := range f.notes(mark, invariant.Start, "") {
			if from := before[n.Slot]; from != state.Leader && (n.Node != state.Leader || from != after.Leader) {
				t.Errorf("%s moved from %s to %s when %s died", n.Slot, from, n.Node, state.Leader)
			}
		}
	}
}

// A node whose log goes to a full disk, on one CPU that others keep busy, does its work.
func TestFullDiskAndOneBusyCPU(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("taskset"); err != nil {
		t.Fatal("taskset is needed (util-linux)")
	}
	f := newFleet(t, etcdBackend, etcdBackend.start(t, 1).Hosts(), 5*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	for range 4 {
		busy := exec.Command("taskset", "-c", "0", "sh", "-c", "while :; do :; done")
		if err := busy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = busy.Process.Kill()
			_ = busy.Wait()
		})
	}
	f.Program = append([]string{"taskset", "-c", "0", "sh", "-c", `exec "$0" "$@" >/dev/full 2>&1`}, f.Program...)
	n2 := f.start("n2")
	n1.awaitSpread("n1", "n2")
	mark := len(f.journal())
	time.Sleep(2 * f.timeout) // what might happen has the time to
	if moved := f.journal()[mark:]; len(moved) > 0 {
		t.Errorf("moved: %+v", moved)
	}
	n2.leave()
	n1.awaitSpread("n1")
}

// openFiles is how many files a node has open, as it says itself: nobody but root may look.
func openFiles(t *testing.T, p *proc) int {
	t.Helper()
	resp, err := http.Get("http://" + strings.TrimPrefix(p.Addr, "http://") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "process_open_fds "); found {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			return n - 2 // that of this question, and of its looking
		}
	}
	t.Fatal("it does not say")
	return 0
}

// A node that may open hardly any files more than it has runs on, and leaves in order.
func TestNoDescriptorsLeft(t *testing.T) { onBoth(t, testNoDescriptorsLeft) }

func testNoDescriptorsLeft(t *testing.T, b backend) {
	server := b.start(t, 1)
	f := newFleet(t, b, server.Hosts(), 4*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.start("n2")
	before := n1.awaitSpread("n1", "n2")
	open := openFiles(t, n2)
	limit := func(n int) {
		t.Helper()
		if out, err := exec.Command("prlimit", "--pid", strconv.Itoa(n2.PID()), "--nofile="+strconv.Itoa(n)+":").CombinedOutput(); err != nil {
			t.Fatalf("prlimit: %v: %s", err, out)
		}
	}
	limit(open)
	server.Kill(0) // it has to connect again, and cannot
	server.Restart(0)
	time.Sleep(f.timeout / 2) // the fault itself
	limit(1024)
	after := n1.awaitSpread("n1", "n2")
	t.Logf("n2 was member %s, is %s", memberOf(before, "n2"), memberOf(after, "n2"))
	n2.leave()
	n1.awaitSpread("n1")
}
