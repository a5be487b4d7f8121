package cluster

import "fmt"

// ReasonCode says why something was decided, for programs. Codes are never renamed.
type ReasonCode string

// Why a slot has no place.
const (
	WhyNoNode   ReasonCode = "no-node"  // no node takes work
	WhyNoWork   ReasonCode = "no-work"  // no live node has registered its work
	WhyNoLabel  ReasonCode = "no-label" // no live node that has the work has a label it needs
	WhyCordoned ReasonCode = "cordoned" // the nodes that could run it are cordoned or draining
	WhyFull     ReasonCode = "full"     // the nodes that could run it have no room
	WhyPerNode  ReasonCode = "per-node" // the nodes that could run it have as many of the task as they may
	WhyPaused   ReasonCode = "paused"   // an operator paused the task
	WhyWaiting  ReasonCode = "waiting"  // its node is gone, and a delay or freeze holds it
	WhySchedule ReasonCode = "schedule" // its schedule cannot be used
	WhyClock    ReasonCode = "clock"    // a leader's clock was wrong
	WhyLate     ReasonCode = "late"     // a firing of a schedule came too late
	WhyOverlap  ReasonCode = "overlap"  // a firing of a schedule came while another run went on
	WhyResizing ReasonCode = "resizing" // workers of the old count have not stopped
)

// Why a slot leaves its node. The codes above serve too: a node that lost a label is left for it.
const (
	WhyDraining    ReasonCode = "draining"     // the node is being drained
	WhyQuarantined ReasonCode = "quarantined"  // everything fails on the node
	WhyFailing     ReasonCode = "failing"      // it fails again and again on the node
	WhyLeaving     ReasonCode = "leaving"      // the node is leaving the cluster
	WhyLost        ReasonCode = "lost"         // the node was lost
	WhyLeft        ReasonCode = "left"         // the node left
	WhyEvicted     ReasonCode = "evicted"      // the node was evicted
	WhyPreferred   ReasonCode = "preferred"    // another node has the labels that it prefers
	WhyLeaderFree  ReasonCode = "leader-free"  // the leader takes no work
	WhySpread      ReasonCode = "spread"       // the node had more of the task than its share
	WhyBalance     ReasonCode = "balance"      // the node had more work than its share
	WhyScaledDown  ReasonCode = "scaled-down"  // the task has fewer workers now
	WhyResized     ReasonCode = "resized"      // all workers of the task start again with its new count
	WhyDeleted     ReasonCode = "deleted"      // the task was deleted
	WhyUndeclared  ReasonCode = "undeclared"   // no such task is declared
	WhyDoubled     ReasonCode = "doubled"      // another assignment lists it, too, under a token that is not lower
	WhyRefused     ReasonCode = "refused"      // the node does not take it: the token is one of former times
	WhyDone        ReasonCode = "done"         // it has run to its end
	WhyTaskChanged ReasonCode = "task-changed" // the task runs another work now
	WhyMoved       ReasonCode = "moved"        // an operator wants it on another node
	WhyRestart     ReasonCode = "restart"      // an operator wants it started anew
	WhyTooLarge    ReasonCode = "too-large"    // a record is too large to be written
	WhyEdited      ReasonCode = "edited"       // a record was edited by hand
	WhyCrashed     ReasonCode = "crashed"      // it may have taken down its nodes
	WhyCleared     ReasonCode = "cleared"      // it has run long enough to be beyond suspicion
	WhyUnlisted    ReasonCode = "unlisted"     // the node held it, and its assignment did not list it
)

// Why a slot is granted, where it has not just left another node, and why a run begins or ends.
const (
	WhyUnplaced ReasonCode = "unplaced" // no node had it
	WhyResumed  ReasonCode = "resumed"  // its task was paused, and is no longer
	WhyDue      ReasonCode = "due"      // its schedule has it now, or its task runs once
	WhyAsked    ReasonCode = "asked"    // somebody asked for it
	WhyFailed   ReasonCode = "failed"   // some of its workers have failed too often
)

// Reason says why something was decided. The zero value gives no reason.
type Reason struct {
	Code   ReasonCode `json:"code,omitempty"`
	Node   string     `json:"node,omitempty"`   // the node that it is about
	Detail string     `json:"detail,omitempty"` // what more there is to say, in words
}

// String returns the reason as a part of a sentence, "" without one.
func (r Reason) String() string {
	node := r.Node
	if node == "" {
		node = "its node"
	}
	switch r.Code {
	case "":
		return r.Detail
	case WhyNoNode:
		return "no node takes work"
	case WhyNoWork:
		if r.Node != "" {
			return r.Node + " has not registered its work"
		}
		return "no live node has registered its work"
	case WhyNoLabel:
		if r.Node != "" {
			return fmt.Sprintf("it needs label %s, %s does not have it", r.Detail, node)
		}
		return fmt.Sprintf("it needs label %s, no live node that has the work has it", r.Detail)
	case WhyCordoned:
		if r.Node != "" {
			return r.Node + " is cordoned"
		}
		return "every node that could run it is cordoned or draining"
	case WhyFull:
		switch {
		case r.Node != "" && r.Detail != "":
			return node + " " + r.Detail
		case r.Node != "":
			return node + " has more than its capacity"
		case r.Detail != "":
			return r.Detail
		}
		return "every node that could run it is full"
	case WhyPerNode:
		if r.Node != "" {
			return fmt.Sprintf("%s has more than the %s of the task that a node may have", node, r.Detail)
		}
		return fmt.Sprintf("every node that could run it has the %s of the task that a node may have", r.Detail)
	case WhyDraining:
		return node + " is draining"
	case WhyQuarantined:
		return "everything fails on " + node + colon(r.Detail)
	case WhyFailing:
		return "it fails again and again on " + node + colon(r.Detail)
	case WhyLeaving:
		return node + " is leaving"
	case WhyLost:
		return node + " was lost" + colon(r.Detail)
	case WhyLeft:
		return node + " left"
	case WhyEvicted:
		return node + " was evicted" + colon(r.Detail)
	case WhyWaiting:
		return node + " is gone: " + r.Detail
	case WhyPreferred:
		return "another node has the labels that it prefers"
	case WhyLeaderFree:
		return node + " leads, and the leader takes no work while others can"
	case WhySpread:
		return node + " had more of the task than its share"
	case WhyBalance:
		return node + " had more work than its share"
	case WhyPaused:
		return "the task is paused"
	case WhyScaledDown:
		return "the task was scaled down"
	case WhyResizing:
		return "it waits for " + r.Detail
	case WhyResized:
		if r.Detail != "" {
			return "all workers of the task start again: " + r.Detail
		}
		return "all workers of the task start again with its new count"
	case WhyDeleted:
		return "the task was deleted"
	case WhyUndeclared:
		return "no such task is declared"
	case WhyDoubled:
		return "it was granted twice" + colon(r.Detail)
	case WhyRefused:
		return node + " does not take it" + colon(r.Detail)
	case WhyDone:
		return "it has run to its end"
	case WhySchedule:
		return "its schedule cannot be used: " + r.Detail
	case WhyClock:
		return "a leader's clock is or was wrong" + colon(r.Detail)
	case WhyLate, WhyOverlap:
		return r.Detail
	case WhyTaskChanged:
		return "the task runs another work now"
	case WhyMoved:
		return "an operator wants it on another node"
	case WhyRestart:
		return "a restart was asked for"
	case WhyTooLarge:
		return "a record is too large to be written" + colon(r.Detail)
	case WhyEdited:
		return "a record was edited by hand" + colon(r.Detail)
	case WhyCrashed:
		return "it may have taken down " + r.Detail
	case WhyCleared:
		return "it has run for a minute"
	case WhyUnlisted:
		return node + " held it without a grant"
	case WhyUnplaced:
		return "no node had it"
	case WhyResumed:
		return "the task was resumed"
	case WhyDue:
		return "it was due"
	case WhyAsked:
		return "asked for by " + r.Detail
	case WhyFailed:
		return "some of its workers have failed too often"
	}
	return string(r.Code) + colon(r.Detail)
}

func colon(detail string) string {
	if detail == "" {
		return ""
	}
	return ": " + detail
}
