// Package describe completes the description of the API: what huma does not derive from the types.
package describe

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// Complete adds what holds for many operations: the role that each needs, empty for none, what the statuses mean, and
// examples, from which docs/reference/http.md makes requests. It opens the types of answers to fields of later versions.
func Complete(api *huma.OpenAPI, roleOf func(*huma.Operation) string) {
	openAnswers(api)
	for _, item := range api.Paths {
		for _, op := range operationsOf(item) {
			op.Security = []map[string][]string{{}} // for a node that requires no token, and for operations that need no role
			if role := roleOf(op); role != "" {
				op.Security = append(op.Security, map[string][]string{"token": {role}})
			}
			for code, response := range op.Responses {
				if status, err := strconv.Atoi(code); err == nil && response.Description == http.StatusText(status) {
					response.Description = meaningOf(status)
				}
			}
			for _, p := range op.Parameters {
				if p.In == "path" {
					p.Example = exampleOf(op.OperationID, p.Name)
				}
			}
			if example := bodyOf(op.OperationID); example != nil {
				op.RequestBody.Content["application/json"].Example = example
			}
		}
	}
}

// openAnswers lets answers have fields that the description does not name yet, because later versions add some. The
// types of requests stay closed, so that a mistyped field is refused.
func openAnswers(api *huma.OpenAPI) {
	closed := map[string]bool{}
	var walk func(s *huma.Schema)
	walk = func(s *huma.Schema) {
		if s == nil {
			return
		}
		if s.Ref != "" {
			if closed[s.Ref] {
				return
			}
			closed[s.Ref] = true
			walk(api.Components.Schemas.SchemaFromRef(s.Ref))
			return
		}
		walk(s.Items)
		for _, field := range s.Properties {
			walk(field)
		}
		if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
			walk(more)
		}
	}
	for _, body := range requestsOf(api) {
		for _, content := range body.Content {
			walk(content.Schema)
		}
	}
	for name, s := range api.Components.Schemas.Map() {
		if !closed["#/components/schemas/"+name] && s.AdditionalProperties == false {
			s.AdditionalProperties = true
		}
	}
}

// requestsOf returns the bodies of all requests.
func requestsOf(api *huma.OpenAPI) (list []*huma.RequestBody) {
	for _, item := range api.Paths {
		for _, op := range operationsOf(item) {
			if op.RequestBody != nil {
				list = append(list, op.RequestBody)
			}
		}
	}
	return list
}

// operationsOf returns the operations of a path.
func operationsOf(item *huma.PathItem) (list []*huma.Operation) {
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
		if op != nil {
			list = append(list, op)
		}
	}
	return list
}

// meaningOf returns what a status means in this API.
func meaningOf(status int) string {
	switch status {
	case http.StatusOK:
		return "The answer."
	case http.StatusAccepted:
		return "The operation is committed to the store. Workers change after that."
	case http.StatusBadRequest:
		return "The request cannot be read, or its Idempotency-Key is too long or has no effect."
	case http.StatusUnauthorized:
		return "The token is missing or not valid."
	case http.StatusForbidden:
		return "The role does not suffice, or a page of another site asks."
	case http.StatusNotFound:
		return "The task, node, worker or decision does not exist."
	case http.StatusConflict:
		return "The state of the cluster does not allow it."
	case http.StatusPreconditionFailed:
		return "The task or the cluster has changed since it was read."
	case http.StatusUnprocessableEntity:
		return "The request is not valid; errors names the fields."
	case http.StatusTooManyRequests:
		return "The caller writes too fast, or tried too many wrong tokens; Retry-After says how long to wait."
	case http.StatusInternalServerError:
		return "The program has a bug: send a report."
	case http.StatusServiceUnavailable:
		return "The coordination service does not answer, or the node is not a member now; errors says why."
	case http.StatusGatewayTimeout:
		return "The outcome is unknown: look at the cluster, or repeat the request with the same Idempotency-Key."
	}
	return http.StatusText(status)
}

// exampleOf returns a value for a parameter in the path of an operation.
func exampleOf(operation, parameter string) any {
	switch {
	case parameter == "index":
		return 0
	case parameter == "node" && operation == "evict-node":
		return "n3"
	case parameter == "node" && (operation == "cordon-node" || operation == "drain-node" || operation == "uncordon-node"):
		return "n2"
	case parameter == "node":
		return "n1"
	case operation == "run-task-now" || operation == "list-runs":
		return "nightly"
	case operation == "replace-task" || operation == "patch-task" || operation == "delete-task":
		return "mail"
	}
	return "test01"
}

// bodyOf returns the body of a request, nil if the operation takes none.
func bodyOf(operation string) json.RawMessage {
	text := map[string]string{
		"apply-plan":    `{"revision": "7100887fa2c9ca42", "operations": [{"kind": "scale", "task": "test01", "workers": 6}]}`,
		"create-task":   `{"name": "mail", "workName": "test02", "workerNum": 2}`,
		"drain-node":    `{"deadline": "5m"}`,
		"label-node":    `{"labels": {"gpu": "true"}}`,
		"login":         `{"token": "SECRET"}`,
		"move-worker":   `{"to": "n2"}`,
		"patch-task":    `{"stopTimeout": "30s", "interval": null}`,
		"plan":          `{"operations": [{"kind": "drain", "node": "n2"}]}`,
		"replace-task":  `{"name": "mail", "workName": "test02", "workerNum": 3}`,
		"run-task-now":  `{"params": {"day": "2026-11-28"}}`,
		"scale-task":    `{"workers": 4}`,
		"set-log-level": `{"level": "debug"}`,
	}[operation]
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}
