package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Events are what a node knows to have happened.
type Events struct {
	Events []cluster.Event `json:"events" doc:"Oldest first."`
}

func (a *API) serveHistory() {
	tags := []string{"history"}
	type decisions struct {
		Since int64  `query:"since" minimum:"0" doc:"From this decision on."`
		Task  string `query:"task" doc:"Steps of this task alone, and decisions that have any."`
		Node  string `query:"node" doc:"Steps of this node alone, and decisions that have any."`
	}
	handle(a, huma.Operation{
		OperationID: "list-decisions", Method: http.MethodGet, Path: "/api/v1/decisions", Tags: tags, Metadata: as(RoleView),
		Summary:     "What leaders decided lately, and why, and what people asked for",
		Description: "Each oldest first. The last 128 decisions are kept.",
	}, func(ctx context.Context, in *decisions) (*body[cluster.Decisions], error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		list, err := a.node.Decisions(ctx)
		if err != nil {
			return nil, err
		}
		out := cluster.Decisions{Decisions: []cluster.Decision{}, Audit: list.Audit}
		for _, d := range list.Decisions {
			if in.Task != "" || in.Node != "" {
				d.Moves = slices.DeleteFunc(slices.Clone(d.Moves), func(m cluster.Decided) bool {
					task, _ := cluster.SplitRun(m.Task)
					return in.Task != "" && m.Task != in.Task && task != in.Task || in.Node != "" && m.Node != in.Node && m.To != in.Node
				})
				if len(d.Moves) == 0 {
					continue
				}
			}
			if d.N >= in.Since {
				out.Decisions = append(out.Decisions, d)
			}
		}
		return &body[cluster.Decisions]{out}, nil
	})
	type events struct {
		Since time.Time         `query:"since" doc:"That happened at this time or later, by the clock of the node that tells it."`
		Kind  cluster.EventKind `query:"kind" doc:"Of this kind."`
		Task  string            `query:"task" doc:"About this task."`
		Node  string            `query:"node" doc:"About this node."`
	}
	handle(a, huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/api/v1/events", Tags: tags, Metadata: as(RoleView),
		Summary:     "What this node knows to have happened",
		Description: "Of itself always; of others while it leads, or somebody has looked at the cluster through it within the last minute. The last 500 or more are kept, in memory.",
	}, func(ctx context.Context, in *events) (*body[Events], error) {
		if _, err := a.moment(ctx); err != nil {
			return nil, err
		}
		out := []cluster.Event{}
		for _, e := range a.feed.list() {
			if (in.Since.IsZero() || !e.Time.Before(in.Since)) && (in.Kind == "" || e.Kind == in.Kind) &&
				(in.Task == "" || e.Slot != nil && e.Slot.Task == in.Task) && (in.Node == "" || e.Node == in.Node) {
				out = append(out, e)
			}
		}
		return &body[Events]{Events{out}}, nil
	})
	handle(a, huma.Operation{
		OperationID: "get-report", Method: http.MethodGet, Path: "/api/v1/report", Tags: tags, Metadata: as(RoleAdmin),
		Summary:     "All records of the cluster, for a bug report",
		Description: "The simulator can run on from it. It holds the params of tasks: look through it before you send it to anybody.",
	}, func(ctx context.Context, _ *struct{}) (*body[cluster.BugReport], error) {
		ctx, cancel := context.WithTimeout(ctx, 4*patience)
		defer cancel()
		report, err := a.node.Report(ctx)
		report.Build = a.options.Build.String()
		return &body[cluster.BugReport]{report}, err
	})
}

// list returns the events that are kept.
func (f *feed) list() []cluster.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}
