package cluster

import (
	"errors"
	"fmt"
	"time"
)

// EventKind is a kind of event.
type EventKind string

// The kinds of events. The leader alone reports those marked (leader), about every member. Each node reports the others
// about itself.
const (
	NodeJoined      EventKind = "node-joined"      // this node joined the cluster; (leader) a member did
	NodeLeft        EventKind = "node-left"        // this node left; (leader) a member left cleanly, was lost or was evicted
	LeaderElected   EventKind = "leader-elected"   // this node leads
	LeaderDeposed   EventKind = "leader-deposed"   // this node no longer leads
	LeaderGaveUp    EventKind = "leader-gave-up"   // this node could not lead, and has stepped down
	SlotGranted     EventKind = "slot-granted"     // this node was granted a slot
	SlotReleased    EventKind = "slot-released"    // this node was asked to give a slot back
	SlotRefused     EventKind = "slot-refused"     // this node does not run a slot that it was granted: it has had a higher token for it
	SlotDoubled     EventKind = "slot-doubled"     // (leader) two assignments list a slot; the older grant is asked back
	WorkerStarted   EventKind = "worker-started"   // a worker runs
	WorkerFailed    EventKind = "worker-failed"    // a worker returned an error or panicked; it is run again later
	WorkerStopped   EventKind = "worker-stopped"   // a worker has stopped permanently
	WorkerGotStuck  EventKind = "worker-stuck"     // a worker did not stop in time
	SlotWithheld    EventKind = "slot-withheld"    // (leader) a slot is withheld: it may have taken down its nodes
	SlotGivenUp     EventKind = "slot-given-up"    // (leader) a slot has taken down one node after the other and is granted no longer
	LeaseLost       EventKind = "lease-lost"       // the lease ran out or the session ended: every worker is being stopped
	LeaseRegained   EventKind = "lease-regained"   // the lease is valid again within the same session
	RecordUnusable  EventKind = "record-unusable"  // a record of the store cannot be used; the last good one stays
	RecordTooLarge  EventKind = "record-too-large" // (leader) a record is too large to be written; everything else goes on without it
	HistoryLost     EventKind = "history-lost"     // (leader) the service has lost commits that it had acknowledged
	PlanFailed      EventKind = "plan-failed"      // (leader) the planner or another step of leading has failed; workers stay where they are
	NodeQuarantined EventKind = "node-quarantined" // (leader) everything fails on a node; it gets no slots
	RunStarted      EventKind = "run-started"      // (leader) a run of a task began; Detail names it
	RunEnded        EventKind = "run-ended"        // (leader) a run of a task is over
	FiringSkipped   EventKind = "firing-skipped"   // (leader) a firing of a task's schedule began no run; Detail is the reason
	// ClockWrong: this node's clock differs from the leader's; (leader) schedules were already decided about up to an
	// instant that is ahead of the leader's clock. Detail contains the numbers.
	ClockWrong      EventKind = "clock-wrong"
	ConfigUnapplied EventKind = "config-unapplied" // something in this node's file differs from the cluster, and was not applied
	Disconnected    EventKind = "disconnected"     // no server of the coordination service answers
	Connected       EventKind = "connected"        // a server answers again
)

// EventKinds returns all kinds of events.
func EventKinds() []EventKind {
	return []EventKind{
		NodeJoined, NodeLeft, LeaderElected, LeaderDeposed, LeaderGaveUp, SlotGranted,
		SlotReleased, SlotRefused, SlotDoubled, WorkerStarted, WorkerFailed, WorkerStopped,
		WorkerGotStuck, SlotWithheld, SlotGivenUp, LeaseLost, LeaseRegained, RecordUnusable,
		RecordTooLarge, HistoryLost, PlanFailed, NodeQuarantined, RunStarted, RunEnded,
		FiringSkipped, ClockWrong, ConfigUnapplied, Disconnected, Connected,
	}
}

// Event is something that happened, as one node saw it. Events are for people and monitoring: they can be lost, and no
// decision is made from them.
type Event struct {
	Time   time.Time `json:"time" doc:"Time of the event, by the clock of the node that reports it."`
	Kind   EventKind `json:"kind" doc:"Kind of the event."`
	Node   string    `json:"node" doc:"Node that the event is about."`
	Member string    `json:"member,omitempty" doc:"Identity of the node in its session."`
	Task   string    `json:"task,omitempty" doc:"Task, or TASK@RUN, of an event about a whole task or a run."`
	Slot   *Slot     `json:"slot,omitempty" doc:"Worker of an event about one worker, as TASK#INDEX."`
	Token  int64     `json:"token,omitempty" doc:"Fencing token of the grant."`
	Detail string    `json:"detail,omitempty" doc:"Cause or error, in words."`
}

// TaskName returns the task that the event is about, in the form of RunTask for a run; "" if it is about none.
func (e *Event) TaskName() string {
	if e.Slot != nil {
		return e.Slot.Task
	}
	return e.Task
}

// Why a worker's context was cancelled: context.Cause(ctx) matches one of these.
var (
	// ErrReleased: the leader gives the slot to another node, or the slot is no longer needed.
	ErrReleased = errors.New("slot released")
	// ErrLeaving: this node is leaving the cluster.
	ErrLeaving = errors.New("node is leaving")
	// ErrLeaseLost: this node cannot prove that it is still a member.
	ErrLeaseLost = errors.New("lease lost")
)

// ErrKilled is matched by the error of a program that was killed, since it did not end in the time that it had to stop.
var ErrKilled = errors.New("killed")

// FailedForGood returns the detail of a WorkerFailed event for a worker that is not restarted automatically.
func FailedForGood(failure string) string { return "permanently: " + failure }

func errPolicy(p LeaderPolicy) error {
	return fmt.Errorf("%q is not one of %q, %q, %q", string(p), LeaderLast, LeaderNone, LeaderEqual)
}
