package view

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// parallel bounds how many reads are under way at once; the sessions pipeline them.
const parallel = 32

// Refresh reads the marked keys: lists and assignments first, then the rest. Keys that are marked meanwhile are left for the next
// call, which C requests. It reports whether the reads may have brought anything new, and fails only when ctx or the session has
// ended.
func (v *View) Refresh(ctx context.Context) (changed bool, err error) {
	v.changed = false
	err = v.refresh(ctx, v.selfWritten.deferReads(v.hints.Take(), v.session.Now()))
	return v.changed, err
}

func (v *View) refresh(ctx context.Context, keys []string) error {
	b := v.sort(keys)
	// A changed assignment is needed before the lists, which take longer. The lists wait for one Refresh at most.
	// The list of specs is short, and without it a leader would store specs again that are stored.
	isSpecs := func(key string) bool { return key == schema.Dir(v.keys.SpecChunk(0)) }
	long := slices.DeleteFunc(slices.Clone(b.lists), isSpecs)
	v.listsWait = len(b.assignments) > 0 && len(long) > 0 && !v.listsWait
	if v.listsWait {
		v.remark(long)
		b.lists = slices.DeleteFunc(b.lists, func(key string) bool { return !isSpecs(key) })
	}
	found, err := v.list(ctx, b.lists)
	if err != nil {
		v.remark(keys)
		return err
	}
	b.add(v, found)
	if err := v.read(ctx, b.assignments); err != nil {
		v.remark(b.rest)
		return err
	}
	own := slices.DeleteFunc(slices.Clone(b.rest), v.isDone)
	if err := v.read(ctx, v.open(own)); err != nil {
		v.remark(v.dones(b))
		return err
	}
	// If a member is gone, its assignment is read before the keys that show that.
	goneAssignments, gone := v.goneSelfWritten(b.rest)
	goneAssignments = append(goneAssignments, v.goneMarked(b.rest)...)
	slices.Sort(goneAssignments)
	if err := v.read(ctx, slices.Compact(goneAssignments)); err != nil {
		v.remark(slices.Concat(gone, v.dones(b)))
		return err
	}
	if err := v.read(ctx, v.open(gone)); err != nil {
		v.remark(v.dones(b))
		return err
	}
	// Records of ended slots are read after the statuses, also those of members that the statuses show to be gone.
	ended := slices.DeleteFunc(v.dones(b), func(done string) bool { return !b.taken[done] && !v.mayHaveEnded(schema.Base(done)) })
	for _, done := range ended {
		v.hints.Watch(done)
	}
	if err := v.read(ctx, ended); err != nil {
		return err
	}
	if err := v.readLastHeartbeats(ctx, b); err != nil {
		return err
	}
	v.forget()
	return nil
}

// goneMarked returns the assignments that were marked meanwhile of the members of these keys that are gone. A member that leaves closes
// its assignment in the commit that deletes its other keys, and some services give the hints of one commit in any order. Without
// the assignment, the member would seem to be lost until the next Refresh.
func (es *entries) goneMarked(keys []string) (assignments []string) {
	for _, key := range keys {
		memberID := schema.Base(key)
		p, assignment := es.snap.Peers[memberID], es.keys.Assignment(memberID)
		if p != nil && (p.Status.Absent || p.Member.Absent) && es.hints.TakeKey(assignment) {
			assignments = append(assignments, assignment)
		}
	}
	return assignments
}

// batch is the keys that one Refresh reads, each once.
type batch struct {
	lists, assignments, rest []string
	taken                    map[string]bool // assignments and rest
}

// add adds keys of records, not of lists.
func (b *batch) add(v *View, keys []string) {
	for _, key := range keys {
		if b.taken[key] {
			continue
		}
		b.taken[key] = true
		if schema.Dir(key) == v.keys.Assignments() {
			b.assignments = append(b.assignments, key)
		} else {
			b.rest = append(b.rest, key)
		}
	}
}

// sort sorts the marked keys into kinds.
func (v *View) sort(keys []string) *batch {
	b := &batch{taken: make(map[string]bool, len(keys))}
	isList := func(key string) bool {
		return key == v.keys.Assignments() || key == v.keys.Members() || key == v.keys.Tasks() || key == v.keys.Marks() ||
			key == v.keys.TaskRuns() || key == schema.Dir(v.keys.SpecChunk(0))
	}
	for _, key := range keys {
		if isList(key) {
			b.lists = append(b.lists, key)
		} else {
			b.add(v, []string{key})
		}
	}
	return b
}

// remark marks keys that were taken but not read.
func (v *View) remark(keys []string) {
	for _, key := range keys {
		v.hints.Mark(key)
	}
}

func (es *entries) isDone(key string) bool { return schema.Dir(key) == es.keys.Completions() }

// dones returns the records of ended slots of the members of these keys: without them, a member's status shows nothing about the
// slots that it no longer holds.
func (es *entries) dones(b *batch) (keys []string) {
	if !es.leader {
		return nil
	}
	listed := make(map[string]bool, len(b.taken))
	of := []string{es.keys.Assignments(), es.keys.Members(), es.keys.Completions(), schema.Dir(es.keys.Status(""))}
	for _, key := range slices.Concat(b.assignments, b.rest) {
		memberID := schema.Base(key)
		if es.snap.Peers[memberID] == nil || listed[memberID] || !slices.Contains(of, schema.Dir(key)) {
			continue
		}
		listed[memberID] = true
		keys = append(keys, es.keys.CompletionsOf(memberID))
	}
	return keys
}

// mayHaveEnded reports whether a member may have recorded ends of slots: its assignment lists runs, or is missing, or was edited
// manually.
func (es *entries) mayHaveEnded(memberID string) bool {
	p := es.snap.Peers[memberID]
	if p.Completions.Rec != nil && !p.Completions.Absent || p.Assignment.Absent || hasRuns(p.Assignment.Rec) {
		return true
	}
	saysNone := p.Assignment.Good() && p.Assignment.Rec.Closed != nil && p.Assignment.Rec.Closed.NoCompletions
	return !p.Live() && !saysNone
}

// hasRuns reports whether an assignment lists slots of runs, as far as the assignment is known.
func hasRuns(assignment *schema.Assignment) bool {
	if assignment == nil {
		return true
	}
	return assignment.ListsTask(isRun)
}

func isRun(task string) bool {
	_, run := cluster.SplitRun(task)
	return run != ""
}

// open leaves out the statuses and members of closed assignments: such a member is gone, whatever these keys contain.
func (es *entries) open(keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool {
		p := es.snap.Peers[schema.Base(key)]
		return p != nil && es.leader && p.Assignment.Good() && p.Assignment.Rec.Closed != nil && schema.Dir(key) != es.keys.Assignments()
	})
}

// list reads the children of keys, and returns the keys that are new, watched.
func (v *View) list(ctx context.Context, keys []string) (fresh []string, err error) {
	lists, errs := make([][]coord.Entry, len(keys)), make([]error, len(keys))
	inParallel(len(keys), func(i int) { lists[i], errs[i] = v.session.List(ctx, keys[i]) })
	if err := cmp.Or(errs...); err != nil {
		return nil, err
	}
	for i, key := range keys {
		fresh = append(fresh, v.listed(key, lists[i])...)
	}
	return fresh, nil
}

// listed takes the children of a key, and returns the keys that are new, watched.
func (v *View) listed(key string, entries []coord.Entry) (fresh []string) {
	v.changed = true
	present := make(map[string]bool, len(entries))
	for _, e := range entries {
		present[e.Name] = true
	}
	switch key {
	case v.keys.Tasks():
		for name := range present {
			if _, known := v.snap.Tasks[name]; !known {
				fresh = append(fresh, v.keys.Task(name))
			}
		}
	case v.keys.Marks():
		for name := range present {
			if _, known := v.snap.Marks[name]; !known {
				fresh = append(fresh, v.keys.Mark(name))
			}
		}
	case v.keys.TaskRuns():
		for name := range present {
			if _, known := v.snap.TaskRuns[name]; !known {
				fresh = append(fresh, v.keys.TaskRunsOf(name))
			}
		}
	case schema.Dir(v.keys.SpecChunk(0)):
		for name := range present {
			chunk := schema.Dir(v.keys.SpecChunk(0)) + "/" + name
			if number, ok := schema.SpecChunkNumber(chunk); ok {
				if _, known := v.snap.SpecChunks[number]; !known {
					fresh = append(fresh, chunk)
				}
			}
		}
	default:
		for memberID := range present {
			if v.snap.Peers[memberID] == nil {
				v.snap.Peers[memberID] = &Peer{}
				keys := v.peerKeys(memberID)
				fresh = append(fresh, keys[:]...)
			}
		}
	}
	slices.Sort(fresh)
	for _, k := range fresh {
		v.hints.Watch(k)
	}
	return fresh
}

// read reads keys in parallel and stores them one after the other.
func (v *View) read(ctx context.Context, keys []string) error {
	type answer struct {
		r   coord.Record
		err error
		at  time.Duration
	}
	answers := make([]answer, len(keys))
	get := func(i int) {
		at := v.session.Now() // before the send: the record is at least as fresh
		r, err := v.session.Get(ctx, keys[i])
		answers[i] = answer{r, err, at}
		if v.progress != nil {
			v.progress()
		}
	}
	inParallel(len(keys), get)
	for i, a := range answers {
		if a.err != nil && !errors.Is(a.err, coord.ErrNotFound) {
			for _, key := range keys[i:] {
				v.hints.Mark(key)
			}
			return a.err
		}
		v.changed = v.changed || !v.same(keys[i], a.r, a.err)
		v.selfWritten.drop(keys[i])
		v.put(keys[i], a.r, a.err, a.at)
	}
	return nil
}

// inParallel calls a function for 0 to n-1, several at once.
func inParallel(n int, call func(i int)) {
	if n == 1 { // most often, and then work waits for it
		call(0)
		return
	}
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(parallel, n) {
		wait.Go(func() {
			for i := range next {
				call(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
}

// ReadEpoch reads the epoch now.
func (v *View) ReadEpoch(ctx context.Context) (Entry[schema.Epoch], error) {
	at := v.session.Now()
	r, err := v.session.Get(ctx, v.keys.Epoch())
	if err != nil && !errors.Is(err, coord.ErrNotFound) {
		return Entry[schema.Epoch]{}, err
	}
	v.put(v.keys.Epoch(), r, err, at)
	return v.snap.Epoch, nil
}
