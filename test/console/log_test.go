package console_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// writer is a node that has logs.
type writer struct {
	*apinode.Node
	advertise string

	mu      sync.Mutex
	lines   map[cluster.Slot][]cluster.LogLine
	changed chan struct{} // closed when there is more
}

func (n *writer) write(slot cluster.Slot, token int64, texts ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, text := range texts {
		n.lines[slot] = append(n.lines[slot], cluster.LogLine{Number: int64(len(n.lines[slot])), At: time.Now(), Token: token, Source: cluster.FromStdout, Text: text})
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

// forget is what a node does that begins.
func (n *writer) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.lines)
}

func (n *writer) Log(slot cluster.Slot, last int) ([]cluster.LogLine, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines, ok := n.lines[slot]
	if !ok {
		return nil, fmt.Errorf("%w: %s has not run on %s", cluster.ErrNoSlot, slot, n.ID)
	}
	return slices.Clone(lines[max(0, len(lines)-last):]), nil
}

func (n *writer) FollowLog(ctx context.Context, slot cluster.Slot, first int64) ([]cluster.LogLine, error) {
	for {
		n.mu.Lock()
		lines, changed := n.lines[slot], n.changed
		n.mu.Unlock()
		if int(first) < len(lines) {
			return slices.Clone(lines[first:]), nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-changed:
		}
	}
}

// Explain says that the worker was granted to n2 once.
func (n *writer) Explain(context.Context, cluster.Slot) (cluster.Explanation, error) {
	granted := cluster.Decision{Number: 1, At: time.Now(), Moves: []cluster.Decided{{Step: cluster.StepGrant, Node: "n2", Token: 1}}}
	return cluster.Explanation{Here: "a test wants it", Nodes: []cluster.Candidate{}, History: []cluster.Decision{granted}}, nil
}

// logWorld is three nodes, and what the first shows of them.
type logWorld struct {
	nodes []*writer
	url   string // of the first

	mu    sync.Mutex
	asked func() // before a log is asked for
	state cluster.State
}

// newLogWorld returns a world with a task a of one worker, which no node has.
func newLogWorld(t *testing.T) *logWorld {
	t.Helper()
	w := &logWorld{state: cluster.State{
		Cluster: "shop", Leader: "n1", Term: 1, Lost: []cluster.NodeInfo{},
		Tasks:   []cluster.TaskInfo{{Name: "a", WorkName: "w", WorkerNum: 1, Revision: "0"}},
		Workers: []cluster.WorkerInfo{{Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerPending}}},
	}}
	for i := range 3 {
		n := &writer{Node: apinode.New(cluster.State{}), lines: map[cluster.Slot][]cluster.LogLine{}, changed: make(chan struct{})}
		n.ID = fmt.Sprint("n", i+1)
		peers := &httpapi.Peers{Secret: []byte("0123456789abcdef0123456789abcdef")}
		server := apinode.Serve(t, n, httpapi.Options{Peers: peers})
		n.advertise = strings.TrimPrefix(server.URL, "http://")
		peers.Advertise = n.advertise
		w.nodes = append(w.nodes, n)
		w.state.Nodes = append(w.state.Nodes, cluster.NodeInfo{Name: n.ID, Member: "m-" + n.ID, State: cluster.NodeUp, Leader: i == 0, Weight: 1, Advertise: n.advertise})
	}
	target := &url.URL{Scheme: "http", Host: w.nodes[0].advertise}
	forward := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, ErrorLog: log.New(io.Discard, "", 0)}
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		asked := w.asked
		w.mu.Unlock()
		if asked != nil && strings.HasSuffix(r.URL.Path, "/log") {
			asked()
		}
		forward.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
	})
	w.url = front.URL
	w.set(func(*cluster.State) {})
	return w
}

// set changes what the first node shows.
func (w *logWorld) set(change func(*cluster.State)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Nodes, w.state.Tasks, w.state.Workers = slices.Clone(w.state.Nodes), slices.Clone(w.state.Tasks), slices.Clone(w.state.Workers)
	change(&w.state)
	w.nodes[0].Set(w.state)
}

// move shows the worker at a node, "" for none.
func (w *logWorld) move(node string, token int64, state cluster.WorkerState) {
	w.set(func(s *cluster.State) {
		member := ""
		if node != "" {
			member = "m-" + node
		}
		s.Workers[0].Node, s.Workers[0].Member, s.Workers[0].Token, s.Workers[0].State = node, member, token, state
	})
}

// onAsk has a function called once, before the next log is asked for.
func (w *logWorld) onAsk(f func()) {
	var once sync.Once
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = func() { once.Do(f) }
}

// knows waits until the page knows that the worker is at a node.
func (p *page) knows(node string) {
	p.Helper()
	value[bool](p, `(import("./cluster.js").then(({ live }) => { window.live = live; }), true)`)
	p.await("the page knows of "+node, fmt.Sprintf(`window.live?.value?.workers.get("a#0")?.node === %q`, node))
}

var slotA = cluster.Slot{Task: "a"}

// A worker that was at a node for a moment only has its lines in view as well, all in order, and none twice; also if it comes
// back to a node.
func TestLogOfEveryPlace(t *testing.T) {
	chromium(t)
	w := newLogWorld(t)
	n1, n2, n3 := w.nodes[0], w.nodes[1], w.nodes[2]
	n1.write(slotA, 1, "one 0", "one 1")
	w.move("n1", 1, cluster.WorkerRunning)
	p := browser(t)
	p.do(chromedp.Navigate(w.url + "/#/worker/a/0"))
	p.says(".log", "one 1")
	n2.write(slotA, 2, "two 0", "two 1")
	n3.write(slotA, 3, "three 0")
	n2.write(slotA, 4, "four 0")
	w.move("n2", 2, cluster.WorkerRunning)
	p.knows("n2")
	w.move("n3", 3, cluster.WorkerRunning)
	p.knows("n3")
	w.move("", 0, cluster.WorkerPending)
	p.knows("")
	w.move("n2", 4, cluster.WorkerRunning)
	n1.write(slotA, 1, "one 2") // it has left, and this was still on its way
	p.says(".log", "four 0")
	n2.write(slotA, 4, "four 1")
	p.says(".log", "four 1")
	n3.write(slotA, 5, "five 0")
	w.move("n3", 5, cluster.WorkerRunning)
	n2.write(slotA, 4, "four 2")
	p.says(".log", "five 0")
	want := []string{
		"one 0", "one 1", "one 2", "-- n2", "two 0", "two 1", "-- n3", "three 0", "-- n2", "four 0", "four 1", "four 2", "-- n3", "five 0",
	}
	got := value[[]string](p, `[...document.querySelectorAll(".log p")].map((e) => e.querySelector("time") ? e.textContent.slice(e.querySelector("time").textContent.length).trim() : e.textContent.replace("worker a#0 continues on", "--"))`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// It is not an error when a worker goes just as its log is asked for, whichever way it goes. The browser would report one.
func TestLogOfAWorkerThatGoes(t *testing.T) {
	chromium(t)
	const rounds = 4
	gone := func(s *cluster.State) { s.Workers = s.Workers[:0] }
	for name, c := range map[string]struct {
		asked func(w *logWorld)
		says  [2]string // where, and what
	}{
		"it stops":   {func(w *logWorld) { w.move("", 0, cluster.WorkerPending) }, [2]string{".log", "on no node"}},
		"it moves":   {func(w *logWorld) { w.move("n3", 2, cluster.WorkerRunning) }, [2]string{".log", "three"}},
		"it is gone": {func(w *logWorld) { w.set(gone) }, [2]string{".empty", "Worker a#0 does not exist"}},
		"its node goes": {func(w *logWorld) {
			w.set(func(s *cluster.State) { s.Nodes = s.Nodes[:1] })
			w.move("", 0, cluster.WorkerPending)
		}, [2]string{".log", "on no node"}},
		"it has yet to come": {func(w *logWorld) { w.move("n2", 1, cluster.WorkerStarting) }, [2]string{".log", "Nothing written yet"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLogWorld(t)
			w.nodes[2].write(slotA, 2, "three")
			p := browser(t)
			p.do(chromedp.Navigate(w.url + "/"))
			p.says("#summary", "running")
			before := w.state
			for range rounds {
				w.nodes[1].forget()
				w.set(func(s *cluster.State) { *s = before })
				w.move("n2", 1, cluster.WorkerPending)
				p.knows("n2")
				w.onAsk(func() { c.asked(w) })
				p.open("/worker/a/0")
				p.says(c.says[0], c.says[1])
				if name == "it has yet to come" {
					w.nodes[1].write(slotA, 1, "it is there")
					p.says(".log", "it is there")
				}
				p.open("/overview")
			}
		})
	}
}

// A log that cannot be read says why, is asked for again, and looks like an empty one only once it is known to be empty.
func TestLogThatCannotBeRead(t *testing.T) {
	chromium(t)
	w := newLogWorld(t)
	p := browser(t)
	p.allowed.Store("502")
	advertise := func(address string) { w.set(func(s *cluster.State) { s.Nodes[1].Advertise = address }) }
	advertise("127.0.0.1:1")
	w.move("n2", 1, cluster.WorkerRunning)
	p.do(chromedp.Navigate(w.url + "/#/worker/a/0"))
	p.says(".log .failure", "retrying: the other node cannot be asked: n2 at 127.0.0.1:1")
	w.nodes[1].write(slotA, 1)
	advertise(w.nodes[1].advertise)
	p.await("it is read, and empty", `document.querySelector(".log .failure") === null && document.querySelector(".log").textContent.includes("Nothing written yet")`)
	w.nodes[1].write(slotA, 1, "one 0")
	p.says(".log", "one 0")
	advertise("127.0.0.1:1")
	w.nodes[2].write(slotA, 3, "three 0")
	w.move("n2", 2, cluster.WorkerRunning) // what it writes then is never seen
	p.says(".log .failure", "127.0.0.1:1")
	w.move("n3", 3, cluster.WorkerRunning)
	p.says(".log", "three 0")
	p.says(".log", "cannot read the last lines of worker a#0 on n2: the other node cannot be asked")
	p.await("nothing fails", `document.querySelector(".log .failure") === null`)
}

// The log is as it should be on every width, in both themes and languages, while its worker moves, is withheld, has ended, and
// cannot be asked.
func TestLogLooks(t *testing.T) {
	chromium(t)
	w := newLogWorld(t)
	w.nodes[0].write(slotA, 1, "level=INFO msg=begins", "level=INFO msg="+strings.Repeat("very-long-", 40))
	w.nodes[1].write(slotA, 2, "level=INFO msg=begins")
	p := browser(t)
	p.allowed.Store("502")
	p.do(chromedp.Navigate(w.url + "/"))
	for _, one := range []struct {
		name string
		set  func()
		says map[string]string
	}{
		{"moves", func() {
			w.move("n1", 1, cluster.WorkerRunning)
			p.open("/worker/a/0")
			p.says(".log", "very-long")
			w.move("n2", 2, cluster.WorkerRunning)
			p.await("it is there", `document.querySelectorAll(".log p").length === 4`)
		}, map[string]string{"en": "continues on n2", "zh": "在 n2 上继续"}},
		{"withheld", func() { w.move("", 0, cluster.WorkerWithheld) }, map[string]string{"en": "on no node", "zh": "不在任何节点上"}},
		{"ended", func() {
			w.move("", 0, cluster.WorkerDone)
			p.open("/overview")
			p.await("the page has been left", `document.querySelector(".log") === null`)
			p.open("/worker/a/0")
			p.says(".log p time", "")
		}, map[string]string{"en": "The worker is done", "zh": "已运行结束"}},
		{"away", func() {
			w.set(func(s *cluster.State) { s.Nodes[2].Advertise = "127.0.0.1:1" })
			w.move("n3", 3, cluster.WorkerRunning)
			p.await("it fails", `document.querySelector(".log .failure") !== null`)
		}, map[string]string{"en": "retrying", "zh": "正在重试"}},
	} {
		one.set()
		for _, language := range []string{"en", "zh"} {
			p.enter("#language", language)
			p.says(".log p", one.says[language])
			for _, width := range []int64{390, 1280, 2560} {
				for _, dark := range []bool{false, true} {
					p.wide(width)
					p.dark(dark)
					p.await("nothing sticks out", `document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll(".log")].every((e) => e.scrollWidth <= e.clientWidth)`)
					p.picture(fmt.Sprintf("log-%s-%s-%d-%s", one.name, language, width, map[bool]string{false: "light", true: "dark"}[dark]))
				}
			}
		}
		p.enter("#language", "en")
	}
}
