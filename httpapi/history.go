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

// history serves what has happened.
type history struct {
	*routes
	build client.Build
}

func (api *history) serve() {
	tags := []string{"history"}
	type decisions struct {
		Since int64  `query:"since" minimum:"0" doc:"From this decision on."`
		Task  string `query:"task" doc:"Steps of this task or one of its runs alone, decisions that have any, and what was asked for it."`
		Node  string `query:"node" doc:"Steps of this node alone, decisions that have any, and what was asked for it."`
	}
	handle(api.routes, huma.Operation{
		OperationID: "list-decisions", Method: http.MethodGet, Path: "/api/v1/decisions", Tags: tags, Metadata: as(RoleView),
		Summary:     "What leaders decided lately, and why, and what people asked for",
		Description: "Each oldest first. The last 128 decisions are kept.",
	}, func(ctx context.Context, in *decisions) (*body[cluster.Decisions], error) {
		if err := api.checkNames(ctx, in.Task, in.Node); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		list, err := api.node.Decisions(ctx)
		if err != nil {
			return nil, err
		}
		return &body[cluster.Decisions]{decisionsAbout(list, in.Since, in.Task, in.Node)}, nil
	})
	type events struct {
		Since time.Time `query:"since" doc:"At this time or later, by the clock of the node that emitted the event."`
		Kind  kindParam `query:"kind" doc:"Of this kind."`
		Task  string    `query:"task" doc:"About this task, or one of its workers or runs."`
		Node  string    `query:"node" doc:"About this node."`
	}
	type answer struct {
		ETag string `header:"ETag" doc:"The id of the stream that goes on where these events end."`
		Body client.Events
	}
	handle(api.routes, huma.Operation{
		OperationID: "list-events",
		Method:      http.MethodGet,
		Path:        "/api/v1/events",
		Tags:        tags,
		Metadata:    as(RoleView),
		Summary:     "What this node knows to have happened",
		Description: "Events of the node itself are always listed. Those of others are listed while the node leads, or if the cluster " +
			"was read through it within the last minute. The next read after that adds what has changed since, unless that " +
			"is more than 250 events. One change adds 1000 events at most. At least the last 500 events of the node itself, " +
			"and as many of others, are kept in memory.",
	}, func(ctx context.Context, in *events) (*answer, error) {
		if err := api.checkNames(ctx, in.Task, in.Node); err != nil {
			return nil, err
		}
		if _, err := api.current(ctx); err != nil {
			return nil, err
		}
		filter := client.EventFilter{Since: in.Since, Kind: cluster.EventKind(in.Kind), Task: in.Task, Node: in.Node}
		list, last := api.hub.Events()
		return &answer{
			etag(api.hub.Tag(last)),
			client.Events{Events: slices.DeleteFunc(list, func(e cluster.Event) bool { return !filter.Has(&e) })},
		}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-report", Method: http.MethodGet, Path: "/api/v1/report", Tags: tags, Metadata: as(RoleAdmin),
		Summary:     "All records of the cluster, for a bug report",
		Description: "The simulator can run on from it. It holds the params of tasks: look through it before you send it to anybody.",
	}, func(ctx context.Context, _ *struct{}) (*body[cluster.BugReport], error) {
		ctx, cancel := context.WithTimeout(ctx, 4*patience)
		defer cancel()
		report, err := api.node.Report(ctx)
		report.Build = api.build.String()
		return &body[cluster.BugReport]{report}, err
	})
}

// decisionsAbout returns of decisions those from a number on, with the steps of a task and a node, and of what people
// asked for what is about these and came after the decision before that number.
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
