package placement

import (
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A cluster in which nothing runs waits for a moment without a new node before it begins, since the first node would get everything;
// for a longer moment (GatherMany) if there are several nodes; and this long at most. If it is known how many nodes start together, it
// begins as soon as they are there.
const (
	gatherOne = round.Quiet
	maxGather = 5 * time.Second
)

// NextChanges updates the memory of nodes, and reports whether they come and go so fast that moves for comfort are deferred.
func (p *Placement) NextChanges(b round.NodeChanges, draft *round.Draft) (next round.NodeChanges, deferred bool) {
	switch nodes := strings.Join(liveNodes(p), " "); {
	case b.Nodes == "": // a new leader
		b.Nodes, b.Changed = nodes, p.Now-max(round.Quiet, round.GatherMany)
	case nodes != b.Nodes:
		if p.Now < b.Changed+round.Quiet && b.Deferred == 0 {
			b.Deferred = p.Now
		}
		b.Nodes, b.Changed = nodes, p.Now
	}
	if b.Deferred == 0 {
		return b, false
	}
	until := min(b.Changed+round.Quiet, b.Deferred+round.MaxDefer)
	if p.Now < until {
		draft.RequeueAt(until)
		return b, true
	}
	b.Deferred = 0
	return b, false
}

// Gather reports whether the grants of free slots are deferred until more nodes have come.
func (p *Placement) Gather(
	b round.NodeChanges, free [][]schema.Granted, draft *round.Draft,
) (next round.NodeChanges, deferred bool) {
	if !slices.ContainsFunc(free, func(list []schema.Granted) bool { return len(list) > 0 }) || p.AnythingGranted() ||
		p.Together > 0 && len(liveNodes(p)) >= p.Together {
		b.Gathers = 0
		return b, false
	}
	if b.Gathers == 0 {
		b.Gathers = p.Now
	}
	moment := gatherOne
	if len(p.Nodes) > 1 {
		moment = round.GatherMany
	}
	until := min(max(p.Began, b.Changed)+moment, b.Gathers+maxGather)
	if p.Now >= until {
		return b, false
	}
	draft.RequeueAt(until)
	return b, true
}

// liveNodes returns the members that live, in the order of the placement.
func liveNodes(p *Placement) []string {
	live := make([]string, 0, len(p.Nodes))
	for n, memberID := range p.Nodes {
		if !p.In.Nodes[n].Gone {
			live = append(live, memberID)
		}
	}
	return live
}
