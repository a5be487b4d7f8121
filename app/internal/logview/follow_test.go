package logview

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// shown is what logs -f has written, without the times.
type shown struct {
	mu     sync.Mutex
	lines  []string
	before func() // each write
}

func (o *shown) Write(p []byte) (int, error) {
	if o.before != nil {
		o.before()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "--") {
			_, line, _ = strings.Cut(line, " ")
		}
		o.lines = append(o.lines, line)
	}
	return len(p), nil
}

func (o *shown) list() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string{}, o.lines...)
}

// followed is logs -f of a slot of the task "a" that goes on.
type followed struct {
	*testing.T
	out, errs *shown
	ended     chan error
}

func (s *logServer) follow(t *testing.T, lines int, before func()) *followed {
	f := &followed{t, &shown{before: before}, &shown{}, make(chan error, 1)}
	v := &View{API: s.api, Lines: lines, Output: &render.Output{Format: "table"}, Out: f.out, Err: f.errs}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		f.ended <- v.follow(ctx, Target{Task: "a", One: true})
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return f
}

func (f *followed) until(what string, done func() bool) {
	f.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("never: %s; it has shown %q and said %q", what, f.out.list(), f.errs.list())
		}
	}
}

func (f *followed) untilShown(line string) {
	f.Helper()
	f.until(line, func() bool {
		list := f.out.list()
		return len(list) > 0 && list[len(list)-1] == line
	})
}

func (f *followed) wantEnd(want ...string) {
	f.Helper()
	select {
	case err := <-f.ended:
		if err != nil {
			f.Error(err)
		}
	case <-time.After(20 * time.Second):
		f.Fatalf("it does not end; it has shown %q and said %q", f.out.list(), f.errs.list())
	}
	f.want(want...)
}

func (f *followed) want(want ...string) {
	f.Helper()
	if diff := cmp.Diff(want, f.out.list()); diff != "" {
		f.Error(diff)
	}
	if said := f.errs.list(); len(said) > 0 {
		f.Errorf("it said %q", said)
	}
}

// at is a state in which the workers of task "a" are at nodes: "n1/7" under token 7, "" nowhere.
func at(places ...string) cluster.State {
	state := cluster.State{
		Tasks: []cluster.TaskInfo{{Name: "a", WorkerNum: len(places)}},
		Nodes: []cluster.NodeInfo{{Name: "n1", Member: "m-n1"}, {Name: "n2", Member: "m-n2"}, {Name: "n3", Member: "m-n3"}},
	}
	for i, place := range places {
		w := cluster.WorkerInfo{Task: "a", Index: i}
		if node, token, ok := strings.Cut(place, "/"); ok {
			w.Node, w.Member = node, "m-"+node
			w.Token, _ = strconv.ParseInt(token, 10, 64) // it is the test's
		}
		state.Workers = append(state.Workers, w)
	}
	return state
}

// states are those that a stream tells of beside the one of logs -f.
type states struct {
	*testing.T
	list chan cluster.State
}

func followStates(t *testing.T, s *logServer) *states {
	list := make(chan cluster.State, 100)
	over := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(over)
		_ = s.api.Follow(ctx, nil, func(n client.News) error { // it ends with the test
			list <- cluster.State{Tasks: slices.Clone(n.State.Tasks), Workers: slices.Clone(n.State.Workers)}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return &states{t, list}
}

func (s *states) wait(is func(*cluster.State) bool) {
	s.Helper()
	for {
		select {
		case state := <-s.list:
			if is(&state) {
				return
			}
		case <-time.After(20 * time.Second):
			s.Fatal("the state is never told")
		}
	}
}

// The task is gone before its worker has stopped: it ends when that has, too.
func TestFollowDeleted(t *testing.T) {
	state := at("n1/7")
	s := newLogServer(t, state)
	s.says("n1", 7, "one")
	f := s.follow(t, 10, nil)
	f.untilShown("one")
	l := followStates(t, s)
	state.Tasks = nil
	s.Set(state)
	l.wait(func(st *cluster.State) bool { return len(st.Tasks) == 0 })
	time.Sleep(50 * time.Millisecond) // for the stream of logs -f, which comes beside this one
	s.says("n1", 7, "stops")
	f.untilShown("stops")
	s.Set(cluster.State{})
	f.wantEnd("one", "stops", "-- worker a#0 is gone: task a no longer exists")
}

// A run is over before its log could be read: what its node keeps of it is shown, and nothing is wrong.
func TestFollowShortRun(t *testing.T) {
	state := at()
	state.Tasks[0].Runs = true
	s := newLogServer(t, state)
	f := s.follow(t, 10, nil)
	f.untilShown("-- no run of a is under way; waiting for the next")
	state.Workers = []cluster.WorkerInfo{{Task: "a", Run: "1", Node: "n2", Member: "m-n2", Token: 7}}
	s.Set(state)
	f.until("it is asked for", func() bool { return s.wasAsked("n2") })
	s.says("n2", 7, "one", "two")
	state.Workers = nil
	s.Set(state)
	f.untilShown("-- worker a@1#0 is gone: its run is over")
	f.want("-- no run of a is under way; waiting for the next", "-- worker a@1#0 begins on n2", "one", "two", "-- worker a@1#0 is gone: its run is over")
}

// However slowly what it writes is taken, all lines of a worker that has moved are shown, and then the others.
func TestFollowSlowly(t *testing.T) {
	s := newLogServer(t, at("n1/7"))
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("line ", i))
	}
	s.says("n1", 7, want...)
	s.says("n2", 8, "there")
	var once sync.Once
	f := s.follow(t, 100, func() {
		once.Do(func() { s.Set(at("n2/8")) })
		time.Sleep(logLinger / 5)
	})
	f.untilShown("there")
	f.want(append(want, "-- worker a#0 continues on n2", "there")...)
}

// Each place where a worker has been is read, also one that it has left again, and the same one twice.
func TestFollowBriefly(t *testing.T) {
	s := newLogServer(t, at("n1/7"))
	s.says("n1", 7, "one")
	hold := make(chan struct{})
	first := true
	f := s.follow(t, 10, func() {
		if first {
			first = false
			<-hold
		}
	})
	f.until("it is asked for", func() bool { return s.wasAsked("n1") })
	s.says("n2", 8, "two")
	s.says("n1", 9, "three")
	s.says("n3", 10, "four")
	l := followStates(t, s)
	for i, place := range []string{"n2/8", "n1/9", "n3/10"} {
		s.Set(at(place))
		l.wait(func(st *cluster.State) bool { return st.Workers[0].Token == int64(8+i) })
		time.Sleep(50 * time.Millisecond) // for the stream of logs -f, which comes beside this one
	}
	close(hold)
	f.untilShown("four")
	f.want("one", "-- worker a#0 continues on n2", "two", "-- worker a#0 continues on n1", "three", "-- worker a#0 continues on n3", "four")
}

// A worker that comes later shows what it has written, and nothing of an earlier worker of its name, even if it was seen
// before it had a place.
func TestFollowAdded(t *testing.T) {
	state := at("n1/7")
	state.Tasks[0].Runs, state.Workers[0].Index = true, 1
	s := newLogServer(t, state)
	s.says("n2", 5, "earlier")
	s.says("n2", 8, "new")
	f := s.follow(t, 10, nil)
	l := followStates(t, s)
	l.wait(func(st *cluster.State) bool { return len(st.Workers) == 1 })
	state.Workers = append(at("").Workers, state.Workers...)
	s.Set(state)
	l.wait(func(st *cluster.State) bool { return len(st.Workers) == 2 })
	f.untilShown("-- worker a#0 runs nowhere at the moment")
	state.Workers = append(at("n2/8").Workers, state.Workers[1:]...)
	s.Set(state)
	f.untilShown("new")
	f.want("-- no run of a is under way; waiting for the next", "-- worker a#0 runs nowhere at the moment", "-- worker a#0 begins on n2", "new")
}

// A worker without a place is spoken of, and again once there is none any longer.
func TestFollowScaledAway(t *testing.T) {
	s := newLogServer(t, at(""))
	f := s.follow(t, 10, nil)
	f.untilShown("-- worker a#0 runs nowhere at the moment")
	s.Set(at())
	f.untilShown("-- worker a#0 is gone: a has 0 workers now")
	f.want("-- worker a#0 runs nowhere at the moment", "-- worker a#0 is gone: a has 0 workers now")
}

// That a task is paused is said at once, and in place of what would be said of each of its workers.
func TestFollowPaused(t *testing.T) {
	state := at("")
	state.Tasks[0].Paused = true
	s := newLogServer(t, state)
	s.says("n2", 8, "resumed")
	f := s.follow(t, 10, nil)
	f.untilShown("-- task a is paused; its workers run again when it is resumed")
	time.Sleep(logPatience + logLinger) // longer than a worker may be nowhere before that is said
	s.Set(at("n2/8"))
	f.untilShown("resumed")
	f.want("-- task a is paused; its workers run again when it is resumed", "-- worker a#0 begins on n2", "resumed")
}

// A node that dies takes what it kept of the log with it: that is said once, before the log goes on elsewhere.
func TestFollowDeadNode(t *testing.T) {
	s := newLogServer(t, at("n1/7"))
	s.says("n1", 7, "one")
	s.says("n2", 8, "two")
	f := s.follow(t, 10, nil)
	f.untilShown("one")
	s.mu.Lock()
	delete(s.has, "n1")
	s.mu.Unlock()
	nowhere, there := at(""), at("n2/8")
	nowhere.Nodes, there.Nodes = nowhere.Nodes[1:], there.Nodes[1:]
	s.Set(nowhere)
	f.untilShown("-- the last lines of worker a#0 on n1 may be missing: the node is gone")
	s.Set(there)
	f.untilShown("two")
	f.want("one", "-- the last lines of worker a#0 on n1 may be missing: the node is gone", "-- worker a#0 continues on n2", "two")
}

// A server that is lost is spoken of once, however often it is tried.
func TestFollowLost(t *testing.T) {
	s := newLogServer(t, at("n1/7"))
	s.says("n1", 7, "one")
	f := s.follow(t, 10, nil)
	f.untilShown("one")
	s.server.CloseClientConnections()
	s.server.Close()
	f.until("it is said", func() bool { return len(f.errs.list()) > 0 })
	time.Sleep(2 * time.Second) // it is tried each second
	if said := f.errs.list(); len(said) != 1 {
		t.Errorf("%q", said)
	}
}

// What a worker has written last comes later than anybody waits for it on the stream of its log, as over a slow link: it is shown, once.
func TestFollowLateLines(t *testing.T) {
	s := newLogServer(t, at("n1/7"))
	s.says("n1", 7, "one")
	f := s.follow(t, 10, nil)
	f.untilShown("one")
	s.mu.Lock()
	s.late = 4 * logLinger
	s.mu.Unlock()
	s.says("n1", 7, "two", "three")
	s.says("n2", 8, "four")
	s.Set(at("n2/8"))
	f.untilShown("four")
	f.want("one", "two", "three", "-- worker a#0 continues on n2", "four")
}

// A node that never answers keeps nobody from seeing what the next one has.
func TestFollowHangs(t *testing.T) {
	s := newLogServer(t, at("n1/7"))
	s.hangs["n1"] = true
	s.says("n2", 8, "two")
	f := s.follow(t, 10, nil)
	f.until("it is asked for", func() bool { return s.wasAsked("n1") })
	s.Set(at("n2/8"))
	f.untilShown("two")
	f.want("-- the last lines of worker a#0 on n1 cannot be read: no answer within 5s", "-- worker a#0 continues on n2", "two")
}
