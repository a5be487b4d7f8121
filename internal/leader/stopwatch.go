package leader

import (
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// stopwatch times how long slots are without a worker because they move, as their leader sees it: from the release or the loss of
// the node until the next node reports that the worker runs. A new leader does not have the start times of earlier moves, and times
// only moves that begin in its own term.
type stopwatch struct {
	since  map[cluster.Slot]start
	coming map[string]map[cluster.Slot]bool // by the member that they are granted to
}

type start struct {
	of meter.Name
	at time.Duration
}

func newStopwatch() *stopwatch {
	return &stopwatch{since: map[cluster.Slot]start{}, coming: map[string]map[cluster.Slot]bool{}}
}

// gone begins to time the slots of a lost member.
func (w *stopwatch) gone(p *view.Peer, now time.Duration) {
	if p == nil || p.Assignment.Rec == nil || p.Assignment.Rec.Closed != nil && p.Status.Rec != nil && p.Status.Rec.Leaving {
		return // it left in order, and had given back its slots before
	}
	for slot := range schema.Each(p.Assignment.Rec.Granted) {
		w.since[slot] = start{meter.Failover, now}
	}
}

// decided processes the steps of a commit.
func (w *stopwatch) decided(steps []cluster.Decided, assignments map[string]*schema.Assignment, now time.Duration) {
	granted := false
	for i := range steps {
		m := &steps[i]
		for _, index := range m.Slots {
			slot := cluster.Slot{Task: m.Task, Index: index}
			switch m.Step {
			case cluster.StepRelease:
				switch {
				case m.To == "":
					delete(w.since, slot) // no node gets it now: a later grant is not part of this move
				case w.since[slot].of == "":
					w.since[slot] = start{meter.Handoff, now}
				}
			case cluster.StepGrant:
				granted = true
			case cluster.StepWithhold, cluster.StepFail:
				delete(w.since, slot) // it waits for another reason
			}
		}
	}
	if !granted || len(w.since) == 0 {
		return
	}
	for memberID, assignment := range assignments {
		if assignment == nil {
			continue
		}
		for slot := range schema.Each(assignment.Granted) {
			if w.since[slot].of == "" {
				continue
			}
			if w.coming[memberID] == nil {
				w.coming[memberID] = map[cluster.Slot]bool{}
			}
			w.coming[memberID][slot] = true
		}
	}
}

// arrived ends the time of slots that run now, and calls took with it.
func (w *stopwatch) arrived(snap *view.Snapshot, now time.Duration, took func(meter.Name, time.Duration)) {
	for memberID, slots := range w.coming {
		p := snap.Peers[memberID]
		if p == nil || p.Status.Rec == nil {
			delete(w.coming, memberID)
			continue
		}
		starting := map[cluster.Slot]bool{}
		for i := range p.Status.Rec.Workers {
			if s := &p.Status.Rec.Workers[i]; s.State == cluster.WorkerPending || s.State == cluster.WorkerStarting {
				starting[s.Slot] = true
			}
		}
		maps.DeleteFunc(slots, func(slot cluster.Slot, _ bool) bool {
			if schema.Find(p.Status.Rec.Holding, slot) == nil || starting[slot] {
				return false
			}
			if s, known := w.since[slot]; known {
				took(s.of, now-s.at)
				delete(w.since, slot)
			}
			return true
		})
		if len(slots) == 0 {
			delete(w.coming, memberID)
		}
	}
}
