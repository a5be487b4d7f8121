package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// membersOf returns a cluster of so many nodes, n1 among them.
func membersOf(number int) cluster.Sight {
	s := cluster.Sight{N: 1}
	for i := range number {
		name := fmt.Sprintf("n%d", i+1)
		s.State.Nodes = append(s.State.Nodes, cluster.NodeInfo{Name: name, Member: "m-" + name})
	}
	return s
}

// workersOf returns a cluster in which a node other than n1 has so many workers, all in one state.
func workersOf(n int64, number int, state cluster.WorkerState) cluster.Sight {
	s := cluster.Sight{N: n}
	for i := range number {
		w := cluster.WorkerInfo{Task: "a", Index: i, State: state}
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
	f := newFeed(named{})
	own := []cluster.Event{{Kind: cluster.NodeJoined, Node: "n1", Member: "m-n1"}, {Kind: cluster.LeaseLost, Node: "n1"}}
	for _, e := range own {
		f.event(e)
	}
	f.put(membersOf(members))
	for i := range 2 * maxEvents { // as the leader tells of them
		f.event(cluster.Event{Kind: cluster.SlotHeld, Node: "n2", Token: int64(i)})
	}
	f.event(cluster.Event{Kind: cluster.LeaderElected, Node: "n1"})
	for i := range members { // as one that begins to lead does
		f.event(cluster.Event{Kind: cluster.NodeJoined, Node: fmt.Sprintf("n%d", i+1), Member: fmt.Sprintf("m-n%d", i+1)})
	}
	list, _ := f.list()
	if got := told(list); !strings.HasPrefix(got, "n1 joined, n1 lease lost, n2 held") || !strings.HasSuffix(got, "n2 held, n1 elected") {
		t.Errorf("%d events: %.100q … %q; want those of n1 in their places, and nobody told to have joined again", len(list), got, got[max(0, len(got)-100):])
	}
}

// A burst is told of as far as events are kept. Whoever follows gets what has changed, and need not begin again.
func TestBurstOfEvents(t *testing.T) {
	const workers = 5 * maxFrames
	f := newFeed(named{})
	f.put(workersOf(1, workers, cluster.WorkerRunning))
	seen := f.last
	f.put(workersOf(2, workers, cluster.WorkerHeld))
	frames, _, complete := f.after(seen)
	if !complete || len(frames) != 1+maxEvents || !strings.HasPrefix(string(frames[0].text), "event: change\n") {
		t.Errorf("complete %t, %d frames; want the change and %d events", complete, len(frames), maxEvents)
	}
}

// Members of a large cluster are told of as far as events are kept, too.
func TestFirstLookIsBounded(t *testing.T) {
	f := newFeed(named{})
	f.put(membersOf(5 * maxEvents))
	if list, _ := f.list(); len(list) != maxEvents {
		t.Errorf("%d events; want %d", len(list), maxEvents)
	}
}

// Members that nobody told to have left are not remembered for good.
func TestForgetsMembersThatAreGone(t *testing.T) {
	f := newFeed(named{})
	for i := range 10 * maxEvents {
		f.event(cluster.Event{Kind: cluster.NodeJoined, Node: "n2", Member: fmt.Sprint("m", i)})
	}
	f.put(membersOf(2))
	if len(f.members) > 2+2*maxEvents {
		t.Errorf("%d members are remembered", len(f.members))
	}
}

// Frames are let go many at a time: each one that is added would copy the others otherwise.
func TestFramesAreLetGoManyAtATime(t *testing.T) {
	for name, c := range map[string]struct{ size, most int }{"many": {1, maxFrames}, "large": {maxFrameSum / 64, 64}} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(named{})
			data := make([]byte, c.size)
			longest, drops := 0, 0
			for range 10 * c.most {
				before := len(f.frames)
				f.push("event", data)
				if longest = max(longest, len(f.frames)); len(f.frames) <= before {
					drops++
				}
			}
			sum := 0
			for _, fr := range f.frames {
				sum += len(fr.text)
			}
			if longest > c.most || drops > 20 || f.sum != sum {
				t.Errorf("%d frames at most, want %d; let go %d times; %d bytes of %d", longest, c.most, drops, f.sum, sum)
			}
		})
	}
}

func BenchmarkBurstOfEvents(b *testing.B) {
	before, after := workersOf(1, 100_000, cluster.WorkerRunning), workersOf(2, 100_000, cluster.WorkerHeld)
	for b.Loop() {
		f := newFeed(named{})
		f.put(before)
		f.put(after)
	}
}

func BenchmarkFrames(b *testing.B) {
	for b.Loop() {
		f := newFeed(named{})
		for range 100_000 {
			f.push("event", []byte("{}"))
		}
	}
}
