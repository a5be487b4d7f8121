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

// keep stores an event and sends it to followers, unless it repeats the last event of its member: a new leader emits
// NodeJoined for every member that it finds. The caller holds the lock.
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

// forget removes members that are gone, once they are many. The caller holds the lock.
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

// Events returns the events that are kept, oldest first, and the number of the last message.
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
