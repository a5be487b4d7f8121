package leader

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/events"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// reports emits the events and log lines about the cluster. It owns the state of the last report, so that a lasting condition is
// reported once.
type reports struct {
	*Leader
	seen     events.Seen       // other members and records, as of the events emitted so far
	nodes    map[string]string // the nodes of these members, by MemberID
	blocked  string
	full     string
	ahead    string
	doubtful map[cluster.Slot]string // slots that several assignments listed at the last decision
	doubles  map[cluster.Slot]string // those of them that were reported
}

// changed emits what has happened since the cluster was read before. It returns the last known state of the members that have
// left in between, nil for a member that left nothing.
func (r *reports) changed(snap *view.Snapshot) (left []*view.Peer) {
	seen := events.Seen{Records: snap.Errors(r.Keys), Members: r.members(snap)}
	for _, e := range events.Between(&r.seen, &seen) {
		switch e.Kind {
		case cluster.NodeLeft:
			p := snap.Peers[e.Member]
			left = append(left, p)
			e.Detail = departure(p)
		case cluster.RecordUnusable:
			key, fault, _ := strings.Cut(e.Detail, ": ")
			r.Log.Error("record cannot be used; the last good one stays in force", "key", key, "error", fault)
		}
		r.Emit(e)
	}
	r.seen = seen
	return left
}

// members returns the other members that live, sorted. While they are the same, so is the list.
func (r *reports) members(snap *view.Snapshot) []events.Member {
	live, same := 0, true
	for memberID, p := range snap.Peers {
		if r.counts(memberID, p) {
			live++
			same = same && r.nodes[memberID] == p.Member.Rec.Node
		}
	}
	if same && live == len(r.seen.Members) {
		return r.seen.Members
	}
	list := make([]events.Member, 0, live)
	r.nodes = make(map[string]string, live)
	for memberID, p := range snap.Peers {
		if r.counts(memberID, p) {
			list = append(list, events.Member{MemberID: memberID, Node: p.Member.Rec.Node})
			r.nodes[memberID] = p.Member.Rec.Node
		}
	}
	events.SortMembers(list)
	return list
}

func (r *reports) counts(memberID string, p *view.Peer) bool {
	return p.Live() && p.Member.Rec != nil && memberID != r.Self.MemberID
}

// found reports the findings of a decision.
func (r *reports) found(d round.Decision) {
	r.logBlocked(d.Blocked)
	r.logFull(d.Full)
	r.reportAhead(d.Ahead)
	r.reportDoubles(d.Doubles)
}

// committed reports what a commit has done, except for moving slots.
func (r *reports) committed(d round.Decision) {
	r.reportRuns(d.Steps)
	r.reportRecalled(d.Steps)
	for node, mark := range d.Marks {
		r.Log.Error(
			"everything fails on a node; it is given nothing until it is restarted or uncordoned",
			"node",
			node,
			"error",
			mark.Quarantine.Error,
		)
		r.Emit(cluster.Event{Kind: cluster.NodeQuarantined, Node: node, Detail: mark.Quarantine.Error})
	}
	if d.Suspects != nil {
		r.reportSuspects(d.Steps)
	}
}

// departure returns how a member has left.
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

func (r *reports) logBlocked(why string) {
	if why != r.blocked && why != "" {
		r.Log.Warn("nothing is granted for now", "reason", why)
	}
	r.blocked = why
}

func (r *reports) logFull(nodes []string) {
	names := strings.Join(nodes, ", ")
	if names != r.full && names != "" {
		r.Log.Error(
			"assignments are full: these nodes are granted no more and keep what they know of changed tasks, and slots stay unplaced; "+
				"add nodes or use fewer tasks",
			"nodes",
			names,
		)
	}
	r.full = names
}

// reportAhead reports that schedules wait until this leader's clock catches up.
func (r *reports) reportAhead(tasks []string) {
	names := strings.Join(tasks, ", ")
	if names != r.ahead && names != "" {
		r.Log.Warn("schedules are ahead of this node's clock and wait until it catches up; synchronize the clocks of all nodes", "tasks", names)
		r.Emit(cluster.Event{Kind: cluster.ClockWrong, Detail: "the schedules of these tasks wait for this node's clock: " + names})
	}
	r.ahead = names
}

// reportRuns reports runs that have begun or ended, and skipped firings.
func (r *reports) reportRuns(steps []cluster.Decided) {
	for _, m := range steps {
		switch m.Step {
		case cluster.StepRun:
			r.Emit(cluster.Event{Kind: cluster.RunStarted, Task: m.Task, Detail: m.Task})
		case cluster.StepMiss:
			r.Log.Warn("firings of a schedule are skipped", "task", m.Task, "reason", m.Why)
			r.Emit(cluster.Event{Kind: cluster.FiringSkipped, Task: m.Task, Detail: m.Task + ": " + m.Why})
		case cluster.StepDone, cluster.StepFailed:
			r.Emit(cluster.Event{Kind: cluster.RunEnded, Task: m.Task, Detail: m.Task + ": " + string(m.Step)})
		}
	}
}

// reportRecalled reports firings that were passed over and are to come again.
func (r *reports) reportRecalled(steps []cluster.Decided) {
	for _, m := range steps {
		if m.Step == cluster.StepRecall {
			r.Log.Warn(
				"a leader's clock was ahead, or this one's is behind; firings that had been passed over are still to come",
				"task",
				m.Task,
				"reason",
				m.Why,
			)
			r.Emit(cluster.Event{Kind: cluster.ClockWrong, Task: m.Task, Detail: m.Task + ": " + m.Why})
		}
	}
}

// reportDoubles reports slots that several assignments list in two decisions in a row. A commit with an unknown outcome may arrive
// while assignments are read, so that one of them is read before it and another one after it. A decision from such a reading is
// refused, and the next one is made from a new reading. A slot that was really granted twice stays listed until its member has
// given it back.
func (r *reports) reportDoubles(doubles map[cluster.Slot][]view.Listing) {
	seen, reported := make(map[cluster.Slot]string, len(doubles)), map[cluster.Slot]string{}
	for slot, listings := range doubles {
		seen[slot] = view.DescribeListings(listings)
		if r.doubtful[slot] != seen[slot] {
			continue
		}
		reported[slot] = seen[slot]
		if r.doubles[slot] != reported[slot] {
			r.Log.Error(
				"a slot is granted twice: an assignment was edited manually or restored from a copy; releasing the older grant",
				"slot",
				slot.String(),
				"holders",
				reported[slot],
			)
			r.Emit(cluster.Event{Kind: cluster.SlotDoubled, Slot: &slot, Token: listings[0].Token, Detail: "granted to " + reported[slot]})
		}
	}
	r.doubtful, r.doubles = seen, reported
}

// summary counts the steps of a decision, for the log.
func summary(steps []cluster.Decided) string {
	counts := map[cluster.Step]int{}
	for _, m := range steps {
		counts[m.Step] += max(len(m.Slots), 1)
	}
	var parts []string
	for _, step := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s=%d", step, counts[step]))
	}
	return strings.Join(parts, " ")
}

// reportSuspects reports slots that are withheld or have failed.
func (r *reports) reportSuspects(steps []cluster.Decided) {
	for _, m := range steps {
		kind := cluster.SlotWithheld
		switch m.Step {
		case cluster.StepWithhold:
			r.Log.Warn(
				"a slot is withheld: it may have taken down the nodes that ran it",
				"task",
				m.Task,
				"slots",
				m.Slots.String(),
				"reason",
				m.Why,
			)
		case cluster.StepFail:
			kind = cluster.SlotGivenUp
			r.Log.Error(
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
			r.Emit(cluster.Event{Kind: kind, Slot: &cluster.Slot{Task: m.Task, Index: index}, Detail: m.Why})
		}
	}
}
