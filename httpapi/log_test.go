package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// logNode is a node that has the log of one worker.
type logNode struct {
	*apinode.Node
	has  cluster.Slot
	past cluster.Decisions // what the cluster keeps of it
	// followed is told how many more wait for lines, if it is set.
	followed func(int64)

	mu      sync.Mutex
	lines   []cluster.LogLine
	changed chan struct{}
}

func newLogNode(name string, has cluster.Slot) *logNode {
	n := &logNode{Node: apinode.New(cluster.State{}), has: has, changed: make(chan struct{})}
	n.ID = name
	return n
}

func (n *logNode) say(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, cluster.LogLine{Number: int64(len(n.lines)), Text: text, Source: cluster.FromStdout})
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *logNode) Log(slot cluster.Slot, last int) ([]cluster.LogLine, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if slot != n.has {
		return nil, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
	}
	return n.lines[max(0, len(n.lines)-last):], nil
}

func (n *logNode) Decisions(context.Context) (cluster.Decisions, error) { return n.past, nil }

func (n *logNode) FollowLog(ctx context.Context, _ cluster.Slot, first int64) ([]cluster.LogLine, error) {
	if n.followed != nil {
		n.followed(1)
		defer n.followed(-1)
	}
	for {
		n.mu.Lock()
		lines, changed := n.lines, n.changed
		n.mu.Unlock()
		if int(first) < len(lines) {
			return lines[first:], nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-changed:
		}
	}
}

const secret = "0123456789abcdef0123456789abcdef"

// pair is two nodes, of which the second has what is asked for.
type pair struct {
	asked, has *logNode
	server     *httptest.Server // of the first
	client     *client.Client
	state      cluster.State
	target     string // address of the second
}

func newPair(t *testing.T, slot cluster.Slot, first, second *httpapi.Peers) *pair {
	t.Helper()
	return newPairOf(t, slot, "n2", first, second)
}

// newPairOf is newPair where the second node's address is answered by a node named there.
func newPairOf(t *testing.T, slot cluster.Slot, there string, first, second *httpapi.Peers) *pair {
	t.Helper()
	p := &pair{}
	p.asked, p.has = newLogNode("n1", cluster.Slot{}), newLogNode(there, slot)
	other := apinode.Serve(t, p.has, httpapi.Options{Peers: second})
	p.target = strings.TrimPrefix(other.URL, "http://")
	if second != nil {
		second.Advertise = p.target
	}
	p.server = apinode.Serve(t, p.asked, httpapi.Options{Peers: first})
	task, run := cluster.SplitRun(slot.Task)
	p.state = cluster.State{
		Nodes:   []cluster.NodeInfo{{Name: "n1", Member: "m1"}, {Name: "n2", Member: "m2", Advertise: p.target}},
		Tasks:   []cluster.TaskInfo{{Name: task}},
		Workers: []cluster.WorkerInfo{{Task: task, Run: run, Index: slot.Index, Node: "n2", Member: "m2"}},
	}
	p.client = clientOf(t, p.server.URL)
	return p
}

func (p *pair) read(ctx context.Context, slot cluster.Slot, q client.LogQuery) (texts []string, err error) {
	p.asked.Set(p.state)
	err = p.client.Log(ctx, slot, q, func(l cluster.LogLine) error {
		texts = append(texts, l.Text)
		if l.Text == "end" {
			return errEnd
		}
		return nil
	})
	return texts, err
}

var errEnd = errors.New("end")

// The log of a worker comes from the node that has it, whichever is asked, and goes on.
func TestLogFromAnotherNode(t *testing.T) {
	for _, slot := range []cluster.Slot{{Task: "a", Index: 1}, {Task: cluster.RunTask("a", "20261125T020000Z"), Index: 1}} {
		p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)})
		for i := range 5 {
			p.has.say(fmt.Sprint("line ", i))
		}
		got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 2})
		if diff := cmp.Diff([]string{"line 3", "line 4"}, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
		go func() {
			time.Sleep(50 * time.Millisecond)
			p.has.say("line 5")
			p.has.say("end")
		}()
		got, err = p.read(t.Context(), slot, client.LogQuery{Lines: 1, Follow: true})
		if diff := cmp.Diff([]string{"line 4", "line 5", "end"}, got); diff != "" || !errors.Is(err, errEnd) {
			t.Error(err, diff)
		}
		p.server.CloseClientConnections()
	}
}

// What a node keeps of the log of a worker that is elsewhere comes from that node, and if it keeps nothing, that is what is
// said, not that it cannot be asked. The answer is empty and not an error: what follows a worker cannot know.
func TestLogOfNode(t *testing.T) {
	slot := cluster.Slot{Task: "a", Index: 1}
	p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)})
	p.has.say("kept")
	p.state.Lost = []cluster.NodeInfo{{Name: "n3"}}
	for name, workers := range map[string][]cluster.WorkerInfo{
		"over": nil, "nowhere": {{Task: "a", Index: 1}}, "here": {{Task: "a", Index: 1, Node: "n1", Member: "m1"}},
	} {
		p.state.Workers = workers
		got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 5, Node: "n2"})
		if diff := cmp.Diff([]string{"kept"}, got); diff != "" || err != nil {
			t.Error(name, err, diff)
		}
		if got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 5, Node: "n3"}); !errors.Is(err, client.ErrNotFound) || len(got) > 0 {
			t.Errorf("%s: a node that is not up: %q, %v", name, got, err)
		}
	}
	other := cluster.Slot{Task: "b"}
	p.state.Workers = []cluster.WorkerInfo{{Task: "b", Node: "n2", Member: "m2"}}
	for _, q := range []client.LogQuery{{Lines: 5}, {Lines: 5, Follow: true}, {Lines: 5, Node: "n2"}} {
		if _, err := p.read(t.Context(), other, q); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// A node that has just gone answers as one that keeps nothing, and so does one that only what is kept of the past names:
// the decisions, the operations or the events. One that nobody has heard of is refused, with the name that was most likely
// meant, and a task like it is not found.
func TestLogOfNames(t *testing.T) {
	slot := cluster.Slot{Task: "a", Index: 1}
	p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)})
	p.has.say("kept")
	p.asked.past.Decisions = []cluster.Decision{{Leader: "led", Moves: []cluster.Decided{{Step: cluster.StepFree, Task: "deleted", Node: "left"}}}}
	p.asked.past.Audit = []cluster.AuditLine{{Nodes: []string{"drained"}}}
	p.state.Lost = []cluster.NodeInfo{{Name: "lost"}}
	p.state.Tasks = []cluster.TaskInfo{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	p.state.Workers = []cluster.WorkerInfo{
		{Task: "a", Index: 1, Node: "n2", Member: "m2"}, {Task: "b", Node: "n2", Member: "m2"}, {Task: "c"}, {Task: "e", Node: "ended-on", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerDone}},
	}
	p.asked.Set(p.state)
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"b/0/log": {404, "b#0"}, "b/0/log?follow=true": {404, "b#0"}, "c/0/log?follow=true": {404, "c#0"}, "d/0/log": {404, "d#0"},
		"b/0/log?node=n2": {204, ""}, "b/0/log?node=n2&follow=true": {204, ""}, "b/0/log?node=n1": {204, ""}, "b/0/log?node=n1&follow=true": {204, ""},
		"c/0/log?node=n2&follow=true": {204, ""}, "a/9/log?node=n2": {204, ""}, "c/0/log?run=r&node=n1&follow=true": {204, ""},
		"a/1/log?node=lost&follow=true": {204, ""}, "a/1/log?node=left": {204, ""}, "a/1/log?node=led&follow=true": {204, ""}, "a/1/log?node=drained": {204, ""},
		"e/0/log?node=ended-on": {204, ""}, "deleted/0/log?node=n2": {204, ""}, "deleted/0/log?node=left&run=r": {204, ""},
		"a/1/log?node=n2":                   {200, "kept"},
		"a/1/log?node=draned":               {422, `[{"message":"unknown node \"draned\" (known: lost, n1, n2)","location":"query.node","value":"draned"}]`},
		"a/1/log?node=losst&follow=true":    {422, `unknown node \"losst\", did you mean \"lost\"?`},
		"c/0/log?node=n3":                   {422, `"location":"query.node"`},
		"d/0/log?node=n2":                   {404, `no such task: \"d\" (known: a, b, c)`},
		"d/0/log?run=r&node=n1&follow=true": {404, "no such task"},
		"d/0/log?node=n3":                   {404, "no such task"},
	} {
		resp, err := http.Get(p.server.URL + "/api/v1/workers/" + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want.status || err != nil || !strings.Contains(string(text), want.says) || want.says == "" && len(text) > 0 {
			t.Errorf("%s: %s %q, %v; want %+v", path, resp.Status, text, err, want)
		}
	}
	for _, want := range []string{"only shortly has this", "has no log of"} { // it is there with no worker, and then it is not
		p.state.Nodes = p.state.Nodes[:2]
		if want == "only shortly has this" {
			p.state.Nodes = append(p.state.Nodes, cluster.NodeInfo{Name: "shortly", Member: "m3"})
		}
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // until the API has seen it
			_, err := p.read(t.Context(), slot, client.LogQuery{Lines: 1, Node: "shortly"})
			if err != nil && strings.Contains(err.Error(), want) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%v; want %q", err, want)
			}
		}
	}
}

// Without the same secret nobody is answered, and the error says what is missing.
func TestPeersAreSigned(t *testing.T) {
	slot := cluster.Slot{Task: "a"}
	for name, c := range map[string]struct {
		first, second *httpapi.Peers
		change        func(*pair)
		want          string
	}{
		"no secret here":  {nil, &httpapi.Peers{Secret: []byte(secret)}, nil, "this node has no [http] secretFile"},
		"no secret there": {&httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{}, nil, "must have the same secret"},
		"another secret":  {&httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte("x" + secret)}, nil, "must have the same secret"},
		"no address":      {&httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)}, func(p *pair) { p.state.Nodes[1].Advertise = "" }, "it has no address for other nodes"},
		"another's address": {&httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)}, func(p *pair) {
			p.state.Nodes[1].Advertise = strings.Replace(p.target, "127.0.0.1", "localhost", 1)
		}, "must be reached at its [http] advertise"},
		"the loopback of another machine": {&httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)}, func(p *pair) {
			p.state.Nodes[0].Host, p.state.Nodes[1].Host = "h1", "h2"
		}, "other machines cannot reach it: ask it on h2"},
		"another node there":      {&httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)}, nil, "this is n3"},
		"no store":                {&httpapi.Peers{Shared: func(context.Context) ([]byte, error) { return nil, errors.New("no store") }}, &httpapi.Peers{Secret: []byte(secret)}, nil, "authenticate to it: no store"},
		"an address that is none": {&httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)}, func(p *pair) { p.state.Nodes[1].Advertise = "nonsense" }, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			there := "n2"
			if name == "another node there" {
				there = "n3"
			}
			p := newPairOf(t, slot, there, c.first, c.second)
			p.has.say("private")
			if c.change != nil {
				c.change(p)
			}
			got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 5})
			if err == nil || len(got) > 0 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// shared is a secret that nodes have in common, and may be replaced.
type shared struct {
	mu    sync.Mutex
	value string
	reads int
}

func (s *shared) read(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return []byte(s.value), nil
}

func (s *shared) replace(value string) (reads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads = s.reads
	s.value = value
	return reads
}

// Of a node that is lost it is said that its log is there, by name.
func TestLogOfALostNode(t *testing.T) {
	slot := cluster.Slot{Task: "a", Index: 1}
	for name, lost := range map[string][]cluster.NodeInfo{"it is listed": {{Name: "n2", Member: "m2"}}, "the worker says it": nil} {
		p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)})
		p.state.Nodes, p.state.Lost = p.state.Nodes[:1], lost
		for _, follow := range []bool{false, true} {
			_, err := p.read(t.Context(), slot, client.LogQuery{Lines: 1, Follow: follow})
			if err == nil || !strings.HasSuffix(err.Error(), "the other node cannot be asked: n2 is lost; its log is there") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A node that is not a member for the moment, since its session has ended, shows the logs of nodes on its machine all the same.
func TestLogWhileNotAMember(t *testing.T) {
	slot := cluster.Slot{Task: "a"}
	p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, &httpapi.Peers{Secret: []byte(secret)})
	p.has.say("private")
	p.state.Nodes = p.state.Nodes[1:]
	p.state.Nodes[0].Host = "h1"
	if got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 5}); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

// Nodes that have their secret from the store are asked by it, and by the next one once it is replaced.
func TestSharedSecret(t *testing.T) {
	slot := cluster.Slot{Task: "a"}
	store := &shared{value: secret}
	p := newPair(t, slot, &httpapi.Peers{Shared: store.read}, &httpapi.Peers{Shared: store.read})
	p.has.say("private")
	for range 3 {
		if got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 5}); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
	}
	if reads := store.replace("another-" + secret); reads > 2 {
		t.Errorf("the secret was read %d times by two nodes", reads)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		fresh := newPair(t, slot, &httpapi.Peers{Shared: store.read}, nil) // it knows the new one
		fresh.state.Nodes[1].Advertise = p.target
		got, err := fresh.read(t.Context(), slot, client.LogQuery{Lines: 5})
		if err == nil && len(got) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the new secret is never read: ", err)
		}
	}
	if got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 5}); err != nil || len(got) != 1 {
		t.Error("the node that knew the old one: ", got, err)
	}
}

// A signed request is good once, and for what was signed.
func TestRequestsAreNotRepeated(t *testing.T) {
	peers := &httpapi.Peers{Secret: []byte(secret), Advertise: "n:1"}
	n := newLogNode("n2", cluster.Slot{Task: "a"})
	n.say("private")
	var recorded []*http.Request
	inner := httpapi.New(n, httpapi.Options{Peers: peers})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded = append(recorded, r.Clone(context.Background()))
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	peers.Advertise = strings.TrimPrefix(server.URL, "http://")
	asked := newLogNode("n1", cluster.Slot{})
	asked.Set(cluster.State{
		Nodes:   []cluster.NodeInfo{{Name: "n2", Member: "m2", Advertise: peers.Advertise}},
		Workers: []cluster.WorkerInfo{{Task: "a", Node: "n2", Member: "m2"}},
	})
	front := apinode.Serve(t, asked, httpapi.Options{Peers: &httpapi.Peers{Secret: []byte(secret)}})
	if err := clientOf(t, front.URL).Log(t.Context(), cluster.Slot{Task: "a"}, client.LogQuery{Lines: 1}, func(cluster.LogLine) error { return nil }); err != nil {
		t.Fatal(err)
	}
	signed := recorded[len(recorded)-1]
	if signed.Header.Get("Authorization") == "" {
		t.Fatal("the last request is not signed")
	}
	for name, path := range map[string]string{"again": signed.URL.RequestURI(), "something else": "/peer/v3/workers/b/0/log"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = signed.Header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

// Of what answers in another node's place nothing is shown, whatever it is; nor of an answer that was changed.
func TestNothingUnprovenIsShown(t *testing.T) {
	const private = "SECRET-OF-ANOTHER-SERVICE"
	slot := cluster.Slot{Task: "a"}
	impostors := map[string]http.HandlerFunc{
		"another service": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, `{"detail":"`+private+`"}`)
		},
		"one that asks for a signature": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Xconsumer-Nonce", "1.x.y")
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(http.StatusUnauthorized)
			}
			_, _ = io.WriteString(w, `{"title":"`+private+`","detail":"`+private+`","text":"`+private+`"}`+"\n")
		},
		"what does not speak HTTP": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(c, private+"\r\n\r\n")
				_ = c.Close()
			}
		},
	}
	for name, answer := range impostors {
		t.Run(name, func(t *testing.T) {
			impostor := httptest.NewServer(answer)
			defer impostor.Close()
			p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, nil)
			p.state.Nodes[1].Advertise = strings.TrimPrefix(impostor.URL, "http://")
			for _, follow := range []bool{false, true} {
				got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 5, Follow: follow})
				if err == nil || len(got) > 0 || strings.Contains(err.Error(), private) || strings.Contains(err.Error(), "teapot") {
					t.Errorf("%q, %v", got, err)
				}
			}
			resp, err := http.Get(p.server.URL + "/api/v1/nodes/n2/lease")
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusBadGateway || strings.Contains(string(text), private) || strings.Contains(string(text), "teapot") {
				t.Errorf("lease: %s %s", resp.Status, text)
			}
		})
	}
}

// tampering is a server in front of another that changes what that answers.
func tampering(t *testing.T, to string, change func(string) string) string {
	t.Helper()
	target, err := url.Parse("http://" + to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			changed := change(string(text))
			resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
			resp.Header.Set("Content-Length", fmt.Sprint(len(changed)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// Whoever stands between two nodes can change nothing of an answer, and leave nothing out.
func TestAnswersAreProven(t *testing.T) {
	slot := cluster.Slot{Task: "a"}
	for name, c := range map[string]struct {
		change func(string) string
		ok     bool
	}{
		"unchanged": {func(s string) string { return s }, true},
		"changed":   {func(s string) string { return strings.ReplaceAll(s, "true words", "lying words") }, false},
		"longer":    {func(s string) string { return s + s }, true}, // what comes after the end is not read
		"cut short": {func(s string) string { return s[:len(s)/2] }, false},
		"the end left out": {func(s string) string {
			if at := strings.LastIndex(strings.TrimSuffix(s, "\n"), "\n"); at > 0 {
				return s[:at+1]
			}
			return s
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			second := &httpapi.Peers{Secret: []byte(secret)}
			p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, second)
			between := tampering(t, p.target, c.change)
			second.Advertise, p.state.Nodes[1].Advertise = between, between
			var want []string
			for i := range 2000 { // more than a frame
				p.has.say(fmt.Sprint("true words ", i))
				want = append(want, fmt.Sprint("true words ", i))
			}
			got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 2000})
			if c.ok != (err == nil) || c.ok && !slices.Equal(got, want) {
				t.Errorf("%d lines, %v", len(got), err)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("line %d is shown as %q", i, got[i])
				}
			}
		})
	}
}

// Whoever asks for many numbers to sign takes none from the nodes.
func TestNoncesCannotBeFloodedOut(t *testing.T) {
	peers := &httpapi.Peers{Secret: []byte(secret)}
	n := newLogNode("n2", cluster.Slot{Task: "a"})
	n.say("private")
	inner := httpapi.New(n, httpapi.Options{Peers: peers})
	flood := func() {
		for range 3000 {
			inner.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://127.0.0.1/peer/v3/lease", nil))
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" { // between the number and its use
			flood()
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	peers.Advertise = strings.TrimPrefix(server.URL, "http://")
	asked := newLogNode("n1", cluster.Slot{})
	asked.Set(cluster.State{
		Nodes:   []cluster.NodeInfo{{Name: "n2", Member: "m2", Advertise: peers.Advertise}},
		Workers: []cluster.WorkerInfo{{Task: "a", Node: "n2", Member: "m2"}},
	})
	front := apinode.Serve(t, asked, httpapi.Options{Peers: &httpapi.Peers{Secret: []byte(secret)}})
	if err := clientOf(t, front.URL).Log(t.Context(), cluster.Slot{Task: "a"}, client.LogQuery{Lines: 1}, func(cluster.LogLine) error { return nil }); err != nil {
		t.Error(err)
	}
}

// A node that is not there any longer is told as people know it, with what becomes of its workers.
func TestLogOfANodeThatHasDied(t *testing.T) {
	slot := cluster.Slot{Task: "a"}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, nil)
	p.state.Nodes[1].Advertise = gone.Addr().String()
	_, err = p.read(t.Context(), slot, client.LogQuery{Lines: 5})
	want := "n2 at " + gone.Addr().String() + " cannot be reached: connection refused; if the node runs, its [http] advertise must lead to it, and the port must be open; if it has died, its workers move to other nodes after its session ends"
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v\nwant %s", err, want)
	}
}
