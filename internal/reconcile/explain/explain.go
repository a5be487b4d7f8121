package explain

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/failures"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/placement"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Slot explains why a slot is where it is, and why it is not elsewhere, at a time of the lease clock and for a reader with a session
// with the service. The caller adds the worker and the history. The error matches cluster.ErrNoSlot if the slot does not exist and
// is on no node.
func Slot(s *view.Snapshot, slot cluster.Slot, at time.Duration, session coord.Info) (cluster.Explanation, error) {
	p := present(s)
	owner, stalled := p.stalled(slot, at, session)
	out := cluster.Explanation{Here: stalled, Nodes: []cluster.Candidate{}, History: []cluster.Decision{}}
	t, known := p.Rank[slot.Task]
	if surplus := p.surplus(slot); surplus.Code != "" {
		now := p.now(slot)
		switch {
		case stalled != "":
		case now != "":
			out.Here = "it has to leave " + now + ": " + surplus.String()
		default:
			return cluster.Explanation{}, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
		}
		out.Nodes = append(out.Nodes, cluster.Candidate{Node: cmp.Or(owner, now), Here: true, Placeable: true, Why: "it is here"})
		return out, nil
	}
	if !known {
		return cluster.Explanation{}, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
	}
	now, target := p.now(slot), p.targetNode(slot)
	moved := p.reasons()
	resizing := p.survey.Barriers[slot.Task]
	switch {
	case stalled != "":
		out.Here = stalled
	case resizing != nil && !resizing.Over() && p.unplaced[slot.Task].Code == cluster.WhyResizing:
		out.Here = "the count of " + slot.Task + " changes, and " + p.unplaced[slot.Task].String()
	case now == "" && target == "":
		out.Here = cmp.Or(p.unplaced[slot.Task].String(), "it has no place")
	case now == "":
		out.Here = "it is about to be granted to " + target
	case target == "":
		out.Here = "it has to leave " + now + ": " + moved(slot, now).String()
	case p.survey.Loops.Crashes(slot) >= failures.CrashesToPart && now == target:
		out.Here = fmt.Sprintf("it may have taken down %s, so it stays on %s until it has run for %v there",
			strings.Join(p.survey.Loops.Suspects[slot].TookDown, ", "), now, failures.ProbationPeriod)
	case p.drains(now) && now == target:
		out.Here = now + " is draining, and it stays there until another node can run it"
	case now != target && waitsForQuiet(s, moved(slot, now)):
		out.Here = fmt.Sprintf("it is to move to %s (%s), and waits until %s at least: %s. To wait no longer: xconsumer move-now",
			target, moved(slot, now), s.Epoch.Rec.BalanceAt.UTC().Format("15:04:05 MST"), Quiet(s))
	case now != target:
		out.Here = "it is about to move to " + target + ": " + moved(slot, now).String()
	default:
		out.Here = now + " may run it, and the plan keeps it there: its placement is already optimal"
	}
	out.Nodes = p.candidates(slot.Task, t, cmp.Or(owner, now), stalled != "")
	return out, nil
}

// Quiet returns why slots that would move for balance to nodes that have come back wait.
func Quiet(s *view.Snapshot) cluster.Reason {
	return cluster.Reason{Code: cluster.WhyQuiet, Detail: s.Rebalance().QuietFor().String()}
}

// waitsForQuiet reports whether a slot waits that would move for a reason. A slot that would move to a new node does not, and is on its
// way by now.
func waitsForQuiet(s *view.Snapshot, why cluster.Reason) bool {
	return s.Epoch.Rec != nil && !s.Epoch.Rec.BalanceAt.IsZero() && placement.Urgency(why.Code) >= placement.ForComfort
}

// candidates returns the existing nodes, with their slots and why a slot of a task is not on them; here has the slot. A slot that is
// stalled does not move yet, whatever the plan says.
func (p preview) candidates(task string, t int, here string, stalled bool) (list []cluster.Candidate) {
	list = []cluster.Candidate{}
	r, has := p.room(t), p.holdings(task)
	for n := range p.In.Nodes {
		node := &p.In.Nodes[n]
		if node.Gone {
			continue
		}
		c := cluster.Candidate{
			Node: node.Name, Here: node.Name == here, Load: has.load[node.Name], TaskWorkers: has.of[node.Name],
			Placeable: true, Why: "it is here",
		}
		if !c.Here {
			c.Placeable, c.Why = r.hindrance(int32(n)).Code == "", r.whyNot(int32(n)).String()
			if c.Placeable && stalled {
				c.Why = "it could run there, but waits"
			}
		}
		list = append(list, c)
	}
	return list
}

// drains reports whether a node is being drained.
func (p preview) drains(node string) bool { return p.Snapshot.Mark(node).Drain != nil }

// holdings are the slots of nodes now, by name, including those that they are giving back.
type holdings struct{ load, of map[string]int }

// holdings returns the load of nodes, and how many slots of a task they have.
func (p preview) holdings(task string) holdings {
	now := holdings{map[string]int{}, map[string]int{}}
	for _, memberID := range p.MemberIDs {
		peer := p.Snapshot.Peers[memberID]
		if peer.Assignment.Rec == nil || !peer.Live() {
			continue
		}
		for h := range peer.Assignment.Rec.Ranges() {
			now.load[peer.Assignment.Rec.Node] += p.Specs[h.Task].Cost() * len(h.Slots)
			if h.Task == task {
				now.of[peer.Assignment.Rec.Node] += len(h.Slots)
			}
		}
	}
	return now
}

// surplus returns why the slot should not exist, the zero value if it should.
func (p preview) surplus(slot cluster.Slot) cluster.Reason {
	switch spec, known := p.Specs[slot.Task]; {
	case !known:
		return cluster.Reason{Code: cluster.WhyDeleted}
	case slot.Index < 0 || slot.Index >= spec.WorkerNum:
		return cluster.Reason{Code: cluster.WhyScaledDown}
	}
	return cluster.Reason{}
}

// stalled returns the node that has a slot and cannot give it back at once, with a description: the worker is lost, stuck or
// stopping, since when, why, and what to do. It returns "" if there is no such node.
func (p preview) stalled(slot cluster.Slot, now time.Duration, session coord.Info) (owner, text string) {
	for _, memberID := range p.MemberIDs {
		peer := p.Snapshot.Peers[memberID]
		if peer.Assignment.Rec == nil {
			continue
		}
		granted, asked := schema.Find(peer.Assignment.Rec.Granted, slot), schema.Find(peer.Assignment.Rec.Releasing, slot)
		node := p.NodeName(memberID)
		why := p.survey.DelayReasons[memberID]
		switch {
		case granted == nil && asked == nil:
		case why.Code != "":
			return node, lostText(slot, node, peer, why, now, session)
		case !peer.Live():
			return "", "" // it is granted elsewhere at once
		default:
			text = p.stopText(slot, memberID, asked)
			if text == "" && members.StopsToRestart(p.Facts, memberID) {
				text = fmt.Sprintf("%s is leaving, and has %v to come back after that. To wait no longer: xconsumer move-now",
					node, min(time.Duration(peer.Member.Rec.RestartGrace), cluster.MaxRestartGrace))
			}
			if text != "" {
				return node, text
			}
		}
	}
	return "", ""
}

// lostText describes what happens to a slot of a lost node.
func lostText(slot cluster.Slot, node string, peer *view.Peer, why cluster.Reason, now time.Duration, session coord.Info) string {
	since := ""
	if lost := now - peer.LostAt; peer.LostAt > 0 && lost >= time.Second {
		since = fmt.Sprintf(", for %v at least", lost.Truncate(time.Second))
	}
	do := "if its machine is off for certain, there is nothing to do but to wait"
	switch {
	case why.Detail == members.DelayEnds:
		delay, begins := session.TakeoverDelayAfter(time.Duration(peer.Assignment.Rec.SessionTimeout)),
			"one tick of the service, and begins when the leader sees that the session has ended"
		if session.TakeoverDelay == coord.OwnTimeout {
			begins = "which is its session timeout, and counts from its last heartbeat, " +
				"or from when the leader saw that the session had ended if the service no longer shows that heartbeat"
		}
		do = fmt.Sprintf("the takeover delay is %v, %s; there is nothing to do but to wait", delay, begins)
	case why.Detail != members.SessionEnds:
		do = "to wait no longer: xconsumer move-now"
	case peer.Silent:
		do = "its session goes on without heartbeats; to end that: xconsumer evict " + node
	case peer.Assignment.Rec.SessionTimeout > 0:
		do = fmt.Sprintf("that takes its session timeout of %v; a node that crashes alone does not take so long",
			peer.Assignment.Rec.SessionTimeout)
	}
	return fmt.Sprintf("%s on %s (%s)%s; %s. %s", slot, node, cluster.WorkerLost, since, why, upper(do))
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// stopText describes how a slot stops, or does not stop, that a live node was asked to give back, or must give back because it
// leaves; "" for other slots.
func (p preview) stopText(slot cluster.Slot, memberID string, asked *schema.Releasing) string {
	peer, node := p.Snapshot.Peers[memberID], p.NodeName(memberID)
	why := cluster.Reason{Code: cluster.WhyLeaving, Node: node}
	if asked != nil && asked.Why != nil {
		why = *asked.Why
	}
	if peer.Status.Rec == nil || schema.Find(peer.Status.Rec.Holding, slot) == nil {
		return "" // it has given it back
	}
	var worker schema.WorkerState
	for _, w := range peer.Status.Rec.Workers {
		if w.Slot == slot {
			worker = w
		}
	}
	since := ""
	if !worker.Since.IsZero() {
		since = fmt.Sprintf(" since %s by its clock", worker.Since.UTC().Format("15:04:05 MST"))
	}
	stopTimeout := cluster.DefaultStopTimeout
	if spec, known := p.Specs[slot.Task]; known {
		stopTimeout = spec.StopTimeoutOrDefault()
	}
	switch {
	case worker.State == cluster.WorkerStuck:
		return fmt.Sprintf("%s on %s (%s)%s: it was asked to stop (%s), and has not ended within its stopTimeout of %v. "+
			"It is granted to no other node before it has. To see what it does: xconsumer stack %[1]s. "+
			"To end it, with all else that runs on %[2]s: xconsumer evict %[2]s", slot, node, worker.State, since, why, stopTimeout)
	case asked != nil || peer.Status.Rec.Leaving && worker.State == cluster.WorkerStopping:
		return fmt.Sprintf("%s on %s (%s)%s: %s. %s; %s",
			slot, node, cluster.WorkerStopping, since, why, upper(timeLeft(worker, stopTimeout)), p.afterwards(slot))
	}
	return ""
}

// timeLeft returns how long a worker that was asked to stop may take, and what happens after that.
func timeLeft(worker schema.WorkerState, stopTimeout time.Duration) string {
	if worker.State != cluster.WorkerStopping || worker.Since.IsZero() {
		return fmt.Sprintf("it has its stopTimeout of %v to end by itself, and a program is killed then", stopTimeout)
	}
	return fmt.Sprintf("it has until %s, its stopTimeout of %v, to end by itself, and a program is killed then",
		worker.Since.Add(stopTimeout).UTC().Format("15:04:05 MST"), stopTimeout)
}

// afterwards returns what happens to a slot after it has stopped.
func (p preview) afterwards(slot cluster.Slot) string {
	why := p.unplaced[slot.Task]
	switch surplus := p.surplus(slot); {
	case surplus.Code != "":
		return "it is not granted again"
	case p.Specs[slot.Task].Paused:
		return "it is granted again when the task is resumed"
	case p.targetNode(slot) == "" && why.Code == cluster.WhyResizing:
		return "it is granted again when all workers of the old count have ended"
	case p.targetNode(slot) == "" && why.Code != "":
		return "it is granted again when it has a place: " + why.String()
	}
	return "it is granted again when it has ended"
}

// room is the load of nodes under the plan, and their slots of one task.
type room struct {
	preview
	spec cluster.TaskSpec
	load []int // by node: weights
	of   []int // by node: slots of the task
}

func (p preview) room(task int) room {
	r := room{p, p.In.Tasks[task].Spec, make([]int, len(p.In.Nodes)), make([]int, len(p.In.Nodes))}
	for t, target := range p.Target.Target {
		cost := p.In.Tasks[t].Spec.Cost()
		for _, n := range target {
			if n == planner.Nobody {
				continue
			}
			r.load[n] += cost
			if t == task {
				r.of[n]++
			}
		}
	}
	return r
}

// hindrance returns why a node cannot have another slot of the task, the zero value if it can.
func (r room) hindrance(n int32) cluster.Reason {
	node := &r.In.Nodes[n]
	if why := planner.Fits(node, r.spec); why.Code != "" {
		return why
	}
	switch {
	case r.spec.Paused:
		return cluster.Reason{Code: cluster.WhyPaused}
	case node.Draining:
		return cluster.Reason{Code: cluster.WhyDraining, Node: node.Name}
	case node.Cordoned:
		return cluster.Reason{Code: cluster.WhyCordoned, Node: node.Name}
	case r.spec.MaxPerNode > 0 && r.of[n] >= r.spec.MaxPerNode:
		return cluster.Reason{Code: cluster.WhyPerNode, Node: node.Name, Detail: strconv.Itoa(r.spec.MaxPerNode)}
	case node.Capacity > 0 && r.load[n]+r.spec.Cost() > node.Capacity:
		free := max(node.Capacity-r.load[n], 0)
		return cluster.Reason{Code: cluster.WhyFull, Node: node.Name,
			Detail: fmt.Sprintf("has %d of %d free, and it weighs %d", free, node.Capacity, r.spec.Cost())}
	}
	return cluster.Reason{}
}

// whyNot returns why a slot of the task is not on a node.
func (r room) whyNot(n int32) cluster.Reason {
	if why := r.hindrance(n); why.Code != "" {
		return why
	}
	return cluster.Reason{Detail: fmt.Sprintf("it could run there, but under the plan %s has %d of the task and a load of %d, "+
		"and a move would not improve the balance", r.In.Nodes[n].Name, r.of[n], r.load[n])}
}

// Reasons returns why slots of tasks have no place, by task, except for slots that are about to be granted.
func Reasons(s *view.Snapshot) map[string]cluster.Reason {
	return present(s).unplaced
}
