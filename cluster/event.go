package cluster

import (
	"errors"
	"fmt"
	"time"
)

// EventKind says what happened.
type EventKind string

// The kinds of events. Those marked (leader) are emitted by the leader alone, about every member;
// the others by each node about itself.
const (
	NodeJoined      EventKind = "node-joined"      // this node joined the cluster; (leader) a member did
	NodeLeft        EventKind = "node-left"        // this node left; (leader) a member left cleanly, was lost or was evicted
	LeaderElected   EventKind = "leader-elected"   // this node leads
	LeaderDeposed   EventKind = "leader-deposed"   // this node no longer leads
	LeaderGaveUp    EventKind = "leader-gave-up"   // this node could not lead and has let another one
	SlotGranted     EventKind = "slot-granted"     // this node was granted a slot
	SlotReleased    EventKind = "slot-released"    // this node was asked to give a slot back
	SlotRefused     EventKind = "slot-refused"     // this node does not run a slot that it was granted: the token is an old one
	SlotDoubled     EventKind = "slot-doubled"     // (leader) two assignments list a slot; the older grant is asked back
	WorkerStarted   EventKind = "worker-started"   // a worker runs
	WorkerFailed    EventKind = "worker-failed"    // a worker returned an error or panicked; it is run again later
	WorkerStopped   EventKind = "worker-stopped"   // a worker has stopped for good
	WorkerGotStuck  EventKind = "worker-stuck"     // a worker did not stop in time
	SlotWithheld    EventKind = "slot-withheld"    // (leader) a slot is held back: it may have taken down its nodes
	SlotGivenUp     EventKind = "slot-given-up"    // (leader) a slot has taken down one node after the other and is granted no longer
	LeaseLost       EventKind = "lease-lost"       // the lease ran out or the session ended: every worker is being stopped
	LeaseRegained   EventKind = "lease-regained"   // the lease holds again within the same session
	RecordUnusable  EventKind = "record-unusable"  // a record of the store cannot be used; the last good one stays
	RecordTooLarge  EventKind = "record-too-large" // (leader) a record is too large to be written; everything else goes on without it
	HistoryLost     EventKind = "history-lost"     // (leader) the service has lost commits that it had acknowledged
	PlanFailed      EventKind = "plan-failed"      // (leader) the planner or another step of leading has failed; what runs stays where it is
	NodeQuarantined EventKind = "node-quarantined" // (leader) everything fails on a node; it is given nothing
	RunStarted      EventKind = "run-started"      // (leader) a run of a task began; Detail names it
	RunEnded        EventKind = "run-ended"        // (leader) a run of a task is over
	FiringSkipped   EventKind = "firing-skipped"   // (leader) a firing of a task's schedule began no run; Detail says why
	ClockWrong      EventKind = "clock-wrong"      // this node's clock and the leader's are apart; (leader) schedules were decided about further than its clock is. Detail says more
	ConfigUnapplied EventKind = "config-unapplied" // something in this node's file differs from the cluster and was not applied
	Disconnected    EventKind = "disconnected"     // no server of the coordination service answers
	Connected       EventKind = "connected"        // one answers again
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

// Event is something that happened, as one node saw it.
type Event struct {
	Time   time.Time `json:"time"` // by the clock of the node that emits it
	Kind   EventKind `json:"kind"`
	Node   string    `json:"node"`
	Member string    `json:"member,omitempty"`
	// Task is the task, or as in RunTask the run, that it is about as a whole; Slot that of one worker.
	Task   string `json:"task,omitempty"`
	Slot   *Slot  `json:"slot,omitempty"`
	Token  int64  `json:"token,omitempty"`
	Detail string `json:"detail,omitempty"` // cause or error, in words
}

// TaskName returns the name of the task that it is about, of a run as in RunTask; "" if it is about none.
func (e *Event) TaskName() string {
	if e.Slot != nil {
		return e.Slot.Task
	}
	return e.Task
}

// Why a worker's context was cancelled: context.Cause(ctx) matches one of these.
var (
	// ErrReleased: the leader gives the slot to another node, or nobody needs it any longer.
	ErrReleased = errors.New("slot released")
	// ErrLeaving: this node is leaving the cluster.
	ErrLeaving = errors.New("node is leaving")
	// ErrLeaseLost: this node cannot prove that it is a member.
	ErrLeaseLost = errors.New("lease lost")
)

// ErrKilled is matched by what becomes of a program that did not end in the time that it had to stop.
var ErrKilled = errors.New("killed")

// FailedForGood is the detail of the event that a worker has failed and is not run again by itself.
func FailedForGood(failure string) string { return "for good: " + failure }

func errPolicy(p LeaderPolicy) error {
	return fmt.Errorf("%q is not one of %q, %q, %q", string(p), LeaderLast, LeaderNone, LeaderEqual)
}
