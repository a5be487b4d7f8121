// Package admin answers what people and their tools ask of a node, and does what they want of its cluster.
//
// # The model
//
//	question ─▶ Admin ─┬─ view.Observer          the cluster, as read lately     State, Watch, Tasks, Plan, Explain
//	                   ├─ the store              what is not kept in memory      Runs, Decisions, Past, Report
//	                   ├─ nodesession.Presence   this node's session             Ready, Lease, Workers
//	                   └─ worker.Logs            this node's workers             Log, FollowLog, Stack
//	operation ─▶ Admin ─▶ package operation ─▶ the store ─▶ leaders              Do, Apply
//
// Every node answers for the whole cluster. Nothing here takes part in the protocol: an operation is a record in the
// store, and a node whose Admin is never asked works in the same way.
package admin

import (
	"context"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/asynclog"
	"gitee.com/ken.yang/xconsumer/internal/emit"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/nodesession"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// Admin is a node for whoever manages it. Its methods may be called from any goroutine, before and while the node runs;
// interface xconsumer.Admin says what each of them guarantees.
type Admin struct {
	Cluster  string
	Node     string // its name
	Keys     schema.Keys
	Presence *nodesession.Presence
	Observer *view.Observer
	Logs     *worker.Logs
	Emitter  *emit.Emitter
	Meter    *meter.Meter
	Spans    *emit.Spans
	Written  *asynclog.Handler // of the node's log
	// Registered returns the names of the registered works.
	Registered func() []string

	history report.History
}

// Name returns the node's name.
func (a *Admin) Name() string { return a.Node }

// Works returns the names of the registered works, sorted.
func (a *Admin) Works() []string { return slices.Sorted(slices.Values(a.Registered())) }

// Ready returns why the node is not at work, nothing if it is.
func (a *Admin) Ready() (reasons []string) { return a.Presence.Ready() }

// Lease returns how long this node may go on without an answer of the coordination service.
func (a *Admin) Lease() cluster.Lease { return a.Presence.Lease() }

// Workers returns what this node's workers do, by slot.
func (a *Admin) Workers() map[cluster.Slot]cluster.Report { return a.Presence.Workers() }

// Events returns a channel with what happens on this node from now on, until ctx ends.
func (a *Admin) Events(ctx context.Context) <-chan cluster.Event { return a.Emitter.Events(ctx) }

// Measures returns what this node has counted and timed since it began.
func (a *Admin) Measures() []cluster.Measure {
	a.Meter.Most(meter.Dropped, a.Written.Dropped(), "log")
	a.Spans.Measure(a.Meter)
	loop := a.Presence.LeaderLoop()
	blocked := 0.0
	if loop.Blocked {
		blocked = 1
	}
	a.Meter.Set(meter.LeaderRound, loop.Lasts.Seconds())
	a.Meter.Set(meter.Blocked, blocked)
	a.Meter.Set(meter.SinceRound, loop.Since.Seconds())
	return a.Meter.Read()
}
