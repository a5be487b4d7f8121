package reconcile

import (
	"fmt"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A grant gives its worker the number of workers of the task, and workers divide keys by that. Two counts at a time would give keys
// two owners, or none. So a changed count is a barrier: all slots of the old count are asked back together, without regard to the
// budget of moves, and none is granted with the new count while an assignment lists a slot of the old one. No state is kept: every
// leader derives the progress from the assignments.
//
// A slot that was asked back for a barrier stays in its assignment until all have stopped, so that the plan has the node of each
// slot, and it starts again there.

// barrier is the reason that a task has not reached its new count.
type barrier struct {
	remaining   []string       // the slots of another count that may still run, and where
	unreachable bool           // one of them belongs to a member that cannot be asked
	lost        bool           // one of them belongs to a lost member, as people see it (WorkerLost)
	delay       cluster.Reason // why the slots of a member that is gone are not moved although nothing of it runs; zero if they will be
}

// Over reports whether no worker of another count runs any longer.
func (b *barrier) Over() bool { return len(b.remaining) == 0 }

// barriers are the tasks of which assignments list slots of another count.
type barriers map[string]*barrier

// findBarriers finds the tasks of which an assignment lists slots of another count, after the assignments to delete are decided.
func findBarriers(f *round.Facts, m members.States, delayed map[string]cluster.Reason, draft *round.Draft) barriers {
	found := barriers{}
	if f.Sums != nil && !f.Sums.Resizing() && !draft.Rewrites() {
		return found
	}
	for _, memberID := range f.MemberIDs {
		assignment := draft.Assignment(memberID)
		if assignment == nil {
			continue
		}
		for entry := range f.Entries(memberID, assignment) {
			found.add(f, m, delayed, memberID, entry)
		}
	}
	return found
}

func (b barriers) add(
	f *round.Facts, m members.States, delayed map[string]cluster.Reason, memberID string, entry schema.Entry,
) {
	if !f.OtherCount(entry) {
		return
	}
	h := entry.Range()
	releasing, asked := entry.(*schema.Releasing)
	of := b[h.Task]
	if of == nil {
		of = &barrier{}
		b[h.Task] = of
	}
	for _, index := range h.Slots {
		slot := cluster.Slot{Task: h.Task, Index: index}
		if m.Live(memberID) && asked && f.Stopped(memberID, slot, releasing) {
			continue
		}
		where := f.NodeName(memberID)
		if why, is := delayed[memberID]; is {
			of.delay = why
		}
		switch {
		case !m.Live(memberID) && members.Left(f.Snapshot.Peers[memberID]):
			of.unreachable = true
			where += " (left)"
		case !m.Live(memberID) && members.StopsToRestart(f, memberID):
			of.unreachable = true
			where += " (leaving)"
		case !m.Live(memberID):
			of.unreachable, of.lost = true, true
			where += " (" + string(cluster.WorkerLost) + ")"
		case f.Snapshot.Peers[memberID].Silent:
			of.lost = true
			where += " (" + string(cluster.WorkerLost) + ")"
		case f.IsStuck(memberID, slot):
			where += " (" + string(cluster.WorkerStuck) + ")"
		}
		of.remaining = append(of.remaining, slot.String()+" on "+where)
	}
}

// toResize reports whether the slots of an entry are to be asked back for another count. While a member with slots of the old count
// cannot be asked, or nothing may be granted, the others continue: to stop them would be of no use.
func (b barriers) toResize(f *round.Facts, h *schema.Granted, draft *round.Draft) bool {
	return f.OtherCount(h) && !b[h.Task].unreachable && draft.Out.Blocked == ""
}

// resized returns why the slots of an entry are asked back for another count.
func resized(f *round.Facts, h *schema.Granted) cluster.Reason {
	why := cluster.Reason{Code: cluster.WhyResized}
	switch was, known := h.WorkerCount(); {
	case !known:
	case f.Specs[h.Task].Count() == 0:
		why.Detail = "workers no longer get the number of workers"
	case was == 0:
		why.Detail = "workers now get the number of workers"
	}
	return why
}

// keeps reports whether an entry that its member gave back stays listed until the last slot of the old count was given back too.
// The entries of a member that leaves or is drained do not stay: nothing starts there again. No entry stays while a delay or a
// freeze, which may last long, defers the move of a lost member's slots. The other slots continue with the old count, and restart
// when the delay is over.
func (b barriers) keeps(f *round.Facts, m members.States, memberID string, h *schema.Releasing) bool {
	of := b[h.Task]
	stays := m[memberID] == members.Active && f.Snapshot.Mark(f.NodeName(memberID)).Drain == nil
	return of != nil && !of.Over() && round.OfResize(h) && stays && of.delay.Code == ""
}

// noCount is the count of workers with which no slot may be granted.
const noCount = 0

// barred returns the tasks of which no slot may be granted with the new count. As this decision leaves the assignments, one of
// them lists a slot of such a task with another count, or a member holds such a slot that no assignment lists.
//
// The value is the count with which free slots may be granted nevertheless. It is the old count while a barrier cannot begin,
// since a member that has some of the old count cannot be asked. It is noCount while the barrier is under way, or if the workers
// were not all granted with the same count, or without any.
//
// The sums are those after the draft, nil if there are none.
func (b barriers) barred(f *round.Facts, sums *round.Sums, draft *round.Draft) map[string]int {
	counts, barred := map[string]int{}, map[string]int{}
	if sums != nil && !sums.Resizing() {
		return barred
	}
	for _, memberID := range f.MemberIDs {
		assignment := draft.Assignment(memberID)
		if assignment == nil {
			continue
		}
		for entry := range f.Entries(memberID, assignment) {
			task := entry.Range().Task
			count, known := entry.WorkerCount()
			if old, seen := counts[task]; !known || seen && old != count {
				count = noCount // and it stays so
			}
			counts[task] = count
			if f.OtherCount(entry) {
				barred[task] = noCount
			}
		}
	}
	for task := range barred {
		if of := b[task]; of != nil && of.unreachable {
			barred[task] = counts[task]
		}
	}
	return barred
}

// explain adds the reasons of tasks that wait for a barrier.
func (b barriers) explain(f *round.Facts, unplaced map[string]cluster.Reason) {
	for task, of := range b {
		if !of.Over() && !f.Specs[task].Paused && f.Specs[task].WorkerNum > 0 {
			unplaced[task] = cluster.Reason{Code: cluster.WhyResizing, Detail: of.String()}
		}
	}
}

// maxNamed is the most slots that a reason names.
const maxNamed = 3

// String describes the workers that the task waits for.
func (b *barrier) String() string {
	workers := "workers"
	if len(b.remaining) == 1 {
		workers = "worker"
	}
	names := strings.Join(b.remaining[:min(len(b.remaining), maxNamed)], ", ")
	if more := len(b.remaining) - maxNamed; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	text := fmt.Sprintf("%d %s of the old count to stop: %s", len(b.remaining), workers, names)
	switch {
	case b.delay.Code != "":
		text += "; " + b.delay.Detail + "; `xconsumer move-now` ends the wait"
	case b.lost:
		text += "; those of a lost node are granted elsewhere when its session has ended"
	}
	return text
}
