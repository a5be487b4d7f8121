// Package admin manages a cluster through one of its nodes: it answers questions about the cluster and records
// operations.
//
// # The model
//
//	question ─▶ Admin ─┬─ view.Observer          the cluster, as last read       State, Watch, Tasks, Plan, Explain
//	                   ├─ the store              records not kept in memory      Runs, Decisions, Past, Report
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

// Admin implements interface xconsumer.Admin, which documents its methods. Comments here add only internal details.
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

// Name is that of xconsumer.Admin.
func (a *Admin) Name() string { return a.Node }

// Works is that of xconsumer.Admin.
func (a *Admin) Works() []string { return slices.Sorted(slices.Values(a.Registered())) }

// Ready is that of xconsumer.Admin.
func (a *Admin) Ready() (reasons []string) { return a.Presence.Ready() }

// Lease is that of xconsumer.Admin.
func (a *Admin) Lease() cluster.Lease { return a.Presence.Lease() }

// Workers is that of xconsumer.Admin.
func (a *Admin) Workers() map[cluster.Slot]cluster.Report { return a.Presence.Workers() }

// Events is that of xconsumer.Admin.
func (a *Admin) Events(ctx context.Context) <-chan cluster.Event { return a.Emitter.Events(ctx) }

// Measures is that of xconsumer.Admin. It also updates the gauges that are measured on demand.
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
