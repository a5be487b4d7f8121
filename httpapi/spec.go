package httpapi

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// version is the version of the API. Within it fields may be added; none is removed or changes its meaning.
const version = "1"

// newHuma returns the layer that decodes requests, checks them against their types, and describes all operations.
func newHuma(mux *http.ServeMux) huma.API {
	config := huma.DefaultConfig("xconsumer", version)
	config.Info.Description = "xconsumer keeps N workers of every task running across a fleet of machines. Every node serves this API for " +
		"its whole cluster."
	config.OpenAPIPath = "/api/v1/openapi"
	config.DocsPath, config.SchemasPath = "", "" // huma's pages load scripts from other sites
	config.CreateHooks = nil                     // no links to schemas in every answer
	config.Tags = []*huma.Tag{
		{Name: "cluster", Description: "The whole cluster."},
		{Name: "tasks", Description: "Tasks: their declarations, overrides and runs."},
		{Name: "workers", Description: "The slots of tasks, each on one node at a time."},
		{Name: "nodes", Description: "The nodes that run workers."},
		{Name: "moves", Description: "Pending moves of workers, and plans of operations."},
		{Name: "history", Description: "Past decisions, operations and events, with their reasons."},
		{Name: "session", Description: "The caller's identity: a token, sent as \"Authorization: Bearer TOKEN\" or by a login."},
		{Name: "health", Description: "Probes for process supervisors and load balancers."},
	}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A token of this node, if it requires one."},
	}
	config.Security = []map[string][]string{{}, {"token": {}}}
	registry := config.Components.Schemas
	registry.RegisterTypeAlias(reflect.TypeFor[cluster.Params](), reflect.TypeFor[map[string]any]())
	registry.RegisterTypeAlias(reflect.TypeFor[cluster.Duration](), reflect.TypeFor[durationText]())
	registry.RegisterTypeAlias(reflect.TypeFor[cluster.OperationKind](), reflect.TypeFor[operationKind]())
	registry.RegisterTypeAlias(reflect.TypeFor[cluster.Phase](), reflect.TypeFor[durationText]())
	return humago.New(mux, config)
}

// durationText describes durations, so that an invalid one is refused with its location.
type durationText string

// Schema implements huma.SchemaProvider.
func (durationText) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeString, Pattern: `^[-+]?(0|(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`,
		PatternDescription: `a duration such as "30s", "1m30s" or "500ms"`,
	}
	s.PrecomputeMessages()
	return s
}

// operationKind describes the kinds of operations.
type operationKind string

// Schema implements huma.SchemaProvider.
func (operationKind) Schema(huma.Registry) *huma.Schema { return oneOf(cluster.OperationKinds()) }

// OpenAPI returns the description of the API. It must not be changed.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

// Spec returns the description of the API: OpenAPI 3.1, in YAML.
func Spec() ([]byte, error) {
	return New(nil, Options{}).huma.OpenAPI().YAML()
}
