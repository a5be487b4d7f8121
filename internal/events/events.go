// Package events derives events from two states of a cluster. It is the only place that turns differences into events.
// Events within one process, such as a worker's failure, are emitted where they happen.
//
// # The model
//
//	the leader's snapshot  ───┐
//	                          ├─▶ Seen, before and after ─▶ Between ─▶ events
//	a cluster.State ─▶ Of ────┘
//
// The leader emits the events of members and records. Every other node derives by itself the events that the leader and the
// other nodes have emitted (Others): events are not sent from node to node.
//
// All functions are pure. None fills in an event's time.
package events

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Seen is one view of a cluster, reduced to the parts that events are about. Parts that are left out of both views count as
// unchanged.
type Seen struct {
	Leader  string                // the name of its node, "" for none
	Members []Member              // the live members, as SortMembers sorts them
	Records []cluster.RecordError // the unusable records, by path
	Workers []cluster.WorkerInfo  // as WorkerInfo.Compare orders them
	Ends    map[string]string     // how members end or have ended, by their IDs, as far as that is known
}

// Member is a live member.
type Member struct{ MemberID, Node string }

// SortMembers sorts members by their IDs, the order that a Seen requires: the name of a node may change in its record.
func SortMembers(list []Member) {
	slices.SortFunc(list, func(a, b Member) int { return a.compare(&b) })
}

func (m *Member) compare(other *Member) int {
	return cmp.Compare(m.MemberID, other.MemberID)
}

// Between returns the events between two views of a cluster: changes of the leader, members that joined or left, records
// that became unusable, and changes of workers. A change that was undone between the views causes no event. But every
// worker with a started event gets exactly one stopped event, under the same token.
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
			left = append(left, cluster.Event{
				Kind: cluster.NodeLeft, Node: was.Node, Member: was.MemberID, Detail: cmp.Or(after.Ends[was.MemberID], before.Ends[was.MemberID]),
			})
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

// Pairs calls f with each item of two lists that are sorted alike: with its value before and its value after, or nil for
// the list that lacks it. It allocates no list of the pairs, since the items may be large and many.
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

// workerEvents returns the events of a slot. The zero value stands for no worker.
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
	case is.State == cluster.WorkerRunning && goesOn && is.Restarts > was.Restarts: // between the two views
		add(cluster.WorkerFailed, is, is.Error)
		add(cluster.WorkerStarted, is, "")
	case is.State == cluster.WorkerRunning && goesOn && was.State == cluster.WorkerBackoff:
		add(cluster.WorkerStarted, is, "")
	}
	return list
}

// hasStarted reports whether a member has begun to run a worker and, according to this view, has not given it back.
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
