package httpapi

import (
	"cmp"
	"encoding/json"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// numbered is an event with the number of its frame.
type numbered struct {
	seq   int64
	event cluster.Event
}

// note adds an event, unless it says of a member what is known: a leader tells of all that it finds. The lock is held.
func (f *feed) note(e cluster.Event) {
	if (e.Kind == cluster.NodeJoined || e.Kind == cluster.NodeLeft) && e.Member != "" {
		if f.members[e.Member] == e.Kind {
			return
		}
		f.members[e.Member] = e.Kind
	}
	if text, err := json.Marshal(&e); err == nil {
		f.push("event", text)
	}
	list := &f.others
	if e.Node == f.node.Name() || e.Node == "" {
		list = &f.own
	}
	if *list = append(*list, numbered{f.last, e}); len(*list) > maxEvents {
		*list = slices.Clone((*list)[len(*list)-maxEvents/2:])
	}
}

// forget lets go of the members that are gone, once they are many. The lock is held.
func (f *feed) forget(now *cluster.State) {
	if len(f.members) <= len(now.Nodes)+2*maxEvents {
		return
	}
	kept := make(map[string]cluster.EventKind, len(now.Nodes))
	for i := range now.Nodes {
		if kind, known := f.members[now.Nodes[i].Member]; known {
			kept[now.Nodes[i].Member] = kind
		}
	}
	f.members = kept
}

// list returns the events that are kept, and the number of the last frame that was before or with them.
func (f *feed) list() (events []cluster.Event, last int64) {
	f.mu.Lock()
	all, last := slices.Concat(f.own, f.others), f.last
	f.mu.Unlock()
	slices.SortStableFunc(all, func(a, b numbered) int { return cmp.Compare(a.seq, b.seq) })
	events = make([]cluster.Event, len(all))
	for i := range all {
		events[i] = all[i].event
	}
	return events, last
}
