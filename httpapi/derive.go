package httpapi

import (
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Details of events that were not seen when they happened.
const (
	wasThere  = "before anybody looked at the cluster through this node"
	unwatched = "while nobody looked at the cluster through this node"
)

// maxUnwatched bounds the events of a time in which nobody looked, so that they do not drive out what was seen as it happened.
const maxUnwatched = maxEvents / 4

// found returns the events of the first look at the cluster: who is there has joined it. There are no more of them than
// are kept.
func found(now *cluster.State, self string, at time.Time) (events []cluster.Event) {
	for i := range now.Nodes {
		if n := &now.Nodes[i]; n.Name != self && len(events) < maxEvents {
			events = append(events, cluster.Event{Time: at, Kind: cluster.NodeJoined, Node: n.Name, Member: n.Member, Detail: wasThere})
		}
	}
	return events
}

// caughtUp returns the events of a time in which nobody looked, none if there are too many.
func caughtUp(before, after *cluster.State, self string, at time.Time) []cluster.Event {
	events := derive(before, after, self, at)
	if len(events) > maxUnwatched {
		return nil
	}
	for i := range events {
		if events[i].Detail == "" {
			events[i].Detail = unwatched
		}
	}
	return events
}

// derive returns the events that the difference between two states tells of. What the node tells of itself, and
// of all others while it leads, is left out.
func derive(before, after *cluster.State, self string, at time.Time) (events []cluster.Event) {
	leads := after.Leader == self && before.Leader == self
	add := func(e cluster.Event) {
		if e.Node != self {
			e.Time = at
			events = append(events, e)
		}
	}
	if before.Leader != after.Leader && after.Leader != "" {
		add(cluster.Event{Kind: cluster.LeaderElected, Node: after.Leader})
	}
	if !leads {
		was, is := map[string]string{}, map[string]string{}
		for i := range before.Nodes {
			was[before.Nodes[i].Member] = before.Nodes[i].Name
		}
		for i := range after.Nodes {
			n := &after.Nodes[i]
			if is[n.Member] = n.Name; was[n.Member] == "" {
				add(cluster.Event{Kind: cluster.NodeJoined, Node: n.Name, Member: n.Member})
			}
		}
		for i := range before.Nodes {
			if n := &before.Nodes[i]; is[n.Member] == "" {
				add(cluster.Event{Kind: cluster.NodeLeft, Node: n.Name, Member: n.Member})
			}
		}
	}
	itself := func(w *cluster.WorkerInfo) *cluster.WorkerInfo { return w }
	changed, gone := differSorted(before.Workers, after.Workers, itself, compareWorkers, func(a, b *cluster.WorkerInfo) bool {
		return a.State == b.State && a.Token == b.Token && a.Restarts == b.Restarts
	})
	for _, was := range gone {
		for _, e := range eventsOf(was, &cluster.WorkerInfo{}) {
			add(e)
		}
	}
	for i := range changed {
		is, was := &changed[i], &cluster.WorkerInfo{}
		if at, known := slices.BinarySearchFunc(before.Workers, *is, func(a, b cluster.WorkerInfo) int { return compareWorkers(&a, &b) }); known {
			was = &before.Workers[at]
		}
		for _, e := range eventsOf(was, is) {
			add(e)
		}
	}
	return events
}

// eventsOf returns what has happened to a slot: the zero value stands for none. What is told to have started is told to
// have stopped, under the same token.
func eventsOf(was, is *cluster.WorkerInfo) (events []cluster.Event) {
	add := func(kind cluster.EventKind, w *cluster.WorkerInfo, detail string) {
		slot := w.Slot()
		events = append(events, cluster.Event{Kind: kind, Node: w.Node, Member: w.Member, Slot: &slot, Token: w.Token, Detail: detail})
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
	return events
}

// hasStarted reports whether a member has begun to run a worker, and nobody has seen that it has given it back.
func hasStarted(w *cluster.WorkerInfo) bool {
	switch w.State {
	case cluster.WorkerRunning, cluster.WorkerWaiting, cluster.WorkerBackoff, cluster.WorkerStopping, cluster.WorkerStuck, cluster.WorkerDone, cluster.WorkerGivenUp, cluster.WorkerLost:
		return w.Member != ""
	}
	return false
}
