package leader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// faults stores faults of the planner and of the leader for their developers, each kind once.
type faults struct {
	*Leader
	candidate string // a fault is stored only while this key exists
	kept      string // the fault that was stored last
}

// planner reports that the planner has failed, once for each kind of fault, and stores its input.
func (f *faults) planner(ctx context.Context, fault *round.PlanFault) {
	if fault == nil || fault.Error == f.kept {
		return
	}
	f.kept = fault.Error
	f.Log.Error(
		"the planner has failed; what runs stays where it is, and free slots go where they fit",
		"error",
		fault.Error,
		"key",
		f.Keys.PlanFault(),
		"stack",
		fault.Stack,
	)
	f.Emit(cluster.Event{Kind: cluster.PlanFailed, Detail: fault.Error + "; its input is kept in " + f.Keys.PlanFault()})
	f.keep(ctx, fault.Error, fault.Stack, fault.Input)
}

// panicked reports that a round has panicked, after others that panicked in a row, and stores its input.
func (f *faults) panicked(ctx context.Context, fault *election.PanicError, panics int, snap *view.Snapshot) {
	f.Log.Error(
		"a round of leading has panicked; workers continue",
		"error",
		fault,
		"panics",
		panics,
		"key",
		f.Keys.PlanFault(),
		"stack",
		fault.Stack,
	)
	f.Emit(cluster.Event{Kind: cluster.PlanFailed, Detail: fault.Error() + "; its input is kept in " + f.Keys.PlanFault()})
	if f.kept != fault.Error() {
		f.kept = fault.Error()
		f.keep(ctx, fault.Error(), fault.Stack, snap)
	}
}

// keep stores a fault and its input.
func (f *faults) keep(ctx context.Context, fault, stack string, input any) {
	const most = 8 << 10
	rec := &schema.PlanFault{
		At:     time.Now().UTC().Truncate(time.Millisecond),
		Leader: f.Self.Node,
		Error:  schema.Cut(fault, most),
		Stack:  schema.Cut(stack, most),
	}
	if text, err := json.Marshal(input); err == nil {
		rec.Input = text
		if schema.Size(rec) > schema.Bound(rec) {
			rec.Input = nil
		}
	}
	old, err := f.Session.Get(ctx, f.Keys.PlanFault())
	op := coord.Set(f.Keys.PlanFault(), schema.Encode(rec, 0), old.Version)
	if errors.Is(err, coord.ErrNotFound) {
		op = coord.Create(f.Keys.PlanFault(), schema.Encode(rec, 0))
	}
	if _, err := f.Session.Commit(ctx, coord.Check(f.candidate, 0), op); err != nil {
		f.Log.Warn("input of a fault not stored", "error", err)
	}
}

// maxPanics is the number of rounds that panic in a row after which a leader lets another member lead.
const maxPanics = 3

// decideAgain are the pauses after rounds that panic.
var decideAgain = backoff.Policy{First: failurePause, Max: 4 * failurePause}

// panicked handles a round that has panicked: the leader reads and decides again after a pause. If that keeps failing, it lets
// another member lead.
func (l *leading) panicked(ctx context.Context, fault *election.PanicError) error {
	l.panics++
	l.failing(l.panics, fault)
	l.faults.panicked(ctx, fault, l.panics, l.view.Snapshot())
	if l.panics >= maxPanics {
		return &election.GiveUp{Err: fmt.Errorf("%d rounds in a row have panicked, the last one: %w", l.panics, fault)}
	}
	if err := decideAgain.Wait(ctx, l.panics); err != nil {
		return err
	}
	return l.reread(ctx)
}
