// Package events finds out what has happened to a cluster from how it was and how it is: the one place that turns
// differences into events. What happens within one process, such as a worker's failure, is emitted where it happens.
//
// # The model
//
//	what the leader has read ─┐
//	                          ├─▶ Seen, before and after ─▶ Between ─▶ events
//	a cluster.State ─▶ Of ────┘
//
// The leader emits what it finds about members and records. Every other node finds out by itself what the leader and the
// other nodes have emitted (Others): events are not sent from node to node.
//
// All functions are pure. None fills in an event's time.
package events

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Seen is what somebody saw of a cluster at one time, as far as events are about it. What is left out of both sides of a
// difference has not changed.
type Seen struct {
	Leader  string                // the name of its node, "" for none
	Members []Member              // those that live, as SortMembers sorts them
	Records []cluster.RecordError // those that cannot be used, by path
	Workers []cluster.WorkerInfo  // as WorkerInfo.Compare orders them
}

// Member is a member that lives.
type Member struct{ MemberID, Node string }

// SortMembers sorts members by their ids, which is how a Seen lists them: the name of a node may change in its record.
func SortMembers(list []Member) {
	slices.SortFunc(list, func(a, b Member) int { return a.compare(&b) })
}

func (m *Member) compare(other *Member) int {
	return cmp.Compare(m.MemberID, other.MemberID)
}

// Between returns what has happened between two looks at a cluster: who leads, who has joined and left, which records have
// become unusable, and what has become of workers. Where something came and went unseen there is no event of it, but every
// worker that is said to have started is said to have stopped, once, under the same token.
func Between(before, after *Seen) []cluster.Event {
	var list []cluster.Event
	if before.Leader != after.Leader && after.Leader != "" {
		list = append(list, cluster.Event{Kind: cluster.LeaderElected, Node: after.Leader})
	}
	var joined, left []cluster.Event
	Pairs(before.Members, after.Members, (*Member).compare, func(was, is *Member) {
		switch {
		case was == nil:
			joined = append(joined, cluster.Event{Kind: cluster.NodeJoined, Node: is.Node, Member: is.MemberID})
		case is == nil:
			left = append(left, cluster.Event{Kind: cluster.NodeLeft, Node: was.Node, Member: was.MemberID})
		}
	})
	byNode := func(a, b cluster.Event) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Member, b.Member))
	}
	slices.SortFunc(joined, byNode)
	slices.SortFunc(left, byNode)
	list = append(append(list, joined...), left...)
	byPath := func(a, b *cluster.RecordError) int { return cmp.Compare(a.Path, b.Path) }
	Pairs(before.Records, after.Records, byPath, func(was, is *cluster.RecordError) {
		if is != nil && (was == nil || was.Error != is.Error) {
			list = append(list, cluster.Event{Kind: cluster.RecordUnusable, Detail: is.Path + ": " + is.Error})
		}
	})
	var gone, changed []cluster.Event
	Pairs(before.Workers, after.Workers, (*cluster.WorkerInfo).Compare, func(was, is *cluster.WorkerInfo) {
		switch {
		case is == nil:
			gone = append(gone, workerEvents(was, &cluster.WorkerInfo{})...)
		case was == nil:
			changed = append(changed, workerEvents(&cluster.WorkerInfo{}, is)...)
		case was.State != is.State || was.Token != is.Token || was.Restarts != is.Restarts:
			changed = append(changed, workerEvents(was, is)...)
		}
	})
	return append(append(list, gone...), changed...)
}

// Pairs calls f with each item of two lists that are sorted alike, beside what it was before, or nil where one of the lists lacks
// it. It makes no list of them: the items may be large and many.
func Pairs[T any](before, after []T, order func(a, b *T) int, f func(was, is *T)) {
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		var way int
		switch {
		case i == len(before):
			way = 1
		case j == len(after):
			way = -1
		default:
			way = order(&before[i], &after[j])
		}
		switch {
		case way < 0:
			f(&before[i], nil)
			i++
		case way > 0:
			f(nil, &after[j])
			j++
		default:
			f(&before[i], &after[j])
			i++
			j++
		}
	}
}

// workerEvents returns what has happened to a slot: the zero value stands for no worker.
func workerEvents(was, is *cluster.WorkerInfo) (list []cluster.Event) {
	add := func(kind cluster.EventKind, w *cluster.WorkerInfo, detail string) {
		slot := w.Slot()
		list = append(list, cluster.Event{Kind: kind, Node: w.Node, Member: w.Member, Slot: &slot, Token: w.Token, Detail: detail})
	}
	goesOn := hasStarted(was) && hasStarted(is) && was.Token == is.Token
	if hasStarted(was) && !goesOn {
		detail := ""
		if was.State == cluster.WorkerLost {
			detail = "its node is gone"
		}
		add(cluster.WorkerStopped, was, detail)
	}
	if hasStarted(is) && !goesOn && is.State != cluster.WorkerLost {
		add(cluster.WorkerStarted, is, "")
	}
	switch {
	case is.State == was.State && is.Restarts == was.Restarts && goesOn:
	case is.State == cluster.WorkerBackoff:
		add(cluster.WorkerFailed, is, is.Error)
	case is.State == cluster.WorkerGivenUp && was.State != cluster.WorkerGivenUp:
		add(cluster.WorkerFailed, is, cluster.FailedForGood(is.Error))
	case is.State == cluster.WorkerStuck:
		add(cluster.WorkerGotStuck, is, "")
	case is.State == cluster.WorkerRunning && goesOn && is.Restarts > was.Restarts: // between two looks
		add(cluster.WorkerFailed, is, is.Error)
		add(cluster.WorkerStarted, is, "")
	case is.State == cluster.WorkerRunning && goesOn && was.State == cluster.WorkerBackoff:
		add(cluster.WorkerStarted, is, "")
	}
	return list
}

// hasStarted reports whether a member has begun to run a worker, and nobody has seen that it has given it back.
func hasStarted(w *cluster.WorkerInfo) bool {
	switch w.State {
	case cluster.WorkerRunning,
		cluster.WorkerBackoff,
		cluster.WorkerStopping,
		cluster.WorkerStuck,
		cluster.WorkerDone,
		cluster.WorkerGivenUp,
		cluster.WorkerLost:
		return w.Member != ""
	}
	return false
}
