package xconsumertest

import (
	"context"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

// Node is a node under test. Its methods must be called from the goroutine of the test.
type Node struct {
	*xconsumer.Node
	cluster *Cluster
	inner   *testcluster.Node
	cut     bool
}

// Leave makes the node leave the cluster, and waits for it. Its workers are asked to stop with
// xconsumer.ErrLeaving, and then run elsewhere. Leave returns what Run returned: nil unless a worker
// did not stop in time.
func (n *Node) Leave() error {
	n.inner.Stop()
	return n.inner.Wait()
}

// Cut cuts the node off from the coordination service. Its workers run on until its lease is about
// to end, and are then asked to stop with xconsumer.ErrLeaseLost. Other nodes get their slots after
// the session timeout.
func (n *Node) Cut() {
	n.cut = true
	n.inner.Cut()
}

// Heal ends a cut. A node that was cut for longer than its session joins again, as a new member.
func (n *Node) Heal() {
	n.cut = false
	n.inner.Heal()
}

// Expire ends the node's session at once, as an administrator of the service could. Its workers are asked
// to stop, and have a short time for it.
func (n *Node) Expire() {
	if v := n.inner.LastReport(); v != nil {
		n.cluster.inner.Service.Expire(v.Session)
	}
}

// Crash is a crash as other nodes see it. The node is cut off permanently, and its parent process closes it at
// once, so that its slots move without waiting for the session timeout. Its workers go on in this process until
// its lease ends, like those of a paused process. Tokens distinguish their effects from those of their successors.
func (n *Node) Crash() {
	n.cluster.t.Helper()
	n.Cut()
	if v := n.inner.LastReport(); v == nil || v.Member == "" {
		return
	}
	if err := testcluster.CloseDead(context.Background(), n.cluster.inner.Service.Client(), n.inner.FormerMember("test")); err != nil {
		n.cluster.t.Fatal(err)
	}
}

// Err returns the error with which the node ended; nil while it runs, or if it has left the cluster. An error that
// matches xconsumer.ErrStuck means that a worker did not stop: a real process must then end.
func (n *Node) Err() error {
	if !n.inner.Ended() {
		return nil
	}
	return n.inner.Wait()
}

// end ends a node with the test.
func (n *Node) end() {
	was := n.inner.Ended()
	n.inner.Stop()
	if err := n.inner.Wait(); !was && err != nil {
		n.cluster.t.Errorf("node %s: %v", n.Name(), err)
	}
}
