package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/specs"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	grace   = 2 * time.Second
	timeout = 20 * time.Second
)

// board is a snapshot in the making: what a leader has read, as a test describes it.
type board struct {
	snap view.Snapshot
	now  time.Duration
	// named are the specs that grants have named so far; see storeAll.
	named map[namedSpec]cluster.TaskSpec

	decided int
}

func newBoard(tasks ...cluster.TaskSpec) *board {
	b := &board{now: time.Hour}
	b.snap = view.Snapshot{
		Epoch:    view.Entry[schema.Epoch]{Rec: &schema.Epoch{Term: 1, Leader: "L", NextToken: 100}, Version: 7},
		Suspects: view.Entry[schema.Suspects]{Absent: true},
		Peers:    map[string]*view.Peer{},
		Tasks:    map[string]view.Entry[schema.Task]{},
	}
	for _, t := range tasks {
		b.snap.Tasks[t.Name] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: t}}
	}
	return b
}

func spec(name string, workers int) cluster.TaskSpec {
	return cluster.TaskSpec{Name: name, WorkName: name, WorkerNum: workers}
}

// live adds a member that takes works a and b: what its assignment grants and asks back, at a
// version, and what its status says it has applied and holds.
func (b *board) live(name string, version int64, slots []schema.Granted, releasing []schema.Releasing, applied int64, holding []schema.Claimed) *view.Peer {
	specOf := func(task string) *cluster.TaskSpec {
		s := spec(task, 1)
		if e, known := b.snap.Tasks[task]; known {
			s = e.Rec.Spec
		}
		return &s
	}
	for i := range slots {
		slots[i].Spec = specOf(slots[i].Task)
	}
	for i := range releasing {
		releasing[i].Count = new(specOf(releasing[i].Task).Count())
	}
	p := &view.Peer{
		Assignment: view.Entry[schema.Assignment]{Version: version, RecAt: version, Read: b.now, Rec: &schema.Assignment{
			Node: "node-" + name, SessionTimeout: cluster.Duration(timeout), Granted: slots, Releasing: releasing}},
		Status: view.Entry[schema.Status]{Read: b.now, Rec: &schema.Status{Applied: applied, Holding: holding}},
		Member: view.Entry[schema.Member]{Read: b.now, Rec: &schema.Member{Member: cluster.Member{Node: "node-" + name, Works: []string{"a", "b"}, SessionTimeout: cluster.Duration(timeout)}}},
	}
	b.snap.Peers[name] = p
	return p
}

// gone makes a member's keys vanish.
func gone(p *view.Peer) *view.Peer {
	p.Member.Absent, p.Status.Absent = true, true
	return p
}

// storeSpecs stores the specs of all grants and tasks, as leaders have done.
func (b *board) storeSpecs() {
	chunk, version := &schema.SpecChunk{}, map[schema.StoredSpec]int64{}
	add := func(name string, spec cluster.TaskSpec, generation int64) schema.SpecRef {
		s := schema.StoredSpec{Name: name, Generation: generation, Spec: spec}
		if _, known := version[s]; !known {
			chunk.Version++
			version[s] = chunk.Version
			s.From = chunk.Version
			chunk.Specs = append(chunk.Specs, s)
		}
		s.From = 0
		return schema.SpecRef{Chunk: 1, Version: version[s]}
	}
	for _, p := range b.snap.Peers {
		if p.Assignment.Rec == nil {
			continue
		}
		for i := range p.Assignment.Rec.Granted {
			if h := &p.Assignment.Rec.Granted[i]; h.Spec != nil {
				h.Ref = add(h.Task, *h.Spec, h.Generation)
			}
		}
	}
	for name, spec := range b.snap.Specs() {
		generation := int64(0)
		if rec := b.snap.Declared(name).Rec; rec != nil {
			generation = rec.Generation
		}
		add(name, spec, generation)
	}
	b.snap.SpecChunks = map[int64]view.Entry[schema.SpecChunk]{1: {Rec: chunk, RecAt: chunk.Version, Version: chunk.Version}}
	b.snap.StoredSpecs = specs.Table{}.With(1, chunk)
}

func (b *board) decide(change ...func(*round.World)) round.Decision {
	if b.snap.SpecChunks == nil {
		b.storeSpecs()
	}
	w := round.World{Snapshot: b.snap.WithoutSuperseded(), Self: "L", Now: b.now, TakeoverDelay: grace, Timeout: timeout, MaxAssignments: round.MaxAssignments}
	w.Memory.Returns = settledNodes()
	for _, f := range change {
		f(&w)
	}
	d := reconcile.Decide(w)
	b.decided++
	if b.decided > 30 && b.decided%20 != 0 { // comparing takes long
		return d
	}
	w.Ledger = &ledger.Ledger{}
	sameDecision(d, reconcile.Decide(w))
	return d
}

// sameDecision panics if two decisions about one world differ.
func sameDecision(want, got round.Decision) {
	for _, d := range []*round.Decision{&want, &got} {
		if d.PlanFault != nil {
			fault := *d.PlanFault
			fault.Stack = ""
			d.PlanFault = &fault
		}
	}
	if reflect.DeepEqual(want, got) {
		return
	}
	if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		panic("with and without sums (-without +with):\n" + diff)
	}
}

// settledNodes is the memory of a leader which knows that no node has come back.
func settledNodes() round.Returns {
	return round.Returns{Names: map[string]bool{}, Settled: true}
}

func drawList[T any, P interface {
	*T
	Range() *schema.SlotRange
}](list []T) string {
	var parts []string
	for i := range list {
		h := P(&list[i]).Range()
		parts = append(parts, fmt.Sprintf("%s[%s]@%d", h.Task, h.Slots, h.Token))
	}
	return strings.Join(parts, " ")
}

// draw draws a decision.
func draw(d round.Decision) string {
	var b strings.Builder
	for _, memberID := range slices.Sorted(maps.Keys(d.Assignments)) {
		if assignment := d.Assignments[memberID]; assignment == nil {
			fmt.Fprintf(&b, "%s: reaped\n", memberID)
		} else {
			fmt.Fprintf(&b, "%s: %s | %s\n", memberID, drawList(assignment.Granted), drawList(assignment.Releasing))
		}
	}
	if d.Evict != "" {
		fmt.Fprintf(&b, "evict %s\n", d.Evict)
	}
	if d.Blocked != "" {
		fmt.Fprintf(&b, "blocked: %s\n", d.Blocked)
	}
	if len(d.RequeueMembers) > 0 {
		fmt.Fprintf(&b, "look at %v\n", slices.Sorted(maps.Keys(d.RequeueMembers)))
	}
	if len(d.Forget) > 0 {
		fmt.Fprintf(&b, "forget %v\n", d.Forget)
	}
	return b.String()
}

func wantDraw(t *testing.T, want string, d round.Decision) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), draw(d)); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

// errByHand is why a record cannot be used that somebody wrote by hand.
var errByHand = errors.New("written by hand")

// decisions are what a leader decides in a cluster with a task of three slots.
var decisions = []struct {
	name string
	make func(*board)
	want string
}{
	{"an empty cluster", func(*board) {}, ``},
	{"free slots are granted", func(b *board) {
		b.live("L", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
		b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}, `
L: a[0]@100 | 
M: a[1-2]@101 | 
`},
	{"the counter is beyond the tokens that others rise above", func(b *board) {
		b.snap.Epoch.Rec.NextToken = schema.MaxToken/2 + 5
		b.live("L", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}, `
blocked: the tokens are used up: nextToken of the epoch is near 2^61 or above it; it was edited manually
`},
	{"a slot that should be elsewhere is asked back, not granted", func(b *board) {
		b.live("L", 4, schematest.Granted("a 0-2 @5"), schematest.Releasing(), 4, schematest.Claimed("a 0-2 @5"))
		b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}, `
L: a[0-1]@5 | a[2]@5
`},
	{"a release without an answer holds its slot", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0-1 @5"), schematest.Releasing("a 2 @5 v5"), 4, schematest.Claimed("a 0-1 @5"))
		b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}, ``},
	{"an answer that still holds the slot holds it", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0-1 @5"), schematest.Releasing("a 2 @5 v5"), 5, schematest.Claimed("a 0-2 @5"))
		b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}, ``},
	{"a slot that was given back is granted in the same commit", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0-1 @5"), schematest.Releasing("a 2 @5 v5"), 5, schematest.Claimed("a 0-1 @5"))
		b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}, `
L: a[0-1]@5 | 
M: a[2]@100 | 
`},
	{"a closed member is reaped and its slots granted at once", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
		b.live("M", 3, schematest.Granted("a 1-2 @6"), schematest.Releasing(), 3, schematest.Claimed()).Assignment.Rec.Closed = &schema.Closed{}
	}, `
L: a[0]@5 a[1-2]@100 | 
M: reaped
`},
	{"a member seen gone is looked at again", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
		gone(b.live("M", 3, schematest.Granted("a 1-2 @6"), schematest.Releasing(), 3, schematest.Claimed()))
	}, `
look at [M]
`},
	{"absence that was read before the assignment proves nothing", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
		gone(b.live("M", 3, schematest.Granted("a 1-2 @6"), schematest.Releasing(), 3, schematest.Claimed())).Assignment.Read += time.Second
	}, `
look at [M]
`},
	{"half a member holds its slots", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
		b.live("M", 3, schematest.Granted("a 1-2 @6"), schematest.Releasing(), 3, schematest.Claimed()).Status.Absent = true
	}, `
look at [M]
`},
	{"an evicted member holds its slots for its lease", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
		gone(b.live("M", 3, schematest.Granted("a 1-2 @6"), schematest.Releasing(), 3, schematest.Claimed())).Assignment.Rec.Evicted = true
	}, `
look at [M]
`},
	{"a leaving member is asked for everything and given nothing", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
		b.live("M", 3, schematest.Granted("a 1-2 @6"), schematest.Releasing(), 3, schematest.Claimed("a 1-2 @6")).Status.Rec.Leaving = true
	}, `
M:  | a[1-2]@6
`},
	{"a live member without an assignment is evicted, and nothing is granted", func(b *board) {
		b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
		b.live("M", 3, schematest.Granted(), schematest.Releasing(), 3, schematest.Claimed("a 1-2 @6")).Assignment = view.Entry[schema.Assignment]{Absent: true, Read: b.now}
	}, `
evict M
blocked: the assignment of node-M is missing
`},
	{"but only by a status that was read after it was missed", func(b *board) {
		b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
		b.live("M", 3, schematest.Granted(), schematest.Releasing(), 3, schematest.Claimed("a 1-2 @6")).Assignment = view.Entry[schema.Assignment]{Absent: true, Read: b.now + 1}
	}, `
blocked: the assignment of node-M is missing
look at [M]
`},
	{"an assignment that vanished with its member blocks for a lease", func(b *board) {
		b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
		p := gone(b.live("M", 3, schematest.Granted("a 1-2 @6"), schematest.Releasing(), 3, schematest.Claimed()))
		p.Assignment.Absent = true
	}, `
blocked: the assignment of node-M is missing
look at [M]
`},
	{"a hand-edited assignment is written again as it was", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
		p := b.live("M", 3, schematest.Granted("a 1 @6"), schematest.Releasing(), 3, schematest.Claimed("a 1 @6"))
		p.Assignment.Version, p.Assignment.Err = 4, errByHand
	}, `
M: a[1]@6 | 
blocked: the assignment of node-M cannot be used
`},
	{"one that may have changed before is asked back as the status tells", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
		p := b.live("M", 3, schematest.Granted("a 1-2 @6"), schematest.Releasing(), 3, schematest.Claimed("a 1 @6"))
		p.Assignment.Version, p.Assignment.Err = 9, errByHand
	}, `
M:  | a[1]@6
blocked: the assignment of node-M cannot be used
`},
	{"a task that was scaled down or deleted is asked back", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0-4 @5", "x 0 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0-4 @5", "x 0 @6"))
		b.snap.Tasks["x"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec("x", 1), Deleted: true}}
	}, `
L: a[0-2]@5 | a[3-4]@5 x[0]@6
`},
	{"a task whose record was deleted by hand goes on", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0-2 @5", "x 0 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0-2 @5", "x 0 @6"))
		b.snap.Peers["L"].Member.Rec.Works = []string{"a", "x"}
		b.snap.Tasks["x"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec("x", 1)}, Absent: true}
	}, ``},
	{"a task whose record a new leader cannot use goes on", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0-2 @5", "x 0 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0-2 @5", "x 0 @6"))
		b.snap.Peers["L"].Member.Rec.Works = []string{"a", "x"}
		b.snap.Tasks["x"] = view.Entry[schema.Task]{Err: errByHand}
	}, ``},
	{"a task that nobody declared is asked back, and not granted", func(b *board) {
		b.live("L", 5, schematest.Granted("a 0-2 @5", "x 0 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0-2 @5", "x 0 @6"))
		b.snap.Peers["L"].Member.Rec.Works = []string{"a", "x"}
	}, `
L: a[0-2]@5 | x[0]@6
`},
	{"a changed work is asked back", func(b *board) {
		p := b.live("L", 5, schematest.Granted("a 0-2 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0-2 @5"))
		p.Assignment.Rec.Granted[0].Spec.WorkName = "other"
	}, `
L:  | a[0-2]@5
`},
	{"another stop timeout is only told", func(b *board) {
		p := b.live("L", 5, schematest.Granted("a 0-2 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0-2 @5"))
		p.Assignment.Rec.Granted[0].Spec.StopTimeout = 1
	}, `
L: a[0-2]@5 | 
`},
	{"a node that came back under its name gets its slots", func(b *board) {
		b.live("L", 5, schematest.Granted("a 1 @5"), schematest.Releasing(), 5, schematest.Claimed("a 1 @5"))
		old := b.live("old", 3, schematest.Granted("a 0 @6", "a 2 @7"), schematest.Releasing(), 3, schematest.Claimed())
		old.Assignment.Rec.Closed = &schema.Closed{}
		fresh := b.live("fresh", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
		fresh.Assignment.Rec.Node, fresh.Member.Rec.Node = "node-old", "node-old"
	}, `
fresh: a[0,2]@100 | 
old: reaped
`},
}

func TestDecide(t *testing.T) {
	for _, c := range decisions {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 3))
			c.make(b)
			wantDraw(t, c.want, b.decide())
		})
	}
}

// A member that is gone is reaped by the second look, no sooner than the wait after the first.
func TestReapingTakesTwoLooks(t *testing.T) {
	for _, c := range []struct {
		name string
		mark func(*view.Peer)
		wait time.Duration
	}{
		{"lost", func(*view.Peer) {}, grace},
		{"evicted", func(p *view.Peer) { p.Assignment.Rec.Evicted = true }, timeout + grace},
		{"lost with an assignment that may have said so", func(p *view.Peer) { p.Assignment.Version, p.Assignment.Err = 9, errors.New("bad") }, timeout + grace},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 1))
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			p := gone(b.live("M", 3, schematest.Granted("a 0 @6"), schematest.Releasing(), 3, schematest.Claimed()))
			c.mark(p)
			looks := map[string]round.FirstSeen{}
			read := func(at time.Duration) round.Decision {
				b.now = at
				p.Assignment.Read, p.Member.Read, p.Status.Read = at, at, at
				d := b.decide(func(w *round.World) { w.Memory.FirstSeen = looks })
				looks = d.Memory.FirstSeen
				return d
			}
			start := b.now
			if d := read(start); len(d.Assignments) != 0 || d.RequeueAt != start+c.wait {
				t.Fatalf("first look: %s again at %v", draw(d), d.RequeueAt-start)
			}
			if d := read(start + c.wait - 1); len(d.Assignments) != 0 {
				t.Fatalf("too early: %s", draw(d))
			}
			fresh := maps.Clone(looks)
			clear(looks) // a new leader looks again
			if d := read(start + c.wait); len(d.Assignments) != 0 {
				t.Fatalf("a new leader: %s", draw(d))
			}
			looks = fresh
			d := read(start + c.wait)
			if assignment, touched := d.Assignments["M"]; !touched || assignment != nil {
				t.Fatalf("second look: %s", draw(d))
			}
		})
	}
}

// Where a session that goes on may be ended, a lost member's own session timeout is waited for, whatever the
// leader's is; where that member's is not known, the longest that is.
func TestTakeoverCountsTheLostMembersTimeout(t *testing.T) {
	const longer, shorter, unknown = 3 * timeout, timeout / 2, 0
	for _, c := range []struct {
		name string
		lost time.Duration
		mark func(*view.Peer)
		wait time.Duration
	}{
		{"lost, longer than the leader's", longer, func(*view.Peer) {}, longer},
		{"lost, shorter than the leader's", shorter, func(*view.Peer) {}, shorter},
		{"lost, unknown", unknown, func(*view.Peer) {}, longer},
		{"evicted", longer, func(p *view.Peer) { p.Assignment.Rec.Evicted = true }, 2 * longer},
		{"evicted, shorter than the leader's", shorter, func(p *view.Peer) { p.Assignment.Rec.Evicted = true }, 2 * shorter},
		{"lost with an assignment that cannot be used", longer, func(p *view.Peer) { p.Assignment.Version, p.Assignment.Err = 9, errors.New("bad") }, 2 * longer},
		{"lost with its assignment", unknown, func(p *view.Peer) { p.Assignment.Rec, p.Assignment.Absent = nil, true }, 2 * longer},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 1))
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			b.live("N", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed()).Assignment.Rec.SessionTimeout = cluster.Duration(longer)
			p := gone(b.live("M", 3, schematest.Granted("a 0 @6"), schematest.Releasing(), 3, schematest.Claimed()))
			p.Assignment.Rec.SessionTimeout, p.Member.Rec.SessionTimeout = cluster.Duration(c.lost), cluster.Duration(c.lost)
			c.mark(p)
			d := b.decide(func(w *round.World) {
				w.TakeoverDelay, w.Memory.FirstSeen = coord.OwnTimeout, map[string]round.FirstSeen{}
			})
			if wait := d.RequeueAt - b.now; len(d.Assignments) != 0 || wait != c.wait {
				t.Errorf("%s; it waits %v, want %v", draw(d), wait, c.wait)
			}
		})
	}
}

// Where the service shows by when the last heartbeat of a member was committed, its slots wait for its session timeout after that,
// which may be over at the first look; never longer than without it, and never where its heartbeat key may still be there.
func TestTheLastHeartbeatEndsTheWait(t *testing.T) {
	evict := func(p *view.Peer) { p.Assignment.Rec.Evicted = true }
	const own = timeout / 2
	for _, c := range []struct {
		name string
		last time.Duration // before now
		mark func(*view.Peer)
		wait time.Duration // 0: reaped at once
	}{
		{"lost, a moment ago", 2 * time.Second, func(*view.Peer) {}, own - 2*time.Second},
		{"lost, just now", 0, func(*view.Peer) {}, own},
		{"lost, almost a timeout ago", own - 1, func(*view.Peer) {}, 1},
		{"lost, a timeout ago", own, func(*view.Peer) {}, 0},
		{"lost, the heartbeat shown too late to help", -own, func(*view.Peer) {}, own},
		{"evicted a moment ago", 2 * time.Second, evict, own - 2*time.Second},
		{"evicted a timeout ago", own, evict, 0},
		{"one key is there", own, func(p *view.Peer) { p.Status.Absent = false }, 1},
		{"its assignment cannot be used", own, func(p *view.Peer) { p.Assignment.Version, p.Assignment.Err = 9, errByHand }, 2 * own},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 1))
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			p := gone(b.live("M", 3, schematest.Granted("a 0 @6"), schematest.Releasing(), 3, schematest.Claimed()))
			p.Assignment.Rec.SessionTimeout, p.Member.Rec.SessionTimeout = cluster.Duration(own), cluster.Duration(own)
			p.LastHeartbeat = b.now - c.last
			c.mark(p)
			looks := map[string]round.FirstSeen{}
			start, end := b.now, b.now+c.wait
			for {
				p.Assignment.Read, p.Member.Read, p.Status.Read = b.now, b.now, b.now
				d := b.decide(func(w *round.World) { w.TakeoverDelay, w.Memory.FirstSeen = coord.OwnTimeout, looks })
				looks = d.Memory.FirstSeen
				assignment, touched := d.Assignments["M"]
				done := touched && assignment == nil || d.Evict != ""
				if done != (b.now == end) || !done && d.RequeueAt != end {
					t.Fatalf("after %v: %sagain at %v; want the end after %v", b.now-start, draw(d), d.RequeueAt-start, c.wait)
				}
				if done {
					return
				}
				b.now = end
			}
		})
	}
}

// Members that vanish within a moment are reaped in one commit, but nobody waits for those who go on vanishing.
func TestReapsGoTogether(t *testing.T) {
	b := newBoard(spec("a", 40))
	b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
	start, looks := b.now, map[string]round.FirstSeen{}
	var left []string
	for i := range 30 { // one every 50 ms
		name := fmt.Sprintf("M%02d", i)
		left = append(left, name)
		b.live(name, 3, schematest.Granted(fmt.Sprintf("a %d @%d", i, 6+i)), schematest.Releasing(), 3, schematest.Claimed())
	}
	first, most := time.Duration(0), 0
	for at := time.Duration(0); at < 4*time.Second; at += 10 * time.Millisecond {
		b.now = start + at
		for i, name := range left {
			p := b.snap.Peers[name]
			if p == nil {
				continue
			}
			if at >= time.Duration(i)*50*time.Millisecond {
				gone(p)
			}
			p.Assignment.Read, p.Member.Read, p.Status.Read = b.now, b.now, b.now
		}
		d := b.decide(func(w *round.World) { w.Memory.FirstSeen = looks })
		looks = d.Memory.FirstSeen
		reaped := 0
		for _, assignment := range d.Assignments {
			if assignment == nil {
				reaped++
			}
		}
		if reaped > 0 && first == 0 {
			first = at
		}
		most = max(most, reaped)
		b.apply(t, d)
	}
	if first < grace || first > grace+550*time.Millisecond || most < 9 {
		t.Errorf("the first is reaped after %v, at most %d at once", first, most)
	}
	if len(b.snap.Peers) != 1 {
		t.Errorf("%d members are left", len(b.snap.Peers))
	}
}

// Should the service lose commits, the epoch with them, tokens still rise above what anybody remembers.
func TestTokensRiseOverLostCommits(t *testing.T) {
	for _, c := range []struct {
		name     string
		remember func(b *board, w *round.World)
	}{
		{"the leader", func(_ *board, w *round.World) { w.NextToken = 31 }},
		{"an assignment", func(b *board, _ *round.World) {
			b.live("M", 3, schematest.Granted("b 0 @30"), schematest.Releasing(), 3, schematest.Claimed())
		}},
		{"a release", func(b *board, _ *round.World) {
			b.live("M", 3, schematest.Granted(), schematest.Releasing("b 0 @30 v3"), 2, schematest.Claimed())
		}},
		{"a status", func(b *board, _ *round.World) {
			b.live("M", 3, schematest.Granted(), schematest.Releasing(), 3, schematest.Claimed("b 0 @30"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 1), spec("b", 1))
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			d := b.decide(func(w *round.World) { c.remember(b, w) })
			for _, m := range d.Steps {
				if m.Step == cluster.StepGrant && m.Token < 31 {
					t.Errorf("token %d is granted after 30", m.Token)
				}
			}
			if d.Token < 31 {
				t.Errorf("the next token is %d", d.Token)
			}
		})
	}
}

// Where one of a member's keys is absent and another one is still there when it is read again, a
// hand has deleted the one, and the member goes on: it is stopped by evicting it. Otherwise, when the
// rest is deleted, too, its slots would be given away while it runs them.
func TestOneKeyDeletedByHand(t *testing.T) {
	for _, c := range []struct {
		name    string
		absent  func(*view.Peer)
		present func(*view.Peer) *time.Duration
	}{
		{"member", func(p *view.Peer) { p.Member.Absent = true }, func(p *view.Peer) *time.Duration { return &p.Status.Read }},
		{"status", func(p *view.Peer) { p.Status.Absent = true }, func(p *view.Peer) *time.Duration { return &p.Member.Read }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 1))
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			p := b.live("M", 3, schematest.Granted("a 0 @6"), schematest.Releasing(), 3, schematest.Claimed("a 0 @6"))
			c.absent(p)
			looks := b.decide().Memory.FirstSeen
			b.now += time.Second
			again := func() round.Decision {
				return b.decide(func(w *round.World) { w.Memory.FirstSeen = looks })
			}
			if d := again(); d.Evict != "" {
				t.Fatalf("evicted, although the session may have ended between the two reads")
			}
			*c.present(p) = b.now
			if d := again(); d.Evict != "M" || len(d.Assignments) != 0 {
				t.Fatalf("not evicted: %s", draw(d))
			}
			until := b.now + time.Minute
			d := b.decide(func(w *round.World) {
				w.Memory.FirstSeen = looks
				w.Omitted = map[round.Part]time.Duration{{Kind: round.PartAssignment, Name: "M"}: until}
			})
			if d.Evict != "" || d.RequeueAt != until {
				t.Fatalf("evicted by a commit that is too large, or not tried again at %v: %v, %s", until, d.RequeueAt, draw(d))
			}
		})
	}
}

// A member that was absent when its assignment had not been read yet may have joined since.
func TestAbsentBeforeItsAssignmentProvesNothing(t *testing.T) {
	for _, stale := range []string{"member", "status"} {
		b := newBoard(spec("a", 1))
		b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
		p := gone(b.live("M", 3, schematest.Granted("a 0 @6"), schematest.Releasing(), 3, schematest.Claimed()))
		p.Assignment.Read, p.Member.Read, p.Status.Read = b.now, b.now, b.now
		if stale == "member" {
			p.Member.Read--
		} else {
			p.Status.Read--
		}
		d := b.decide(func(w *round.World) {
			w.Memory.FirstSeen = map[string]round.FirstSeen{"M": {At: b.now - timeout, Assignment: p.Assignment.Version, Delay: grace}}
		})
		if len(d.Assignments) != 0 || d.RequeueAt != b.now || len(d.RequeueMembers) != 1 {
			t.Errorf("%s read before: %s again at %v, reading %v", stale, draw(d), d.RequeueAt-b.now, d.RequeueMembers)
		}
	}
}

// What was reaped by a commit of unknown outcome blocks nothing.
func TestBuriedAfterAll(t *testing.T) {
	b := newBoard(spec("a", 1))
	b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
	p := gone(b.live("M", 3, schematest.Granted("a 0 @6"), schematest.Releasing(), 3, schematest.Claimed()))
	p.Assignment.Absent = true
	wantDraw(t, `
forget [M]
`, b.decide(func(w *round.World) { w.Reaped = map[string]bool{"M": true} }))
}

// A plan that is too large for one commit is carried out in several, each valid alone.
func TestChunks(t *testing.T) {
	const members, most = 25, 10
	b := newBoard(spec("a", 100))
	for i := range members {
		b.live(fmt.Sprintf("M%02d", i), 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}
	for i := range 5 {
		p := b.live(fmt.Sprintf("dead%d", i), 3, schematest.Granted(fmt.Sprintf("a %d-%d @6", 20*i, 20*i+19)), schematest.Releasing(), 3, schematest.Claimed())
		p.Assignment.Rec.Closed = &schema.Closed{}
	}
	commits := 0
	for {
		d := b.decide(func(w *round.World) { w.MaxAssignments = most })
		if len(d.Assignments) == 0 {
			break
		}
		commits++
		if len(d.Assignments) > most || commits > 10 {
			t.Fatalf("commit %d writes %d assignments", commits, len(d.Assignments))
		}
		b.apply(t, d)
	}
	granted := 0
	for _, p := range b.snap.Peers {
		n := schema.Count(p.Assignment.Rec.Granted)
		granted += n
		if n != 100/members {
			t.Errorf("%s has %d slots", p.Assignment.Rec.Node, n)
		}
	}
	if granted != 100 {
		t.Errorf("%d slots are granted", granted)
	}
}

// apply writes a decision into the board as a commit would, and checks what must hold after
// every single commit.
func (b *board) apply(t *testing.T, d round.Decision) {
	t.Helper()
	for _, m := range d.Steps {
		if m.Code == "" {
			t.Errorf("no reason is given for %+v", m)
		}
	}
	for memberID, assignment := range d.Assignments {
		if assignment == nil {
			delete(b.snap.Peers, memberID)
			continue
		}
		p := *b.snap.Peers[memberID]
		p.Assignment.Rec, p.Assignment.Version, p.Assignment.RecAt, p.Assignment.Err = assignment, p.Assignment.Version+1, p.Assignment.Version+1, nil
		p.Assignment.Size, p.Assignment.Read = len(schema.Encode(assignment, p.Assignment.Version)), b.now
		b.snap.Peers[memberID] = &p
	}
	epoch := *b.snap.Epoch.Rec
	epoch.NextToken = d.Token
	b.snap.Epoch.Rec = &epoch
	seen := map[cluster.Slot]string{}
	for memberID, p := range b.snap.WithoutSuperseded().Peers {
		for slot := range p.Assignment.Rec.Each() {
			if other, twice := seen[slot]; twice {
				t.Fatalf("%s is in the assignments of %s and %s", slot, memberID, other)
			}
			seen[slot] = memberID
		}
	}
}

// A node that is claiming is left alone for a moment, since its claim is refused when its assignment changes.
func TestClaimsAreLeftAlone(t *testing.T) {
	b := newBoard(spec("a", 2), spec("b", 1))
	b.snap.Tasks["b"].Rec.Spec.Paused = true
	b.live("L", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	b.apply(t, b.decide())
	b.snap.Tasks["b"].Rec.Spec.Paused = false // another slot wants a place
	d := b.decide()
	if len(d.Assignments) != 0 || d.RequeueAt <= b.now || d.RequeueAt > b.now+200*time.Millisecond {
		t.Errorf("while it claims: %v, again at %v, now %v", draw(d), d.RequeueAt, b.now)
	}
	late := *b
	late.now = d.RequeueAt
	if d := late.decide(); len(d.Assignments) != 1 {
		t.Errorf("when it has not claimed in time: %v", draw(d))
	}
	p := *b.snap.Peers["L"]
	p.Status.Rec = &schema.Status{Applied: 1, Holding: schematest.ClaimAll(p.Assignment.Rec.Granted)}
	b.snap.Peers["L"] = &p
	if d := b.decide(); len(d.Assignments) != 1 {
		t.Errorf("when it has claimed: %v", draw(d))
	}
}

// A commit takes as many assignments as fit into it, and says that there are more to come.
func TestCommitsFit(t *testing.T) {
	b := settledBoard(80, 1, 800)
	for _, p := range b.snap.Peers {
		p.Assignment.Size = 10 << 10
	}
	b.live("new", 0, nil, nil, 0, nil)
	b.snap.Tasks["t000"].Rec.Spec.WorkerNum = 1600 // all are granted more
	d := b.decide()
	if n := len(d.Assignments); n < 30 || n > 45 || !d.More {
		t.Errorf("%d assignments of 10 KiB in a commit of 512, more: %v", n, d.More)
	}
}

// A node with more tasks than its assignment holds gets as many as fit, and others get theirs.
func TestFullAssignment(t *testing.T) {
	var tasks []cluster.TaskSpec
	for i := range 3000 {
		tasks = append(tasks, spec(fmt.Sprintf("a-%s-%04d", strings.Repeat("x", 60), i), 1))
		tasks[i].WorkName = "a"
	}
	b := newBoard(append(tasks, cluster.TaskSpec{Name: "z", WorkName: "b", WorkerNum: 1})...)
	b.live("L", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed()).Member.Rec.Works = []string{"a"}
	b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed()).Member.Rec.Works = []string{"b"}
	for range 20 {
		b.now += time.Second // nobody claims what is granted; that is not what this is about
		d := b.decide()
		if len(d.Assignments) == 0 {
			if diff := cmp.Diff([]string{"node-L"}, d.Full); diff != "" {
				t.Errorf("full (-want +got):\n%s", diff)
			}
			break
		}
		b.apply(t, d)
	}
	assignment := b.snap.Peers["L"].Assignment.Rec
	if size := len(schema.Encode(assignment, 0)); size > 192<<10 || size < 96<<10 || schema.Count(assignment.Granted) == 3000 {
		t.Errorf("the assignment has %d bytes and %d slots", size, schema.Count(assignment.Granted))
	}
	if n := schema.Count(b.snap.Peers["M"].Assignment.Rec.Granted); n != 1 {
		t.Errorf("the other node has %d slots", n)
	}
}
