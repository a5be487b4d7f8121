package hub

import (
	"cmp"
	"encoding/json"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// numbered is an event with the number of its message.
type numbered struct {
	Seq   int64
	event cluster.Event
}

// keep keeps an event, unless it says of a member what is known: a leader tells of all that it finds. The lock is held.
func (h *Hub) keep(e cluster.Event) {
	if (e.Kind == cluster.NodeJoined || e.Kind == cluster.NodeLeft) && e.Member != "" {
		if h.members[e.Member] == e.Kind {
			return
		}
		h.members[e.Member] = e.Kind
	}
	if text, err := json.Marshal(&e); err == nil {
		h.push("event", text)
	}
	list := &h.others
	if e.Node == h.node.Name() || e.Node == "" {
		list = &h.own
	}
	*list = append(*list, numbered{h.last, e})
	if len(*list) > maxEvents {
		*list = slices.Clone((*list)[len(*list)-maxEvents/2:])
	}
}

// forget lets go of the members that are gone, once they are many. The lock is held.
func (h *Hub) forget(now *cluster.State) {
	if len(h.members) <= len(now.Nodes)+2*maxEvents {
		return
	}
	kept := make(map[string]cluster.EventKind, len(now.Nodes))
	for i := range now.Nodes {
		if kind, known := h.members[now.Nodes[i].Member]; known {
			kept[now.Nodes[i].Member] = kind
		}
	}
	h.members = kept
}

// Events returns the events that are kept, and the number of the last message that was before or with them.
func (h *Hub) Events() (events []cluster.Event, last int64) {
	h.mu.Lock()
	all, last := slices.Concat(h.own, h.others), h.last
	h.mu.Unlock()
	slices.SortStableFunc(all, func(a, b numbered) int { return cmp.Compare(a.Seq, b.Seq) })
	events = make([]cluster.Event, len(all))
	for i := range all {
		events[i] = all[i].event
	}
	return events, last
}
