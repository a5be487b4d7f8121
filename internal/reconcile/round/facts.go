package round

import (
	"iter"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Facts are the input of a decision, which no stage changes: the world, with the runs that this decision has brought up to date.
type Facts struct {
	World
	MemberIDs []string // of all members, sorted
	Specs     map[string]cluster.TaskSpec
	Sums      *Sums // nil if every stage looks at everything
}

// FirstToken returns the first token to give. The epoch contains it. If the service has lost commits, or a former epoch was put back
// manually, new tokens are still above all that the leader's memory, an assignment or a status contains. They are also above the
// numbers of the chunks of specs, which have the same counter.
func (f *Facts) FirstToken() int64 {
	next := f.NextToken
	if rec := f.Snapshot.Epoch.Rec; rec != nil {
		next = max(next, rec.NextToken)
	}
	learn := func(token int64) {
		if schema.PlausibleToken(token) {
			next = max(next, token+1)
		}
	}
	for number := range f.Snapshot.SpecChunks {
		learn(number)
	}
	if f.Sums != nil {
		return max(next, f.Sums.MaxToken()+1)
	}
	for _, p := range f.Snapshot.Peers {
		if rec := p.Assignment.Rec; rec != nil {
			for h := range rec.Ranges() {
				learn(h.Token)
			}
			for i := range rec.Granted {
				learn(rec.Granted[i].Ref.Chunk)
			}
		}
		if rec := p.Status.Rec; rec != nil {
			for i := range rec.Holding {
				learn(rec.Holding[i].Token)
			}
			learn(rec.Above)
		}
	}
	return next
}

// NodeName returns the name of a member's node, or its MemberID if no record has the name.
func (f *Facts) NodeName(memberID string) string {
	if p := f.Snapshot.Peers[memberID]; p != nil {
		if p.Assignment.Rec != nil {
			return p.Assignment.Rec.Node
		}
		if p.Member.Rec != nil {
			return p.Member.Rec.Node
		}
	}
	return memberID
}

// TakeoverDelayOf returns the takeover delay of a member.
func (f *Facts) TakeoverDelayOf(memberID string) time.Duration {
	if f.TakeoverDelay == coord.OwnTimeout {
		return f.TimeoutOf(memberID)
	}
	return f.TakeoverDelay
}

// TimeoutOf returns the session timeout of a member, or the longest known one if its own is unknown.
func (f *Facts) TimeoutOf(memberID string) time.Duration {
	p := f.Snapshot.Peers[memberID]
	if p.Assignment.Rec != nil && p.Assignment.Rec.SessionTimeout > 0 {
		return time.Duration(p.Assignment.Rec.SessionTimeout)
	}
	if p.Member.Rec != nil && p.Member.Rec.SessionTimeout > 0 {
		return time.Duration(p.Member.Rec.SessionTimeout)
	}
	longest := f.Timeout
	for _, other := range f.Snapshot.Peers {
		if other.Assignment.Rec != nil {
			longest = max(longest, time.Duration(other.Assignment.Rec.SessionTimeout))
		}
		if other.Member.Rec != nil {
			longest = max(longest, time.Duration(other.Member.Rec.SessionTimeout))
		}
	}
	return longest
}

// Draining reports whether a member leaves because of a drain.
func (f *Facts) Draining(memberID string) bool {
	p := f.Snapshot.Peers[memberID]
	return f.Snapshot.Mark(f.NodeName(memberID)).Drain != nil && (p.Status.Rec == nil || !p.Status.Rec.Leaving)
}

// Drained reports whether a member is to be empty, because its node is drained or everything fails on it.
func (f *Facts) Drained(memberID string) bool {
	mark := f.Snapshot.Mark(f.NodeName(memberID))
	return mark.Drain != nil || mark.Quarantine != nil && mark.Quarantine.Member == memberID
}

// MovesNow reports whether an operator asked not to wait for a member that is lost or delayed.
func (f *Facts) MovesNow(memberID string) bool {
	rec := f.Snapshot.Requests.Rec
	return rec != nil && !f.Snapshot.Requests.Absent && slices.Contains(rec.MoveNow, memberID)
}

// BalancesNow reports whether an operator asked not to wait before slots move to nodes that have come back.
func (f *Facts) BalancesNow() bool {
	e, epoch := f.Snapshot.Requests, f.Snapshot.Epoch.Rec
	return e.Rec != nil && !e.Absent && epoch != nil && e.Rec.BalanceNow == epoch.Term
}

// ToRestart returns which slots of a grant an operator asked to restart, nil for none.
func (f *Facts) ToRestart(h *schema.Granted) cluster.Indexes {
	rec := f.Snapshot.Requests.Rec
	if rec == nil || f.Snapshot.Requests.Absent {
		return nil
	}
	for _, r := range rec.Restart {
		if r.Task == h.Task && r.Token == h.Token {
			return r.Slots
		}
	}
	return nil
}

// StillGranted returns which slots of a grant are still granted under its token.
func (f *Facts) StillGranted(h schema.SlotRange) (left cluster.Indexes) {
	for _, memberID := range f.MemberIDs {
		if rec := f.Snapshot.Peers[memberID].Assignment.Rec; rec != nil {
			for _, g := range rec.Granted {
				if g.Task == h.Task && g.Token == h.Token {
					for _, index := range h.Slots {
						if g.Slots.Contains(index) {
							left = append(left, index)
						}
					}
				}
			}
		}
	}
	slices.Sort(left)
	return slices.Compact(left) // a grant may be listed twice, if an assignment was edited manually
}

// IsGranted reports whether an assignment grants a slot: the slot is on probation there.
func (f *Facts) IsGranted(slot cluster.Slot) bool {
	return slices.ContainsFunc(f.MemberIDs, func(memberID string) bool {
		assignment := f.Snapshot.Peers[memberID].Assignment.Rec
		return assignment != nil && schema.Find(assignment.Granted, slot) != nil
	})
}

// AnythingGranted reports whether any assignment lists a slot, including those of members that are being reaped.
func (f *Facts) AnythingGranted() bool {
	for _, p := range f.Snapshot.Peers {
		if rec := p.Assignment.Rec; rec != nil && len(rec.Granted)+len(rec.Releasing) > 0 {
			return true
		}
	}
	return false
}

// Lists reports whether an assignment lists slots of a run.
func (f *Facts) Lists(run string) bool {
	for _, p := range f.Snapshot.Peers {
		if rec := p.Assignment.Rec; rec != nil && rec.ListsTask(func(task string) bool { return task == run }) {
			return true
		}
	}
	return false
}

// Mentions reports whether an assignment lists slots of a run, or a member has recorded the end of some.
func (f *Facts) Mentions(run string) bool {
	for _, p := range f.Snapshot.Peers {
		if rec := p.Completions.Rec; rec != nil && slices.ContainsFunc(rec.Slots, func(o schema.Completion) bool { return o.Task == run }) {
			return true
		}
	}
	return f.Lists(run)
}

// Entries yields the entries of an assignment, and then the slots that its member, if live, holds and the assignment does not list.
func (f *Facts) Entries(memberID string, assignment *schema.Assignment) iter.Seq[schema.Entry] {
	return func(yield func(schema.Entry) bool) {
		for e := range assignment.Entries() {
			if !yield(e) {
				return
			}
		}
		p := f.Snapshot.Peers[memberID]
		if !p.Live() || p.Status.Rec == nil {
			return
		}
		unlisted := assignment.Unlisted(p.Status.Rec.Holding)
		for i := range unlisted {
			if !yield(&unlisted[i]) {
				return
			}
		}
	}
}

// Stopped reports whether a member that was asked to give a slot back has confirmed since then that it does not hold it.
func (f *Facts) Stopped(memberID string, slot cluster.Slot, h *schema.Releasing) bool {
	status := f.Snapshot.Peers[memberID].Status.Rec
	return status.Applied >= h.Version && schema.Find(status.Holding, slot) == nil
}

// IsStuck reports whether a member reports that its worker of a slot does not stop.
func (f *Facts) IsStuck(memberID string, slot cluster.Slot) bool {
	for _, w := range f.Snapshot.Peers[memberID].Status.Rec.Workers {
		if w.Slot == slot {
			return w.State == cluster.WorkerStuck
		}
	}
	return false
}

// SameWork reports whether a grant is of the task's present work.
func (f *Facts) SameWork(h *schema.Granted) bool {
	return h.Spec == nil || cluster.WorkName(h.Spec.WorkName) == cluster.WorkName(f.Specs[h.Task].WorkName)
}

// IsRun reports whether a task of the plan is a run, which ends.
func IsRun(task string) bool {
	_, run := cluster.SplitRun(task)
	return run != ""
}

// Generation returns the generation of a task, or of the task of a run.
func (f *Facts) Generation(name string) int64 {
	if rec := f.Snapshot.Declared(name).Rec; rec != nil {
		return rec.Generation
	}
	return 0
}

// OtherCount reports whether the workers of an entry have another count than workers that are granted now. If the entry does not
// contain their count, it may be another one. Runs keep the count that they began with.
func (f *Facts) OtherCount(h schema.Entry) bool {
	task := h.Range().Task
	spec, known := f.Specs[task]
	if !known || IsRun(task) {
		return false
	}
	count, known := h.WorkerCount()
	return !known || count != spec.Count()
}

// OfResize reports whether an entry was asked back for another count.
func OfResize(h *schema.Releasing) bool { return h.Why != nil && h.Why.Code == cluster.WhyResized }

// PendingRuns are the tasks whose agendas cannot be read, or are not written in this decision.
type PendingRuns map[string]bool

// Keeps reports whether a slot must stay in its assignment for that reason: otherwise its member's report of its end would be lost.
func (p PendingRuns) Keeps(slot cluster.Slot) bool {
	task, run := cluster.SplitRun(slot.Task)
	return run != "" && p[task]
}

// KeepsAssignment reports the same for a whole assignment.
func (p PendingRuns) KeepsAssignment(assignment *schema.Assignment) bool {
	return assignment != nil && assignment.ListsTask(func(task string) bool { return p.Keeps(cluster.Slot{Task: task}) })
}
