package events

import "gitee.com/ken.yang/xconsumer/cluster"

// Details of events that were not seen when they happened.
const (
	wasThere  = "before anybody looked at the cluster through this node"
	unwatched = "while nobody looked at the cluster through this node"
)

// Of returns what a state shows of a cluster, but for records: nodes report those as part of the state.
func Of(s *cluster.State) Seen {
	seen := Seen{Leader: s.Leader, Members: make([]Member, len(s.Nodes)), Workers: s.Workers}
	for i := range s.Nodes {
		seen.Members[i] = Member{s.Nodes[i].Member, s.Nodes[i].Name}
	}
	SortMembers(seen.Members)
	return seen
}

// Others returns what has happened between two states, but for what a node emits itself: about itself, and about all members
// while it leads.
func Others(before, after *cluster.State, self string) []cluster.Event {
	was, is := Of(before), Of(after)
	if was.Leader == self && is.Leader == self {
		was.Members, is.Members = nil, nil
	}
	return without(self, Between(&was, &is))
}

// Found returns what a first look at a cluster shows to have happened: other members have joined. There are no more events
// than the most that is kept.
func Found(now *cluster.State, self string, most int) []cluster.Event {
	is := Seen{Members: Of(now).Members}
	list := without(self, Between(&Seen{}, &is))
	return explain(list[:min(len(list), most)], wasThere)
}

// CaughtUp returns what has happened to others in a time in which nobody looked, nothing if that is more than the most: it
// would drive out what was seen as it happened.
func CaughtUp(before, after *cluster.State, self string, most int) []cluster.Event {
	list := Others(before, after, self)
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
