package operation

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// stepDown requests that the present leader step down.
func (e editor) stepDown() error {
	if e.Epoch.Rec == nil || e.Epoch.Rec.Leader == "" {
		return fmt.Errorf("%w: there is no leader", cluster.ErrConflict)
	}
	return e.request(func(r *schema.Requests) { r.StepDown = max(r.StepDown, e.Epoch.Rec.Term) })
}

// moveNow requests that no delay hold the work of members that are gone, and that nodes which have come back get their shares.
func (e editor) moveNow(members ...string) error {
	waits := e.Epoch.Rec != nil && !e.Epoch.Rec.BalanceAt.IsZero()
	if len(members) == 0 && !waits {
		return nil
	}
	return e.request(func(r *schema.Requests) {
		if waits {
			r.BalanceNow = max(r.BalanceNow, e.Epoch.Rec.Term)
		}
		r.MoveNow = append(slices.Clone(r.MoveNow), members...)
		slices.Sort(r.MoveNow)
		r.MoveNow = slices.Compact(r.MoveNow)
	})
}

// runNow requests a run.
func (e editor) runNow(op cluster.Operation) error {
	task := e.Tasks[op.Task].Rec
	switch {
	case task == nil || task.Deleted:
		return fmt.Errorf("%w: %q", cluster.ErrNoTask, op.Task)
	case !task.Effective().Runs():
		return fmt.Errorf("%w: task %q does not run to its end: give it mode = \"once\" or a schedule", cluster.ErrConflict, op.Task)
	}
	return e.request(func(r *schema.Requests) {
		if !slices.ContainsFunc(r.RunNow, func(other schema.RunRequest) bool { return other.ID == e.stamp.Run }) {
			r.RunNow = append(slices.Clone(r.RunNow), schema.RunRequest{ID: e.stamp.Run, Task: op.Task, Params: op.Params, By: e.stamp.By})
		}
	})
}

// newRun returns the ID of a run that begins now.
func newRun(now time.Time) string {
	return now.UTC().Format("20060102T150405.000Z") + "-" + strings.ToLower(rand.Text()[:4])
}

// restart requests that grants be replaced.
func (e editor) restart(op cluster.Operation) error {
	s := e.Snapshot
	pick := func(node string, slot cluster.Slot) bool {
		base, _ := cluster.SplitRun(slot.Task)
		return (op.Node == "" || node == op.Node) && (op.Task == "" || slot.Task == op.Task || base == op.Task) &&
			(op.Index == nil || slot.Index == *op.Index)
	}
	base, _ := cluster.SplitRun(op.Task)
	task := s.Tasks[base].Rec != nil
	if !task {
		_, task = s.Specs()[op.Task]
	}
	if op.Task != "" && !task {
		return fmt.Errorf("%w: %q", cluster.ErrNoTask, op.Task)
	}
	if op.Node != "" {
		if err := known(s, op.Node); err != nil {
			return err
		}
	}
	slots := grants(s, pick)
	if op.Node == "" { // suspected slots, which no node has, are tried again
		slots = append(slots, suspected(s, slots, pick)...)
	}
	switch {
	case len(slots) > 0:
	case op.Index != nil:
		return fmt.Errorf("%w: %s", cluster.ErrNoSlot, cluster.Slot{Task: op.Task, Index: *op.Index})
	default:
		return nil // nothing runs
	}
	return e.request(func(r *schema.Requests) {
		r.Restart = slices.Clone(r.Restart)
		for _, g := range slots {
			same := slices.ContainsFunc(r.Restart, func(h schema.SlotRange) bool {
				return h.Task == g.Task && h.Token == g.Token && slices.Equal(h.Slots, g.Slots)
			})
			if !same {
				r.Restart = append(r.Restart, schema.SlotRange{Task: g.Task, Slots: g.Slots, Token: g.Token})
			}
		}
	})
}

// move requests that a slot go to a node, if the plan would leave it there.
func (e editor) move(op cluster.Operation) error {
	slot := cluster.Slot{Task: op.Task, Index: *op.Index}
	token, err := explain.MayMove(e.Snapshot, slot, op.Node)
	if err != nil {
		return err
	}
	return e.request(func(r *schema.Requests) {
		r.Move = slices.DeleteFunc(slices.Clone(r.Move), func(m schema.MoveRequest) bool { return m.Slot == slot })
		r.Move = append(r.Move, schema.MoveRequest{Slot: slot, Token: token, To: op.Node})
	})
}

// request changes the requests. The function that changes them copies the lists that it changes.
func (e editor) request(change func(*schema.Requests)) error {
	entry, rec := e.Requests, schema.Requests{}
	switch {
	case entry.Good():
		rec = *entry.Rec
	case entry.Err != nil:
		return unusable(entry.Err, otherRemedy)
	}
	change(&rec)
	e.Requests = view.Entry[schema.Requests]{Rec: &rec, Version: entry.Version}
	return nil
}

// suspected returns the slots that a filter selects among those that are withheld or have failed because they took down nodes, without
// those that are granted, under token 0.
func suspected(s *view.Snapshot, granted []schema.SlotRange, pick func(node string, slot cluster.Slot) bool) (list []schema.SlotRange) {
	against := s.Suspicions()
	for _, slot := range slices.SortedFunc(maps.Keys(against), cluster.Slot.Compare) {
		if len(against[slot].TookDown) < schema.CrashesToWithhold || !pick("", slot) || schema.Find(granted, slot) != nil {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Task == slot.Task {
			list[n-1].Slots = append(list[n-1].Slots, slot.Index)
		} else {
			list = append(list, schema.SlotRange{Task: slot.Task, Slots: cluster.Indexes{slot.Index}})
		}
	}
	return list
}

// grants returns the grants of live members with the slots that a filter selects.
func grants(s *view.Snapshot, pick func(node string, slot cluster.Slot) bool) []schema.SlotRange {
	var list []schema.SlotRange
	for _, p := range s.Peers {
		if p.Assignment.Rec == nil || !p.Live() {
			continue
		}
		node := p.Assignment.Rec.Node
		picked, _ := schema.Split(p.Assignment.Rec.Granted, func(slot cluster.Slot, _ *schema.Granted) bool { return pick(node, slot) })
		for i := range picked {
			list = append(list, picked[i].SlotRange)
		}
	}
	return list
}

// vanished returns the members that are gone and still have assignments, and those that leave and whose slots are to wait for them.
func vanished(s *view.Snapshot) []string {
	var list []string
	for memberID, p := range s.Peers {
		stops := p.Member.Rec != nil && p.Member.Rec.RestartGrace > 0 && p.Status.Rec != nil && p.Status.Rec.Leaving
		if (!p.Live() || stops) && p.Assignment.Rec != nil {
			list = append(list, memberID)
		}
	}
	slices.Sort(list)
	return list
}
