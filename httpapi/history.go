package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// history serves decisions, events and the bug report.
type history struct {
	*routes
	build client.Build
}

func (api *history) serve() {
	tags := []string{"history"}
	type decisions struct {
		Since int64  `query:"since" minimum:"0" doc:"Number of the first decision to list, 0 for all that are kept."`
		Task  string `query:"task" doc:"Name of a task; lists only its steps and those of its runs, the decisions that have any, and the operations on it."`
		Node  string `query:"node" doc:"Name of a node; lists only its steps, the decisions that have any, and the operations on it."`
		Limit
	}
	handle(api.routes, huma.Operation{
		OperationID: "list-decisions", Method: http.MethodGet, Path: "/api/v1/decisions", Tags: tags, Metadata: as(RoleView),
		Summary: "List decisions and operations",
		Description: "Decisions of the leaders with their reasons, and the audit of operations, each oldest first. The last 128 decisions " +
			"and the last 200 operations are kept. Refused with 422 if no task or node of that name is known.",
	}, func(ctx context.Context, in *decisions) (*body[cluster.Decisions], error) {
		if err := api.checkNames(ctx, in.Task, in.Node); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		list, err := api.node.Decisions(ctx)
		if err != nil {
			return nil, err
		}
		return &body[cluster.Decisions]{in.lastDecisions(decisionsAbout(list, in.Since, in.Task, in.Node))}, nil
	})
	type events struct {
		Since time.Time `query:"since" doc:"Earliest time of an event, by the clock of the node that emitted it (RFC 3339)."`
		Kind  kindParam `query:"kind" doc:"Kind of the events."`
		Task  string    `query:"task" doc:"Name of a task; includes events of its workers and runs."`
		Node  string    `query:"node" doc:"Name of a node."`
		Limit
	}
	type answer struct {
		ETag string `header:"ETag" doc:"ID of the stream, which continues where these events end."`
		Body client.Events
	}
	handle(api.routes, huma.Operation{
		OperationID: "list-events",
		Method:      http.MethodGet,
		Path:        "/api/v1/events",
		Tags:        tags,
		Metadata:    as(RoleView),
		Summary:     "List events",
		Description: "Events that this node has seen, oldest first. Its own events are always listed. Events of other nodes are listed " +
			"while this node leads, or if the cluster was read through it within the last minute. The next read after that adds the " +
			"changes since, unless they are more than 250 events. One change adds 1000 events at most. At least the last 500 " +
			"events of the node itself, and as many of others, are kept in memory. Refused with 422 if no task or node of that name " +
			"is known.",
	}, func(ctx context.Context, in *events) (*answer, error) {
		if err := api.checkNames(ctx, in.Task, in.Node); err != nil {
			return nil, err
		}
		if _, err := api.current(ctx); err != nil {
			return nil, err
		}
		filter := client.EventFilter{Since: in.Since, Kind: cluster.EventKind(in.Kind), Task: in.Task, Node: in.Node}
		list, last := api.hub.Events()
		list = slices.DeleteFunc(list, func(e cluster.Event) bool { return !filter.Has(&e) })
		return &answer{etag(api.hub.Tag(last)), client.Events{Events: list[in.first(len(list)):]}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-report", Method: http.MethodGet, Path: "/api/v1/report", Tags: tags, Metadata: as(RoleAdmin),
		Summary:     "Get all records of the cluster for a bug report",
		Description: "All records, in one answer. The report contains the params of tasks: review it before you share it.",
	}, func(ctx context.Context, _ *struct{}) (*body[cluster.BugReport], error) {
		ctx, cancel := context.WithTimeout(ctx, 4*storeTimeout)
		defer cancel()
		report, err := api.node.Report(ctx)
		report.Build = api.build.String()
		return &body[cluster.BugReport]{report}, err
	})
}

// Limit is how much of a list is answered.
type Limit struct {
	Limit int `query:"limit" minimum:"0" doc:"Number of the last ones to list, 0 for all that are kept."`
}

// first returns the index of the first of n that are listed.
func (l *Limit) first(n int) int {
	if l.Limit == 0 {
		return 0
	}
	return max(0, n-l.Limit)
}

// lastDecisions keeps the last decisions, and the operations since the one before them.
func (l *Limit) lastDecisions(d cluster.Decisions) cluster.Decisions {
	if first := l.first(len(d.Decisions)); first > 0 {
		before := d.Decisions[first-1].At
		d.Decisions = d.Decisions[first:]
		d.Audit = slices.DeleteFunc(d.Audit, func(a cluster.AuditLine) bool { return a.At.Before(before) })
	}
	return d
}

// decisionsAbout filters decisions and the audit. It keeps the decisions from a number on with their steps that concern
// the task and the node, and the operations that concern these and came after the decision before that number.
func decisionsAbout(list cluster.Decisions, since int64, task, node string) cluster.Decisions {
	out := cluster.Decisions{Decisions: []cluster.Decision{}, Audit: []cluster.AuditLine{}}
	var before time.Time
	for _, d := range list.Decisions {
		if d.Number < since {
			before = d.At
			continue
		}
		if task != "" || node != "" {
			d.Moves = slices.DeleteFunc(slices.Clone(d.Moves), func(m cluster.Decided) bool { return !m.IsAbout(task, node) })
			if len(d.Moves) == 0 {
				continue
			}
		}
		out.Decisions = append(out.Decisions, d)
	}
	for i := range list.Audit {
		if l := &list.Audit[i]; !l.At.Before(before) && l.IsAbout(task, node) {
			out.Audit = append(out.Audit, *l)
		}
	}
	return out
}
