package reconcile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
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
	// omitted is a part that decisions leave out for a while.
	omitted map[round.Part]time.Duration
	sums    *ledger.Ledger
	space   planner.Space
	steps   int
	// summed and superseded count the decisions that had sums, and those that had superseded releases, too.
	summed, superseded int
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
		case 0:
			s.Spread = "zone"
		case 1, 2:
			s.Resize, s.Require = cluster.ResizeLive, []cluster.Selector{"gpu", "zone=x"}[i-1]
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
			Node: node, Works: []string{"a", "b"}, SessionTimeout: cluster.Duration(timeout), Labels: f.labels()}}},
	}
}

func (f *fleet) labels() cluster.Labels {
	return cluster.Labels{"zone": []string{"x", "y"}[f.IntN(2)], []string{"gpu", "ssd"}[f.IntN(2)]: "true"}
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
	switch f.IntN(42) {
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
		f.assign(p, func(a *schema.Assignment) {
			a.Closed = &schema.Closed{Left: f.IntN(2) == 0, Cause: "exit code 2", RestartGrace: cluster.Duration(f.IntN(2)) * cluster.Duration(time.Minute)}
			if p.Status.Rec != nil && !a.Closed.Left {
				a.Closed.StartedLast60s = p.Status.Rec.Holding
			}
		})
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
	case 12, 26:
		return f.vandal()
	case 27, 28, 29:
		for _, id := range slices.Sorted(maps.Keys(f.snap.Peers)) {
			p := *f.snap.Peers[id]
			f.snap.Peers[id] = &p
			if p.Live() && p.Assignment.Rec != nil {
				f.follow(&p)
			}
		}
		return "all follow"
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
	case 18, 19:
		return f.rewrite()
	case 20:
		return f.declare()
	case 21:
		return f.policy()
	case 22:
		return f.misread()
	case 24:
		id, _ := f.one(there)
		f.omitted = map[round.Part]time.Duration{{Kind: round.PartAssignment, Name: id}: f.now + time.Minute}
		return "omitted"
	case 23:
		return f.spoil()
	default:
		if _, p := f.one(live); p.Assignment.Rec != nil {
			f.follow(p)
		}
		return "follow"
	}
}

// rewrite makes a member write its record again, with another weight, capacity, labels or works.
func (f *fleet) rewrite() string {
	_, p := f.one(func(p *view.Peer) bool { return p.Member.Rec != nil })
	if p.Member.Rec == nil {
		return "none"
	}
	rec := *p.Member.Rec
	switch f.IntN(5) {
	case 0:
		rec.Weight = f.IntN(4)
	case 1:
		rec.Capacity = f.IntN(20)
	case 2:
		rec.Works = [][]string{{"a"}, {"b"}, {"a", "b"}}[f.IntN(3)]
	case 3:
		rec.RestartGrace = cluster.Duration(f.IntN(2)) * cluster.Duration(time.Minute)
	default:
		rec.Labels = f.labels()
	}
	p.Member.Rec = &rec
	return "member"
}

// declare changes where a task may run, or deletes it and makes it again between two reads.
func (f *fleet) declare() string {
	f.task(func(t *schema.Task) {
		s := &t.Spec
		switch f.IntN(7) {
		case 0:
			s.Require = []cluster.Selector{"", "gpu", "zone=x"}[f.IntN(3)]
		case 1:
			s.Prefer = []cluster.Selector{"", "zone=y"}[f.IntN(2)]
		case 2:
			s.Spread = []string{"", "zone"}[f.IntN(2)]
		case 3:
			s.MaxPerNode = f.IntN(4)
		case 4:
			s.Weight = f.IntN(4)
		case 5:
			s.Restart.Elsewhere = f.IntN(3)
		default:
			t.Generation++
		}
	})
	return "declare"
}

// policy changes what holds for the whole cluster.
func (f *fleet) policy() string {
	rec := schema.Settings{}
	if f.snap.Settings.Rec != nil {
		rec = *f.snap.Settings.Rec
	}
	switch s := &rec.Spec; f.IntN(5) {
	case 0:
		s.LeaderWorkers = []cluster.LeaderPolicy{cluster.LeaderLast, cluster.LeaderNone, cluster.LeaderEqual}[f.IntN(3)]
	case 1:
		s.Rebalance.MaxInFlight = f.IntN(5)
	case 2:
		s.Rebalance.LeaveDelay = cluster.Duration(f.IntN(2)) * cluster.Duration(time.Minute)
	case 3:
		s.Rebalance.FreezeAbove = float64(f.IntN(2)) / 4
	default:
		f.mark(func(m *schema.Mark) { m.Labels = []cluster.Labels{nil, {"zone": "x"}, {"zone": ""}}[f.IntN(3)] })
	}
	f.snap.Settings.Rec = &rec
	return "policy"
}

// misread makes a record of a member, or of a task, unusable, or usable again.
func (f *fleet) misread() string {
	_, p := f.one(there)
	edited := fmt.Errorf("edited")
	switch f.IntN(6) {
	case 0:
		p.Status.Err, p.Status.Read = edited, f.now
	case 1:
		p.Status.Err = nil
	case 2:
		p.Status.Absent, p.Status.Read = !p.Status.Absent, f.now
	case 3:
		p.Member.Rec, p.Member.Err = nil, edited
	case 4:
		p.Assignment.Err = nil
	default:
		names := slices.Sorted(maps.Keys(f.snap.Tasks))
		name := names[f.IntN(len(names))]
		e := f.snap.Tasks[name]
		e.Err = []error{nil, edited}[f.IntN(2)]
		f.snap.Tasks[name] = e
	}
	return "misread"
}

// spoil damages, drops or makes again a chunk of specs, or a member's grants lose their specs.
func (f *fleet) spoil() string {
	numbers := slices.Sorted(maps.Keys(f.snap.SpecChunks))
	if len(numbers) == 0 || f.IntN(3) == 0 {
		_, p := f.one(grants)
		f.assign(p, func(a *schema.Assignment) {
			for i := range a.Granted {
				a.Granted[i].Spec = nil
			}
		})
		return "unresolved"
	}
	number := numbers[f.IntN(len(numbers))]
	e := f.snap.SpecChunks[number]
	f.snap.SpecChunks = maps.Clone(f.snap.SpecChunks)
	e.Err = fmt.Errorf("edited")
	switch f.IntN(3) {
	case 0:
		delete(f.snap.SpecChunks, number)
		f.snap.StoredSpecs = f.snap.StoredSpecs.With(number, nil)
	case 1:
		e.Version++
		f.snap.SpecChunks[number] = e
	default:
		f.snap.SpecChunks[number] = e
	}
	return "spoiled"
}

// vandal edits records manually.
func (f *fleet) vandal() string {
	_, p := f.one(grants)
	_, other := f.one(there)
	switch f.IntN(11) {
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
	case 5:
		f.assign(p, func(a *schema.Assignment) { a.Granted[0].Token = schema.MaxToken })
		return "impossible token"
	case 6:
		f.assign(p, func(a *schema.Assignment) { a.Granted[0].Token = 1 + f.Int64N(50) })
		return "former token"
	case 7:
		count := f.IntN(20)
		f.assign(p, func(a *schema.Assignment) { a.Granted[0].Count = &count })
		return "other count"
	case 8:
		f.report(other, func(s *schema.Status) {
			if p.Assignment.Rec != nil {
				s.Holding = append(slices.Clone(s.Holding), schema.Claimed{SlotRange: p.Assignment.Rec.Granted[0].SlotRange})
			}
		})
		return "held twice"
	case 9:
		epoch := *f.snap.Epoch.Rec
		epoch.NextToken = 1
		f.snap.Epoch.Rec = &epoch
		return "former epoch"
	default:
		f.assign(p, func(a *schema.Assignment) { a.Granted[0].Token = 1 << 40 })
		return "token"
	}
}
