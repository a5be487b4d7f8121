package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// witness is a node that remembers more than there is.
type witness struct {
	*apinode.Node
	events    chan cluster.Event
	decisions cluster.Decisions
}

func (w witness) Events(ctx context.Context) <-chan cluster.Event {
	out := make(chan cluster.Event)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-w.events:
				out <- e
			}
		}
	}()
	return out
}

func (w witness) Decisions(context.Context) (cluster.Decisions, error) { return w.decisions, nil }

func newWitness() witness {
	at := func(s int) time.Time { return time.Date(2026, 1, 2, 3, 4, s, 0, time.UTC) }
	state := cluster.State{
		Nodes: []cluster.NodeInfo{{Name: "n1", Member: "m1"}}, Lost: []cluster.NodeInfo{{Name: "n2", Member: "m2"}},
		Tasks:   []cluster.TaskInfo{{Name: "mails"}, {Name: "nightly"}},
		Workers: []cluster.WorkerInfo{{Task: "mails", Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}}},
	}
	return witness{apinode.New(state), make(chan cluster.Event), cluster.Decisions{
		Decisions: []cluster.Decision{
			{Number: 1, Leader: "n4", At: at(1), Moves: []cluster.Decided{{Step: cluster.StepGrant, Task: "mails", Node: "n3"}, {Step: cluster.StepGrant, Task: "gone", Node: "n1"}}},
			{Number: 2, Leader: "n4", At: at(3), Moves: []cluster.Decided{{Step: cluster.StepGrant, Task: "nightly@r1", Node: "n1"}}},
		},
		Audit: []cluster.AuditLine{
			{ID: "1", At: at(0), What: "pause mails", Tasks: []string{"mails"}}, {ID: "2", At: at(2), What: "move", Tasks: []string{"nightly"}, Nodes: []string{"n1"}},
			{ID: "3", At: at(4), What: "step-down"}, {ID: "4", At: at(5), What: "many", Tasks: []string{"a", cluster.AndMore}},
		},
	}}
}

// A filter takes what there is and what is remembered, and refuses everything else with what it may have meant.
func TestFilters(t *testing.T) {
	w := newWitness()
	server := apinode.Serve(t, w, httpapi.Options{})
	w.events <- cluster.Event{Kind: cluster.NodeLeft, Node: "n5"}
	for _, c := range []struct{ path, want string }{
		{"workers?state=running", ""}, {"workers?state=", ""}, {"workers?node=n2", ""}, {"workers?node=n3&task=gone", ""}, {"workers?node=n5", ""},
		{"workers?state=runnin", `query.state: unknown state "runnin", did you mean "running"? (known: pending, starting, running, backoff, stopping, stuck, withheld, done, failed, lost)`},
		{"workers?node=n9", `query.node: unknown node "n9" (known: n1, n2)`},
		{"workers?task=mail&node=n9", `query.task: unknown task "mail", did you mean "mails"? (known: mails, nightly); query.node: unknown node "n9" (known: n1, n2)`},
		{"events?kind=node-left", ""}, {"events?kind=worker-stoped", `query.kind: unknown kind "worker-stoped", did you mean "worker-stopped"?`}, {"events?task=nightly@r1", ""}, {"events?task=no", `query.task: unknown task "no"`},
		{"decisions?task=gone", ""}, {"decisions?node=n4", ""}, {"decisions?task=nope", `query.task: unknown task "nope" (known: mails, nightly)`},
		{"decisions?since=x", `query.since: invalid integer`},
		{"workers?node=n1&node=n2", `query.node: is given more than once`}, {"workers?node=%zz", `query: cannot be read: `},
		{"workers/mails/0/log?line=5", `query.line: unknown query parameter "line", did you mean "lines"? (known: follow, lines, node, run)`},
		{"workers/mails/0/log?lines=-1", `query.lines: want a number of lines, from 0`}, {"workers/mails/x/stack", `path.index: want the number of a worker, from 0`},
	} {
		t.Run(c.path, func(t *testing.T) {
			status, p := problemAt(t, server.URL+"/api/v1/"+c.path)
			if c.want == "" && status != http.StatusOK || c.want != "" && status != http.StatusUnprocessableEntity || !strings.HasPrefix(places(p), c.want) {
				t.Errorf("%d, %q; want %q", status, places(p), c.want)
			}
		})
	}
}

func problemAt(t *testing.T, url string) (status int, p client.Problem) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_ = json.NewDecoder(resp.Body).Decode(&p) // other answers leave p empty
	return resp.StatusCode, p
}

// places writes what is wrong where.
func places(p client.Problem) string {
	var list []string
	for _, e := range p.Errors {
		list = append(list, e.Location+": "+e.Message)
	}
	return strings.Join(list, "; ")
}

// No endpoint takes a query parameter that it does not have.
func TestEveryEndpointRefusesUnknownParameters(t *testing.T) {
	n := newWitness()
	server := apinode.Serve(t, n, httpapi.Options{})
	asked := 0
	for path, item := range httpapi.New(n, httpapi.Options{}).OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			target := strings.NewReplacer("{task}", "mails", "{index}", "0", "{node}", "n1").Replace(path) + "?nonsense=1"
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var p client.Problem
			err = json.NewDecoder(resp.Body).Decode(&p)
			_ = resp.Body.Close()
			asked++
			if err != nil || resp.StatusCode != http.StatusUnprocessableEntity || !strings.HasPrefix(places(p), `query.nonsense: unknown query parameter "nonsense"`) {
				t.Errorf("%s %s: %s, %v, %+v", method, target, resp.Status, err, p)
			}
		}
	}
	if asked < 40 {
		t.Errorf("only %d operations", asked)
	}
}

// Decisions about a task are its steps, those of its runs, and what people asked for it: no more.
func TestDecisionsAreFiltered(t *testing.T) {
	for query, want := range map[string]string{
		"":                    "1:mails,gone 2:nightly@r1 / 1 2 3 4",
		"?task=mails":         "1:mails / 1 4",
		"?task=nightly":       "2:nightly@r1 / 2 4",
		"?task=nightly@r1":    "2:nightly@r1 / 2 4",
		"?node=n1":            "1:gone 2:nightly@r1 / 2",
		"?node=n3&task=mails": "1:mails /",
		"?since=2":            "2:nightly@r1 / 2 3 4",
		"?since=2&task=mails": "/ 4",
		"?since=3&node=n1":    "/",
		"?limit=1":            "2:nightly@r1 / 2 3 4",
		"?limit=2":            "1:mails,gone 2:nightly@r1 / 1 2 3 4",
		"?limit=1&task=mails": "1:mails / 1 4",
		"?limit=3":            "1:mails,gone 2:nightly@r1 / 1 2 3 4",
	} {
		_, text := ask(t, newWitness(), http.MethodGet, "/api/v1/decisions"+query, "")
		var d cluster.Decisions
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, one := range d.Decisions {
			var tasks []string
			for _, m := range one.Moves {
				tasks = append(tasks, m.Task)
			}
			got = append(got, strconv.FormatInt(one.Number, 10)+":"+strings.Join(tasks, ","))
		}
		got = append(got, "/")
		for _, l := range d.Audit {
			got = append(got, l.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q; want %q", query, strings.Join(got, " "), want)
		}
	}
}

// Events that were listed are not told again by the stream that goes on from there.
func TestEventsGoOnWithoutTwice(t *testing.T) {
	w := newWitness()
	server := apinode.Serve(t, w, httpapi.Options{})
	api, err := client.New(server.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := api.State(t.Context()); err != nil { // a moment before all events
		t.Fatal(err)
	}
	slot := cluster.Slot{Task: "nightly@r1", Index: 2}
	w.events <- cluster.Event{Kind: cluster.WorkerStarted, Slot: &slot, Detail: "1"}
	w.events <- cluster.Event{Kind: cluster.WorkerStarted, Slot: &cluster.Slot{Task: "mails"}, Detail: "other"}
	filter := client.EventFilter{Task: "nightly"}
	var list []cluster.Event
	var id string
	for end := time.Now().Add(time.Minute); len(list) == 0; time.Sleep(time.Millisecond) {
		list, _, id, err = api.Events(t.Context(), filter)
		if err != nil || time.Now().After(end) {
			t.Fatalf("%v, %v", list, err)
		}
	}
	enough := errors.New("enough")
	go func() {
		w.events <- cluster.Event{Kind: cluster.RunEnded, Task: "nightly@r1", Detail: "2"}
		w.events <- cluster.Event{Kind: cluster.WorkerStopped, Slot: &slot, Detail: "3"}
	}()
	err = api.FollowEvents(t.Context(), filter, id, nil, func(e *cluster.Event) error {
		list = append(list, *e)
		if e.Detail == "3" {
			return enough
		}
		return nil
	})
	var got []string
	for _, e := range list {
		got = append(got, e.Detail)
	}
	if !errors.Is(err, enough) || !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// A limit lists the last events of those that the filter selects, and the stream goes on after them.
func TestEventsAreLimited(t *testing.T) {
	w := newWitness()
	api, err := client.New(apinode.Serve(t, w, httpapi.Options{}).URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := api.State(t.Context()); err != nil { // a moment before all events
		t.Fatal(err)
	}
	for _, task := range []string{"mails", "nightly", "mails", "mails", "nightly"} {
		w.events <- cluster.Event{Kind: cluster.WorkerStarted, Slot: &cluster.Slot{Task: task}}
	}
	list := func(filter client.EventFilter) (tasks []string, id string) {
		events, _, id, err := api.Events(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			tasks = append(tasks, e.Slot.Task)
		}
		return tasks, id
	}
	var id string
	for end, n := time.Now().Add(time.Minute), 0; n < 5; time.Sleep(time.Millisecond) {
		var all []string
		all, id = list(client.EventFilter{})
		n = len(all)
		if time.Now().After(end) {
			t.Fatalf("%v", all)
		}
	}
	for _, c := range []struct {
		filter client.EventFilter
		want   []string
	}{
		{client.EventFilter{Limit: 2}, []string{"mails", "nightly"}},
		{client.EventFilter{Limit: 5}, []string{"mails", "nightly", "mails", "mails", "nightly"}},
		{client.EventFilter{Limit: 9}, []string{"mails", "nightly", "mails", "mails", "nightly"}},
		{client.EventFilter{Limit: 1, Task: "mails"}, []string{"mails"}},
	} {
		if got, at := list(c.filter); !slices.Equal(got, c.want) || at != id {
			t.Errorf("%+v: %v, and the stream goes on at %s; want %v and %s", c.filter, got, at, c.want, id)
		}
	}
	for _, path := range []string{"events", "decisions"} {
		if code, text := ask(t, newWitness(), http.MethodGet, "/api/v1/"+path+"?limit=-1", ""); code.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s of -1: %d %s", path, code.StatusCode, text)
		}
	}
}

// What may be asked for is all that there is.
func TestListsAreWhole(t *testing.T) {
	constants := func(file, of string) (list []string) {
		parsed, err := parser.ParseFile(token.NewFileSet(), "../cluster/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == of {
					lit, ok := v.Values[0].(*ast.BasicLit)
					if !ok {
						t.Fatalf("%s: a constant that is not a literal", file)
					}
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					list = append(list, text)
				}
			}
			return true
		})
		return list
	}
	var kinds, states []string
	for _, k := range cluster.EventKinds() {
		kinds = append(kinds, string(k))
	}
	for _, s := range cluster.WorkerStates() {
		states = append(states, string(s))
	}
	if want := constants("event.go", "EventKind"); !slices.Equal(kinds, want) {
		t.Errorf("%q; want %q", kinds, want)
	}
	if want := constants("state.go", "WorkerState"); !slices.Equal(states, want) {
		t.Errorf("%q; want %q", states, want)
	}
}

// What is right, and cannot be done as the cluster is, conflicts with it; what was sent has no mistake.
func TestConflicts(t *testing.T) {
	service := mem.New(mem.Config{})
	server := apinode.Serve(t, nodeOf(t, service), httpapi.Options{})
	session, err := service.Client().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	damage := func(key string) {
		r, err := session.Get(t.Context(), "/xconsumer/"+testcluster.Name+"/"+key)
		if err == nil {
			_, err = session.Commit(t.Context(), coord.Set("/xconsumer/"+testcluster.Name+"/"+key, []byte("nonsense"), r.Version))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ask := func(path, body string) (int, client.Problem) {
		resp, err := http.Post(server.URL+"/api/v1/"+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var p client.Problem
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, p
	}
	placed(t, server.URL)
	if status, p := ask("nodes/first/cordon?wait=1m", ""); status != http.StatusAccepted {
		t.Fatalf("%d, %+v", status, p)
	}
	damage("marks/first")
	for _, c := range []struct {
		damaged, path, body, want string
	}{
		{"", "tasks/a/run-now", "", `task "a" does not run to its end`},
		{"", "workers/a/0/move", `{"to": "first"}`, "a#0 is on first"},
		{"", "nodes/first/drain", "", "`xconsumer uncordon` replaces it"},
		{"tasks/a", "tasks/a/scale", `{"workers": 3}`, "`xconsumer delete`, replaces it"},
		{"", "tasks/a/pause", "", "`xconsumer delete`, replaces it"},
		{"", "plan", `{"operations": [{"kind": "scale", "task": "a", "workers": 3}]}`, "`xconsumer delete`, replaces it"},
	} {
		if c.damaged != "" {
			damage(c.damaged)
		}
		status, p := ask(c.path, c.body)
		for end := time.Now().Add(time.Minute); status < 300 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // it is not read yet
			status, p = ask(c.path, c.body)
		}
		if status != http.StatusConflict || p.Title != "conflicts with the current state" || !strings.Contains(p.Detail, c.want) || len(p.Errors) > 0 {
			t.Errorf("%s: %d, %+v; want %q", c.path, status, p, c.want)
		}
	}
}

// What a node refuses names each field that is wrong, also where the cluster's own rules refuse it.
func TestRefusedFieldsAreNamed(t *testing.T) {
	n := realNode(t)
	server := apinode.Serve(t, n, httpapi.Options{})
	plan, _, err := placed(t, server.URL).Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, body, want string }{
		{"PUT", "tasks/a", `{"name": "a", "workName": "", "workerNum": 1}`, "body.workName"},
		{"PUT", "tasks/a", `{"name": "b", "workName": "a", "workerNum": 1}`, "body.name"},
		{"PUT", "tasks/a", `{"name": "a", "workName": "a", "workerNum": -1, "schedule": "x", "timeZone": "Nowhere/No"}`, "body.workerNum body.timeZone body.schedule"},
		{"PUT", "tasks/a", `{"name": "a", "workName": "a", "workerNum": 1, "every": "1s", "schedule": "x"}`, "body.every"},
		{"PUT", "tasks/a", `{"name": "a", "workName": "a", "workerNum": 1, "interval": "soon"}`, "body.interval"},
		{"PUT", "tasks/a", `{"name": "a", "workName": "a", "workerNum": 1, "phase": "x", "restart": {"backoff": "x"}}`, "body.phase body.restart.backoff"},
		{"PUT", "tasks/a", `{"name": "a", "workName": "a", "workerNum": 1, "require": "a=1,a!=1", "prefer": "=", "weight": -1, "overlap": "x"}`, "body.require body.prefer body.weight body.overlap"},
		{"POST", "tasks", `{"name": "-", "workName": "a", "workerNum": 1}`, "body.name"},
		{"PATCH", "tasks/a", `{"workerNum": "x"}`, "body.workerNum"},
		{"PATCH", "tasks/a", `{"worknum": 3, "every": "soon", "restart": {"backoff": "soon", "max": 3}}`, "body.every body.restart.backoff body.worknum"},
		{"PATCH", "tasks/a", `{"workerNum": 100001}`, "body.workerNum"},
		{"PATCH", "tasks/a", `{"name": "b"}`, "body.name"},
		{"POST", "tasks/a/scale", `{"workers": -1}`, "body.workers"},
		{"POST", "nodes/first/label", `{"labels": {}}`, "body.labels"},
		{"POST", "nodes/first/label", `{"labels": {"node": "x"}}`, "body.labels"},
		{"POST", "nodes/first/drain", `{"deadline": "-5s"}`, "body.deadline"},
		{"POST", "nodes/first/drain", `{"deadline": "later"}`, "body.deadline"},
		{"POST", "workers/a/0/move", `{"to": ""}`, "body.to"},
		{"PATCH", "tasks/a", `{"unheard": null}`, "body.unheard"},
		{"PATCH", "tasks/a", `{"restart": {"unheard": {"of": 1}}}`, "body.restart.unheard"},
		{"PATCH", "tasks/a", `{"restart": 3}`, "body.restart"},
		{"PATCH", "tasks/a", `{"restart": {"max": {"of": 1}}}`, "body.restart.max"},
		{"POST", "plan", `{"operations": [{"kind": "scale", "task": "job", "workers": 100000}]}`, "body.operations[0].workers"},
		{"POST", "tasks/job/scale", `{"workers": 100000}`, "body.workers"},
		{"POST", "plan", `{"operations": [{"kind": "declare", "task": "x", "spec": {"name": "x", "workName": "a", "workerNum": 1}}, {"kind": "declare", "task": "y", "spec": {"name": "y", "workName": "", "workerNum": 1}}, {"kind": "scale", "task": "a", "workers": -1}]}`, "body.operations[1].spec.workName body.operations[2].workers"},
		{"POST", "plan", `{"operations": [{"kind": "label", "node": "first", "labels": {"host": "x"}}]}`, "body.operations[0].labels"},
		{"POST", "plan/apply", `{"revision": "REVISION", "operations": [{"kind": "declare", "task": "y", "spec": {"name": "y", "workName": "", "workerNum": 1}}]}`, "body.operations[0].spec.workName"},
		{"POST", "plan/apply", `{"revision": "REVISION", "operations": [{"kind": "cordon", "node": "first"}, {"kind": "lose", "node": "first"}]}`, "body.operations[1].kind"},
		{"POST", "plan", `{"operations": [{"kind": "run-now", "task": "job"}]}`, "body.operations[0].kind"},
		{"POST", "plan", `{"operations": [{"kind": "patch", "task": "a", "patch": {"workerNum": -1}}]}`, "body.operations[0].patch.workerNum"},
		{"POST", "plan", `{"operations": [{"kind": "scale", "task": "a"}]}`, "body.operations[0].workers"},
		{"POST", "plan", `{"operations": [{"kind": "fly"}]}`, "body.operations[0].kind"},
		{"POST", "plan", `{"operations": [{"kind": "move", "task": "a", "index": 0}]}`, "body.operations[0].node"},
		{"POST", "plan", `{"operations": [{"kind": "pause"}]}`, "body.operations[0].task"},
		{"PUT", "log-level", `{"level": "loud"}`, "body.level"},
		{"POST", "tasks/a/pause?wait=soon", ``, "query.wait"},
		{"GET", "state?at=soon", ``, "query.at"},
		{"GET", "events?since=soon", ``, "query.since"},
		{"GET", "workers/a/0/log?follow=perhaps", ``, "query.follow"},
	} {
		t.Run(c.method+" "+c.path+" "+c.body, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+"/api/v1/"+c.path, strings.NewReader(strings.Replace(c.body, "REVISION", plan.Revision, 1)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			var p client.Problem
			if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range p.Errors {
				got = append(got, e.Location)
			}
			if resp.StatusCode != http.StatusUnprocessableEntity || strings.Join(got, " ") != c.want {
				t.Errorf("%s %q: %+v", resp.Status, got, p)
			}
		})
	}
}

// placed waits until task a of nodeOf has its workers, and returns a client of it.
func placed(t *testing.T, url string) *client.Client {
	t.Helper()
	api, err := client.New(url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		state, _, err := api.State(t.Context())
		if err == nil && len(state.Workers) == 2 && state.Workers[0].Node != "" {
			return api
		}
		if time.Now().After(end) {
			t.Fatalf("%+v, %v", state.Workers, err)
		}
	}
}

// Where a task has runs and none is named, the one under way that began last is meant; if there is none, the answer says so.
func TestWorkerOfTheRunUnderWay(t *testing.T) {
	began := time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)
	state := cluster.State{
		Nodes: []cluster.NodeInfo{}, Lost: []cluster.NodeInfo{},
		Tasks: []cluster.TaskInfo{
			{Name: "idle", Runs: true, NextRun: began.Add(time.Hour)}, {Name: "once", Runs: true}, {Name: "test01"}, {Name: "tick", Runs: true},
		},
		Workers: []cluster.WorkerInfo{{Task: "tick", Run: "r2", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerPending}}},
		Runs: []cluster.RunInfo{
			{Task: "tick", Run: cluster.Run{ID: "r1", Began: began}, State: cluster.RunGoesOn}, {Task: "tick", Run: cluster.Run{ID: "r2", Began: began.Add(time.Second)}, State: cluster.RunGoesOn},
			{Task: "tick", Run: cluster.Run{ID: "r3"}, State: cluster.RunQueued},
		},
	}
	for _, c := range []struct{ path, want string }{
		{"tick/0/explain", "no such worker: tick@r2#0"}, // which is who the node was asked about
		{"tick/0/explain?run=r1", "no such worker: tick@r1#0"},
		{"tick/0/stack", "no such worker: tick@r2#0 does not run"},
		{"tick/1", "no such worker: tick@r2#1"},
		{"test01/0/explain", "no such worker: test01#0"},
		{"idle/0/explain", "no such worker: idle#0: its task has no run under way; the next one is due at 2026-11-29T10:00:00Z"},
		{"once/0/explain", "no such worker: once#0: its task has no run under way, and none is due"},
	} {
		resp, text := ask(t, newNode(state), http.MethodGet, "/api/v1/workers/"+c.path, "")
		var p client.Problem
		if json.Unmarshal(text, &p) != nil || resp.StatusCode != http.StatusNotFound || p.Detail != c.want {
			t.Errorf("%s: %d, %s; want %q", c.path, resp.StatusCode, text, c.want)
		}
	}
	if resp, text := ask(t, newNode(state), http.MethodGet, "/api/v1/workers/tick/0", ""); resp.StatusCode != http.StatusOK || !strings.Contains(string(text), `"run":"r2"`) {
		t.Errorf("%d, %s", resp.StatusCode, text)
	}
}
