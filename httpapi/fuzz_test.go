package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// Whatever is sent to whatever the description names is answered at once, and never with a fault of the server.
// The requests are made from the schemas: values that fit, that nearly fit, and that do not.
func TestEveryEndpointFromItsSchema(t *testing.T) {
	t.Run("made up", func(t *testing.T) {
		n := doing(nil, cluster.TaskDetail{TaskInfo: cluster.TaskInfo{Name: "a", Revision: "7"}})
		state := stateOf(1)
		state.Nodes = append(state.Nodes, cluster.NodeInfo{Name: "n1", Member: "m1"})
		n.Set(state)
		storm(t, n)
	})
	t.Run("real", func(t *testing.T) { storm(t, realNode(t)) })
}

// realNode is a node that runs a task, over a store in memory. Its name is not sent: nothing evicts it. Another one
// could not be asked for what its workers write, for want of a secret.
func realNode(t *testing.T) xconsumer.Admin {
	t.Helper()
	return nodeOf(t, mem.New(mem.Config{}))
}

// nodeOf is a node that runs two workers of task a, and has a task job whose run is due at New Year.
func nodeOf(t *testing.T, service *mem.Service) xconsumer.Admin {
	t.Helper()
	c := testcluster.Cluster{Service: service, Tasks: []cluster.TaskSpec{{Name: "a", WorkName: "a", WorkerNum: 2}, {Name: "job", WorkName: "a", WorkerNum: 1, Schedule: "0 0 1 1 *"}}}
	node, err := c.Start(context.Background(), "first", func(node *xconsumer.Node) {
		node.Handle("a", func(ctx context.Context, _ *xconsumer.Worker) error {
			<-ctx.Done()
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		node.Stop()
		if err := node.Wait(); err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(time.Minute); len(node.Ready()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(node.Ready())
		}
	}
	return node.Admin()
}

func storm(t *testing.T, n httpapi.Node) {
	t.Helper()
	server := apinode.Serve(t, n, httpapi.Options{Log: slog.New(slog.DiscardHandler)})
	api := httpapi.New(n, httpapi.Options{}).OpenAPI()
	m := maker{rand.New(rand.NewPCG(1, 2)), api.Components.Schemas}
	asker := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	seen, asked := map[int]int{}, 0
	paths := make([]string, 0, len(api.Paths))
	for path := range api.Paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		item := api.Paths[path]
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if op == nil || op.OperationID == "follow" {
				continue
			}
			rounds := 25
			if testing.Short() {
				rounds = 8
			}
			for range rounds {
				target, body, header := m.request(path, op)
				r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, bytes.NewReader(body))
				if err != nil {
					t.Fatalf("%s: %v", target, err)
				}
				for name, value := range header {
					r.Header.Set(name, value)
				}
				resp, err := asker.Do(r)
				if err != nil {
					t.Fatalf("%s %s %s: %v", method, target, body, err)
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				asked++
				seen[resp.StatusCode]++
				var p client.Problem
				switch {
				case err != nil:
					t.Errorf("%s %s %s: %v", method, target, body, err)
				case resp.StatusCode >= 500:
					t.Errorf("%s %s %s: %s %s", method, target, body, resp.Status, text)
				case resp.StatusCode >= 400 && (json.Unmarshal(text, &p) != nil || p.Detail == ""):
					t.Errorf("%s %s %s: %s says nothing: %s", method, target, body, resp.Status, text)
				}
				unplaced := slices.ContainsFunc(p.Errors, func(e client.Reason) bool { return e.Location == "" })
				if resp.StatusCode == http.StatusUnprocessableEntity && (unplaced || len(p.Errors) == 0 && p.Title != "refused") { // by the cluster as it is
					t.Errorf("%s %s %s: no field is named: %s", method, target, body, text)
				}
				if resp.StatusCode == http.StatusTooManyRequests {
					time.Sleep(20 * time.Millisecond) // the limit of writes
				}
			}
		}
	}
	t.Logf("%d requests: %v", asked, seen)
	for _, status := range []int{200, 202, 400, 404, 422} {
		if seen[status] == 0 {
			t.Errorf("no request was answered with %d: they are all of one kind", status)
		}
	}
}

// maker makes values from schemas.
type maker struct {
	*rand.Rand
	schemas huma.Registry
}

// request makes a request.
func (m maker) request(path string, op *huma.Operation) (target string, body []byte, header map[string]string) {
	header = map[string]string{}
	query := url.Values{}
	for _, p := range op.Parameters {
		value := m.text(p.Schema)
		switch p.In {
		case "path":
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(value), 1)
		case "query":
			if p.Name == "wait" {
				value = m.one("0s", "1ms", "-1s", "x", "11m")
			}
			if p.Name != "follow" && m.IntN(2) == 0 {
				query.Set(p.Name, value)
			}
		case "header":
			if m.IntN(2) == 0 && !strings.ContainsAny(value, "\r\n\x00") {
				header[p.Name] = value
			}
		}
	}
	if m.IntN(20) == 0 {
		query.Set("unknown", "x")
	}
	target = path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	if op.RequestBody == nil {
		return target, nil, header
	}
	header["Content-Type"] = m.one("application/json", "application/json", "application/json", "application/json", "text/plain", "")
	value := m.value(op.RequestBody.Content["application/json"].Schema, 0)
	body, err := json.Marshal(value)
	if err != nil {
		body = []byte("{")
	}
	switch m.IntN(12) {
	case 0:
		body = body[:m.IntN(len(body)+1)]
	case 1:
		body = nil
	case 2:
		body = append(body, body...)
	}
	return target, body, header
}

func (m maker) one(list ...string) string { return list[m.IntN(len(list))] }

// text makes the text of a parameter.
func (m maker) text(s *huma.Schema) string {
	v := m.value(s, 0)
	if text, ok := v.(string); ok {
		return text
	}
	return fmt.Sprint(v)
}

// value makes a value that fits a schema, or does not.
func (m maker) value(s *huma.Schema, depth int) any {
	if s == nil || depth > 6 {
		return nil
	}
	if s.Ref != "" {
		return m.value(m.schemas.SchemaFromRef(s.Ref), depth+1)
	}
	if m.IntN(15) == 0 {
		return []any{nil, true, -1, 1e300, "", "x", []any{}, map[string]any{}, strings.Repeat("y", 5000), "\u0000", "../..", "名"}[m.IntN(12)]
	}
	if len(s.Enum) > 0 && m.IntN(8) > 0 {
		return s.Enum[m.IntN(len(s.Enum))]
	}
	switch s.Type {
	case huma.TypeString:
		return m.one("a", "a", "n1", "", "30s", "2026-11-25T02:00:00Z", "7", `"7"`, "*", "a/b", "a#1", "..", "%2f", "日本")
	case huma.TypeInteger, huma.TypeNumber:
		return []any{0, 1, 2, 7, -1, 100_000, 100_001, 1 << 40}[m.IntN(8)]
	case huma.TypeBoolean:
		return m.IntN(2) == 0
	case huma.TypeArray:
		list := []any{}
		for range m.IntN(3) {
			list = append(list, m.value(s.Items, depth+1))
		}
		return list
	}
	object := map[string]any{}
	for name, field := range s.Properties {
		if slices.Contains(s.Required, name) && m.IntN(12) > 0 || m.IntN(3) == 0 {
			object[name] = m.value(field, depth+1)
		}
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		for range m.IntN(3) {
			object[m.one("a", "b", "gpu")] = m.value(more, depth+1)
		}
	}
	if m.IntN(15) == 0 {
		object["unknown"] = 1
	}
	return object
}
