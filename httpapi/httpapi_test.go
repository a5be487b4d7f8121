package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

type node struct {
	state   cluster.State
	err     error
	reasons []string
}

func (n node) Name() string                                 { return "n1" }
func (n node) State(context.Context) (cluster.State, error) { return n.state, n.err }
func (n node) Ready() []string                              { return n.reasons }

func get(t *testing.T, n node, method, path string) (*http.Response, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	httpapi.Handler(n).ServeHTTP(w, httptest.NewRequest(method, path, nil))
	resp := w.Result()
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func TestAnswers(t *testing.T) {
	good := node{state: cluster.State{Cluster: "c", Nodes: []cluster.NodeInfo{}, Lost: []cluster.NodeInfo{}, Tasks: []cluster.TaskInfo{}, Workers: []cluster.WorkerInfo{}}}
	bad := node{err: errors.New("no idea"), reasons: []string{"connecting"}}
	for _, c := range []struct {
		name         string
		node         node
		method, path string
		status       int
		kind, body   string
	}{
		{"state", good, "GET", "/api/v1/state", 200, "application/json", `{"cluster":"c","leader":"","term":0,"nodes":[],"lost":[],"tasks":[],"workers":[]}`},
		{"no state", bad, "GET", "/api/v1/state", 503, "application/problem+json", `{"status":503,"title":"state is not known","detail":"no idea","reasons":["connecting"]}`},
		{"healthy", bad, "GET", "/healthz", 200, "application/json", `{"node":"n1","status":"ok"}`},
		{"ready", good, "GET", "/readyz", 200, "application/json", `{"node":"n1","status":"ok"}`},
		{"not ready", bad, "GET", "/readyz", 503, "application/json", `{"node":"n1","status":"not ready","reasons":["connecting"]}`},
		{"nothing there", good, "GET", "/x", 404, "application/problem+json", `{"status":404,"title":"not found","detail":"GET /x is not served; try GET /api/v1/state"}`},
		{"no writing", good, "POST", "/api/v1/state", 404, "application/problem+json", `{"status":404,"title":"not found","detail":"POST /api/v1/state is not served; try GET /api/v1/state"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := get(t, c.node, c.method, c.path)
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

func TestClient(t *testing.T) {
	serve := func(h http.Handler) *httpapi.Client {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		c, err := httpapi.NewClient(server.URL + "/")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	state, raw, err := serve(httpapi.Handler(node{state: cluster.State{Cluster: "c"}})).State(t.Context())
	if err != nil || state.Cluster != "c" || !strings.Contains(string(raw), `"cluster":"c"`) {
		t.Errorf("%+v, %s, %v", state, raw, err)
	}
	_, _, err = serve(httpapi.Handler(node{err: errors.New("no idea"), reasons: []string{"connecting"}})).State(t.Context())
	if !errors.Is(err, httpapi.ErrRefused) || !strings.Contains(err.Error(), "no idea; connecting") {
		t.Errorf("refused: %v", err)
	}
	_, _, err = serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })).State(t.Context())
	if !errors.Is(err, httpapi.ErrUnreachable) {
		t.Errorf("another server: %v", err)
	}
	for _, bad := range []string{"", "ftp://x", "http://", "http://a b"} {
		if _, err := httpapi.NewClient(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
