package events

import (
	"cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Details of events that this node did not see when they happened.
const (
	wasThere  = "before this node watched the cluster"
	unwatched = "while this node did not watch the cluster"
	unseenEnd = "its end was not seen; the decisions have the cause"
)

// Of returns the view of a cluster that a state contains, without records: nodes report those as part of the state.
func Of(s *cluster.State) Seen {
	seen := Seen{Leader: s.Leader, Members: make([]Member, len(s.Nodes)), Workers: s.Workers, Ends: map[string]string{}}
	for i := range s.Nodes {
		seen.Members[i] = Member{s.Nodes[i].Member, s.Nodes[i].Name}
	}
	SortMembers(seen.Members)
	for _, list := range [][]cluster.NodeInfo{s.Nodes, s.Lost} {
		for i := range list {
			if n := &list[i]; n.State != cluster.NodeUp {
				seen.Ends[n.Member] = cmp.Or(n.Cause, string(n.State))
			}
		}
	}
	return seen
}

// Others returns the events between two states, except those that node self emits: about itself and, while it leads, about
// all members.
func Others(before, after *cluster.State, self string) []cluster.Event {
	list := others(before, after, self)
	for i := range list {
		if list[i].Kind == cluster.NodeLeft && list[i].Detail == "" { // its last records are deleted already
			list[i].Detail = unseenEnd
		}
	}
	return list
}

// others is Others without the details of what was not seen.
func others(before, after *cluster.State, self string) []cluster.Event {
	was, is := Of(before), Of(after)
	if was.Leader == self && is.Leader == self {
		was.Members, is.Members = nil, nil
	}
	return without(self, Between(&was, &is))
}

// Found returns the events that follow from the first view of a cluster: other members have joined. It returns at most as
// many events as are kept.
func Found(now *cluster.State, self string, most int) []cluster.Event {
	is := Seen{Members: Of(now).Members}
	list := without(self, Between(&Seen{}, &is))
	return explain(list[:min(len(list), most)], wasThere)
}

// CaughtUp returns the events of other nodes from a time in which this node did not watch the cluster. It returns none if
// there are more than most, since they would replace events that were seen as they happened.
func CaughtUp(before, after *cluster.State, self string, most int) []cluster.Event {
	list := others(before, after, self)
	if len(list) > most {
		return nil
	}
	return explain(list, unwatched)
}

// without leaves out the events of one node.
func without(node string, list []cluster.Event) []cluster.Event {
	kept := list[:0]
	for _, e := range list {
		if e.Node != node {
			kept = append(kept, e)
		}
	}
	return kept
}

// explain gives a detail to the events that have none.
func explain(list []cluster.Event, detail string) []cluster.Event {
	for i := range list {
		if list[i].Detail == "" {
			list[i].Detail = detail
		}
	}
	return list
}
