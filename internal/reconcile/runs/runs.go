package runs

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Bounds of the run changes of one commit.
const (
	maxEnds  = 10 // runs of one task that it ends
	maxDrops = 20 // records of finished runs that it deletes
)

// stage brings the agendas of all tasks up to date.
type stage struct {
	*round.Facts
	draft   *round.Draft
	agendas map[string]view.Entry[schema.TaskRuns]
	pending round.PendingRuns
	begun   map[string]bool // runs that operators requested and that exist now
}

// Advance handles the tasks that run to their end: it records the ends that members report, ends runs, and begins those that are due. An
// agenda is written in the commit that acts on it, under the term, so that a firing happens once, whichever member leads next; and
// no slot leaves an assignment before its member's report is in the agenda.
//
// It returns the world with those agendas, the agendas that could not be brought up to date, and which of the runs that operators
// requested exist now.
func Advance(w round.World, draft *round.Draft) (*round.Facts, round.PendingRuns, map[string]bool) {
	f := round.NewFacts(w)
	d := &stage{f, draft, maps.Clone(w.Snapshot.TaskRuns), round.PendingRuns{}, map[string]bool{}}
	if d.agendas == nil {
		d.agendas = map[string]view.Entry[schema.TaskRuns]{}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Snapshot.Tasks)) {
		d.advance(name, w.Snapshot.Tasks[name])
	}
	for _, name := range slices.Sorted(maps.Keys(d.agendas)) {
		if _, known := w.Snapshot.Tasks[name]; !known {
			d.dropAgenda(name) // deleted, with all other records of the task
		}
	}
	next := *f
	snap := *w.Snapshot
	snap.TaskRuns = d.agendas
	next.Snapshot = &snap
	next.Specs = snap.Specs()
	next.Sum()
	return &next, d.pending, d.begun
}

// advance brings the agenda of one task up to date.
func (d *stage) advance(name string, task view.Entry[schema.Task]) {
	old, known := d.agendas[name]
	switch {
	case task.Rec == nil || d.draft.Crowded() || known && old.Rec == nil || d.draft.Omits(round.PartAgenda, name):
		d.pending[name] = true
		return
	case task.Rec.Deleted || !task.Rec.Effective().Runs():
		if known {
			d.dropAgenda(name)
		}
		return
	case known && old.Rec.Generation != task.Rec.Generation: // deleted and declared again between two reads
		d.dropAgenda(name)
		return
	}
	a := &agenda{Facts: d.Facts, draft: d.draft, task: name, spec: task.Rec.Effective()}
	if known {
		a.rec = *old.Rec
		a.rec.Runs, a.rec.Kept = slices.Clone(a.rec.Runs), slices.Clone(a.rec.Kept)
	} else {
		a.rec.Runs, a.rec.Generation = []schema.Run{}, task.Rec.Generation
	}
	a.foldAll()
	if timing, err := schedule.Parse(a.spec); err != nil {
		d.draft.Out.Unplaced[name] = cluster.Reason{Code: cluster.WhySchedule, Detail: err.Error()}
	} else if !d.DryRun {
		a.end()
		a.trim()
		a.beginRequested(d.begun)
		a.fire(timing)
		a.dequeue()
	}
	if a.changed {
		a.limit()
		rec := a.rec
		d.draft.Out.TaskRuns[name] = &rec
		d.draft.Extra++
		d.draft.Bytes += schema.Size(&rec)
		d.agendas[name] = view.Entry[schema.TaskRuns]{Rec: &rec, Version: old.Version, Read: old.Read}
	}
}

// limit keeps an agenda within its bound. It drops which slot each error of a run belongs to, for the largest run first, then the
// skipped firings, and then the oldest runs that are over and that no assignment lists.
func (a *agenda) limit() {
	a.blurred = map[string]bool{}
	for schema.Size(&a.rec) > schema.MaxTaskRuns {
		most, at := 0, -1
		for i := range a.rec.Runs {
			if size := failedBytes(a.rec.Runs[i].Failed); size > most && !a.blurred[a.rec.Runs[i].ID] {
				most, at = size, i
			}
		}
		switch {
		case at >= 0:
			a.rec.Runs[at].Blur(schema.ShortError / 4)
			a.blurred[a.rec.Runs[at].ID] = true
		case len(a.rec.Skips) > 0:
			a.rec.Skips = a.rec.Skips[1:]
		case len(a.draft.Out.DropRuns) < maxDrops:
			oldest := slices.IndexFunc(a.rec.Kept, a.mayForget)
			if oldest < 0 {
				return // the rest cannot be so large
			}
			a.forget(a.rec.Kept[oldest])
			a.rec.Kept = slices.Delete(a.rec.Kept, oldest, oldest+1)
		default:
			return // the rest of them in the next decision
		}
	}
}

func failedBytes(failed []schema.Failure) (n int) {
	for i := range failed {
		n += schema.SizeOf(&failed[i])
	}
	return n
}

// dropAgenda deletes the remains of a task that no longer has runs: the runs that are over first.
func (d *stage) dropAgenda(name string) {
	old, draft := d.agendas[name], d.draft
	if old.Rec == nil || d.DryRun || draft.Crowded() || draft.Omits(round.PartAgenda, name) {
		return
	}
	if kept := old.Rec.Kept; len(kept) > 0 {
		n := min(len(kept), maxDrops)
		if d.KeepRuns { // but runs that are under way end at once, before any other change of the task
			n = 0
			if len(old.Rec.Runs) == 0 {
				return
			}
		}
		for _, id := range kept[:n] {
			draft.Out.DropRuns = append(draft.Out.DropRuns, round.RunKey{Task: name, ID: id})
		}
		rec := *old.Rec
		rec.Kept, rec.Runs = kept[n:], []schema.Run{}
		draft.Out.TaskRuns[name] = &rec
		draft.Extra += n + 1
		d.agendas[name] = view.Entry[schema.TaskRuns]{Rec: &rec, Version: old.Version}
		return
	}
	draft.Out.TaskRuns[name] = nil
	draft.Extra++
	delete(d.agendas, name)
}

// agenda is the unfinished agenda of one task.
type agenda struct {
	*round.Facts
	draft   *round.Draft
	rec     schema.TaskRuns
	task    string
	spec    cluster.TaskSpec
	changed bool
	blurred map[string]bool // runs of which one error is kept
}

// foldAll records the ends that members report. Each slot's end is recorded once.
func (a *agenda) foldAll() {
	for _, memberID := range a.MemberIDs {
		rec := a.Snapshot.Peers[memberID].Completions.Rec
		if rec == nil || a.Snapshot.Peers[memberID].Completions.Absent {
			continue
		}
		for i := range rec.Slots {
			if task, id := cluster.SplitRun(rec.Slots[i].Task); task == a.task {
				a.fold(id, &rec.Slots[i])
			}
		}
	}
}

func (a *agenda) fold(id string, o *schema.Completion) {
	at := slices.IndexFunc(a.rec.Runs, func(r schema.Run) bool { return r.ID == id })
	if at < 0 {
		return
	}
	r := a.rec.Runs[at]
	var fresh cluster.Indexes
	for _, index := range o.Slots {
		if index < r.WorkerNum && !r.Finished(index) {
			fresh = append(fresh, index)
		}
	}
	if len(fresh) == 0 {
		return
	}
	a.changed = true
	if o.Error == "" {
		r.Done = union(r.Done, fresh)
	} else {
		r.Failed = slices.Clone(r.Failed)
		same := slices.IndexFunc(r.Failed, func(f schema.Failure) bool { return f.Error == o.Error })
		switch {
		case same >= 0:
			r.Failed[same].Slots = union(r.Failed[same].Slots, fresh)
		case len(r.Failed) < maxFailures:
			r.Failed = append(r.Failed, schema.Failure{Slots: fresh, Error: o.Error})
		default: // so many ways to fail: the last entry stands for the rest
			last := &r.Failed[len(r.Failed)-1]
			last.Slots, last.Error = union(last.Slots, fresh), several(o.Error)
		}
	}
	a.rec.Runs[at] = r
}

// several marks an error as one of several.
func several(reason string) string {
	return schema.SeveralReasons + strings.TrimPrefix(reason, schema.SeveralReasons)
}

// maxFailures bounds the errors that are kept of a run.
const maxFailures = 10

func union(a, b cluster.Indexes) cluster.Indexes {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// end ends the runs that have nothing left to do.
func (a *agenda) end() {
	for n := 0; n < maxEnds && a.draft.Bytes < round.MaxRunBytes; n++ {
		at := slices.IndexFunc(a.rec.Runs, func(r schema.Run) bool { return !r.Queued && r.Remaining() == 0 })
		if at < 0 {
			return
		}
		r := a.rec.Runs[at]
		r.Ended = a.WallNow
		a.rec.Runs = slices.Delete(a.rec.Runs, at, at+1)
		ran := schema.FinishedRun{Task: a.task, Run: r}
		if schema.Size(&ran) > schema.MaxFinishedRun {
			ran.Blur(10 * schema.ShortError)
		}
		a.draft.Bytes += schema.Size(&ran)
		a.draft.Out.FinishedRuns = append(a.draft.Out.FinishedRuns, ran)
		a.rec.Kept = append(a.rec.Kept, r.ID)
		a.changed = true
		a.draft.Extra++
		step, why := cluster.StepDone, cluster.Reason{Code: cluster.WhyDone}
		if len(r.Failed) > 0 {
			step, why.Code = cluster.StepFailed, cluster.WhyFailed
		}
		a.draft.AddStep(cluster.Decided{Step: step, Task: cluster.RunTask(a.task, r.ID)}, why)
	}
}

// mayForget reports whether the record of a run that is over may be deleted. While an assignment still lists a slot of the run, its
// worker may write checkpoints, which are deleted with the run.
func (a *agenda) mayForget(id string) bool { return !a.Lists(cluster.RunTask(a.task, id)) }

// trim drops the oldest runs that are over and too many.
func (a *agenda) trim() {
	extra := len(a.rec.Kept) - cmp.Or(a.spec.KeepRuns, cluster.DefaultKeepRuns)
	if extra <= 0 || a.KeepRuns {
		return
	}
	kept := []string{}
	for _, id := range a.rec.Kept {
		if extra > 0 && len(a.draft.Out.DropRuns) < maxDrops && a.mayForget(id) {
			a.forget(id)
			a.changed = true
			extra--
			continue
		}
		kept = append(kept, id)
	}
	a.rec.Kept = kept
}

// forget drops the record of a finished run; a run that ends in this very commit gets none.
func (a *agenda) forget(id string) {
	fresh := func(r schema.FinishedRun) bool { return r.Task == a.task && r.ID == id }
	if slices.ContainsFunc(a.draft.Out.FinishedRuns, fresh) {
		a.draft.Out.FinishedRuns = slices.DeleteFunc(a.draft.Out.FinishedRuns, fresh)
		return
	}
	a.draft.Out.DropRuns = append(a.draft.Out.DropRuns, round.RunKey{Task: a.task, ID: id})
	a.draft.Extra++
}

// beginRequested begins the runs that operators ask for. If others are under way they wait, unless runs may overlap. It adds those that
// exist now to begun.
func (a *agenda) beginRequested(begun map[string]bool) {
	requests := a.Snapshot.Requests
	if !requests.Good() {
		return
	}
	for _, o := range requests.Rec.RunNow {
		if o.Task != a.task || len(a.rec.Runs) >= cluster.MaxActiveRuns {
			continue
		}
		if a.rec.Find(o.ID) == nil && !slices.Contains(a.rec.Kept, o.ID) {
			r := a.newRun(o.ID, a.WallNow)
			r.By = o.By
			if o.Params != "" {
				r.Params = o.Params
			}
			a.begin(r, a.spec.Overlap != cluster.OverlapAllow)
		}
		begun[o.ID] = true
	}
}

func (a *agenda) newRun(id string, due time.Time) schema.Run {
	return schema.Run{Run: cluster.Run{ID: id, Due: due, WorkerNum: a.spec.WorkerNum, Params: a.spec.Params}, WorkName: a.spec.WorkName}
}

// begin adds a run; if it must wait, dequeue begins it in its turn. Runs that make up for late firings stay behind all others that
// wait, in the order of their instants.
func (a *agenda) begin(r schema.Run, wait bool) {
	r.Queued = wait
	if !wait {
		r.Began = a.WallNow
	}
	at := len(a.rec.Runs)
	behind := func(o schema.Run) bool { return o.Queued && o.Late && (!r.Late || o.Due.After(r.Due)) }
	if first := slices.IndexFunc(a.rec.Runs, behind); first >= 0 {
		at = first
	}
	a.rec.Runs = slices.Insert(a.rec.Runs, at, r)
	a.changed = true
	a.draft.AddStep(cluster.Decided{Step: cluster.StepRun, Task: cluster.RunTask(a.task, r.ID)}, whyRun(&r))
}

// whyRun returns why a run begins or waits.
func whyRun(r *schema.Run) cluster.Reason {
	if r.By != "" {
		return cluster.Reason{Code: cluster.WhyAsked, Detail: r.By}
	}
	return cluster.Reason{Code: cluster.WhyDue}
}

// dequeue begins the next run that waits, if no other is under way.
func (a *agenda) dequeue() {
	goesOn := func(r schema.Run) bool { return !r.Queued }
	for i := range a.rec.Runs {
		r := &a.rec.Runs[i]
		if r.Queued && (a.spec.Overlap == cluster.OverlapAllow || !slices.ContainsFunc(a.rec.Runs, goesOn)) {
			r.Queued, r.Began, a.changed = false, a.WallNow, true
		}
	}
}

// unfinished reports whether any run has something left to do.
func (a *agenda) unfinished() bool {
	return slices.ContainsFunc(a.rec.Runs, func(r schema.Run) bool { return r.Remaining() > 0 })
}
