package console_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// fleet makes up a cluster of so many nodes, in ten zones, with so many slots of forty tasks.
func fleet(nodes, slots int) cluster.State {
	const tasks, zones = 40, 10
	s := cluster.State{Cluster: "fleet", Leader: "node-0001", Term: 1, Lost: []cluster.NodeInfo{}}
	for i := range nodes {
		s.Nodes = append(s.Nodes, cluster.NodeInfo{
			Name: fmt.Sprintf("node-%04d", i), Member: fmt.Sprintf("%032x", i), Host: fmt.Sprintf("host-%04d", i), Address: fmt.Sprintf("10.0.%d.%d:8800", i/250, i%250),
			State: cluster.NodeUp, Weight: 1, Works: []string{"work"}, Slots: slots / nodes, Load: slots / nodes, Labels: cluster.Labels{"zone": fmt.Sprintf("z%d", i%zones)},
		})
	}
	began := time.Now().UTC()
	for t := range tasks {
		name := fmt.Sprintf("task-%02d", t)
		s.Tasks = append(s.Tasks, cluster.TaskInfo{Name: name, WorkName: "work", WorkerNum: slots / tasks, Running: slots / tasks, Revision: "0"})
		for i := range slots / tasks {
			n := &s.Nodes[(t*slots/tasks+i)%nodes]
			s.Workers = append(s.Workers, cluster.WorkerInfo{Task: name, Index: i, Node: n.Name, Member: n.Member, Token: int64(i), WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning, Since: began}})
		}
	}
	return s
}

// moved is a cluster in which so many workers, from one on, have gone on to the next node but one.
func moved(s cluster.State, from, many int) cluster.State {
	s.Workers, s.Nodes = slices.Clone(s.Workers), slices.Clone(s.Nodes)
	for i := range many {
		w := &s.Workers[(from+i*97)%len(s.Workers)]
		at := slices.IndexFunc(s.Nodes, func(n cluster.NodeInfo) bool { return n.Member == w.Member })
		to := &s.Nodes[(at+333)%len(s.Nodes)]
		s.Nodes[at].Slots--
		s.Nodes[at].Load--
		to.Slots++
		to.Load++
		w.Node, w.Member, w.Token = to.Name, to.Member, w.Token+1
	}
	return s
}

// maxFloors is how much longer than the state alone, on the same machine, the picture of it may take.
const maxFloors = 10

// encoding returns how long a state takes to be encoded, in milliseconds.
func encoding(t *testing.T, s *cluster.State) float64 {
	began := time.Now()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(io.Discard)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	return float64(time.Since(began).Milliseconds())
}

// A fleet of 1,000 nodes with 100,000 slots is drawn, and 1,000 of them move every second. What it takes is logged; a
// machine may be slow, so only what does not depend on that is demanded to the letter.
func TestScale(t *testing.T) {
	chromium(t)
	const nodes, slots, moving = 1000, 100_000, 1000
	now := fleet(nodes, slots)
	node := apinode.New(now)
	server := apinode.Serve(t, node, httpapi.Options{})
	p := browser(t)
	p.do(chromedp.Navigate(server.URL + "/"))
	p.says("#summary", "100,000 of 100,000")
	p.await("the heat map is there", `performance.getEntriesByName("painted").length > 0`)
	shown := value[float64](p, `performance.getEntriesByName("painted")[0].startTime`)
	p.picture("heat")
	encoded := encoding(t, &now)
	read := later[float64](p, `(async () => { const t = performance.now(); await (await fetch("api/v1/state")).json(); return performance.now() - t; })()`)
	floor := encoded + read
	t.Logf("first picture after %.0f ms; the state alone is encoded in %.0f ms and read in %.0f", shown, encoded, read)
	if shown > maxFloors*floor {
		t.Errorf("the first picture took %.0f times as long as the state alone", shown/floor)
	}
	time.Sleep(2 * time.Second) // what was loaded is settled

	frames := p.trace(func() {
		for i := range 8 {
			now = moved(now, i*13, moving)
			node.Set(now)
			time.Sleep(time.Second)
		}
	})
	slices.Sort(frames)
	at := func(share float64) float64 { return frames[int(share*float64(len(frames)-1))] }
	total := 0.0
	for _, f := range frames {
		total += f
	}
	t.Logf("%d frames while %d slots move a second: main thread %.1f ms a frame on average, median %.1f, p90 %.1f, p99 %.1f, most %.1f", len(frames), moving, total/float64(len(frames)), at(.5), at(.9), at(.99), at(1))
	value[bool](p, `(import("./samples.js").then(({ samples }) => { window.moved = Math.max(...samples.value.moves); }), true)`)
	p.await("the page has seen them move", fmt.Sprintf(`window.moved >= %d`, moving*9/10))
	if len(frames) < 20 {
		t.Errorf("%d frames in 8 s: it stands still", len(frames))
	}
	if _, err := chromedp.Call(p.ctx, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	usage, err := chromedp.Call(p.ctx, runtime.GetHeapUsage, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	heap := usage.UsedSize / (1 << 20)
	if t.Logf("heap %.0f MB", heap); heap > 200 {
		t.Errorf("the heap holds %.0f MB", heap)
	}
	p.picture("heat moved")
}

// A small cluster is there at once.
func TestFirstPicture(t *testing.T) {
	chromium(t)
	server := apinode.Serve(t, apinode.New(fleet(10, 80)), httpapi.Options{})
	p := browser(t)
	var times []float64
	for range 5 {
		p.do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL+"/"))
		p.await("it is there", `performance.getEntriesByName("shown").length > 0`)
		times = append(times, value[float64](p, `performance.getEntriesByName("shown")[0].startTime`))
	}
	slices.Sort(times)
	t.Logf("10 nodes are there after %.0f ms (median of five)", times[2])
	if times[2] > 15_000 {
		t.Errorf("it took %.0f ms", times[2])
	}
}

// trace returns how long the page's main thread worked in each frame while something goes on, in milliseconds.
func (p *page) trace(what func()) (frames []float64) {
	p.Helper()
	type record struct {
		Name string  `json:"name"`
		Cat  string  `json:"cat"`
		Ph   string  `json:"ph"`
		Pid  int     `json:"pid"`
		Tid  int     `json:"tid"`
		Ts   float64 `json:"ts"`
		Dur  float64 `json:"dur"`
		Args struct {
			Name string `json:"name"`
		} `json:"args"`
	}
	var records []record
	done := make(chan struct{})
	err := chromedp.Listen(p.ctx, func(event any) {
		switch e := event.(type) {
		case *tracing.EventDataCollected:
			for _, one := range e.Value {
				var r record
				if text, err := json.Marshal(one); err == nil && json.Unmarshal(text, &r) == nil {
					records = append(records, r)
				}
			}
		case *tracing.EventTracingComplete:
			close(done)
		}
	})
	if err != nil {
		p.Fatal(err)
	}
	if _, err := chromedp.Call(p.ctx, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "__metadata"}}}); err != nil {
		p.Fatal(err)
	}
	what()
	if _, err := chromedp.Call(p.ctx, tracing.End, cdp.Empty{}); err != nil {
		p.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		p.Fatal("the trace does not end")
	}
	type thread struct{ pid, tid int }
	mains := map[thread]bool{}
	fired := map[thread]int{}
	for _, r := range records {
		if r.Name == "thread_name" && r.Args.Name == "CrRendererMain" {
			mains[thread{r.Pid, r.Tid}] = true
		}
		if r.Name == "FireAnimationFrame" {
			fired[thread{r.Pid, r.Tid}]++
		}
	}
	var main thread
	for t := range mains {
		if fired[t] > fired[main] {
			main = t
		}
	}
	slices.SortFunc(records, func(a, b record) int { return int(a.Ts - b.Ts) })
	const frame = 1000.0 / 60
	work := map[int]float64{} // by the frame that it is in
	active := map[int]bool{}
	for _, r := range records {
		if (thread{r.Pid, r.Tid}) != main {
			continue
		}
		at := int(r.Ts / 1000 / frame)
		if r.Name == "FireAnimationFrame" {
			active[at] = true
		}
		if r.Ph == "X" && r.Name == "RunTask" {
			work[at] += r.Dur / 1000
		}
	}
	for at := range active {
		frames = append(frames, work[at])
	}
	return frames
}

// Blocks of a heat map lie side by side, in their groups, whatever their numbers.
func TestLayout(t *testing.T) {
	chromium(t)
	server := apinode.Serve(t, apinode.New(fleet(2, 80)), httpapi.Options{})
	p := browser(t)
	p.do(chromedp.Navigate(server.URL + "/"))
	p.says("#summary", "80 of 80")
	if wrong := later[string](p, `import("./layout.js").then(({ blockAt, dotAt, layout }) => {
		for (let round = 0; round < 300; round++) {
			const any = (n) => 1 + Math.floor(Math.random() * n);
			const groups = Array.from({ length: any(12) }, (_, g) => ["g" + g, Array.from({ length: any(60) }, (_, i) => ({ name: g + "/" + i }))]);
			const most = any(400), width = 200 + any(2300), l = layout(groups, most, width, any(1500), round % 2 === 0);
			const blocks = [...l.blocks.values()];
			if (l.columns * l.rows < most) return "no room for " + most;
			if (blocks.length !== groups.reduce((n, [, list]) => n + list.length, 0)) return "some have no block";
			const taken = new Map();
			for (const b of blocks) {
				if (b.x < 0 || b.y < 0 || b.y + l.high > l.height || (b.x > 0 && b.x + l.wide > width)) return b.name + " is outside";
				for (const h of l.heads) if (Math.abs(b.x - h.x) < l.wide && b.y < h.y + 26 && b.y + l.high > h.y) return b.name + " lies on the name of " + h.value;
				const at = b.x + "," + b.y;
				if (taken.has(at)) return b.name + " lies on " + taken.get(at);
				taken.set(at, b.name);
				if (blockAt(l, b.x + l.wide - 1, b.y + l.high - 1) !== b || dotAt(l, b, b.x, b.y) !== 0) return b.name + " is not found";
			}
		}
		return "";
	})`); wrong != "" {
		t.Error(wrong)
	}
}
