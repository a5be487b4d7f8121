package httpapi

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// version is that of the API: fields are added to it, and none are taken away or change what they mean.
const version = "1"

// newHuma makes what reads requests, checks them against their types, and describes all of them.
func newHuma(mux *http.ServeMux) huma.API {
	config := huma.DefaultConfig("xconsumer", version)
	config.Info.Description = "Keeps N workers of every task running across a fleet of machines. Every node serves this API for its whole cluster."
	config.OpenAPIPath = "/api/v1/openapi"
	config.DocsPath, config.SchemasPath = "", "" // its pages load scripts from elsewhere
	config.CreateHooks = nil                     // no links to schemas in every answer
	config.RejectUnknownQueryParameters = true
	config.Tags = []*huma.Tag{
		{Name: "cluster", Description: "The whole cluster."},
		{Name: "tasks", Description: "What is to run, and how often."},
		{Name: "workers", Description: "The slots of tasks, each on one node at a time."},
		{Name: "nodes", Description: "Where it runs."},
		{Name: "moves", Description: "What moves, and what a change would move."},
		{Name: "health", Description: "For whatever watches the process."},
	}
	registry := config.Components.Schemas
	registry.RegisterTypeAlias(reflect.TypeFor[cluster.Params](), reflect.TypeFor[map[string]any]())
	return humago.New(mux, config)
}

// Spec returns the description of the API: OpenAPI 3.1, in YAML.
func Spec() ([]byte, error) {
	return serve(http.NewServeMux(), nil, nil).huma.OpenAPI().YAML()
}
