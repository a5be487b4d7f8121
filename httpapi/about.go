package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Build is what a program knows of itself; what it does not is empty.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty" doc:"Of its source."`
	Time     string `json:"time,omitempty" doc:"Of that revision."`
	Modified bool   `json:"modified,omitempty" doc:"The source was changed since."`
	Go       string `json:"go"`
}

// String describes it.
func (b Build) String() string {
	parts := []string{b.Version}
	if b.Revision != "" {
		parts = append(parts, b.Revision)
	}
	return strings.Join(append(parts, b.Go), " ")
}

// Leader is who leads.
type Leader struct {
	Node string            `json:"node" doc:"Its name, \"\" while nobody leads."`
	Term int64             `json:"term"`
	Info *cluster.NodeInfo `json:"info,omitempty"`
}

// Config is the configuration of a node.
type Config struct {
	Node   string         `json:"node"`
	Config map[string]any `json:"config" doc:"As it is in force. Secrets are left out."`
}

func (a *API) serveAbout() {
	tags := []string{"cluster"}
	handle(a, huma.Operation{
		OperationID: "get-leader", Method: http.MethodGet, Path: "/api/v1/leader", Tags: tags, Metadata: as(RoleView), Summary: "Who leads",
	}, func(ctx context.Context, _ *struct{}) (*body[Leader], error) {
		m, err := a.current(ctx)
		if err != nil {
			return nil, err
		}
		s := &m.State
		leader := Leader{Node: s.Leader, Term: s.Term}
		for i := range s.Nodes {
			if s.Nodes[i].Leader {
				leader.Info = &s.Nodes[i]
			}
		}
		return &body[Leader]{leader}, nil
	})
	handle(a, huma.Operation{
		OperationID: "get-version", Method: http.MethodGet, Path: "/api/v1/version", Tags: tags, Metadata: as(RoleView), Summary: "The version of this node's program",
	}, func(context.Context, *struct{}) (*body[Build], error) { return &body[Build]{a.options.Build}, nil })
	handle(a, huma.Operation{
		OperationID: "get-config", Method: http.MethodGet, Path: "/api/v1/config", Tags: tags, Metadata: as(RoleView), Summary: "The configuration of this node",
	}, func(context.Context, *struct{}) (*body[Config], error) {
		return &body[Config]{Config{a.node.Name(), a.options.Config}}, nil
	})
	a.serveLevel(tags)
}

// Level is how much a node logs.
type Level struct {
	Level string `json:"level" enum:"debug,info,warn,error"`
}

// serveLevel lets the level of the log be changed, until the process ends.
func (a *API) serveLevel(tags []string) {
	now := func() *body[Level] { return &body[Level]{Level{strings.ToLower(a.options.Level.Level().String())}} }
	if a.options.Level == nil {
		a.options.Level = &slog.LevelVar{}
	}
	handle(a, huma.Operation{
		OperationID: "get-log-level", Method: http.MethodGet, Path: "/api/v1/log-level", Tags: tags, Metadata: as(RoleView), Summary: "How much this node logs",
	}, func(context.Context, *struct{}) (*body[Level], error) { return now(), nil })
	handle(a, huma.Operation{
		OperationID: "set-log-level", Method: http.MethodPut, Path: "/api/v1/log-level", Tags: tags, Metadata: as(RoleAdmin), Errors: []int{http.StatusUnprocessableEntity},
		Summary: "Changes how much this node logs, until it ends",
	}, func(ctx context.Context, in *struct{ Body Level }) (*body[Level], error) {
		if err := a.options.Level.UnmarshalText([]byte(in.Body.Level)); err != nil {
			return nil, wrongValue("body.level", in.Body.Level, err.Error())
		}
		a.options.Log.Info("log level changed", "level", in.Body.Level, "by", callerOf(ctx).name)
		return now(), nil
	})
}
