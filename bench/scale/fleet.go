package scale

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// system is something that keeps slots running on nodes.
type system interface {
	start(name string)
	leave(name string) // in order
	crash(name string) // as if its process had gone, and somebody was there to say so
	lose(name string)  // as if the machine had gone
	scale(slots int)
	counts() counts
	close()
}

// counts are what was asked of the store since the beginning.
type counts struct {
	Writes, Reads, Beats, Books, Hints int // assignments and statuses; gets and lists; heartbeats; what else a commit writes; watches that fired
	Bytes                              int
	Largest                            int // assignment or status since the beginning, in bytes
}

func (c counts) less(o counts) counts {
	return counts{
		c.Writes - o.Writes,
		c.Reads - o.Reads,
		c.Beats - o.Beats,
		c.Books - o.Books,
		c.Hints - o.Hints,
		c.Bytes - o.Bytes,
		c.Largest,
	}
}

// fleet is xconsumer: each node with a session of its own, all in this process but the leader, which has one to itself.
type fleet struct {
	testing.TB
	service service
	record  *recorder
	leader  *exec.Cmd // its process, nil once it is gone
	ask     io.Writer
	answers *bufio.Reader
	led     counts        // by it, as it last reported
	hand    coord.Session // of whoever looks after the nodes

	mu    sync.Mutex
	nodes map[string]*member
	gone  counts // of nodes that have left
}

type member struct {
	node  *xconsumer.Node
	store *mortal
	stop  context.CancelFunc
	done  chan struct{}

	mu     sync.Mutex
	report cluster.SupervisorReport
}

const tasks = 50

// startsAtOnce is how many nodes of a fleet begin to start at once.
const startsAtOnce = 50

// leaderOf makes a child process lead.
const leaderOf = "SCALE_LEADER"

type leading struct {
	Store    string
	Addrs    []string
	Tasks    []cluster.TaskSpec
	Together int // how many nodes start, the leader included; 0 if that is not announced
}

// tasksOf deals slots out over fifty tasks: so many can be scaled in one commit. Those that stay run on, as with the
// contenders.
func tasksOf(slots int) []cluster.TaskSpec {
	const n = tasks
	var out []cluster.TaskSpec
	for i := range n {
		out = append(
			out,
			cluster.TaskSpec{
				Name:        fmt.Sprintf("t%03d", i),
				WorkName:    "noop",
				WorkerNum:   slots/n + bit(i < slots%n),
				StopTimeout: cluster.Duration(10 * time.Second),
				Resize:      cluster.ResizeLive,
			},
		)
	}
	return out
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lead is what the child process does: it has no work, so that it only leads.
func lead(text string) {
	var l leading
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		panic(err)
	}
	inner, err := open(l.Store, l.Addrs)
	if err != nil {
		panic(err)
	}
	store := &mortal{Store: inner}
	node, err := xconsumer.New(
		store,
		xconsumer.Config{
			Cluster:  "scale",
			Name:     "leader",
			Tasks:    l.Tasks,
			Together: l.Together,
			Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		},
	)
	if err != nil {
		panic(err)
	}
	events := node.Events(context.Background())
	go func() {
		if err := node.Run(context.Background()); err != nil {
			panic(err)
		}
	}()
	for e := range events {
		if e.Kind == cluster.LeaderElected {
			break
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(counts{}) // it leads: others may come
	for input := json.NewDecoder(os.Stdin); ; {     // each line asks for the measures
		var r request
		if input.Decode(&r) != nil {
			return
		}
		if r.Die { // as a machine does whose session ends at once: finding out is not what is measured
			store.kill()
			os.Exit(0)
		}
		if r.Profile != nil {
			profileInto(*r.Profile)
		}
		_ = json.NewEncoder(os.Stdout).Encode(countsOf(node.Admin().Measures()))
	}
}

// profileInto ends the profile of this process, and begins one in a file unless that is "".
func profileInto(path string) {
	pprof.StopCPUProfile()
	if path == "" {
		return
	}
	file, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		panic(err)
	}
}

func newFleet(tb testing.TB, s service, slots int, specs []cluster.TaskSpec, together int) *fleet {
	f := &fleet{TB: tb, service: s, record: newRecorder(slots + 100), nodes: map[string]*member{}}
	text, err := json.Marshal(leading{s.name, s.addrs, specs, together})
	if err != nil {
		tb.Fatal(err)
	}
	f.leader = exec.Command(os.Args[0])
	f.leader.Env = append(os.Environ(), leaderOf+"="+string(text))
	f.leader.Stderr = os.Stderr
	if err := f.talk(); err != nil {
		tb.Fatal(err)
	}
	store, err := open(s.name, s.addrs)
	if err == nil {
		f.hand, err = store.Open(context.Background())
	}
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// index numbers the slots of all tasks through. A slot of a task that has grown comes after all others.
func (f *fleet) index(task string, index int) int {
	t, err := strconv.Atoi(task[1:])
	if err != nil {
		f.Error(err)
	}
	return index*tasks + t
}

func (f *fleet) start(name string) {
	inner, err := open(f.service.name, f.service.addrs)
	if err != nil {
		f.Fatal(err)
	}
	m := &member{store: &mortal{Store: inner}, done: make(chan struct{})}
	m.node, err = xconsumer.New(
		m.store,
		xconsumer.Config{Cluster: "scale", Name: name, Log: slog.New(slog.DiscardHandler), SupervisorReport: func(v cluster.SupervisorReport) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.report = v
		}},
	)
	if err != nil {
		f.Fatal(err)
	}
	m.node.Handle("noop", func(ctx context.Context, w *xconsumer.Worker) error {
		slot := f.index(w.Task(), w.Index())
		f.record.start(slot, name)
		<-ctx.Done()
		f.record.stop(slot, name)
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	f.mu.Lock()
	f.nodes[name] = m
	f.mu.Unlock()
	go func() {
		defer close(m.done)
		_ = m.node.Run(ctx) // a lost one ends with its session
	}()
}

// waitJoined waits until a node has joined.
func (f *fleet) waitJoined(name string) {
	f.mu.Lock()
	node := f.nodes[name].node
	f.mu.Unlock()
	for end := time.Now().Add(patience); time.Now().Before(end) && len(node.Ready()) > 0; {
		time.Sleep(2 * time.Millisecond)
	}
}

func (f *fleet) take(name string) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.nodes[name]
	delete(f.nodes, name)
	return m
}

func (f *fleet) leave(name string) {
	m := f.take(name)
	m.stop()
	<-m.done
	f.forget(m)
}

func (f *fleet) lose(name string) {
	m := f.take(name)
	f.record.lose(name)
	f.end(m)
}

// end ends a node whose session is to go at once, and does not wait for it.
func (f *fleet) end(m *member) {
	m.store.kill()
	m.stop()
	go func() {
		<-m.done
		f.forget(m)
	}()
}

// crash is what a parent process does for a child that has died: it closes the member.
func (f *fleet) crash(name string) {
	m := f.take(name)
	f.record.lose(name)
	m.mu.Lock()
	v := m.report
	m.mu.Unlock()
	err := membership.CloseDead(
		context.Background(),
		f.hand,
		schema.NewKeys("scale"),
		membership.FormerMember{Member: v.Member, Node: v.Node, Session: v.Session, By: "parent", Cause: "crash"},
	)
	if err != nil {
		f.Error(err)
	}
	f.end(m)
}

func (f *fleet) forget(m *member) {
	c := countsOf(m.node.Admin().Measures())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = add(f.gone, c)
}

func add(a, b counts) counts {
	return counts{
		a.Writes + b.Writes,
		a.Reads + b.Reads,
		a.Beats + b.Beats,
		a.Books + b.Books,
		a.Hints + b.Hints,
		a.Bytes + b.Bytes,
		max(a.Largest, b.Largest),
	}
}

// first returns the node that operators talk to.
func (f *fleet) first() *xconsumer.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[slices.Min(slices.Collect(maps.Keys(f.nodes)))].node
}

// scale sets the number of slots, each task alike.
func (f *fleet) scale(slots int) {
	f.record.grow(slots + 100)
	node := f.first()
	var ops cluster.Operations
	for _, t := range tasksOf(slots) {
		ops = append(ops, cluster.Scale(t.Name, t.WorkerNum))
	}
	var err error
	for range 20 {
		var plan cluster.Plan
		plan, err = node.Admin().Plan(context.Background(), ops)
		if err == nil {
			_, err = node.Admin().Apply(context.Background(), ops, plan.Revision, cluster.Caller{})
		}
		if err == nil {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	f.Fatal("it cannot be scaled: ", err)
}

func (f *fleet) counts() counts {
	f.mu.Lock()
	sum := f.gone
	for _, m := range f.nodes {
		sum = add(sum, countsOf(m.node.Admin().Measures()))
	}
	f.mu.Unlock()
	return add(sum, f.ofLeader())
}

// countsOf adds measures up.
func countsOf(measures []cluster.Measure) (c counts) {
	for _, m := range measures {
		for _, s := range m.Series {
			n := int(s.Value)
			switch {
			case m.Name == "xconsumer_store_writes_total" && (s.Labels[0] == "assignments" || s.Labels[0] == "status"):
				c.Writes += n
			case m.Name == "xconsumer_store_writes_total" && s.Labels[0] == "heartbeats":
				c.Beats += n
			case m.Name == "xconsumer_store_writes_total":
				c.Books += n
			case m.Name == "xconsumer_store_operations_total" && (s.Labels[0] == "get" || s.Labels[0] == "list"):
				c.Reads += n
			case m.Name == "xconsumer_record_bytes" && (s.Labels[0] == "assignments" || s.Labels[0] == "status"):
				c.Largest = max(c.Largest, n)
			case m.Name == "xconsumer_store_hints_total":
				c.Hints += n
			case strings.HasPrefix(m.Name, "xconsumer_store_") && strings.HasSuffix(m.Name, "_bytes_total"):
				c.Bytes += n
			}
		}
	}
	return c
}
