package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// Every operation that writes takes an Idempotency-Key and hands it on, or refuses it.
func TestKeys(t *testing.T) {
	bodies := map[string]string{
		"create-task": `{"name": "a", "workName": "w", "workerNum": 2}`, "replace-task": `{"name": "x", "workName": "w", "workerNum": 2}`,
		"patch-task": `{"workerNum": 3}`, "scale-task": `{"workers": 3}`, "label-node": `{"labels": {"zone": "a"}}`, "move-worker": `{"to": "n2"}`,
		"apply-plan": `{"revision": "7", "operations": [{"kind": "drain", "node": "n1"}]}`, "set-log-level": `{"level": "debug"}`, "login": `{"token": "t"}`, "plan": `{}`,
	}
	refused := []string{"login", "logout", "plan", "set-log-level"}
	ops := 0
	for path, item := range httpapi.New(nil, httpapi.Options{}).OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete} {
			if op == nil {
				continue
			}
			ops++
			t.Run(op.OperationID, func(t *testing.T) {
				n := newNode(cluster.State{})
				url := strings.NewReplacer("{task}", "x", "{index}", "0", "{node}", "n1").Replace(path)
				resp, text := ask(t, n, method, url, bodies[op.OperationID], "Idempotency-Key", "k1", "Content-Type", "application/json")
				takes := slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == "Idempotency-Key" })
				if takes == slices.Contains(refused, op.OperationID) {
					t.Fatalf("takes a key: %v", takes)
				}
				if !takes {
					if resp.StatusCode != http.StatusBadRequest || len(*n.did) > 0 || !strings.Contains(string(text), "takes no key") {
						t.Errorf("status %d, did %q: %s", resp.StatusCode, *n.did, text)
					}
					return
				}
				if resp.StatusCode != http.StatusAccepted || len(*n.did) != 1 || !strings.HasSuffix((*n.did)[0], "with key k1") {
					t.Errorf("status %d, did %q: %s", resp.StatusCode, *n.did, text)
				}
				resp, text = ask(t, newNode(cluster.State{}), method, url, bodies[op.OperationID], "Idempotency-Key", strings.Repeat("k", 256), "Content-Type", "application/json")
				if resp.StatusCode != http.StatusBadRequest {
					t.Errorf("a long key: status %d: %s", resp.StatusCode, text)
				}
			})
		}
	}
	if ops < 20 {
		t.Errorf("there are %d operations that write", ops)
	}
}

// repeating is a node that has done everything already.
type repeating struct{ node }

func (repeating) Repeated(context.Context, cluster.Operation) (string, bool, error) {
	return "5", true, nil
}

// What was done already is not done again, and is answered as it was then.
func TestRepeatedRequest(t *testing.T) {
	n := repeating{newNode(cluster.State{Nodes: []cluster.NodeInfo{}, Lost: []cluster.NodeInfo{}, Tasks: []cluster.TaskInfo{}, Workers: []cluster.WorkerInfo{}})}
	resp, text := ask(t, n, http.MethodPost, "/api/v1/nodes/n1/restart?wait=10s", "", "Idempotency-Key", "k")
	var a client.Accepted
	if err := json.Unmarshal(text, &a); err != nil || resp.StatusCode != http.StatusAccepted || !a.Repeated || a.Revision != "5" || a.Settled == nil || !*a.Settled || len(*n.did) != 0 {
		t.Errorf("status %d, did %q, %v: %s", resp.StatusCode, *n.did, err, text)
	}
}

// What was not sent is not done, and not unknown; nothing of the store is told.
func TestUnanswered(t *testing.T) {
	lost := fmt.Errorf("scale task \"a\" to 4: %w: get /xconsumer/ca/audit: %w", cluster.ErrUnanswered, coord.ErrUnknown)
	resp, text := ask(t, doing(lost), http.MethodPost, "/api/v1/tasks/a/scale", `{"workers": 4}`, "Content-Type", "application/json")
	var p client.Problem
	err := json.Unmarshal(text, &p)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || p.Type != "" || p.Detail != "the coordination service does not answer: not done; try again" {
		t.Errorf("status %d, %v: %s", resp.StatusCode, err, text)
	}
	if strings.Contains(string(text), "/xconsumer/") || strings.Contains(string(text), coord.ErrUnknown.Error()) {
		t.Errorf("%s", text)
	}
}

// What may have been done is not called "not done", and nothing of the store is told.
func TestOutcomeUnknown(t *testing.T) {
	lost := fmt.Errorf("scale task \"a\" to 4: %w: write /xconsumer/ca/tasks/a: %w", cluster.ErrOutcomeUnknown, coord.ErrUnknown)
	for _, path := range []string{"/api/v1/tasks/a/scale", "/api/v1/plan/apply"} {
		body := map[string]string{"/api/v1/tasks/a/scale": `{"workers": 4}`, "/api/v1/plan/apply": `{"revision": "7", "operations": [{"kind": "drain", "node": "n1"}]}`}[path]
		resp, text := ask(t, doing(lost), http.MethodPost, path, body, "Content-Type", "application/json")
		var p client.Problem
		if err := json.Unmarshal(text, &p); err != nil || resp.StatusCode != http.StatusGatewayTimeout || p.Type != client.OutcomeUnknown || p.Title != "outcome unknown" || !strings.Contains(p.Detail, "Idempotency-Key") {
			t.Errorf("status %d, %v: %s", resp.StatusCode, err, text)
		}
		if strings.Contains(string(text), "/xconsumer/") || strings.Contains(string(text), coord.ErrUnknown.Error()+":") {
			t.Errorf("%s", text)
		}
	}
	resp, text := ask(t, doing(fmt.Errorf("x: %w: it was given with %q", cluster.ErrKeyReused, "pause")), http.MethodPost, "/api/v1/tasks/a/pause", "", "Idempotency-Key", "k")
	if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(text), `it was given with`) {
		t.Errorf("status %d: %s", resp.StatusCode, text)
	}
}
