package reconcile

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
// stop everything else: the largest part of it is left out of decisions for a while, and that is said.

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

// commit is the decision as it grows: what is to be written, and when to decide again. Nothing else is changed by more
// than one stage.
type commit struct {
	out   Decision
	world *World
	extra int // operations besides assignments
	bytes int // that the assignments will have, about
	// left says why slots that are free now left their nodes.
	left      map[cluster.Slot]cluster.Reason
	specSizes map[string]int // of tasks, once they were asked for
}

func newCommit(w *World) *commit {
	c := &commit{
		out: Decision{
			Assignments: map[string]*schema.Assignment{}, Agendas: map[string]*schema.Agenda{}, Marks: map[string]*schema.Mark{},
			Unplaced: map[string]cluster.Reason{},
		},
		world: w, left: map[cluster.Slot]cluster.Reason{}, specSizes: map[string]int{},
	}
	maps.Copy(c.left, w.Left)
	return c
}

// assignment returns a member's assignment as the commit leaves it, nil if it is deleted or unusable.
func (c *commit) assignment(memberID string) *schema.Assignment {
	if assignment, changed := c.out.Assignments[memberID]; changed {
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

// full reports whether the commit has no room for another assignment.
func (c *commit) full() bool {
	full := len(c.out.Assignments)+c.extra >= c.world.MaxAssignments || c.bytes >= maxBytes
	c.out.More = c.out.More || full
	return full
}

// Bounds of what one commit does about runs.
const (
	maxAgendas = 20       // records of tasks that one commit writes
	maxExtra   = 40       // operations after which no other task is looked at; one task adds 31 at most
	maxRuns    = 64 << 10 // bytes after which no other task is looked at, nor run ended
)

// crowded reports whether the commit has no room for another agenda. Fewer go into one when the last was too
// large, as with assignments.
func (c *commit) crowded() bool {
	return c.extra >= maxExtra || c.bytes >= maxRuns || len(c.out.Agendas) >= max(1, min(maxAgendas, c.world.MaxAssignments/4))
}

// write puts an assignment into the commit, which grows it by about so many bytes.
func (c *commit) write(memberID string, assignment *schema.Assignment, grows int) {
	if _, again := c.out.Assignments[memberID]; !again && assignment != nil {
		c.bytes += c.world.Snapshot.Peers[memberID].Assignment.Size
	}
	c.bytes += grows
	c.out.Assignments[memberID] = assignment
}

// mark replaces the mark of a node.
func (c *commit) mark(node string, mark *schema.Mark) {
	c.out.Marks[node] = mark
	c.extra++
}

// move adds a step, which people read, with its reason.
func (c *commit) move(m cluster.Decided, why cluster.Reason) {
	c.out.Moves = append(c.out.Moves, m.Because(why))
}

// block notes why nothing is granted. The first reason stands.
func (c *commit) block(why string) {
	if c.out.Blocked == "" {
		c.out.Blocked = why
	}
}

// leavesOut reports whether a part is left out, and sees to it that it is tried again.
func (c *commit) leavesOut(kind, name string) bool {
	until := c.world.LeftOut[Part{kind, name}]
	if c.world.Now >= until {
		return false
	}
	c.requeueAt(until)
	return true
}

// requeueAt asks for another decision at a time.
func (c *commit) requeueAt(at time.Duration) {
	if c.out.RequeueAt == 0 || at < c.out.RequeueAt {
		c.out.RequeueAt = at
	}
}

// requeueMemberAt asks for a member to be read again at a time, and for another decision then.
func (c *commit) requeueMemberAt(memberID string, at time.Duration) {
	if n := len(c.out.RequeueMembers); n == 0 || c.out.RequeueMembers[n-1] != memberID {
		c.out.RequeueMembers = append(c.out.RequeueMembers, memberID)
	}
	c.requeueAt(at)
}

// leaveFor remembers why slots that are free now left their node.
func (c *commit) leaveFor(h schema.SlotRange, why cluster.Reason) {
	for _, index := range h.Slots {
		c.left[cluster.Slot{Task: h.Task, Index: index}] = why
	}
}

// free notes that slots which a member had or was to give back are free, and why: what it was asked for it leaves for that reason.
func (c *commit) free(node string, slots, releasing []schema.SlotRange, why cluster.Reason) {
	for i, list := range [][]schema.SlotRange{slots, releasing} {
		for _, h := range list {
			because := why
			if i == 1 && h.Why != nil {
				because = *h.Why
			}
			c.leaveFor(h, because)
			c.move(cluster.Decided{Step: cluster.StepFree, Task: h.Task, Slots: h.Slots, Node: node, Token: h.Token}, because)
		}
	}
}

// quarantined reports whether a member is given nothing, since everything fails on it.
func (c *commit) quarantined(f *facts, memberID string) bool {
	node := f.nodeName(memberID)
	mark := f.Snapshot.Mark(node)
	if next := c.out.Marks[node]; next != nil {
		mark = *next
	}
	return mark.Quarantine != nil && mark.Quarantine.Member == memberID
}

// sizeOf estimates how many bytes a grant takes in an assignment.
func (c *commit) sizeOf(h *schema.SlotRange) int {
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

// evictOnly returns the decision without all that can wait for an eviction.
func (c *commit) evictOnly() Decision {
	d := c.out
	d.Assignments, d.Moves, d.Suspects = nil, nil, nil
	d.Agendas, d.Ran, d.DropRuns, d.Marks = nil, nil, nil, nil
	d.Left = c.world.Left
	return d
}

// stillFree returns why slots have left their nodes that were not granted again yet, which may be in a later commit, unless
// there is no such slot any longer.
func (c *commit) stillFree(f *facts) map[cluster.Slot]cluster.Reason {
	maps.DeleteFunc(c.left, func(slot cluster.Slot, _ cluster.Reason) bool { return slot.Index >= f.specs[slot.Task].WorkerNum })
	return c.left
}

func nonNil(list []schema.SlotRange) []schema.SlotRange {
	if list == nil {
		return []schema.SlotRange{}
	}
	return list
}
