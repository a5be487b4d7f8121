package scale

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/etcdserver"
)

// What there is to choose from.
const (
	allSystems = "xconsumer,original,locks,election"
	allStores  = "zookeeper,etcd"
	allChanges = "coldstart,unannounced,add1,remove1,crash1,lost1,lost10,scaleup,scaledown,idle,rolling,leaderlost,handoff1,handoff1000"
)

var (
	file    = flag.String("json", "", "write a line of JSON for each row into this file")
	systems = flag.String("system", allSystems, "what to measure")
	stores  = flag.String("store", allStores, "on which services")
	nodes   = flag.String("nodes", "10,100", "how many nodes")
	sizes   = flag.String("slots", "1000,10000", "how many slots")
	changes = flag.String("change", allChanges, "which changes")
	servers = flag.Int("servers", 1, "of the service")
	syncs   = flag.String("sync", "no", "yes: ZooKeeper's servers wait for their disks (etcd's always do)")
	limit   = flag.Duration("limit", 40*time.Minute, "begin nothing after so long")
	profile = flag.String("profile", "", "write into this directory where the processor time of each change goes, of the leader and of the nodes")
)

func TestMain(m *testing.M) {
	etcdserver.Serve()
	if text := os.Getenv(leaderOf); text != "" {
		lead(text)
		return
	}
	os.Exit(m.Run())
}

// patience bounds a change.
const patience = 3 * time.Minute

// rollFor bounds a rolling restart: the last one that has begun is waited for.
const rollFor = time.Minute

// betweenRestarts is from when a node has joined to when the next one is restarted.
const betweenRestarts = 500 * time.Millisecond

// world is a system of so many nodes and slots on a service.
type world struct {
	testing.TB
	service service
	system  system
	record  *recorder
	name    string
	names   []string // of the nodes that there are
	slots   int
	next    int
	base    float64 // MB of this process before it had nodes
	even    bool    // its slots come to lie evenly
	cold    string  // the change with which it begins: coldstart, or unannounced if the leader does not know how many nodes start
}

func (w *world) fresh() string {
	w.next++
	return fmt.Sprintf("n%04d", w.next)
}

// wait waits until everything runs where it should.
func (w *world) wait(slots int) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if w.even && w.record.settled(slots, w.names) || !w.even && w.record.complete(slots) {
			return true
		}
	}
	return false
}

// waitRunning waits until everything runs somewhere.
func (w *world) waitRunning(slots int) {
	for end := time.Now().Add(patience); time.Now().Before(end) && !w.record.complete(slots); {
		time.Sleep(2 * time.Millisecond)
	}
}

// measure makes a change, and measures until everything is settled.
func (w *world) measure(change string, bound func() int, make func()) (row, bool) {
	before := w.system.counts()
	w.record.mark()
	endProfile := w.profile(change)
	used := w.used()
	began := time.Now()
	make()
	ok := w.wait(w.slots)
	took, moves, duplicates := w.record.took(began)
	time.Sleep(300 * time.Millisecond) // for what is written behind it
	over := time.Since(began)
	use := w.used() // before the counts of a thousand nodes are added up
	endProfile()
	c := w.system.counts().less(before)
	r := row{
		System: w.name, Store: w.service.name, Nodes: len(w.names), Slots: w.slots, Change: change, SettledMs: ms(took.last), FirstMs: ms(took.first), P50Ms: ms(took.p50), P99Ms: ms(took.p99),
		Writes: c.Writes, Books: c.Books, Reads: c.Reads, Hints: c.Hints, Bytes: c.Bytes, Moves: moves, Bound: bound(), Duplicates: duplicates,
		LargestKB: float64(c.Largest) / 1024, Beats: c.Beats, Over: ms(over),
		LeaderCPU: ms(use.leader - used.leader), NodesCPU: ms(use.nodes - used.nodes), StoreCPU: ms(use.store - used.store),
	}
	if f, is := w.system.(*fleet); is && f.leader != nil {
		_, r.LeaderMB = memory(f.leader.Process.Pid)
	}
	runtime.GC()
	now, _ := memory(os.Getpid())
	r.NodeMB = (now - w.base) / float64(max(1, len(w.names)))
	if !ok {
		w.Logf("%s %s %d×%d %s: not settled within %v", w.name, w.service.name, len(w.names), w.slots, change, patience)
	}
	return r, ok
}

// profile writes where the processor time goes until the returned function is called, if that is wanted.
func (w *world) profile(change string) (end func()) {
	if *profile == "" {
		return func() {}
	}
	path := filepath.Join(*profile, fmt.Sprintf("%s-%s-%d-%d-%s", w.name, w.service.name, len(w.names), w.slots, change))
	file, err := os.Create(path + "-nodes.pprof")
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		w.Fatal(err)
	}
	f, is := w.system.(*fleet)
	if is {
		f.profileLeader(path + "-leader.pprof")
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
		if is {
			f.profileLeader("")
		}
	}
}

// usage is the processor time that was taken so far.
type usage struct{ leader, nodes, store time.Duration }

func (w *world) used() (u usage) {
	u.nodes, u.store = cpu(os.Getpid()), w.service.cpu()
	if f, is := w.system.(*fleet); is && f.leader != nil {
		u.leader = cpu(f.leader.Process.Pid)
	}
	return u
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// all are the changes, in an order in which each begins where the last one ended.
func (w *world) all(n int, rep *report) {
	fixed := func(n int) func() int { return func() int { return n } }
	step := func(change string, touched int, bound func() int, make func()) bool {
		if !rep.time() {
			fmt.Printf("%s/%s/%d/%d: %s and what follows are not measured, the time is over\n", w.name, w.service.name, len(w.names), w.slots, change)
			return false
		}
		r, ok := w.measure(change, bound, make)
		if rep.want[change] {
			switch {
			case w.service.name != "zookeeper" || touched == 0:
			case change == w.cold:
				r.FloorMs = ms(coldFloor(w.TB, w.service.addrs, touched, w.slots))
			default:
				r.FloorMs = ms(floor(w.TB, w.service.addrs, touched, max(1, w.slots/len(w.names))))
			}
			rep.print(r)
		}
		return ok
	}
	start := func(many int) {
		var group sync.WaitGroup
		turn := make(chan struct{}, startsAtOnce)
		for range many {
			name := w.fresh()
			w.names = append(w.names, name)
			group.Go(func() {
				turn <- struct{}{}
				w.system.start(name)
				<-turn
			})
		}
		group.Wait()
	}
	drop := func(many int, how func(string)) {
		gone := w.names[:many]
		w.names = slices.Clone(w.names[many:])
		for _, name := range gone {
			how(name)
		}
	}
	share := func() int { return w.slots / len(w.names) }
	if !step(w.cold, n, fixed(w.slots), func() { start(n) }) || w.cold == "unannounced" {
		return
	}
	if rep.want["idle"] && w.name == "xconsumer" {
		step("idle", 0, fixed(0), func() { time.Sleep(30 * time.Second) })
	}
	ok := true
	for _, s := range []struct {
		name    string
		touched int
		bound   func() int
		do      func()
	}{
		{"add1", n + 1, func() int { return w.slots / (len(w.names) + 1) }, func() { start(1) }},
		{"remove1", n, share, func() { drop(1, w.system.leave) }},
		{"crash1", n, share, func() { drop(1, w.system.crash) }},
		{"lost1", n, share, func() { drop(1, w.system.lose) }},
		{"lost10", n, func() int { return share() * max(1, n/10) }, func() { drop(max(1, n/10), w.system.lose) }},
	} {
		ok = ok && step(s.name, min(s.touched, s.bound()), fixed(s.bound()), s.do)
		if !ok {
			return
		}
	}
	if w.name == "xconsumer" && (rep.want["scaleup"] || rep.want["scaledown"]) {
		w.slots *= 2
		ok = step("scaleup", len(w.names), fixed(w.slots/2), func() { w.system.scale(w.slots) })
		w.slots /= 2
		if ok {
			ok = step("scaledown", len(w.names), fixed(0), func() { w.system.scale(w.slots) })
		}
	}
	if ok && rep.want["rolling"] {
		done, began := 0, time.Now() // of many, as many as there is time for
		step("rolling", 0, func() int { return share() * done }, func() {
			for ; done < len(w.names) && time.Since(began) < rollFor; done++ {
				name := w.names[0]
				drop(1, w.system.leave)
				w.waitRunning(w.slots)
				w.names = append(w.names, name) // it comes back under its name
				w.system.start(name)
				if f, is := w.system.(*fleet); is {
					f.waitJoined(name)
					time.Sleep(betweenRestarts)
				} else {
					w.wait(w.slots)
				}
			}
		})
	}
	if f, is := w.system.(*fleet); ok && is && rep.want["leaderlost"] {
		step("leaderlost", 0, fixed(share()), func() {
			f.kill()
			drop(1, w.system.lose)
		})
	}
}

// BenchmarkScale measures what the flags ask for, and prints it as a table.
func BenchmarkScale(t *testing.B) {
	chosen(t)
	rep := newReport(t)
	defer rep.close()
	for store := range strings.SplitSeq(*stores, ",") {
		for _, p := range []pass{one, thousand} {
			if rep.want[p.change] && strings.Contains(*systems, "xconsumer") && rep.time() {
				t.Run(fmt.Sprintf("xconsumer/%s/%s", store, p.change), func(t *testing.B) { rep.print(handoff(t, startService(t, store, *servers), p)) })
			}
		}
		for _, n := range numbers(t, "NODES", *nodes) {
			for _, slots := range numbers(t, "SLOTS", *sizes) {
				for name := range strings.SplitSeq(*systems, ",") {
					if !possible(name, store, n, slots) {
						continue
					}
					if slices.ContainsFunc(strings.Split(*changes, ","), func(c string) bool { return c != "unannounced" && !strings.HasPrefix(c, "handoff") }) {
						run(t, rep, name, store, n, slots, "coldstart")
					}
					// The last one, since the nodes of a fleet that has ended still cost processor time.
					if name == "xconsumer" && rep.want["unannounced"] {
						run(t, rep, name, store, n, slots, "unannounced")
					}
				}
			}
		}
	}
}

// run measures the changes of a system that begins with one of its cold starts.
func run(t *testing.B, rep *report, name, store string, n, slots int, cold string) {
	t.Helper()
	what := fmt.Sprintf("%s/%s/%d/%d", name, store, n, slots)
	if !rep.time() {
		fmt.Printf("%s: not measured, the time is over\n", what)
		return
	}
	t.Run(what, func(t *testing.B) {
		runtime.GC()
		base, _ := memory(os.Getpid())
		w := &world{
			TB: t, service: startService(t, store, *servers), name: name, slots: slots, base: base, even: name == "xconsumer" || name == "original",
			cold: cold,
		}
		together := 0
		if cold == "coldstart" {
			together = n + 1 // the leader's process is one, too
		}
		w.system, w.record = begin(t, name, w.service, slots, together)
		w.all(n, rep)
		w.system.close()
	})
}

// possible reports whether a system can be measured, in a time that anybody waits.
func possible(system, store string, nodes, slots int) bool {
	switch {
	case slots < nodes:
		return false
	case system == "xconsumer":
		return true
	case slots > 10_000 || nodes > 100:
		return false
	case system == "election":
		return store == "etcd" && nodes*slots <= 20_000
	}
	return store == "zookeeper"
}

// chosen checks what was asked for, so that a slip of the pen is not found after half an hour.
func chosen(t testing.TB) {
	t.Helper()
	for _, c := range []struct{ what, given, all string }{{"SYSTEM", *systems, allSystems}, {"STORE", *stores, allStores}, {"CHANGE", *changes, allChanges}} {
		for one := range strings.SplitSeq(c.given, ",") {
			if !slices.Contains(strings.Split(c.all, ","), one) {
				t.Fatalf("%s: unknown value %q (want one of %s)", c.what, one, c.all)
			}
		}
	}
	if *syncs != "no" && *syncs != "yes" {
		t.Fatalf("SYNC: unknown value %q (want yes or no)", *syncs)
	}
	numbers(t, "NODES", *nodes)
	numbers(t, "SLOTS", *sizes)
}

func numbers(t testing.TB, what, text string) (out []int) {
	t.Helper()
	for s := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("%s: invalid number %q (want one above 0, as in %s=10,100)", what, s, what)
		}
		out = append(out, n)
	}
	return out
}

// begin makes a system that has no nodes yet.
func begin(tb testing.TB, name string, s service, slots, together int) (system, *recorder) {
	tb.Helper()
	switch name {
	case "xconsumer":
		f := newFleet(tb, s, slots, tasksOf(slots), together)
		return f, f.record
	case "original":
		p := newOriginal(tb, s, slots)
		return p, p.record
	case "locks":
		p := newLocks(tb, s, slots)
		return p, p.record
	case "election":
		p := newElections(tb, s, slots)
		return p, p.record
	}
	tb.Fatalf("unknown system %q", name)
	return nil, nil
}
