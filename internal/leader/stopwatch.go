package leader

import (
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// stopwatch times how long slots are without a worker because they are moved, as their leader sees it:
// from asking one back, or from seeing its node gone, until its next node reports that it runs. A leader that has
// just come to lead does not know since when, and times what it begins itself.
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

// gone begins to time what a member had.
func (w *stopwatch) gone(p *view.Peer, now time.Duration) {
	if p == nil || p.Assignment.Rec == nil || p.Assignment.Rec.Closed != nil && p.Status.Rec != nil && p.Status.Rec.Leaving {
		return // it left in order: what it had was given back before
	}
	for slot := range schema.Each(p.Assignment.Rec.Granted) {
		w.since[slot] = start{meter.Failover, now}
	}
}

// decided takes in the steps of a commit.
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
					delete(w.since, slot) // no node is to have it: what comes later is something else
				case w.since[slot].of == "":
					w.since[slot] = start{meter.Handoff, now}
				}
			case cluster.StepGrant:
				granted = true
			case cluster.StepWithhold, cluster.StepFail:
				delete(w.since, slot) // it waits for something else
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

// arrived stops the time of what runs now, and calls took with it.
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
