package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
)

// process serves the version, configuration, log level and health of this node's process.
type process struct {
	*routes
	options Options
}

// serve registers the operations.
func (api *process) serve() {
	api.serveHealth()
	tags := []string{"cluster"}
	handle(api.routes, huma.Operation{
		OperationID: "get-version",
		Method:      http.MethodGet,
		Path:        "/api/v1/version",
		Tags:        tags,
		Metadata:    as(RoleView),
		Summary:     "Get the version of this node's program",
		Description: "The version of the program, of its source and of Go. What the build does not contain is empty.",
	}, func(context.Context, *struct{}) (*body[client.Build], error) {
		return &body[client.Build]{api.options.Build}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-config",
		Method:      http.MethodGet,
		Path:        "/api/v1/config",
		Tags:        tags,
		Metadata:    as(RoleView),
		Summary:     "Get the configuration of this node",
		Description: "The configuration in force, of the file, the variables and the flags together, without secrets.",
	}, func(context.Context, *struct{}) (*body[client.Config], error) {
		return &body[client.Config]{client.Config{Node: api.node.Name(), Config: api.options.Config}}, nil
	})
	api.serveLevel(tags)
}

// serveLevel registers the operations that read and change the log level of the process.
func (api *process) serveLevel(tags []string) {
	now := func() *body[client.Level] {
		return &body[client.Level]{client.Level{Level: strings.ToLower(api.options.Level.Level().String())}}
	}
	handle(api.routes, huma.Operation{
		OperationID: "get-log-level",
		Method:      http.MethodGet,
		Path:        "/api/v1/log-level",
		Tags:        tags,
		Metadata:    as(RoleView),
		Summary:     "Get the log level of this node",
		Description: "Messages below this level are not logged.",
	}, func(context.Context, *struct{}) (*body[client.Level], error) { return now(), nil })
	handle(api.routes, huma.Operation{
		OperationID: "set-log-level",
		Method:      http.MethodPut,
		Path:        "/api/v1/log-level",
		Tags:        tags,
		Metadata:    as(RoleAdmin),
		Errors:      []int{http.StatusUnprocessableEntity},
		Summary:     "Set the log level of this node",
		Description: "The level is in force at once, and until the process ends. The file and the variable do not change.",
	}, func(ctx context.Context, in *struct{ Body client.Level }) (*body[client.Level], error) {
		if err := api.options.Level.UnmarshalText([]byte(in.Body.Level)); err != nil {
			return nil, wrongValue("body.level", in.Body.Level, err.Error())
		}
		api.options.Log.Info("log level changed", "level", in.Body.Level, "caller", access.CallerOf(ctx).Name)
		return now(), nil
	})
}

type healthAnswer struct {
	Status int
	Body   client.Health
}

func healthOf(node Node) client.Health {
	if reasons := node.Ready(); len(reasons) > 0 {
		return client.Health{Node: node.Name(), Status: "not ready", Reasons: reasons}
	}
	return client.Health{Node: node.Name(), Status: "ok"}
}

func (api *process) serveHealth() {
	handle(api.routes, huma.Operation{
		OperationID: "get-healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{"health"},
		Summary:     "Report whether the process is alive",
		Description: "Answers 200 while the process is alive, even while the coordination service does not answer.",
	}, func(context.Context, *struct{}) (*body[client.Health], error) {
		return &body[client.Health]{client.Health{Node: api.node.Name(), Status: "ok"}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"health"},
		Summary:     "Report whether the node is ready",
		Description: "Answers 200 while the node is a member at work, otherwise 503 with the reasons.",
	}, func(context.Context, *struct{}) (*healthAnswer, error) {
		status, health := http.StatusOK, healthOf(api.node)
		if len(health.Reasons) > 0 {
			status = http.StatusServiceUnavailable
		}
		return &healthAnswer{status, health}, nil
	})
}
