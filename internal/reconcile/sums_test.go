package reconcile_test

import (
	"maps"
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

func (f *fleet) world() round.World {
	ids := slices.Sorted(maps.Keys(f.snap.Peers))
	self := append(slices.DeleteFunc(ids, func(id string) bool { return !f.snap.Peers[id].Live() }), "")[0]
	return round.World{
		Snapshot: f.snap.WithoutSuperseded(), Self: self, Leaving: f.steps%50 > 47, Now: f.now, TakeoverDelay: grace, Timeout: timeout,
		MaxAssignments: 1 + f.steps%7, Memory: f.memory, FreedWhy: f.freed, Reaped: f.reaped, Omitted: f.omitted,
	}
}

// decide decides with the sums that were kept and without any, and compares.
func (f *fleet) decide(t *testing.T) round.Decision {
	t.Helper()
	f.steps++
	w := f.world()
	want := reconcile.Decide(w)
	w.Ledger, w.Space = f.sums, &f.space
	got := reconcile.Decide(w)
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
		for _, p := range w.Snapshot.Peers {
			if len(p.Superseded) > 0 {
				f.superseded++
				break
			}
		}
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
	f.snap.SpecChunks = maps.Clone(f.snap.SpecChunks)
	for _, number := range d.DropSpecs {
		delete(f.snap.SpecChunks, number)
	}
	for number, chunk := range d.SpecChunks {
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
	const seeds, changes = 60, 200
	happened := map[string]int{}
	decided, summed, superseded, written := 0, 0, 0, 0
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
		decided, summed, superseded = decided+f.steps, summed+f.summed, superseded+f.superseded
	}
	t.Logf("%d decisions, %d with sums, %d of these with superseded releases, %d assignments written: %v", decided, summed, superseded, written, happened)
	if summed < decided/2 || superseded < decided/50 || written < decided/4 {
		t.Error("these are too few")
	}
}
