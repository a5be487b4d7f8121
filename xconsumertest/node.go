package xconsumertest

import (
	"context"
	"sync/atomic"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Node is a node under test.
type Node struct {
	*xconsumer.Node
	cluster *Cluster
	client  *mem.Client
	vitals  atomic.Pointer[cluster.Vitals]
	stop    context.CancelFunc
	done    chan struct{}
	err     error // of Run, once done
	cut     bool
}

// Leave makes the node leave in order, and waits: its workers are told to stop with
// xconsumer.ErrLeaving and then run elsewhere. It returns what Run returned, nil unless a worker
// did not stop in time.
func (n *Node) Leave() error {
	n.stop()
	<-n.done
	return n.err
}

// Cut cuts the node off from the coordination service. Its workers run on until its lease is about
// to end, and are told to stop with xconsumer.ErrLeaseLost; others are granted their slots when the
// session timeout is over.
func (n *Node) Cut() {
	n.cut = true
	n.client.Cut()
}

// Heal ends a cut. A node that was cut for longer than its session joins again, as a new member.
func (n *Node) Heal() {
	n.cut = false
	n.client.Heal()
}

// Expire ends the node's session at once, as an administrator of the service could: its workers
// have a moment to stop.
func (n *Node) Expire() {
	if v := n.vitals.Load(); v != nil {
		n.cluster.service.Expire(v.Session)
	}
}

// Crash is what others see of a crash: the node is cut off for good, and its parent process closes
// it at once, so that its slots move without a session timeout. Its workers go on in this process
// until its lease is over, as those of a process that was paused do: a token tells their effects
// from those of their successors.
func (n *Node) Crash() {
	n.cluster.t.Helper()
	n.Cut()
	v := n.vitals.Load()
	if v == nil || v.Member == "" {
		return
	}
	s, err := n.cluster.service.Client().Open(context.Background())
	if err != nil {
		n.cluster.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	err = membership.CloseDead(context.Background(), s, schema.NewKeys(clusterName), membership.Dead{
		Member: v.Member, Node: v.Node, Session: v.Session, By: "test", Cause: "crash",
	})
	if err != nil {
		n.cluster.t.Fatal(err)
	}
}

// Err returns what ended the node, nil while it runs or if it left in order. An error that matches
// xconsumer.ErrStuck means that a worker did not stop, upon which a real process must end.
func (n *Node) Err() error {
	if !n.ended() {
		return nil
	}
	return n.err
}

func (n *Node) ended() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// end ends a node with the test.
func (n *Node) end() {
	was := n.ended()
	n.stop()
	<-n.done
	if !was && n.err != nil {
		n.cluster.t.Errorf("node %s: %v", n.Name(), n.err)
	}
}
