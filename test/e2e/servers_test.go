package e2e_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// sameAsBefore fails the test unless members and grants are what they were: what happens to servers
// may stop workers for a while, and moves nothing.
func (f *fleet) sameAsBefore(before, after cluster.State) {
	f.Helper()
	for _, n := range before.Nodes {
		if now := memberOf(after, n.Name); now != n.Member {
			f.Errorf("%s was member %s and is %q", n.Name, n.Member, now)
		}
	}
	for i, w := range before.Workers {
		if now := after.Workers[i]; now.Node != w.Node || now.Token != w.Token {
			f.Errorf("%s#%d was on %s with token %d, is on %s with token %d", w.Task, w.Index, w.Node, w.Token, now.Node, now.Token)
		}
	}
}

// The servers are restarted one after the other, as for an upgrade; then their leader hangs until
// the others have chosen another one.
func TestServersAreRolled(t *testing.T) { onBoth(t, testServersAreRolled) }

func testServersAreRolled(t *testing.T, b backend) {
	ensemble := b.start(t, 3)
	f := newFleet(t, b, ensemble.Hosts(), 4*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	f.start("n2")
	before := n1.awaitSpread("n1", "n2")
	for i := range 3 {
		ensemble.Kill(i)
		ensemble.Leader()
		ensemble.Restart(i)
		f.sameAsBefore(before, n1.awaitSpread("n1", "n2"))
	}

	lead := ensemble.Leader()
	ensemble.Pause(lead)
	f.Await("the others have a leader", func() bool {
		for i := range 3 {
			if i != lead && ensemble.Leads(i) {
				return true
			}
		}
		return false
	})
	f.sameAsBefore(before, n1.awaitSpread("n1", "n2"))
	ensemble.Resume(lead)
	f.sameAsBefore(before, n1.awaitSpread("n1", "n2"))
}
