package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// A client reads every field of a problem that the server writes.
func TestClientReadsAllOfAProblem(t *testing.T) {
	sent := huma.ErrorModel{
		Type: "a", Title: "b", Status: 422, Detail: "c", Instance: "d",
		Errors: []*huma.ErrorDetail{{Message: "e", Location: "body.f", Value: "g"}},
	}
	for i, fields := 0, reflect.ValueOf(sent); i < fields.NumField(); i++ {
		if fields.Field(i).IsZero() {
			t.Errorf("this test leaves %s empty", fields.Type().Field(i).Name)
		}
	}
	want, err := json.Marshal(&sent)
	if err != nil {
		t.Fatal(err)
	}
	var read client.Problem
	if err := json.Unmarshal(want, &read); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(&read)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read as %s, %v; want %s", got, err, want)
	}
}

// Every error is a problem, whoever finds it: the guard, the router, the reader of bodies, or an operation.
func TestErrorsAreProblems(t *testing.T) {
	const scale, kind = "/api/v1/tasks/a/scale", "application/json"
	large := `{"workers": ` + strings.Repeat("1", 2<<20) + `}`
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		access                   *httpapi.Access
		status                   int
		allow                    string
		detail                   string
	}{
		{name: "a path that there is not", method: "GET", path: "/nope", status: 404},
		{name: "the same in the API", method: "DELETE", path: "/api/v1/nope", status: 404},
		{name: "a file that there is not", method: "GET", path: "/nope.js", status: 404},
		{name: "a write of what is read", method: "DELETE", path: "/api/v1/state", status: 405, allow: "GET, HEAD"},
		{name: "a read of what is done", method: "GET", path: scale, status: 405, allow: "POST"},
		{name: "another method of several", method: "POST", path: "/api/v1/tasks/a", status: 405, allow: "GET, HEAD, PUT, PATCH, DELETE"},
		{name: "options", method: "OPTIONS", path: "/api/v1/tasks", status: 405, allow: "GET, HEAD, POST"},
		{name: "a method of nobody", method: "BREW", path: "/api/v1/state", status: 405, allow: "GET, HEAD"},
		{name: "a write of the console", method: "POST", path: "/", status: 405, allow: "GET, HEAD"},
		{name: "a write of its files", method: "PUT", path: "/main.js", status: 405, allow: "GET, HEAD"},
		{name: "the stream", method: "POST", path: "/api/v1/stream", status: 405, allow: "GET, HEAD"},
		{name: "health", method: "POST", path: "/healthz", status: 405, allow: "GET, HEAD"},
		{name: "a large body", method: "POST", path: scale, body: large, header: []string{"Content-Type", kind}, status: 413},
		{name: "a body of another kind", method: "POST", path: scale, body: "workers=1", header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415, detail: `the body was sent as "application/x-www-form-urlencoded"; send Content-Type: application/json`},
		{name: "another kind with a parameter that cannot be read", method: "POST", path: scale, body: "workers=1", header: []string{"Content-Type", "text/plain; charset="}, status: 415},
		{name: "JSON with a parameter that cannot be read", method: "POST", path: scale, body: `{"workers": -1}`, header: []string{"Content-Type", "application/json; charset="}, status: 422},
		{name: "a kind of JSON with one", method: "POST", path: scale, body: `{"workers": -1}`, header: []string{"Content-Type", "application/merge-patch+json; charset"}, status: 422},
		{name: "a kind of no body", method: "POST", path: scale, header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 400},
		{name: "no JSON", method: "POST", path: scale, body: "{", header: []string{"Content-Type", kind}, status: 400},
		{name: "no body", method: "POST", path: scale, status: 400},
		{name: "a bad field", method: "POST", path: scale, body: `{"workers": -1}`, header: []string{"Content-Type", kind}, status: 422},
		{name: "a bad query of a log", method: "GET", path: "/api/v1/workers/a/0/log?lines=x", status: 422},
		{name: "a log of no worker", method: "GET", path: "/api/v1/workers/a/0/log", status: 404},
		{name: "a stack of no worker", method: "GET", path: "/api/v1/workers/a/0/stack", status: 404},
		{name: "a page of another site", method: "POST", path: scale, header: []string{"Sec-Fetch-Site", "cross-site"}, status: 403},
		{name: "the same, reading", method: "GET", path: "/api/v1/stream", header: []string{"Sec-Fetch-Site", "cross-site"}, status: 403},
		{name: "the same, of an old browser", method: "POST", path: "/nope", header: []string{"Origin", "http://evil.example"}, status: 403},
		{name: "no token", method: "GET", path: "/api/v1/state", access: &httpapi.Access{Tokens: func() []httpapi.Token { return []httpapi.Token{{Name: "ada"}} }}, status: 401},
		{name: "no token of the stream", method: "GET", path: "/api/v1/stream", access: &httpapi.Access{Tokens: func() []httpapi.Token { return []httpapi.Token{{Name: "ada"}} }}, status: 401},
		{name: "a key that means nothing", method: "POST", path: "/api/v1/plan", body: "{}", header: []string{"Content-Type", kind, "Idempotency-Key", "k"}, status: 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := httpapi.New(newNode(cluster.State{Nodes: []cluster.NodeInfo{}, Lost: []cluster.NodeInfo{}, Tasks: []cluster.TaskInfo{}, Workers: []cluster.WorkerInfo{}}), httpapi.Options{Access: c.access})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); _ = api.Run(ctx) }()
			defer func() { cancel(); <-ended }()
			r := httptest.NewRequestWithContext(t.Context(), c.method, "http://localhost"+c.path, strings.NewReader(c.body))
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			var p client.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if c.detail != "" && p.Detail != c.detail {
				t.Errorf("%q; want %q", p.Detail, c.detail)
			}
			if w.Code != c.status || p.Status != c.status || p.Title == "" || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Allow") != c.allow {
				t.Errorf("status %d, %q, allow %q: %s", w.Code, w.Header().Get("Content-Type"), w.Header().Get("Allow"), w.Body)
			}
		})
	}
}

// What a node cannot do since the coordination service does not answer says just that.
func TestUnansweredIsSaid(t *testing.T) {
	for name, err := range map[string]error{
		"of the node":  fmt.Errorf("decisions: %w: get /xconsumer/c/epoch: %w", cluster.ErrUnanswered, errors.New("connection lost")),
		"of the clock": fmt.Errorf("get /xconsumer/c/epoch: %w", context.DeadlineExceeded),
	} {
		for _, path := range []string{"/api/v1/state", "/api/v1/decisions", "/api/v1/tasks/a/runs", "/api/v1/report"} {
			resp, text := ask(t, failing(err), http.MethodGet, path, "")
			var p client.Problem
			if json.Unmarshal(text, &p) != nil || resp.StatusCode != http.StatusServiceUnavailable || p.Title != "the coordination service does not answer" ||
				!strings.HasPrefix(p.Detail, "the coordination service does not answer") || strings.Contains(string(text), "/xconsumer/") || strings.Contains(string(text), "deadline") {
				t.Errorf("%s, %s: %d, %s", name, path, resp.StatusCode, text)
			}
		}
	}
}
