package leader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/events"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// publish publishes what was read, and emits what has happened since it was read before.
func (l *leading) publish(snap *view.Snapshot) {
	l.Publish(snap)
	seen := events.Seen{Records: snap.Errors(l.Keys)}
	for memberID, p := range snap.Peers {
		if p.Live() && p.Member.Rec != nil && memberID != l.Self.MemberID {
			seen.Members = append(seen.Members, events.Member{MemberID: memberID, Node: p.Member.Rec.Node})
		}
	}
	events.SortMembers(seen.Members)
	for _, e := range events.Between(&l.seen, &seen) {
		switch e.Kind {
		case cluster.NodeLeft:
			p := snap.Peers[e.Member]
			l.watch.gone(p, l.Session.Now())
			e.Detail = departure(p)
		case cluster.RecordUnusable:
			key, fault, _ := strings.Cut(e.Detail, ": ")
			l.Log.Error("record cannot be used; the last good one stays in force", "key", key, "error", fault)
		}
		l.Emit(e)
	}
	l.seen = seen
}

// departure says how a member left.
func departure(p *view.Peer) string {
	switch {
	case p == nil || p.Assignment.Rec == nil:
		return "gone"
	case p.Assignment.Rec.Closed != nil:
		return p.Assignment.Rec.Closed.Cause
	case p.Assignment.Rec.Evicted:
		return "evicted"
	}
	return "lost"
}

func (l *leading) logBlocked(why string) {
	if why != l.blocked && why != "" {
		l.Log.Warn("nothing is granted for now", "reason", why)
	}
	l.blocked = why
}

// reportPlanFault raises an alarm when the planner fails, once for each way in which it does, and keeps
// what it was asked.
func (l *leading) reportPlanFault(ctx context.Context, f *round.PlanFault) {
	if f == nil || f.Error == l.planFault {
		return
	}
	l.planFault = f.Error
	l.Log.Error(
		"the planner has failed; what runs stays where it is, and free slots go where they fit",
		"error",
		f.Error,
		"key",
		l.Keys.PlanFault(),
		"stack",
		f.Stack,
	)
	l.Emit(cluster.Event{Kind: cluster.PlanFailed, Detail: f.Error + "; its input is kept in " + l.Keys.PlanFault()})
	l.keepFault(ctx, f.Error, f.Stack, f.Input)
}

// keepFault keeps what the planner or the leader failed on, for their developers.
func (l *leading) keepFault(ctx context.Context, fault, stack string, input any) {
	const most = 8 << 10
	rec := &schema.PlanFault{
		At:     time.Now().UTC().Truncate(time.Millisecond),
		Leader: l.Self.Node,
		Error:  schema.Cut(fault, most),
		Stack:  schema.Cut(stack, most),
	}
	if input, err := json.Marshal(input); err == nil {
		rec.Input = input
		if schema.Size(rec) > schema.Bound(rec) {
			rec.Input = nil
		}
	}
	old, err := l.Session.Get(ctx, l.Keys.PlanFault())
	op := coord.Set(l.Keys.PlanFault(), schema.Encode(rec, 0), old.Version)
	if errors.Is(err, coord.ErrNotFound) {
		op = coord.Create(l.Keys.PlanFault(), schema.Encode(rec, 0))
	}
	if _, err := l.Session.Commit(ctx, coord.Check(l.term.Candidate, 0), op); err != nil {
		l.Log.Warn("the input of a fault is not kept", "error", err)
	}
}

// maxPanics is after how many rounds in a row that panicked a leader lets another one try.
const maxPanics = 3

// decideAgain are the pauses after such rounds.
var decideAgain = backoff.Policy{First: pause, Max: 4 * pause}

// panicked deals with a round that has panicked: what it was to do is done again from what is read again, after a pause;
// and when that goes on, by another leader.
func (l *leading) panicked(ctx context.Context, fault *election.PanicError) error {
	l.panics++
	l.Log.Error(
		"a round of leading has panicked; workers go on",
		"error",
		fault,
		"panics",
		l.panics,
		"key",
		l.Keys.PlanFault(),
		"stack",
		fault.Stack,
	)
	l.Emit(cluster.Event{Kind: cluster.PlanFailed, Detail: fault.Error() + "; its input is kept in " + l.Keys.PlanFault()})
	l.failing(l.panics, fault)
	if l.planFault != fault.Error() {
		l.planFault = fault.Error()
		l.keepFault(ctx, fault.Error(), fault.Stack, l.view.Snapshot())
	}
	if l.panics >= maxPanics {
		return &election.GiveUp{Err: fmt.Errorf("%d rounds in a row have panicked, the last one: %w", l.panics, fault)}
	}
	if err := decideAgain.Wait(ctx, l.panics); err != nil {
		return err
	}
	return l.reread(ctx)
}

func (l *leading) logFull(nodes []string) {
	names := strings.Join(nodes, ", ")
	if names != l.full && names != "" {
		l.Log.Error(
			"assignments are full: these nodes are granted no more and keep what they know of changed tasks, and slots stay unplaced; "+
				"add nodes or use fewer tasks",
			"nodes",
			names,
		)
	}
	l.full = names
}

// reportAhead says that schedules wait for this leader's clock.
func (l *leading) reportAhead(tasks []string) {
	names := strings.Join(tasks, ", ")
	if names != l.ahead && names != "" {
		l.Log.Warn("schedules were decided about further than this node's clock, and wait for it; set the clocks of all nodes", "tasks", names)
		l.Emit(cluster.Event{Kind: cluster.ClockWrong, Detail: "the schedules of these tasks wait for this node's clock: " + names})
	}
	l.ahead = names
}

// reportRecalled says that firings which had been passed over are still to come.
func (l *leading) reportRecalled(moves []cluster.Decided) {
	for _, m := range moves {
		if m.Step == cluster.StepRecall {
			l.Log.Warn(
				"a leader's clock was ahead, or this one's is behind; firings that had been passed over are still to come",
				"task",
				m.Task,
				"reason",
				m.Why,
			)
			l.Emit(cluster.Event{Kind: cluster.ClockWrong, Task: m.Task, Detail: m.Task + ": " + m.Why})
		}
	}
}

// reportDoubles raises an alarm for slots that several assignments list in two decisions in a row. A commit of unknown outcome
// may arrive while assignments are read, so that one of them is read before it and another one after it. A decision from that
// is refused, and the next one is made from what is read again. What is doubled in fact is listed until its member has given
// it back.
func (l *leading) reportDoubles(doubles map[cluster.Slot][]view.Holder) {
	seen, reported := make(map[cluster.Slot]string, len(doubles)), map[cluster.Slot]string{}
	for slot, holders := range doubles {
		seen[slot] = view.DescribeHolders(holders)
		if l.doubtful[slot] != seen[slot] {
			continue
		}
		reported[slot] = seen[slot]
		if l.doubles[slot] != reported[slot] {
			l.Log.Error(
				"a slot is granted twice: somebody wrote an assignment by hand, or put a former one back; the older grant is asked back",
				"slot",
				slot.String(),
				"holders",
				reported[slot],
			)
			l.Emit(cluster.Event{Kind: cluster.SlotDoubled, Slot: &slot, Token: holders[0].Token, Detail: "granted to " + reported[slot]})
		}
	}
	l.doubtful, l.doubles = seen, reported
}

// summary counts the steps of a decision, for the log.
func summary(moves []cluster.Decided) string {
	counts := map[cluster.Step]int{}
	for _, m := range moves {
		counts[m.Step] += max(len(m.Slots), 1)
	}
	var parts []string
	for _, step := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s=%d", step, counts[step]))
	}
	return strings.Join(parts, " ")
}

// reportSuspects says which slots are held back or have failed.
func (l *leading) reportSuspects(moves []cluster.Decided) {
	for _, m := range moves {
		kind := cluster.SlotWithheld
		switch m.Step {
		case cluster.StepHold:
			l.Log.Warn(
				"a slot is held back: it may have taken down the nodes that ran it",
				"task",
				m.Task,
				"slots",
				m.Slots.String(),
				"reason",
				m.Why,
			)
		case cluster.StepFail:
			kind = cluster.SlotGivenUp
			l.Log.Error(
				"a slot has failed and is not granted any longer; `xconsumer restart` tries it again, as does a change of its task",
				"task",
				m.Task,
				"slots",
				m.Slots.String(),
				"reason",
				m.Why,
			)
		default:
			continue
		}
		for _, index := range m.Slots {
			l.Emit(cluster.Event{Kind: kind, Slot: &cluster.Slot{Task: m.Task, Index: index}, Detail: m.Why})
		}
	}
}
