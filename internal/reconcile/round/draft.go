package round

import (
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Every record has a bound that its writer keeps (see package schema), so a commit of one assignment or one agenda is never too large.
// If one is nevertheless, because a record was edited manually or a server accepts less, it must not stop everything else: its
// largest part is left out of decisions for a while, and an event reports that.

// Part is a part of a leader's commit that can be left out while the rest continues.
type Part struct{ Kind, Name string }

// The kinds of parts: a member's assignment, a task's agenda with its runs, the mark of a node, and two that have no names.
const (
	PartAssignment = "assignment"
	PartAgenda     = "agenda"
	PartMark       = "mark"
	PartSuspects   = "suspects"
	PartRequests   = "requests"
)

// Draft is an unfinished decision: the records to write, and when to decide again. No other value is changed by more than one stage. The
// leader makes one commit of the finished decision.
type Draft struct {
	Out   Decision
	world *World
	Extra int // operations besides assignments
	Bytes int // of the assignments and the specs, estimated
	// FreedWhy is why slots that are free now left their nodes.
	FreedWhy map[cluster.Slot]cluster.Reason
	// Returned are the assignments that would be written only because their members gave slots back. They take the place of the
	// stored ones while the draft is made.
	Returned map[string]Returned
}

// Returned is an assignment without the slots that its member gave back.
type Returned struct {
	Assignment *schema.Assignment
	Freed      []schema.Releasing
}

// NewDraft returns the empty draft of a decision about a world.
func NewDraft(w *World) *Draft {
	draft := &Draft{
		Out: Decision{
			Assignments: map[string]*schema.Assignment{}, TaskRuns: map[string]*schema.TaskRuns{}, Marks: map[string]*schema.Mark{},
			Unplaced: map[string]cluster.Reason{},
		},
		world: w, FreedWhy: map[cluster.Slot]cluster.Reason{}, Returned: map[string]Returned{},
	}
	maps.Copy(draft.FreedWhy, w.FreedWhy)
	return draft
}

// Assignment returns a member's assignment after the draft, nil if it is deleted or unusable.
func (draft *Draft) Assignment(memberID string) *schema.Assignment {
	if assignment, changed := draft.Out.Assignments[memberID]; changed {
		return assignment
	}
	if r, returned := draft.Returned[memberID]; returned {
		return r.Assignment
	}
	if p := draft.world.Snapshot.Peers[memberID]; p.Assignment.Rec != nil {
		return p.Assignment.Rec
	}
	return nil
}

// maxBytes is the most bytes of assignments in a commit. It leaves room for the rest of the commit, and for errors of estimates.
const maxBytes = coord.MaxCommit * 3 / 4

// Full reports whether the draft has no room for another assignment.
func (draft *Draft) Full() bool {
	full := len(draft.Out.Assignments)+draft.Extra >= draft.world.MaxAssignments || draft.Bytes >= maxBytes
	draft.Out.More = draft.Out.More || full
	return full
}

// Bounds of what one commit does about runs.
const (
	maxAgendas  = 20       // agendas that one commit writes
	maxExtra    = 40       // operations after which no other task is looked at; one task adds 31 at most
	MaxRunBytes = 64 << 10 // bytes after which no other task is looked at, nor run ended
)

// Crowded reports whether the draft has no room for another agenda. If the last commit was too large, fewer agendas fit, as with
// assignments.
func (draft *Draft) Crowded() bool {
	agendas := max(1, min(maxAgendas, draft.world.MaxAssignments/4))
	return draft.Extra >= maxExtra || draft.Bytes >= MaxRunBytes || len(draft.Out.TaskRuns) >= agendas
}

// Write puts an assignment into the draft, which grows by about the given number of bytes.
func (draft *Draft) Write(memberID string, assignment *schema.Assignment, grows int) {
	if _, again := draft.Out.Assignments[memberID]; !again && assignment != nil {
		draft.Bytes += draft.world.Snapshot.Peers[memberID].Assignment.Size
	}
	draft.Bytes += grows
	draft.Out.Assignments[memberID] = assignment
}

// Rewrites reports whether the draft has an assignment that it does not delete.
func (draft *Draft) Rewrites() bool {
	for _, assignment := range draft.Out.Assignments {
		if assignment != nil {
			return true
		}
	}
	return false
}

// Mark replaces the mark of a node.
func (draft *Draft) Mark(node string, mark *schema.Mark) {
	draft.Out.Marks[node] = mark
	draft.Extra++
}

// AddStep adds a step with its reason, for people.
func (draft *Draft) AddStep(m cluster.Decided, why cluster.Reason) {
	draft.Out.Steps = append(draft.Out.Steps, m.Because(why))
}

// Block records why nothing is granted. The first reason stands.
func (draft *Draft) Block(why string) {
	if draft.Out.Blocked == "" {
		draft.Out.Blocked = why
	}
}

// Omits reports whether a part is left out, and requests another attempt.
func (draft *Draft) Omits(kind, name string) bool {
	until := draft.world.Omitted[Part{kind, name}]
	if draft.world.Now >= until {
		return false
	}
	draft.RequeueAt(until)
	return true
}

// RequeueAt requests another decision at a time.
func (draft *Draft) RequeueAt(at time.Duration) {
	if draft.Out.RequeueAt == 0 || at < draft.Out.RequeueAt {
		draft.Out.RequeueAt = at
	}
}

// RequeueMemberAt requests that a member is read again at a time, and another decision then.
func (draft *Draft) RequeueMemberAt(memberID string, at time.Duration) {
	if draft.Out.RequeueMembers == nil {
		draft.Out.RequeueMembers = map[string]time.Duration{}
	}
	if other, known := draft.Out.RequeueMembers[memberID]; !known || at < other {
		draft.Out.RequeueMembers[memberID] = at
	}
	draft.RequeueAt(at)
}

// SetFreed records why slots that are free now left their node.
func (draft *Draft) SetFreed(h *schema.SlotRange, why cluster.Reason) {
	for _, index := range h.Slots {
		draft.FreedWhy[cluster.Slot{Task: h.Task, Index: index}] = why
	}
}

// Free records that slots which a member had or was to give back are free, and why. For slots that it was to give back, the reason is
// that of the release.
func (draft *Draft) Free(node string, granted []schema.Granted, releasing []schema.Releasing, why cluster.Reason) {
	for i := range granted {
		draft.freeRange(node, &granted[i].SlotRange, why)
	}
	for i := range releasing {
		draft.freeRange(node, &releasing[i].SlotRange, releasing[i].WhyOr(why))
	}
}

func (draft *Draft) freeRange(node string, r *schema.SlotRange, why cluster.Reason) {
	draft.SetFreed(r, why)
	draft.AddStep(cluster.Decided{Step: cluster.StepFree, Task: r.Task, Slots: r.Slots, Node: node, Token: r.Token}, why)
}

// Quarantined reports whether a member gets no slots because everything fails on it.
func (draft *Draft) Quarantined(f *Facts, memberID string) bool {
	node := f.NodeName(memberID)
	mark := f.Snapshot.Mark(node)
	if next := draft.Out.Marks[node]; next != nil {
		mark = *next
	}
	return mark.Quarantine != nil && mark.Quarantine.Member == memberID
}

// SizeOf estimates how many bytes a grant takes in an assignment.
func SizeOf(h *schema.Granted) int {
	const token, index = 50, 7
	return token + len(h.Task) + index*len(h.Slots)
}

// EvictOnly returns the decision without everything that can wait for an eviction.
func (draft *Draft) EvictOnly() Decision {
	d := draft.Out
	d.Assignments, d.Steps, d.Suspects = nil, nil, nil
	d.TaskRuns, d.FinishedRuns, d.DropRuns, d.Marks = nil, nil, nil, nil
	d.Announce = false
	d.FreedWhy = draft.world.FreedWhy
	return d
}

// StillFree returns why slots have left their nodes that were not granted again yet, without slots that no longer exist. A later
// commit may grant them.
func (draft *Draft) StillFree(f *Facts) map[cluster.Slot]cluster.Reason {
	maps.DeleteFunc(draft.FreedWhy, func(slot cluster.Slot, _ cluster.Reason) bool { return slot.Index >= f.Specs[slot.Task].WorkerNum })
	return draft.FreedWhy
}

// NonNil returns a list that is written as [] where it is empty.
func NonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
