// Package testcluster runs nodes in one process, over a service in memory, in a [testing/synctest] bubble. It is the
// common part of package xconsumertest, which is for users, of the tests of the protocol in test/cluster and of the
// simulator in test/sim. A few tests use it without a bubble, in real time: those that measure, or have real
// connections.
//
// # The model
//
//	Cluster ── Start ──▶ Node ─┬─ *xconsumer.Node   the real one
//	   │                       └─ *mem.Client       its link to the service, which a test cuts, kills or slows down
//	   └ Service, which a test inspects, and which ends sessions
//
// Store and Config stand between a node and the rest: a store that loses answers, a log that blocks. Nodes are wired as
// in a program; they contain no code for tests.
package testcluster

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Name is the cluster's name.
const Name = "test"

// Keys returns the keys of the cluster.
func Keys() schema.Keys { return schema.NewKeys(Name) }

// Cluster is where nodes are started. Its fields are for nodes that are started afterwards; they and Start are for one
// goroutine.
type Cluster struct {
	Service   *mem.Service
	Tasks     []cluster.TaskSpec
	Rebalance cluster.Rebalance
	// Store, if set, returns the store of a node, in place of its link to the service.
	Store func(node string, link *mem.Client) coord.Store
	// Config, if set, changes a node's configuration.
	Config func(*xconsumer.Config)
}

// Node is a node that was started.
type Node struct {
	*xconsumer.Node
	*mem.Client

	report atomic.Pointer[cluster.SupervisorReport]
	stop   context.CancelFunc
	done   chan struct{}
	err    error // of Run, once done
}

// Start starts a node with the works that register registers, and does not wait. The node runs until ctx ends or Stop
// is called.
func (c *Cluster) Start(ctx context.Context, name string, register func(*xconsumer.Node)) (*Node, error) {
	n := &Node{Client: c.Service.Client(), done: make(chan struct{})}
	var store coord.Store = n.Client
	if c.Store != nil {
		store = c.Store(name, n.Client)
	}
	cfg := xconsumer.Config{
		Cluster: Name, Name: name, Tasks: slices.Clone(c.Tasks), Rebalance: c.Rebalance, Log: slog.New(slog.DiscardHandler),
		SupervisorReport: func(v cluster.SupervisorReport) { n.report.Store(&v) },
	}
	if c.Config != nil {
		c.Config(&cfg)
	}
	node, err := xconsumer.New(store, cfg)
	if err != nil {
		return nil, err
	}
	register(node)
	n.Node = node
	ctx, n.stop = context.WithCancel(ctx)
	go func() {
		n.err = node.Run(ctx)
		close(n.done)
	}()
	return n, nil
}

// LastReport returns the node's last report to its parent process. It is nil before the first report, and where Config
// has a receiver of its own.
func (n *Node) LastReport() *cluster.SupervisorReport { return n.report.Load() }

// Stop asks the node to leave, and does not wait.
func (n *Node) Stop() { n.stop() }

// Done is closed when Run has returned.
func (n *Node) Done() <-chan struct{} { return n.done }

// Ended reports whether Run has returned.
func (n *Node) Ended() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// Wait waits until Run has returned, and returns its error.
func (n *Node) Wait() error {
	<-n.done
	return n.err
}

// FormerMember describes the member that the node is, for CloseDead. The node must have reported once.
func (n *Node) FormerMember(by string) membership.FormerMember {
	v := n.LastReport()
	return membership.FormerMember{Member: v.Member, Node: v.Node, Session: v.Session, By: by, Cause: "crash"}
}

// CloseDead closes a member over a session of its own, as a parent process does.
func CloseDead(ctx context.Context, store coord.Store, dead membership.FormerMember) error {
	s, err := store.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	return membership.CloseDead(ctx, s, Keys(), dead)
}
