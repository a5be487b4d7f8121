package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
)

func (a *API) serveAbout() {
	tags := []string{"cluster"}
	handle(a, huma.Operation{
		OperationID: "get-leader", Method: http.MethodGet, Path: "/api/v1/leader", Tags: tags, Metadata: as(RoleView), Summary: "Who leads",
	}, func(ctx context.Context, _ *struct{}) (*body[client.Leader], error) {
		m, err := a.current(ctx)
		if err != nil {
			return nil, err
		}
		s := &m.State
		leader := client.Leader{Node: s.Leader, Term: s.Term}
		for i := range s.Nodes {
			if s.Nodes[i].Leader {
				leader.Info = &s.Nodes[i]
			}
		}
		return &body[client.Leader]{leader}, nil
	})
	handle(a, huma.Operation{
		OperationID: "get-version", Method: http.MethodGet, Path: "/api/v1/version", Tags: tags, Metadata: as(RoleView), Summary: "The version of this node's program",
	}, func(context.Context, *struct{}) (*body[client.Build], error) {
		return &body[client.Build]{a.options.Build}, nil
	})
	handle(a, huma.Operation{
		OperationID: "get-config", Method: http.MethodGet, Path: "/api/v1/config", Tags: tags, Metadata: as(RoleView), Summary: "The configuration of this node",
	}, func(context.Context, *struct{}) (*body[client.Config], error) {
		return &body[client.Config]{client.Config{Node: a.node.Name(), Config: a.options.Config}}, nil
	})
	a.serveLevel(tags)
}

// serveLevel lets the level of the log be changed, until the process ends.
func (a *API) serveLevel(tags []string) {
	now := func() *body[client.Level] {
		return &body[client.Level]{client.Level{Level: strings.ToLower(a.options.Level.Level().String())}}
	}
	if a.options.Level == nil {
		a.options.Level = &slog.LevelVar{}
	}
	handle(a, huma.Operation{
		OperationID: "get-log-level", Method: http.MethodGet, Path: "/api/v1/log-level", Tags: tags, Metadata: as(RoleView), Summary: "How much this node logs",
	}, func(context.Context, *struct{}) (*body[client.Level], error) { return now(), nil })
	handle(a, huma.Operation{
		OperationID: "set-log-level", Method: http.MethodPut, Path: "/api/v1/log-level", Tags: tags, Metadata: as(RoleAdmin), Errors: []int{http.StatusUnprocessableEntity},
		Summary: "Changes how much this node logs, until it ends",
	}, func(ctx context.Context, in *struct{ Body client.Level }) (*body[client.Level], error) {
		if err := a.options.Level.UnmarshalText([]byte(in.Body.Level)); err != nil {
			return nil, wrongValue("body.level", in.Body.Level, err.Error())
		}
		a.options.Log.Info("log level changed", "level", in.Body.Level, "by", callerOf(ctx).name)
		return now(), nil
	})
}
