package round

import (
	"encoding/json"
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Every record has a bound that its writer keeps (see package schema), so a commit of one assignment or one agenda is
// never too large. Should one be nevertheless, since somebody else wrote a record or a server takes less, it must not
// stop everything else: the largest part of it is left out of decisions for a while, and an event reports that.

// Part is a part of a leader's commit that can be left out while the rest goes on.
type Part struct{ Kind, Name string }

// The kinds of parts: a member's assignment, a task's agenda with its runs, the mark of a node, and two that have no names.
const (
	PartAssignment = "assignment"
	PartAgenda     = "agenda"
	PartMark       = "mark"
	PartSuspects   = "suspects"
	PartRequests   = "requests"
)

// Commit is the decision as it grows: what is to be written, and when to decide again. Nothing else is changed by more
// than one stage.
type Commit struct {
	Out   Decision
	world *World
	Extra int // operations besides assignments
	Bytes int // that the assignments will have, about
	// FreedWhy says why slots that are free now left their nodes.
	FreedWhy  map[cluster.Slot]cluster.Reason
	specSizes map[string]int // of tasks, once they were asked for
}

// NewCommit returns the empty commit of a decision about a world.
func NewCommit(w *World) *Commit {
	c := &Commit{
		Out: Decision{
			Assignments: map[string]*schema.Assignment{}, TaskRuns: map[string]*schema.TaskRuns{}, Marks: map[string]*schema.Mark{},
			Unplaced: map[string]cluster.Reason{},
		},
		world: w, FreedWhy: map[cluster.Slot]cluster.Reason{}, specSizes: map[string]int{},
	}
	maps.Copy(c.FreedWhy, w.FreedWhy)
	return c
}

// Assignment returns a member's assignment as the commit leaves it, nil if it is deleted or unusable.
func (c *Commit) Assignment(memberID string) *schema.Assignment {
	if assignment, changed := c.Out.Assignments[memberID]; changed {
		return assignment
	}
	if p := c.world.Snapshot.Peers[memberID]; p.Assignment.Rec != nil {
		return p.Assignment.Rec
	}
	return nil
}

// maxBytes is how much assignments may bring into a commit. It leaves room for what else is in it, and for being
// estimated.
const maxBytes = coord.MaxCommit * 3 / 4

// Full reports whether the commit has no room for another assignment.
func (c *Commit) Full() bool {
	full := len(c.Out.Assignments)+c.Extra >= c.world.MaxAssignments || c.Bytes >= maxBytes
	c.Out.More = c.Out.More || full
	return full
}

// Bounds of what one commit does about runs.
const (
	maxAgendas  = 20       // records of tasks that one commit writes
	maxExtra    = 40       // operations after which no other task is looked at; one task adds 31 at most
	MaxRunBytes = 64 << 10 // bytes after which no other task is looked at, nor run ended
)

// Crowded reports whether the commit has no room for another agenda. Fewer go into one when the last was too
// large, as with assignments.
func (c *Commit) Crowded() bool {
	return c.Extra >= maxExtra || c.Bytes >= MaxRunBytes || len(c.Out.TaskRuns) >= max(1, min(maxAgendas, c.world.MaxAssignments/4))
}

// Write puts an assignment into the commit, which grows it by about so many bytes.
func (c *Commit) Write(memberID string, assignment *schema.Assignment, grows int) {
	if _, again := c.Out.Assignments[memberID]; !again && assignment != nil {
		c.Bytes += c.world.Snapshot.Peers[memberID].Assignment.Size
	}
	c.Bytes += grows
	c.Out.Assignments[memberID] = assignment
}

// Mark replaces the mark of a node.
func (c *Commit) Mark(node string, mark *schema.Mark) {
	c.Out.Marks[node] = mark
	c.Extra++
}

// Move adds a step, which people read, with its reason.
func (c *Commit) Move(m cluster.Decided, why cluster.Reason) {
	c.Out.Moves = append(c.Out.Moves, m.Because(why))
}

// Block records why nothing is granted. The first reason stands.
func (c *Commit) Block(why string) {
	if c.Out.Blocked == "" {
		c.Out.Blocked = why
	}
}

// Omits reports whether a part is left out, and sees to it that it is tried again.
func (c *Commit) Omits(kind, name string) bool {
	until := c.world.Omitted[Part{kind, name}]
	if c.world.Now >= until {
		return false
	}
	c.RequeueAt(until)
	return true
}

// RequeueAt asks for another decision at a time.
func (c *Commit) RequeueAt(at time.Duration) {
	if c.Out.RequeueAt == 0 || at < c.Out.RequeueAt {
		c.Out.RequeueAt = at
	}
}

// RequeueMemberAt asks for a member to be read again at a time, and for another decision then.
func (c *Commit) RequeueMemberAt(memberID string, at time.Duration) {
	if n := len(c.Out.RequeueMembers); n == 0 || c.Out.RequeueMembers[n-1] != memberID {
		c.Out.RequeueMembers = append(c.Out.RequeueMembers, memberID)
	}
	c.RequeueAt(at)
}

// SetFreed remembers why slots that are free now left their node.
func (c *Commit) SetFreed(h *schema.SlotRange, why cluster.Reason) {
	for _, index := range h.Slots {
		c.FreedWhy[cluster.Slot{Task: h.Task, Index: index}] = why
	}
}

// Free records that slots are free which a member had or was to give back, and why. For what it was to give back, the reason is
// the one for which that was asked.
func (c *Commit) Free(node string, granted []schema.Granted, releasing []schema.Releasing, why cluster.Reason) {
	for i := range granted {
		c.freeRange(node, &granted[i].SlotRange, why)
	}
	for i := range releasing {
		h, because := &releasing[i], why
		if h.Why != nil {
			because = *h.Why
		}
		c.freeRange(node, &h.SlotRange, because)
	}
}

func (c *Commit) freeRange(node string, r *schema.SlotRange, why cluster.Reason) {
	c.SetFreed(r, why)
	c.Move(cluster.Decided{Step: cluster.StepFree, Task: r.Task, Slots: r.Slots, Node: node, Token: r.Token}, why)
}

// Quarantined reports whether a member is given nothing, since everything fails on it.
func (c *Commit) Quarantined(f *Facts, memberID string) bool {
	node := f.NodeName(memberID)
	mark := f.Snapshot.Mark(node)
	if next := c.Out.Marks[node]; next != nil {
		mark = *next
	}
	return mark.Quarantine != nil && mark.Quarantine.Member == memberID
}

// SizeOf estimates how many bytes a grant takes in an assignment.
func (c *Commit) SizeOf(h *schema.Granted) int {
	size, known := c.specSizes[h.Task]
	if !known {
		text, err := json.Marshal(h.Spec)
		if err != nil {
			return schema.MaxGrants
		}
		size = len(text)
		c.specSizes[h.Task] = size
	}
	const names, number, index = 75, 20, 7
	return size + names + len(h.Task) + number + index*len(h.Slots)
}

// EvictOnly returns the decision without all that can wait for an eviction.
func (c *Commit) EvictOnly() Decision {
	d := c.Out
	d.Assignments, d.Moves, d.Suspects = nil, nil, nil
	d.TaskRuns, d.FinishedRuns, d.DropRuns, d.Marks = nil, nil, nil, nil
	d.FreedWhy = c.world.FreedWhy
	return d
}

// StillFree returns why slots have left their nodes that were not granted again yet, which may be in a later commit, unless
// the slot no longer exists.
func (c *Commit) StillFree(f *Facts) map[cluster.Slot]cluster.Reason {
	maps.DeleteFunc(c.FreedWhy, func(slot cluster.Slot, _ cluster.Reason) bool { return slot.Index >= f.Specs[slot.Task].WorkerNum })
	return c.FreedWhy
}

// NonNil returns a list that is written as [] where it is empty.
func NonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
