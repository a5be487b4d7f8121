package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// node is a node that notes what it is asked for.
type node struct {
	*apinode.Node
	did *[]string
	err error // of what it does
}

func newNode(state cluster.State, tasks ...cluster.TaskDetail) node {
	return node{apinode.New(state, tasks...), new([]string), nil}
}

// doing is a node that fails to do what it is asked for.
func doing(err error, tasks ...cluster.TaskDetail) node {
	n := newNode(cluster.State{}, tasks...)
	n.err = err
	return n
}

func failing(err error, reasons ...string) node {
	n := newNode(cluster.State{})
	n.Err, n.Reasons = err, reasons
	return n
}

func (n node) Do(_ context.Context, op cluster.Operation) (string, error) {
	{
		did := op.String()
		if op.Patch != nil {
			did += " " + string(op.Patch)
		}
		if op.If != "" {
			did += " if " + op.If
		}
		if op.Key != "" {
			did += " with key " + op.Key
		}
		*n.did = append(*n.did, did)
	}
	return "8", n.err
}

func (n node) Plan(_ context.Context, ops cluster.Operations) (cluster.Plan, error) {
	return cluster.Plan{Revision: ops.String()}, n.err
}

func (n node) Apply(_ context.Context, ops cluster.Operations, revision string, caller cluster.Caller) (revisions []string, err error) {
	did := fmt.Sprint("apply ", ops, " at ", revision)
	if caller.Key != "" {
		did += " with key " + caller.Key
	}
	*n.did = append(*n.did, did)
	return slices.Repeat([]string{"8"}, len(ops)), n.err
}

// ask sends a request to the API of a node and returns the answer with its body.
func ask(t *testing.T, n httpapi.Node, method, path, body string, header ...string) (*http.Response, []byte) {
	t.Helper()
	server := apinode.Serve(t, n, httpapi.Options{Log: slog.New(slog.DiscardHandler)})
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, text
}

func TestAnswers(t *testing.T) {
	good := newNode(cluster.State{Cluster: "c", Nodes: []cluster.NodeInfo{}, Lost: []cluster.NodeInfo{}, Tasks: []cluster.TaskInfo{}, Workers: []cluster.WorkerInfo{}})
	bad := failing(errors.New("no idea"), "connecting")
	for _, c := range []struct {
		name         string
		node         node
		method, path string
		status       int
		kind, body   string
	}{
		{"state", good, "GET", "/api/v1/state", 200, "application/json", `{"cluster":"c","leader":"","term":0,"nodes":[],"lost":[],"tasks":[],"workers":[]}`},
		{"no state", bad, "GET", "/api/v1/state", 503, "application/problem+json", `{"status":503,"title":"not done","detail":"no idea","errors":[{"message":"connecting"}]}`},
		{"healthy", bad, "GET", "/healthz", 200, "application/json", `{"node":"n1","status":"ok"}`},
		{"ready", good, "GET", "/readyz", 200, "application/json", `{"node":"n1","status":"ok"}`},
		{"not ready", bad, "GET", "/readyz", 503, "application/json", `{"node":"n1","status":"not ready","reasons":["connecting"]}`},
		{"nothing there", good, "GET", "/x", 404, "application/problem+json", `{"status":404,"title":"not found","detail":"GET /x is not served; GET /api/v1/openapi.yaml lists what is"}`},
		{"no writing", good, "POST", "/api/v1/state", 405, "application/problem+json", `{"status":405,"title":"method not allowed","detail":"/api/v1/state takes GET, HEAD, not POST"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, text := ask(t, c.node, c.method, c.path, "")
			var body map[string]any
			if err := json.Unmarshal(text, &body); err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := json.Unmarshal([]byte(c.body), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, body); diff != "" || resp.StatusCode != c.status || resp.Header.Get("Content-Type") != c.kind {
				t.Errorf("status %d, %s, body (-want +got):\n%s", resp.StatusCode, resp.Header.Get("Content-Type"), diff)
			}
		})
	}
}

// Every operation reaches the node as what it is, and every error of the node becomes its answer.
func TestOperations(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		err              error
		status           int
		want             string // what the node is asked, or the problem's detail
	}{
		{"scale", "tasks/a/scale", `{"workers": 3}`, nil, 202, `scale task "a" to 3`},
		{"scale to nothing", "tasks/a/scale", `{"workers": 0}`, nil, 202, `scale task "a" to 0`},
		{"scale to what", "tasks/a/scale", ``, nil, 400, `request body is required`},
		{"scale to words", "tasks/a/scale", `{"workers": "many"}`, nil, 422, `validation failed; body.workers: expected integer`},
		{"a field that there is not", "tasks/a/scale", `{"worker": 3}`, nil, 422, `validation failed; body: expected required property workers to be present; body.worker: unexpected property`},
		{"two bodies", "tasks/a/scale", `{"workers": 3}{}`, nil, 400, `validation failed; body: invalid character '{' after top-level value`},
		{"scale to too many", "tasks/a/scale", `{"workers": 100001}`, nil, 422, `validation failed; body.workers: expected number <= 100000`},
		{"a query that there is not", "tasks/a/pause?when=no", ``, nil, 422, `validation failed; query.when: unknown query parameter "when" (known: wait)`},
		{"pause", "tasks/a/pause", ``, nil, 202, `pause task "a"`},
		{"resume", "tasks/a/resume", ``, nil, 202, `resume task "a"`},
		{"reset", "tasks/a/reset", ``, nil, 202, `reset task "a"`},
		{"restart a task", "tasks/a/restart", ``, nil, 202, `restart task "a"`},
		{"restart a worker", "workers/a/2/restart", ``, nil, 202, `restart a#2`},
		{"restart no worker", "workers/a/x/restart", ``, nil, 422, `validation failed; path.index: invalid integer`},
		{"cordon", "nodes/n1/cordon", ``, nil, 202, `cordon node "n1"`},
		{"uncordon", "nodes/n1/uncordon", ``, nil, 202, `uncordon node "n1"`},
		{"restart a node", "nodes/n1/restart", ``, nil, 202, `restart node "n1"`},
		{"drain", "nodes/n1/drain", ``, nil, 202, `drain node "n1"`},
		{"drain by when", "nodes/n1/drain", `{"deadline": "soon"}`, nil, 422, `validation failed; body.deadline: expected string to be a duration such as "30s", "1m30s" or "500ms"`},
		{"step down", "leader/step-down", ``, nil, 202, `step-down`},
		{"move now", "moves/now", ``, nil, 202, `move-now`},
		{"apply", "plan/apply", `{"revision": "r", "operations": [{"kind": "drain", "node": "n2"}]}`, nil, 202, `apply drain node "n2" at r`},
		{"no such task", "tasks/a/pause", ``, cluster.ErrNoTask, 404, `no such task`},
		{"no such node", "nodes/n1/cordon", ``, cluster.ErrNoNode, 404, `no such node`},
		{"no such worker", "workers/a/7/restart", ``, cluster.ErrNoSlot, 404, `no such worker`},
		{"impossible", "tasks/a/pause", ``, cluster.ErrChange, 422, `change refused`},
		{"too large", "plan/apply", `{"revision": "", "operations": []}`, fmt.Errorf("%w: 120 operations", cluster.ErrTooLarge), 413, `too large for one commit: 120 operations`},
		{"too late", "plan/apply", `{"revision": "", "operations": []}`, cluster.ErrMovedOn, 412, `the cluster has moved on since it was planned`},
		{"not connected", "tasks/a/pause", ``, cluster.ErrNotMember, 503, `this node is not a member of the cluster at this moment`},
		{"anything else", "tasks/a/pause", ``, errors.New("odd"), 503, `odd`},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := doing(c.err)
			resp, text := ask(t, n, http.MethodPost, "/api/v1/"+c.path, c.body)
			did := *n.did
			var body client.Problem
			if err := json.Unmarshal(text, &body); err != nil {
				t.Fatal(err)
			}
			got := body.Detail
			for _, e := range body.Errors {
				got += "; " + e.Location + ": " + e.Message
			}
			if resp.StatusCode == http.StatusAccepted && len(did) == 1 {
				got = did[0]
			}
			if resp.StatusCode != c.status || got != c.want {
				t.Errorf("status %d, %q; want %d, %q", resp.StatusCode, got, c.status, c.want)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	resp, text := ask(t, doing(nil), http.MethodPost, "/api/v1/plan", `{"operations": [{"kind": "drain", "node": "n2"}, {"kind": "scale", "task": "a", "workers": 3}]}`)
	var plan cluster.Plan
	if err := json.Unmarshal(text, &plan); err != nil || resp.StatusCode != http.StatusOK || plan.Revision != `drain node "n2"; scale task "a" to 3` {
		t.Errorf("status %d, %+v, %v", resp.StatusCode, plan, err)
	}
}

// A page of another site cannot make a browser operate a cluster.
func TestOtherSitesAreRefused(t *testing.T) {
	n := doing(nil)
	resp, _ := ask(t, n, http.MethodPost, "/api/v1/tasks/a/pause", "", "Sec-Fetch-Site", "cross-site")
	if resp.StatusCode != http.StatusForbidden || len(*n.did) > 0 {
		t.Errorf("status %d, did %v", resp.StatusCode, *n.did)
	}
}

func clientOf(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClient(t *testing.T) {
	state, raw, err := clientOf(t, apinode.Serve(t, newNode(cluster.State{Cluster: "c"}), httpapi.Options{}).URL).State(t.Context())
	if err != nil || state.Cluster != "c" || !strings.Contains(string(raw), `"cluster":"c"`) {
		t.Errorf("%+v, %s, %v", state, raw, err)
	}
	_, _, err = clientOf(t, apinode.Serve(t, failing(errors.New("no idea"), "connecting"), httpapi.Options{}).URL).State(t.Context())
	if !errors.Is(err, client.ErrRefused) || !strings.Contains(err.Error(), "no idea; connecting") {
		t.Errorf("refused: %v", err)
	}
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer html.Close()
	_, _, err = clientOf(t, html.URL).State(t.Context())
	if !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("another server: %v", err)
	}
	for _, bad := range []string{"", "ftp://x", "http://", "http://a b", "http://u:secret@h", "http://u:secret/?@h", "::1:8800", "h:99999", "h:abc", "h;8800"} {
		if _, err := client.New(bad, client.Options{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// The description of the API is what is committed, so that a change of it is seen.
func TestSpec(t *testing.T) {
	spec, err := httpapi.Spec()
	if err != nil {
		t.Fatal(err)
	}
	const file = "openapi.yaml"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, spec, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil || string(committed) != string(spec) {
		t.Errorf("%s is not what the types say, %v; UPDATE=1 go test ./httpapi writes it\n%s", file, err, cmp.Diff(string(committed), string(spec)))
	}
	if _, served := ask(t, newNode(cluster.State{}), http.MethodGet, "/api/v1/openapi.yaml", ""); string(served) != string(spec) {
		t.Error("a node serves another one")
	}
}

// Tasks are created, replaced, patched and deleted, if they are what the caller has looked at.
func TestTasks(t *testing.T) {
	spec := cluster.TaskSpec{Name: "a", WorkName: "w", WorkerNum: 2}
	there := []cluster.TaskDetail{{TaskInfo: cluster.TaskInfo{Name: "a", Revision: "7"}, Declared: spec}}
	const body = `{"name": "a", "workName": "w", "workerNum": 2}`
	for _, c := range []struct {
		name, method, path, body string
		header                   [2]string
		err                      error
		status                   int
		want                     string // what the node is asked, or the problem
	}{
		{"create", "POST", "tasks", body, [2]string{}, nil, 202, `declare task "a" if absent`},
		{"create what is there", "POST", "tasks", body, [2]string{}, cluster.ErrExists, 409, "it exists already"},
		{"create with a key", "POST", "tasks", body, [2]string{"Idempotency-Key", "k"}, nil, 202, `declare task "a" if absent with key k`},
		{"create what is there with a key", "POST", "tasks", body, [2]string{"Idempotency-Key", "k"}, cluster.ErrExists, 409, "it exists already"},
		{"create nothing", "POST", "tasks", `{}`, [2]string{}, nil, 422, "validation failed; body: expected required property name to be present; body: expected required property workName to be present; body: expected required property workerNum to be present"},
		{"replace", "PUT", "tasks/a", body, [2]string{}, nil, 202, `declare task "a"`},
		{"replace what was looked at", "PUT", "tasks/a", body, [2]string{"If-Match", `"7"`}, nil, 202, `declare task "a" if 7`},
		{"replace what has changed", "PUT", "tasks/a", body, [2]string{"If-Match", `"7"`}, cluster.ErrMovedOn, 412, "the cluster has moved on since it was planned"},
		{"replace nothing", "PUT", "tasks/a", body, [2]string{"If-None-Match", `*`}, nil, 202, `declare task "a" if absent`},
		{"replace nothing, but it is there", "PUT", "tasks/a", body, [2]string{"If-None-Match", `*`}, cluster.ErrExists, 412, "not done, because of If-None-Match: it exists already"},
		{"patch", "PATCH", "tasks/a", `{"workerNum": 3, "spread": null}`, [2]string{"If-Match", `7`}, nil, 202, `patch task "a" {"spread":null,"workerNum":3} if 7`},
		{"patch by no object", "PATCH", "tasks/a", `[]`, [2]string{}, nil, 422, `validation failed; body: expected object`},
		{"delete", "DELETE", "tasks/a", ``, [2]string{"If-Match", `*`}, nil, 202, `delete task "a"`},
		{"scale what was looked at", "POST", "tasks/a/scale", `{"workers": 3}`, [2]string{"If-Match", `"7"`}, nil, 202, `scale task "a" to 3 if 7`},
		{"get none", "GET", "tasks/b", ``, [2]string{}, nil, 404, `no such task: "b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := doing(c.err, there...)
			resp, text := ask(t, n, c.method, "/api/v1/"+c.path, c.body, c.header[:]...)
			did := *n.did
			var p client.Problem
			if err := json.Unmarshal(text, &p); err != nil {
				t.Fatal(err)
			}
			got := p.Detail
			for _, e := range p.Errors {
				got += "; " + e.Location + ": " + e.Message
			}
			if resp.StatusCode == http.StatusAccepted && len(did) == 1 {
				got = did[0]
				if tag := resp.Header.Get("ETag"); tag != `"8"` && tag != `"7"` {
					t.Errorf("ETag %s", tag)
				}
			}
			if resp.StatusCode != c.status || got != c.want {
				t.Errorf("status %d, %q; want %d, %q", resp.StatusCode, got, c.status, c.want)
			}
		})
	}
	resp, text := ask(t, newNode(cluster.State{}, there...), http.MethodGet, "/api/v1/tasks/a", "")
	var got cluster.TaskDetail
	if err := json.Unmarshal(text, &got); err != nil || resp.Header.Get("ETag") != `"7"` || got.Declared != spec || got.Name != "a" {
		t.Errorf("%v, %v, %s", err, resp.Header, text)
	}
}

// How much a node logs can be changed while it runs.
func TestLogLevel(t *testing.T) {
	level := &slog.LevelVar{}
	server := apinode.Serve(t, newNode(cluster.State{}), httpapi.Options{Level: level, Log: slog.New(slog.DiscardHandler)})
	put := func(body string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/api/v1/log-level", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if code := put(`{"level": "debug"}`); code != http.StatusOK || level.Level() != slog.LevelDebug {
		t.Errorf("%d, %v", code, level.Level())
	}
	if code := put(`{"level": "loud"}`); code != http.StatusUnprocessableEntity || level.Level() != slog.LevelDebug {
		t.Errorf("%d, %v", code, level.Level())
	}
}

// Where there is nothing, lists are empty and not null: programs go through them without a look.
func TestNothingIsAList(t *testing.T) {
	server := apinode.Serve(t, newNode(cluster.State{Nodes: []cluster.NodeInfo{}, Lost: []cluster.NodeInfo{}, Tasks: []cluster.TaskInfo{}, Workers: []cluster.WorkerInfo{}}), httpapi.Options{})
	for _, path := range []string{"state", "tasks", "nodes", "workers", "events", "decisions"} {
		resp, err := http.Get(server.URL + "/api/v1/" + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || strings.Contains(string(text), "null") {
			t.Errorf("%s: %s, %v", path, text, err)
		}
	}
}
