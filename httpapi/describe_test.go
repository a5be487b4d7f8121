package httpapi_test

import (
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/httpapi"
)

// Every operation has a short imperative summary and a description in sentences, and every parameter a description.
func TestOperationsAreDescribed(t *testing.T) {
	api := httpapi.New(nil, httpapi.Options{})
	for path, item := range api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			verb, _, _ := strings.Cut(op.Summary, " ")
			if verb == "" || strings.HasSuffix(verb, "s") || strings.HasSuffix(op.Summary, ".") || len(op.Summary) > 50 {
				t.Errorf("%s: summary %q; want an imperative of at most 50 bytes, as in \"Scale a task\"", op.OperationID, op.Summary)
			}
			if !strings.HasSuffix(op.Description, ".") {
				t.Errorf("%s: description %q; want sentences", op.OperationID, op.Description)
			}
			for _, p := range op.Parameters {
				if !strings.HasSuffix(p.Description, ".") {
					t.Errorf("%s %s: parameter %s: description %q; want a noun phrase and a full stop", path, op.OperationID, p.Name, p.Description)
				}
			}
		}
	}
}

// Every field of an answer and of a request has a description. Those of declarations are in docs/reference/configuration.md.
func TestFieldsAreDescribed(t *testing.T) {
	for name, s := range httpapi.New(nil, httpapi.Options{}).OpenAPI().Components.Schemas.Map() {
		for field, of := range s.Properties {
			if of.Description == "" && name != "TaskSpec" && name != "Restart" {
				t.Errorf("%s.%s has no description: give its field in Go a tag doc", name, field)
			}
		}
	}
}
