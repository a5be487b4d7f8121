package view

import (
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

// Refresh reads what is marked: lists and documents first, then the rest. What is marked
// meanwhile is left for the next call, which C asks for. It fails only when ctx or the session
// has ended.
func (v *View) Refresh(ctx context.Context) error {
	keys := v.hints.Take()
	lists, docs, rest := v.sort(keys)
	// A changed document is worth acting on before the lists are read, which are longer. They
	// wait for one round at most.
	if v.listsWait = len(docs) > 0 && len(lists) > 0 && !v.listsWait; v.listsWait {
		v.remark(lists)
		lists = nil
	}
	for _, key := range lists {
		found, err := v.list(ctx, key)
		if err != nil {
			v.remark(keys)
			return err
		}
		docs, rest = v.add(found, docs, rest)
	}
	if err := v.read(ctx, docs); err != nil {
		v.remark(rest)
		return err
	}
	own := slices.DeleteFunc(slices.Clone(rest), v.isDone)
	if err := v.read(ctx, v.open(own)); err != nil {
		v.remark(v.dones(docs, rest))
		return err
	}
	// What has ended is read after the statuses, and of members that these show to be gone, too.
	ended := slices.DeleteFunc(v.dones(docs, rest), func(done string) bool { return !slices.Contains(rest, done) && !v.mayHaveEnded(schema.Base(done)) })
	for _, done := range ended {
		v.hints.Watch(done)
	}
	if err := v.read(ctx, ended); err != nil {
		return err
	}
	v.forget()
	return nil
}

// remark marks keys that were taken but not read.
func (v *View) remark(keys []string) {
	for _, key := range keys {
		v.hints.Mark(key)
	}
}

func (v *View) isDone(key string) bool { return schema.Dir(key) == v.keys.Dones() }

// dones returns the records of ended slots of the members that these keys are of: a member's status tells
// nothing of the slots that it does not hold any more without them.
func (v *View) dones(docs, rest []string) (keys []string) {
	if !v.leader {
		return nil
	}
	for _, key := range slices.Concat(docs, rest) {
		guid := schema.Base(key)
		done := v.keys.Done(guid)
		if v.snap.Peers[guid] == nil || slices.Contains(keys, done) || key != done && !slices.Contains(v.memberKeys(guid), key) {
			continue
		}
		keys = append(keys, done)
	}
	return keys
}

// mayHaveEnded tells whether a member may have noted the end of slots. Where its document lists runs it may;
// where that is missing, or somebody else has written it, nobody knows.
func (v *View) mayHaveEnded(guid string) bool {
	p := v.snap.Peers[guid]
	return p.Done.Rec != nil && !p.Done.Absent || !p.Live() || p.Doc.Absent || hasRuns(p.Doc.Rec)
}

func (v *View) memberKeys(guid string) []string {
	keys := v.peerKeys(guid)
	return keys[:]
}

// hasRuns tells whether a document lists slots of runs, as far as it is known.
func hasRuns(doc *schema.Doc) bool {
	if doc == nil {
		return true
	}
	return slices.ContainsFunc(doc.Slots, isRun) || slices.ContainsFunc(doc.Releasing, isRun)
}

func isRun(h schema.Held) bool {
	_, run := cluster.SplitRun(h.Task)
	return run != ""
}

// open leaves out the statuses and members of closed documents: such a member is gone whatever
// they say.
func (v *View) open(keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool {
		p := v.snap.Peers[schema.Base(key)]
		return p != nil && v.leader && p.Doc.Good() && p.Doc.Rec.Closed != nil && schema.Dir(key) != v.keys.Docs()
	})
}

func (v *View) sort(keys []string) (lists, docs, rest []string) {
	for _, key := range keys {
		switch {
		case key == v.keys.Docs(), key == v.keys.Members(), key == v.keys.Tasks(), key == v.keys.Marks(), key == v.keys.Agendas():
			lists = append(lists, key)
		default:
			docs, rest = v.add([]string{key}, docs, rest)
		}
	}
	return lists, docs, rest
}

func (v *View) add(keys, docs, rest []string) ([]string, []string) {
	for _, key := range keys {
		to := &rest
		if schema.Dir(key) == v.keys.Docs() {
			to = &docs
		}
		if !slices.Contains(*to, key) {
			*to = append(*to, key)
		}
	}
	return docs, rest
}

// list reads the children of a key and returns the keys that are new, watched.
func (v *View) list(ctx context.Context, key string) (fresh []string, err error) {
	entries, err := v.session.List(ctx, key)
	if err != nil {
		return nil, err
	}
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
	case v.keys.Agendas():
		for name := range present {
			if _, known := v.snap.Agendas[name]; !known {
				fresh = append(fresh, v.keys.Agenda(name))
			}
		}
	default:
		for guid := range present {
			if v.snap.Peers[guid] == nil {
				v.snap.Peers[guid] = &Peer{}
				keys := v.peerKeys(guid)
				fresh = append(fresh, keys[:]...)
			}
		}
	}
	slices.Sort(fresh)
	for _, k := range fresh {
		v.hints.Watch(k)
	}
	return fresh, nil
}

// read reads keys in parallel and notes them one after the other.
func (v *View) read(ctx context.Context, keys []string) error {
	type answer struct {
		r   coord.Record
		err error
		at  time.Duration
	}
	answers := make([]answer, len(keys))
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(parallel, len(keys)) {
		wait.Go(func() {
			for i := range next {
				at := v.session.Now() // before the send: the record is at least as fresh
				r, err := v.session.Get(ctx, keys[i])
				answers[i] = answer{r, err, at}
			}
		})
	}
	for i := range keys {
		next <- i
	}
	close(next)
	wait.Wait()
	for i, a := range answers {
		if a.err != nil && !errors.Is(a.err, coord.ErrNotFound) {
			for _, key := range keys[i:] {
				v.hints.Mark(key)
			}
			return a.err
		}
		v.note(keys[i], a.r, a.err, a.at)
	}
	return nil
}
