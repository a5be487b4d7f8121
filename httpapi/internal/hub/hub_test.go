package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

func told(events []cluster.Event) string {
	var lines []string
	for _, e := range events {
		what := fmt.Sprintf("%s %s", e.Node, e.Kind)
		if e.Slot != nil {
			what += fmt.Sprintf(" %s@%d", e.Slot, e.Token)
		}
		if e.Detail != "" {
			what += ": " + e.Detail
		}
		lines = append(lines, what)
	}
	return strings.Join(lines, ", ")
}

// membersOf returns a cluster of so many nodes, n1 among them.
func membersOf(number int) cluster.Snapshot {
	s := cluster.Snapshot{Number: 1}
	for i := range number {
		name := fmt.Sprintf("n%d", i+1)
		s.State.Nodes = append(s.State.Nodes, cluster.NodeInfo{Name: name, Member: "m-" + name})
	}
	return s
}

// workersOf returns a cluster in which a node other than n1 has so many workers, all in one state.
func workersOf(n int64, number int, state cluster.WorkerState) cluster.Snapshot {
	s := cluster.Snapshot{Number: n}
	for i := range number {
		w := cluster.WorkerInfo{Task: "a", Index: i, WorkerStatus: cluster.WorkerStatus{State: state}}
		if state == cluster.WorkerRunning {
			w.Node, w.Member, w.Token = "n2", "m-n2", int64(i+1)
		}
		s.State.Workers = append(s.State.Workers, w)
	}
	return s
}

// What the node tells of itself stays, whatever happens to others, and a leader tells of no member again.
func TestOthersDriveOutNothingOfItself(t *testing.T) {
	const members = 1000
	h := New(named{}, nil)
	own := []cluster.Event{{Kind: cluster.NodeJoined, Node: "n1", Member: "m-n1"}, {Kind: cluster.LeaseLost, Node: "n1"}}
	for _, e := range own {
		h.event(e)
	}
	h.put(membersOf(members))
	for i := range 2 * maxEvents { // as the leader tells of them
		h.event(cluster.Event{Kind: cluster.SlotWithheld, Node: "n2", Token: int64(i)})
	}
	h.event(cluster.Event{Kind: cluster.LeaderElected, Node: "n1"})
	for i := range members { // as one that begins to lead does
		h.event(cluster.Event{Kind: cluster.NodeJoined, Node: fmt.Sprintf("n%d", i+1), Member: fmt.Sprintf("m-n%d", i+1)})
	}
	list, _ := h.Events()
	if got := told(list); !strings.HasPrefix(got, "n1 node-joined, n1 lease-lost, n2 slot-withheld") || !strings.HasSuffix(got, "n2 slot-withheld, n1 leader-elected") {
		t.Errorf("%d events: %.100q … %q; want those of n1 in their places, and nobody told to have joined again", len(list), got, got[max(0, len(got)-100):])
	}
}

// A burst is told of as far as events are kept. Whoever follows gets what has changed, and need not begin again.
func TestBurstOfEvents(t *testing.T) {
	const workers = 5 * maxMessages
	h := New(named{}, nil)
	h.put(workersOf(1, workers, cluster.WorkerRunning))
	seen := h.last
	h.put(workersOf(2, workers, cluster.WorkerWithheld))
	messages, _, complete := h.After(seen)
	if !complete || len(messages) != 1+maxEvents || !strings.HasPrefix(string(messages[0].Text), "event: change\n") {
		t.Errorf("complete %t, %d messages; want the change and %d events", complete, len(messages), maxEvents)
	}
}

// Members of a large cluster are told of as far as events are kept, too.
func TestFirstLookIsBounded(t *testing.T) {
	h := New(named{}, nil)
	h.put(membersOf(5 * maxEvents))
	if list, _ := h.Events(); len(list) != maxEvents {
		t.Errorf("%d events; want %d", len(list), maxEvents)
	}
}

// Members that nobody told to have left are not remembered for good.
func TestForgetsMembersThatAreGone(t *testing.T) {
	h := New(named{}, nil)
	for i := range 10 * maxEvents {
		h.event(cluster.Event{Kind: cluster.NodeJoined, Node: "n2", Member: fmt.Sprint("m", i)})
	}
	h.put(membersOf(2))
	if len(h.members) > 2+2*maxEvents {
		t.Errorf("%d members are remembered", len(h.members))
	}
}

// Messages are let go many at a time: each one that is added would copy the others otherwise.
func TestMessagesAreLetGoManyAtATime(t *testing.T) {
	for name, c := range map[string]struct{ size, most int }{"many": {1, maxMessages}, "large": {maxMessageBytes / 64, 64}} {
		t.Run(name, func(t *testing.T) {
			h := New(named{}, nil)
			data := make([]byte, c.size)
			longest, drops := 0, 0
			for range 10 * c.most {
				before := len(h.messages)
				h.push("event", data)
				longest = max(longest, len(h.messages))
				if len(h.messages) <= before {
					drops++
				}
			}
			sum := 0
			for _, m := range h.messages {
				sum += len(m.Text)
			}
			if longest > c.most || drops > 20 || h.sum != sum {
				t.Errorf("%d messages at most, want %d; let go %d times; %d bytes of %d", longest, c.most, drops, h.sum, sum)
			}
		})
	}
}

func BenchmarkBurstOfEvents(b *testing.B) {
	before, after := workersOf(1, 100_000, cluster.WorkerRunning), workersOf(2, 100_000, cluster.WorkerWithheld)
	for b.Loop() {
		h := New(named{}, nil)
		h.put(before)
		h.put(after)
	}
}

func BenchmarkMessages(b *testing.B) {
	for b.Loop() {
		h := New(named{}, nil)
		for range 100_000 {
			h.push("event", []byte("{}"))
		}
	}
}

// Members that were there before are told once, whoever tells of them; what happened while nobody looked is caught up with.
func TestHubCatchesUp(t *testing.T) {
	h := New(named{}, nil)
	snap := func(n int64, nodes []string, workers ...cluster.WorkerInfo) cluster.Snapshot {
		s := cluster.Snapshot{Number: n, State: cluster.State{Leader: "n2", Workers: workers}}
		for _, name := range nodes {
			s.State.Nodes = append(s.State.Nodes, cluster.NodeInfo{Name: name, Member: "m-" + name})
		}
		return s
	}
	worker := cluster.WorkerInfo{Task: "a", Node: "n3", Member: "m-n3", Token: 1, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}}
	h.put(snap(1, []string{"n1", "n2", "n3"}, worker))
	h.event(cluster.Event{Kind: cluster.NodeJoined, Node: "n3", Member: "m-n3"}) // by this node, as it begins to lead
	later := snap(2, []string{"n1", "n2"})
	later.WatchedSince = 2
	h.put(later)
	list, _ := h.Events()
	const want = "n2 node-joined: before this node watched the cluster, n3 node-joined: before this node watched the cluster, " +
		"n3 node-left: while this node did not watch the cluster, n3 worker-stopped a#0@1: while this node did not watch the cluster"
	if got := told(list); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// Whoever waits for a run is woken by what was decided: a short run begins and ends between two snapshots that are equal otherwise.
func TestDecisionsAreChanges(t *testing.T) {
	h := New(reached{}, nil)
	for decision := range int64(3) {
		snap := workersOf(1+decision, 1, cluster.WorkerRunning)
		snap.NextDecision = decision
		before := h.now
		if h.put(snap); h.now == before || h.now.NextDecision != decision || h.now.Seq != 1 {
			t.Errorf("after decision %d: %+v", decision, h.now)
		}
	}
}

// named is a node that is only asked for its name.
type named struct{ Node }

func (named) Name() string { return "n1" }

// A hub asks the node when it is asked itself, and else never: how long the cluster is watched then is up to the node alone.
func TestHubAsksOnlyWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &asked{more: make(chan cluster.Snapshot, 1)}
		h := New(node, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go h.Run(ctx)
		defer synctest.Wait()
		defer cancel()
		node.more <- workersOf(1, 1, cluster.WorkerRunning)
		time.Sleep(time.Minute)
		snap, err := h.Current(t.Context())
		if err != nil || snap.Number != 1 || node.asks != 1 {
			t.Fatalf("%+v, %v; the node was asked %d times", snap, err, node.asks)
		}
		later := make(chan *Snapshot)
		go func() {
			next, _ := h.Next(t.Context(), snap)
			later <- next
		}()
		time.Sleep(time.Minute) // somebody waits
		node.more <- workersOf(2, 1, cluster.WorkerWithheld)
		if next := <-later; next == nil || next.Number != 2 || node.asks < 4 {
			t.Errorf("%+v; the node was asked %d times", next, node.asks)
		}
		before := node.asks
		if time.Sleep(time.Hour); node.asks != before {
			t.Errorf("nobody asked, and it asked %d times", node.asks-before)
		}
	})
}

// A look that has failed is held against nobody who asks during the next one.
func TestHubForgetsAFailureThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &failsOnce{asked{more: make(chan cluster.Snapshot, 1)}, errors.New("no answer"), false}
		h := New(node, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go h.Run(ctx)
		if _, err := h.Current(t.Context()); !errors.Is(err, node.err) {
			t.Errorf("while the node fails: %v", err)
		}
		time.Sleep(time.Second) // it answers again, and has nothing new
		go func() {
			time.Sleep(time.Second)
			node.more <- workersOf(1, 1, cluster.WorkerRunning)
		}()
		if snap, err := h.Current(t.Context()); err != nil || snap.Number != 1 {
			t.Errorf("once the node works again: %+v, %v", snap, err)
		}
	})
}

// failsOnce is a node whose first look at the cluster fails.
type failsOnce struct {
	asked
	err    error
	failed bool
}

func (f *failsOnce) Watch(ctx context.Context, seen int64) (cluster.Snapshot, error) {
	if !f.failed {
		f.failed = true
		return cluster.Snapshot{}, f.err
	}
	return f.asked.Watch(ctx, seen)
}

// asked is a node that counts how often it is asked.
type asked struct {
	named
	asks int // under the rule of synctest: nobody asks while somebody looks
	more chan cluster.Snapshot
}

func (a *asked) KeepFresh() int64 {
	a.asks++
	return 1
}

func (a *asked) Watch(ctx context.Context, _ int64) (cluster.Snapshot, error) {
	select {
	case <-ctx.Done():
		return cluster.Snapshot{}, ctx.Err()
	case snap := <-a.more:
		return snap, nil
	}
}

func (a *asked) Events(ctx context.Context) <-chan cluster.Event {
	c := make(chan cluster.Event)
	context.AfterFunc(ctx, func() { close(c) })
	return c
}

// Who was told that the cluster is seen as it was with a number gets no earlier state, also where an earlier one is being encoded
// for somebody else meanwhile.
func TestNothingEarlierThanWasReached(t *testing.T) {
	h := New(reached{}, nil)
	h.put(workersOf(1, 1, cluster.WorkerRunning))
	first, begun, end := h.now, make(chan bool), make(chan bool)
	go first.encoded.once.Do(func() {
		close(begun)
		<-end
		first.encoded.err = first.encoded.encode(&first.State)
	})
	<-begun
	done := make(chan error)
	go func() {
		_, err := h.State(t.Context())
		done <- err
	}()
	time.Sleep(20 * time.Millisecond) // it has the first one by then, or the test shows nothing
	h.put(workersOf(2, 1, cluster.WorkerWithheld))
	if err := h.Reach(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	close(end)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, err := h.State(t.Context()); err != nil || got.Number != 2 {
		t.Errorf("%v, %v", got.Number, err)
	}
}

// reached is a node whose snapshots are up to date.
type reached struct{ named }

func (reached) KeepFresh() int64 { return 1 }
