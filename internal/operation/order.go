package operation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// moveNow lets nobody wait for members that are gone.
func (o Operator) moveNow(ctx context.Context, members []string) (revision string, err error) {
	if len(members) == 0 {
		return revisionOf(0), nil
	}
	return o.order(ctx, func(r *schema.Orders) {
		r.MoveNow = append(r.MoveNow, members...)
		slices.Sort(r.MoveNow)
		r.MoveNow = slices.Compact(r.MoveNow)
	})
}

// runNow orders a run, and returns its id.
func (o Operator) runNow(ctx context.Context, s *view.Snapshot, op cluster.Operation) (id string, err error) {
	task := s.Tasks[op.Task].Rec
	switch {
	case task == nil || task.Deleted:
		return "", fmt.Errorf("%w: %q", cluster.ErrNoTask, op.Task)
	case !task.Effective().Runs():
		return "", fmt.Errorf("%w: task %q does not run to its end: give it mode = \"once\" or a schedule", cluster.ErrConflict, op.Task)
	}
	if err := op.Params.Validate(); err != nil {
		return "", wrong("params", err)
	}
	order := schema.RunOrder{
		ID:   time.Now().UTC().Format("20060102T150405.000Z") + "-" + strings.ToLower(rand.Text()[:4]),
		Task: op.Task, Params: op.Params, By: o.By,
	}
	o.line.Revision = order.ID
	return o.order(ctx, func(r *schema.Orders) {
		if !slices.ContainsFunc(r.RunNow, func(other schema.RunOrder) bool { return other.ID == order.ID }) {
			r.RunNow = append(r.RunNow, order)
		}
	})
}

// restart orders that grants are replaced.
func (o Operator) restart(ctx context.Context, s *view.Snapshot, op cluster.Operation) (revision string, err error) {
	pick := func(node string, slot cluster.Slot) bool {
		base, _ := cluster.SplitRun(slot.Task)
		return (op.Node == "" || node == op.Node) && (op.Task == "" || slot.Task == op.Task || base == op.Task) && (op.Index == nil || slot.Index == *op.Index)
	}
	base, _ := cluster.SplitRun(op.Task)
	task := s.Tasks[base].Rec != nil
	if !task {
		_, task = s.Specs()[op.Task]
	}
	switch {
	case op.Task == "" && op.Node == "":
		return "", fmt.Errorf("%w: of what? name a task, a worker or a node", cluster.ErrChange)
	case op.Task != "" && !task:
		return "", fmt.Errorf("%w: %q", cluster.ErrNoTask, op.Task)
	}
	if op.Node != "" {
		if err := known(s, op.Node); err != nil {
			return "", err
		}
	}
	orders := grants(s, pick)
	if op.Node == "" { // what no node has for what it took down is tried again
		orders = append(orders, kept(s, orders, pick)...)
	}
	switch {
	case len(orders) > 0:
	case op.Index != nil:
		return "", fmt.Errorf("%w: %s", cluster.ErrNoSlot, cluster.Slot{Task: op.Task, Index: *op.Index})
	default:
		return revisionOf(0), nil // nothing runs
	}
	return o.order(ctx, func(r *schema.Orders) {
		for _, g := range orders {
			same := slices.ContainsFunc(r.Restart, func(h schema.Held) bool {
				return h.Task == g.Task && h.Token == g.Token && slices.Equal(h.Slots, g.Slots)
			})
			if !same {
				r.Restart = append(r.Restart, schema.Held{Task: g.Task, Slots: g.Slots, Token: g.Token})
			}
		}
	})
}

// move orders that a slot goes to a node.
func (o Operator) move(ctx context.Context, s *view.Snapshot, op cluster.Operation) (revision string, err error) {
	switch {
	case op.Task == "" || op.Index == nil:
		return "", fmt.Errorf("%w: name a worker", cluster.ErrChange)
	case op.Node == "":
		return "", wrong("to", errors.New("no node is named"))
	}
	slot := cluster.Slot{Task: op.Task, Index: *op.Index}
	found := grants(s, func(_ string, other cluster.Slot) bool { return other == slot })
	if len(found) == 0 {
		return "", fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
	}
	if err := known(s, op.Node); err != nil {
		return "", err
	}
	return o.order(ctx, func(r *schema.Orders) {
		r.Move = slices.DeleteFunc(r.Move, func(m schema.MoveOrder) bool { return m.Slot == slot })
		r.Move = append(r.Move, schema.MoveOrder{Slot: slot, Token: found[0].Token, To: op.Node})
	})
}

func (o Operator) order(ctx context.Context, change func(*schema.Orders)) (revision string, err error) {
	return edit(ctx, o, o.Keys.Orders(), func(rec *schema.Orders, _ bool, _ int64) (bool, error) {
		change(rec)
		return true, nil
	})
}

// kept returns the slots that are held back or have failed since they took down nodes, that a filter picks and that are not among
// what is granted, under token 0.
func kept(s *view.Snapshot, granted []schema.Held, pick func(node string, slot cluster.Slot) bool) (list []schema.Held) {
	against := s.Suspicions()
	for _, slot := range slices.SortedFunc(maps.Keys(against), cluster.Slot.Compare) {
		if len(against[slot].TookDown) < schema.CrashesToHold || !pick("", slot) || schema.Find(granted, slot) != nil {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Task == slot.Task {
			list[n-1].Slots = append(list[n-1].Slots, slot.Index)
		} else {
			list = append(list, schema.Held{Task: slot.Task, Slots: cluster.Indexes{slot.Index}})
		}
	}
	return list
}

// grants returns the grants of live members that a filter picks slots of.
func grants(s *view.Snapshot, pick func(node string, slot cluster.Slot) bool) []schema.Held {
	var list []schema.Held
	for _, p := range s.Peers {
		if p.Doc.Rec == nil || !p.Live() {
			continue
		}
		picked, _ := schema.Split(p.Doc.Rec.Slots, func(slot cluster.Slot, _ *schema.Held) bool { return pick(p.Doc.Rec.Node, slot) })
		list = append(list, picked...)
	}
	return list
}

// vanished returns the members that are gone and whose slots are waited with.
func vanished(s *view.Snapshot) []string {
	var list []string
	for guid, p := range s.Peers {
		if !p.Live() && p.Doc.Rec != nil {
			list = append(list, guid)
		}
	}
	slices.Sort(list)
	return list
}
