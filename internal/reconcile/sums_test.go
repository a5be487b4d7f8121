package reconcile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// fleet is a cluster whose members, operators and vandals do anything, and whose records are never changed, only replaced.
type fleet struct {
	*rand.Rand
	snap   view.Snapshot
	now    time.Duration
	next   int // member
	memory round.Memory
	freed  map[cluster.Slot]cluster.Reason
	reaped map[string]bool
	sums   *ledger.Ledger
	space  planner.Space
	steps  int
	summed int // decisions that had sums
}

func newFleet(seed uint64) *fleet {
	f := &fleet{
		Rand: rand.New(rand.NewPCG(seed, 7)), now: time.Hour, sums: &ledger.Ledger{}, reaped: map[string]bool{},
		snap: view.Snapshot{
			Epoch:    view.Entry[schema.Epoch]{Rec: &schema.Epoch{Term: 1, Leader: "L", NextToken: 1}, Version: 7},
			Suspects: view.Entry[schema.Suspects]{Absent: true}, Requests: view.Entry[schema.Requests]{Absent: true},
			TaskRuns: map[string]view.Entry[schema.TaskRuns]{},
			Peers:    map[string]*view.Peer{}, Tasks: map[string]view.Entry[schema.Task]{}, Marks: map[string]view.Entry[schema.Mark]{},
			SpecChunks: map[int64]view.Entry[schema.SpecChunk]{},
		},
	}
	if seed%2 == 0 {
		f.snap.Settings.Rec = &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{MaxInFlight: int(seed % 5)}}}
	}
	for i := range 5 {
		s := spec(fmt.Sprintf("t%d", i), 4+i*3)
		s.WorkName = "a"
		switch i {
		case 1, 2:
			s.Resize = cluster.ResizeLive
		case 3:
			s.MaxUnavailable = int(seed % 3)
		case 4:
			s.Mode = cluster.ModeOnce
		}
		f.snap.Tasks[s.Name] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: s}}
	}
	for range 4 {
		f.join()
	}
	return f
}

func (f *fleet) join() {
	id := fmt.Sprintf("m%03d", f.next)
	node := fmt.Sprintf("node-%d", f.next%9)
	f.next++
	f.snap.Peers[id] = &view.Peer{
		Assignment: view.Entry[schema.Assignment]{Read: f.now, Rec: &schema.Assignment{Node: node, SessionTimeout: cluster.Duration(timeout), Granted: []schema.Granted{}}},
		Status:     view.Entry[schema.Status]{Read: f.now, Rec: &schema.Status{}},
		Member: view.Entry[schema.Member]{Read: f.now, Rec: &schema.Member{Member: cluster.Member{
			Node: node, Works: []string{"a", "b"}, SessionTimeout: cluster.Duration(timeout)}}},
	}
}

// one returns a member that some condition holds for, as a copy that is in the snapshot, or "".
func (f *fleet) one(holds func(*view.Peer) bool) (string, *view.Peer) {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(f.snap.Peers)) {
		if holds(f.snap.Peers[id]) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "", &view.Peer{}
	}
	id := ids[f.IntN(len(ids))]
	p := *f.snap.Peers[id]
	f.snap.Peers[id] = &p
	return id, &p
}

func (f *fleet) assign(p *view.Peer, change func(*schema.Assignment)) {
	if p.Assignment.Rec == nil {
		return
	}
	rec := *p.Assignment.Rec
	rec.Granted, rec.Releasing = slices.Clone(rec.Granted), slices.Clone(rec.Releasing)
	change(&rec)
	p.Assignment.Rec = &rec
	p.Assignment.Version++
	p.Assignment.RecAt, p.Assignment.Read = p.Assignment.Version, f.now
}

func (f *fleet) report(p *view.Peer, change func(*schema.Status)) {
	if p.Status.Rec == nil {
		return
	}
	rec := *p.Status.Rec
	change(&rec)
	p.Status.Rec = &rec
	p.Status.Version++
	p.Status.RecAt, p.Status.Read = p.Status.Version, f.now
}

func live(p *view.Peer) bool   { return p.Live() }
func there(*view.Peer) bool    { return true }
func grants(p *view.Peer) bool { return p.Assignment.Rec != nil && len(p.Assignment.Rec.Granted) > 0 }

// follow makes a member do what its assignment says.
func (f *fleet) follow(p *view.Peer) {
	f.report(p, func(s *schema.Status) {
		s.Applied, s.Holding = p.Assignment.Version, nil
		for i := range p.Assignment.Rec.Granted {
			s.Holding = append(s.Holding, schema.Claimed{SlotRange: p.Assignment.Rec.Granted[i].SlotRange})
		}
	})
}

// complete makes a member report the ends of slots of runs.
func (f *fleet) complete(p *view.Peer) {
	rec := &schema.Completions{}
	if p.Status.Rec != nil {
		for i := range p.Status.Rec.Holding {
			if h := &p.Status.Rec.Holding[i]; round.IsRun(h.Task) && len(h.Slots) > 0 {
				rec.Slots = append(rec.Slots, schema.Completion{Task: h.Task, Slots: h.Slots, Token: h.Token})
			}
		}
	}
	p.Completions = view.Entry[schema.Completions]{Rec: rec, Read: f.now}
}

func (f *fleet) task(change func(*schema.Task)) {
	names := slices.Sorted(maps.Keys(f.snap.Tasks))
	name := names[f.IntN(len(names))]
	e := f.snap.Tasks[name]
	if e.Rec == nil {
		return
	}
	rec := *e.Rec
	change(&rec)
	f.snap.Tasks[name] = view.Entry[schema.Task]{Rec: &rec, Version: e.Version + 1, RecAt: e.Version + 1}
}

func (f *fleet) mark(change func(*schema.Mark)) {
	node := fmt.Sprintf("node-%d", f.IntN(9))
	mark := schema.Mark{}
	if e := f.snap.Marks[node]; e.Rec != nil {
		mark = *e.Rec
	}
	change(&mark)
	f.snap.Marks[node] = view.Entry[schema.Mark]{Rec: &mark}
}

func (f *fleet) request(change func(*schema.Requests)) {
	rec := schema.Requests{}
	change(&rec)
	f.snap.Requests = view.Entry[schema.Requests]{Rec: &rec}
}

// change lets one thing happen.
func (f *fleet) change() string {
	switch f.IntN(30) {
	case 0, 1:
		if len(f.snap.Peers) < 12 {
			f.join()
		}
		return "join"
	case 2:
		_, p := f.one(live)
		f.report(p, func(s *schema.Status) { s.Leaving = true })
		return "leaving"
	case 3:
		_, p := f.one(there)
		p.Member.Absent, p.Status.Absent = true, true
		p.Member.Read, p.Status.Read = f.now, f.now
		return "gone"
	case 4:
		_, p := f.one(there)
		f.assign(p, func(a *schema.Assignment) { a.Closed = &schema.Closed{Left: f.IntN(2) == 0, Cause: "exit code 2"} })
		p.Member.Absent, p.Status.Absent = true, true
		return "closed"
	case 5:
		f.task(func(t *schema.Task) { t.Spec.WorkerNum = f.IntN(20) })
		return "scale"
	case 6:
		f.task(func(t *schema.Task) { t.Spec.Paused = !t.Spec.Paused })
		return "pause"
	case 7:
		f.task(func(t *schema.Task) { t.Spec.WorkName = []string{"a", "b"}[f.IntN(2)] })
		return "other work"
	case 8:
		f.task(func(t *schema.Task) { t.Spec.Params = cluster.Params(fmt.Sprint(f.IntN(3))) })
		return "params"
	case 9:
		f.task(func(t *schema.Task) { t.Deleted = !t.Deleted })
		return "deleted"
	case 10:
		f.mark(func(m *schema.Mark) { m.Cordoned = !m.Cordoned })
		return "cordon"
	case 11:
		f.mark(func(m *schema.Mark) { m.Drain = nil })
		if f.IntN(3) == 0 {
			f.mark(func(m *schema.Mark) { m.Drain = &schema.Drain{Deadline: cluster.Duration(time.Minute)} })
		}
		return "drain"
	case 12:
		return f.vandal()
	case 13:
		id, p := f.one(grants)
		f.request(func(r *schema.Requests) {
			r.MoveNow = []string{id}
			if id != "" {
				h := &p.Assignment.Rec.Granted[f.IntN(len(p.Assignment.Rec.Granted))]
				if len(h.Slots) > 0 {
					r.Move = []schema.MoveRequest{{Slot: cluster.Slot{Task: h.Task, Index: h.Slots[0]}, To: fmt.Sprintf("node-%d", f.IntN(9)), Token: h.Token}}
				}
				if f.IntN(3) == 0 {
					r.Restart = []schema.SlotRange{h.SlotRange}
				}
			}
		})
		return "request"
	case 14:
		_, p := f.one(grants)
		f.report(p, func(s *schema.Status) {
			s.Workers = nil
			for i := range s.Holding {
				if h := &s.Holding[i]; f.IntN(2) == 0 && len(h.Slots) > 0 {
					state := []cluster.WorkerState{cluster.WorkerGivenUp, cluster.WorkerStarting}[f.IntN(2)]
					s.Workers = append(s.Workers, schema.WorkerState{Slot: cluster.Slot{Task: h.Task, Index: h.Slots[0]}, WorkerStatus: cluster.WorkerStatus{State: state, InRow: f.IntN(5)}})
				}
			}
		})
		return "failing"
	case 17:
		_, p := f.one(grants)
		f.complete(p)
		return "complete"
	case 15, 16:
		f.now += time.Duration(f.IntN(60)) * time.Second
		return "time"
	default:
		if _, p := f.one(live); p.Assignment.Rec != nil {
			f.follow(p)
		}
		return "follow"
	}
}

// vandal edits records manually.
func (f *fleet) vandal() string {
	_, p := f.one(grants)
	_, other := f.one(there)
	switch f.IntN(6) {
	case 0:
		f.assign(other, func(a *schema.Assignment) {
			if p.Assignment.Rec != nil {
				a.Granted = append(a.Granted, p.Assignment.Rec.Granted[0])
			}
		})
		return "doubled"
	case 1:
		f.assign(p, func(a *schema.Assignment) { a.Granted = a.Granted[1:] })
		return "unlisted"
	case 2:
		f.assign(p, func(a *schema.Assignment) { a.Granted[0].Slots = cluster.Indexes{3, cluster.MaxWorkers + 7} })
		return "far"
	case 3:
		f.report(p, func(s *schema.Status) {
			s.Refused, s.Above = []schema.SlotRange{p.Assignment.Rec.Granted[0].SlotRange}, 1<<20
		})
		return "refused"
	case 4:
		p.Assignment.Err = fmt.Errorf("edited")
		return "damaged"
	default:
		f.assign(p, func(a *schema.Assignment) { a.Granted[0].Token = 1 << 40 })
		return "token"
	}
}

func (f *fleet) world(sums *ledger.Ledger, space *planner.Space) round.World {
	snap := f.snap
	snap.Peers = maps.Clone(f.snap.Peers)
	return round.World{
		Snapshot: &snap, Self: "m001", Now: f.now, TakeoverDelay: grace, Timeout: timeout, MaxAssignments: 1 + f.steps%7, Memory: f.memory,
		FreedWhy: f.freed, Reaped: f.reaped, Ledger: sums, Space: space,
	}
}

// decide decides with the sums that were kept and without any, and compares.
func (f *fleet) decide(t *testing.T) round.Decision {
	t.Helper()
	f.steps++
	want, got := reconcile.Decide(f.world(nil, nil)), reconcile.Decide(f.world(f.sums, &f.space))
	func() {
		defer func() {
			if r := recover(); r != nil {
				t.Fatalf("step %d: %v", f.steps, r)
			}
		}()
		sameDecision(want, got)
	}()
	if f.sums.Exact() {
		f.summed++
	}
	return got
}

// commit writes a decision, as a leader does.
func (f *fleet) commit(d round.Decision) {
	f.memory = d.Memory
	for _, id := range d.Forget {
		delete(f.snap.Peers, id)
	}
	if d.Evict != "" {
		delete(f.snap.Peers, d.Evict)
		return
	}
	f.freed = d.FreedWhy
	epoch := *f.snap.Epoch.Rec
	epoch.NextToken = d.Token
	f.snap.Epoch.Rec = &epoch
	for number, chunk := range d.SpecChunks {
		f.snap.SpecChunks = maps.Clone(f.snap.SpecChunks)
		f.snap.SpecChunks[number] = view.Entry[schema.SpecChunk]{Rec: chunk, RecAt: chunk.Version, Version: chunk.Version}
	}
	table := specs.Table{}
	for number, e := range f.snap.SpecChunks {
		table = table.With(number, e.Rec)
	}
	f.snap.StoredSpecs = table
	for id, rec := range d.Assignments {
		if rec == nil {
			delete(f.snap.Peers, id)
			continue
		}
		p := *f.snap.Peers[id]
		p.Assignment = view.Entry[schema.Assignment]{Rec: rec, RecAt: p.Assignment.Version + 1, Version: p.Assignment.Version + 1, Read: f.now}
		f.snap.Peers[id] = &p
	}
	f.snap.TaskRuns = maps.Clone(f.snap.TaskRuns)
	for name, rec := range d.TaskRuns {
		if delete(f.snap.TaskRuns, name); rec != nil {
			f.snap.TaskRuns[name] = view.Entry[schema.TaskRuns]{Rec: rec}
		}
	}
	if d.Requests != nil {
		f.snap.Requests = view.Entry[schema.Requests]{Rec: d.Requests}
	}
	f.snap.Marks = maps.Clone(f.snap.Marks)
	for node, mark := range d.Marks {
		f.snap.Marks[node] = view.Entry[schema.Mark]{Rec: mark}
	}
	if d.Suspects != nil {
		f.snap.Suspects = view.Entry[schema.Suspects]{Rec: d.Suspects}
	}
}

// A leader that keeps its sums over thousands of changes decides what one decides that looks at everything each time, whatever members,
// operators and vandals do. Some commits fail.
func TestKeptSumsDecideNothingElse(t *testing.T) {
	const seeds, changes = 40, 150
	happened := map[string]int{}
	decided, summed, written := 0, 0, 0
	for seed := range uint64(seeds) {
		f := newFleet(seed)
		for range changes {
			what := f.change()
			d := f.decide(t)
			if f.IntN(8) > 0 {
				f.commit(d)
				written += len(d.Assignments)
			}
			happened[what]++
		}
		decided, summed = decided+f.steps, summed+f.summed
	}
	t.Logf("%d decisions, %d with sums, %d assignments written: %v", decided, summed, written, happened)
	if summed < decided/2 || written < decided/4 {
		t.Errorf("%d decisions, %d of them with sums, wrote %d assignments: these are too few", decided, summed, written)
	}
}
