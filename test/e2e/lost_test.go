package e2e_test

import (
	"syscall"
	"testing"
	"time"
)

// A machine is lost, with its node and the node's parent: its work runs elsewhere a session timeout after its last heartbeat, also
// where the leader is lost and the next one has only what it remembers from before it led. Twice the timeout would be what etcd
// may need if nothing were known of the last heartbeat.
func TestLostMachine(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the second service is of `make verify`")
	}
	f := newFleet(t, etcdBackend, etcdBackend.start(t, 1).Hosts(), 8*time.Second)
	f.supervised = true
	nodes := map[string]*proc{}
	for _, name := range []string{"n1", "n2", "n3", "n4"} {
		nodes[name] = f.start(name)
	}
	state := nodes["n4"].awaitBalance("n1", "n2", "n3", "n4")
	var others []string // that do not lead
	for _, name := range []string{"n1", "n2", "n3", "n4"} {
		if name != state.Leader {
			others = append(others, name)
		}
	}
	follower, witness := others[0], nodes[others[1]]
	lose := func(what, name string) {
		t.Helper()
		slots := slotsOf(state, name)
		mark, killed := len(f.journal()), f.session.Now()
		nodes[name].Signal(syscall.SIGSTOP) // the parent neither closes the member nor starts the node again
		f.kill(nodePID(t, state, name), syscall.SIGKILL)
		nodes[name].Signal(syscall.SIGKILL)
		for slot, took := range f.moved(mark, killed, slots) {
			t.Logf("%s: %s ran elsewhere %v after the machine was lost; the session timeout is %v", what, slot, took.Round(time.Millisecond), f.timeout)
			if least := f.timeout / 2; took < least || took > f.timeout*7/4 {
				t.Errorf("%s: %s ran elsewhere after %v; want a session timeout of %v", what, slot, took, f.timeout)
			}
		}
		delete(nodes, name)
	}
	lose("a follower", follower)
	left := make([]string, 0, 3)
	for name := range nodes {
		left = append(left, name)
	}
	state = witness.awaitBalance(left...)
	lose("the leader", state.Leader)
}
