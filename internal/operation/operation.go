// Package operation writes what people want of a cluster: other numbers of workers, nodes that take
// no work, slots that start anew. It decides nothing; leaders read it and act.
//
// # The model
//
// There are three kinds of wish. An override of a task and a mark of a node stay until they are taken
// back. An order is for once, and names what it is about so that it is void when it is done: a
// term, members that are gone, grants by their tokens. Every write is made at the version that was
// read; refused ones, and those of which nobody knows the outcome, are decided anew from what is
// read then.
//
// Promised when a function returns nil: the wish is in the store. Not promised: when it is fulfilled.
package operation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Operator writes wishes over a session.
type Operator struct {
	Session coord.Session
	Keys    schema.Keys
	By      string // who wants it, for people
}

// record is a pointer to a record type.
type record[R any] interface {
	*R
	schema.Record
}

// edit brings one record up to date. Change is given the record as it is, or a zero one and false if
// there is none; it returns false to have it deleted.
func edit[R any, P record[R]](ctx context.Context, o Operator, key string, change func(rec P, exists bool) (keep bool, err error)) error {
	for {
		op, err := editOp[R, P](ctx, o, key, change)
		if err != nil || op.Key == "" {
			return err
		}
		_, err = o.Session.Commit(ctx, op)
		_, checked := coord.FailedCheck(err)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, coord.ErrUnauthorized), errors.Is(err, coord.ErrSessionEnded), ctx.Err() != nil:
			return fmt.Errorf("write %s: %w", key, err)
		case !checked && !errors.Is(err, coord.ErrUnknown):
			return fmt.Errorf("write %s: %w", key, err)
		}
	}
}

// editOp returns the write that brings a record up to date; the zero value if it is.
func editOp[R any, P record[R]](ctx context.Context, o Operator, key string, change func(rec P, exists bool) (keep bool, err error)) (coord.Op, error) {
	stored, err := o.Session.Get(ctx, key)
	exists := err == nil
	if err != nil && !errors.Is(err, coord.ErrNotFound) {
		return coord.Op{}, err
	}
	rec := P(new(R))
	if exists {
		if err := schema.Decode(key, stored, rec); err != nil {
			return coord.Op{}, fmt.Errorf("%w; mend or delete it first", err)
		}
	}
	before := schema.Encode(rec, stored.Version)
	keep, err := change(rec, exists)
	switch {
	case err != nil:
		return coord.Op{}, err
	case !exists && !keep:
		return coord.Op{}, nil
	case !exists:
		return coord.Create(key, schema.Encode(rec, 0)), nil
	case !keep:
		return coord.Delete(key, stored.Version), nil
	case string(schema.Encode(rec, stored.Version)) == string(before):
		return coord.Op{}, nil
	}
	return coord.Set(key, schema.Encode(rec, stored.Version+1), stored.Version), nil
}

// Do notes a wish of an operator who sees the cluster as it is in the snapshot.
func (o Operator) Do(ctx context.Context, s *view.Snapshot, op cluster.Operation) error {
	switch op.Kind {
	case cluster.OpScale:
		return o.override(ctx, op.Task, func(r *schema.Override) { r.WorkerNum = &op.Workers })
	case cluster.OpPause:
		return o.override(ctx, op.Task, func(r *schema.Override) { r.Paused = new(true) })
	case cluster.OpResume:
		return o.override(ctx, op.Task, func(r *schema.Override) { r.Paused = new(false) })
	case cluster.OpReset:
		return o.override(ctx, op.Task, func(r *schema.Override) { *r = schema.Override{} })
	case cluster.OpCordon:
		return o.setMark(ctx, s, op.Node, cordon)
	case cluster.OpUncordon:
		return o.setMark(ctx, s, op.Node, uncordon)
	case cluster.OpDrain:
		if op.Deadline < 0 {
			return fmt.Errorf("%w: deadline: %v is less than 0s", cluster.ErrChange, op.Deadline)
		}
		return o.setMark(ctx, s, op.Node, drain(slotsOf(s, op.Node), op.Deadline))
	case cluster.OpRestart:
		return o.restart(ctx, s, op)
	case cluster.OpRunNow:
		return o.runNow(ctx, s, op)
	case cluster.OpStepDown:
		if s.Epoch.Rec == nil || s.Epoch.Rec.Leader == "" {
			return fmt.Errorf("%w: nobody leads", cluster.ErrChange)
		}
		return o.order(ctx, func(r *schema.Orders) { r.StepDown = max(r.StepDown, s.Epoch.Rec.Term) })
	case cluster.OpMoveNow:
		return o.moveNow(ctx, vanished(s))
	}
	return fmt.Errorf("%w: %q is no operation", cluster.ErrChange, op.Kind)
}

func (o Operator) override(ctx context.Context, task string, change func(*schema.Override)) error {
	return edit(ctx, o, o.Keys.Task(task), func(rec *schema.Task, exists bool) (bool, error) {
		return true, override(rec, exists, task, change)
	})
}

func override(rec *schema.Task, exists bool, task string, change func(*schema.Override)) error {
	if !exists || rec.Deleted {
		return fmt.Errorf("%w: %q", cluster.ErrNoTask, task)
	}
	change(&rec.Override)
	if err := rec.Effective().Validate(); err != nil {
		return fmt.Errorf("%w: %w", cluster.ErrChange, err)
	}
	return nil
}

// setMark changes what is wanted of a node. A mark of nothing is taken back.
func (o Operator) setMark(ctx context.Context, s *view.Snapshot, node string, change func(*schema.Mark)) error {
	if err := known(s, node); err != nil {
		return err
	}
	return edit(ctx, o, o.Keys.Mark(node), func(rec *schema.Mark, _ bool) (bool, error) { return o.mark(rec, change), nil })
}

// mark changes a mark, and tells whether it is one.
func (o Operator) mark(rec *schema.Mark, change func(*schema.Mark)) bool {
	before := *rec
	change(rec)
	if rec.Cordoned != before.Cordoned || (rec.Drain == nil) != (before.Drain == nil) {
		rec.By, rec.Since = o.By, time.Now().UTC().Truncate(time.Second)
	}
	return rec.Cordoned || rec.Drain != nil || rec.Quarantine != nil
}

// known refuses a node of which there is neither a member nor a mark.
func known(s *view.Snapshot, node string) error {
	if s.Marks[node].Rec != nil {
		return nil
	}
	for _, p := range s.Peers {
		if p.Doc.Rec != nil && p.Doc.Rec.Node == node || p.Member.Rec != nil && p.Member.Rec.Node == node {
			return nil
		}
	}
	return fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
}

func cordon(m *schema.Mark) { m.Cordoned = true }

func uncordon(m *schema.Mark) { m.Cordoned, m.Drain, m.Quarantine = false, nil, nil }

// drain marks a node to be drained, which has that many slots now.
func drain(slots int, deadline cluster.Duration) func(*schema.Mark) {
	return func(m *schema.Mark) {
		if m.Drain != nil {
			slots = m.Drain.Slots
		}
		m.Drain = &schema.Drain{Slots: slots, Deadline: deadline}
	}
}

// moveNow lets nobody wait for members that are gone.
func (o Operator) moveNow(ctx context.Context, members []string) error {
	if len(members) == 0 {
		return nil
	}
	return o.order(ctx, func(r *schema.Orders) {
		r.MoveNow = append(r.MoveNow, members...)
		slices.Sort(r.MoveNow)
		r.MoveNow = slices.Compact(r.MoveNow)
	})
}

// runNow orders a run.
func (o Operator) runNow(ctx context.Context, s *view.Snapshot, op cluster.Operation) error {
	task := s.Tasks[op.Task].Rec
	switch {
	case task == nil || task.Deleted:
		return fmt.Errorf("%w: %q", cluster.ErrNoTask, op.Task)
	case !task.Effective().Runs():
		return fmt.Errorf("%w: task %q does not run to its end: give it mode = \"once\" or a schedule", cluster.ErrChange, op.Task)
	}
	if err := op.Params.Validate(); err != nil {
		return fmt.Errorf("%w: params: %w", cluster.ErrChange, err)
	}
	order := schema.RunOrder{
		ID:   time.Now().UTC().Format("20060102T150405.000Z") + "-" + strings.ToLower(rand.Text()[:4]),
		Task: op.Task, Params: op.Params, By: o.By,
	}
	return o.order(ctx, func(r *schema.Orders) {
		if !slices.ContainsFunc(r.RunNow, func(other schema.RunOrder) bool { return other.ID == order.ID }) {
			r.RunNow = append(r.RunNow, order)
		}
	})
}

// restart orders that grants are replaced.
func (o Operator) restart(ctx context.Context, s *view.Snapshot, op cluster.Operation) error {
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
		return fmt.Errorf("%w: of what? name a task, a worker or a node", cluster.ErrChange)
	case op.Task != "" && !task:
		return fmt.Errorf("%w: %q", cluster.ErrNoTask, op.Task)
	}
	if op.Node != "" {
		if err := known(s, op.Node); err != nil {
			return err
		}
	}
	orders := grants(s, pick)
	switch {
	case len(orders) > 0:
	case op.Index != nil:
		return fmt.Errorf("%w: %s", cluster.ErrNoSlot, cluster.Slot{Task: op.Task, Index: *op.Index})
	default:
		return nil // nothing runs
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

func (o Operator) order(ctx context.Context, change func(*schema.Orders)) error {
	return edit(ctx, o, o.Keys.Orders(), func(rec *schema.Orders, _ bool) (bool, error) {
		change(rec)
		return true, nil
	})
}

// Apply makes a change in one commit, provided that no leader has written since the epoch was at a
// version, nor anybody any of what it changes. What cannot be done but only happens is refused.
func (o Operator) Apply(ctx context.Context, s *view.Snapshot, c cluster.Change) error {
	if len(c.Lose) > 0 || len(c.Labels) > 0 {
		return fmt.Errorf("%w: the loss of a node or other labels can only be asked about", cluster.ErrChange)
	}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("%w: %w", cluster.ErrChange, err)
	}
	b := batch{Operator: o, snapshot: s, ops: []coord.Op{coord.Check(o.Keys.Epoch(), s.Epoch.Version)}}
	if err := b.add(ctx, c); err != nil {
		return err
	}
	_, err := o.Session.Commit(ctx, b.ops...)
	if _, checked := coord.FailedCheck(err); checked {
		return fmt.Errorf("%w: %w", cluster.ErrMovedOn, err)
	}
	return err
}

// batch gathers the writes of a change.
type batch struct {
	Operator
	snapshot *view.Snapshot
	ops      []coord.Op
}

func (b *batch) add(ctx context.Context, c cluster.Change) error {
	tasks := map[string][]func(*schema.Task, bool) error{}
	for _, spec := range c.Tasks {
		if err := schedule.Validate(spec); err != nil {
			return fmt.Errorf("%w: task %q: %w", cluster.ErrChange, spec.Name, err)
		}
		tasks[spec.Name] = append(tasks[spec.Name], func(rec *schema.Task, _ bool) error {
			rec.Spec, rec.Deleted = spec, false
			return nil
		})
	}
	over := func(task string, change func(*schema.Override)) {
		tasks[task] = append(tasks[task], func(rec *schema.Task, exists bool) error {
			return override(rec, exists || rec.Spec.Name != "", task, change)
		})
	}
	for task, workers := range c.Scale {
		over(task, func(r *schema.Override) { r.WorkerNum = &workers })
	}
	for _, task := range c.Pause {
		over(task, func(r *schema.Override) { r.Paused = new(true) })
	}
	for _, task := range c.Resume {
		over(task, func(r *schema.Override) { r.Paused = new(false) })
	}
	for task, changes := range tasks {
		op, err := editOp(ctx, b.Operator, b.Keys.Task(task), func(rec *schema.Task, exists bool) (bool, error) {
			for _, change := range changes {
				if err := change(rec, exists); err != nil {
					return false, err
				}
			}
			return true, nil
		})
		if err := b.append(op, err); err != nil {
			return err
		}
	}
	return b.addMarks(ctx, c)
}

func (b *batch) addMarks(ctx context.Context, c cluster.Change) error {
	marks := map[string][]func(*schema.Mark){}
	for _, node := range c.Uncordon {
		marks[node] = append(marks[node], uncordon)
	}
	for _, node := range c.Cordon {
		marks[node] = append(marks[node], cordon)
	}
	for _, node := range c.Drain {
		marks[node] = append(marks[node], drain(slotsOf(b.snapshot, node), 0))
	}
	for node, changes := range marks {
		if err := known(b.snapshot, node); err != nil {
			return err
		}
		op, err := editOp(ctx, b.Operator, b.Keys.Mark(node), func(rec *schema.Mark, _ bool) (keep bool, err error) {
			for _, change := range changes {
				keep = b.mark(rec, change)
			}
			return keep, nil
		})
		if err := b.append(op, err); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) append(op coord.Op, err error) error {
	if err == nil && op.Key != "" {
		b.ops = append(b.ops, op)
	}
	return err
}

// slotsOf counts the slots that a node has.
func slotsOf(s *view.Snapshot, node string) (n int) {
	for _, p := range s.Peers {
		if p.Doc.Rec != nil && p.Doc.Rec.Node == node && p.Live() {
			n += schema.Count(p.Doc.Rec.Slots) + schema.Count(p.Doc.Rec.Releasing)
		}
	}
	return n
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
