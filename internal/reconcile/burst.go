package reconcile

import (
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A cluster in which nothing runs waits for a moment without a node that comes before it begins, as the first would be
// given everything; for a longer one (gatherMany) where there are several; and this long at most.
const (
	gatherOne = quiet
	maxGather = 5 * time.Second
)

// nextChanges takes in which nodes there are, and reports whether they come and go so fast that moves for comfort wait.
func nextChanges(b NodeChanges, p *placement, c *commit) (next NodeChanges, hold bool) {
	var live []string
	for n, memberID := range p.nodes {
		if !p.in.Nodes[n].Gone {
			live = append(live, memberID)
		}
	}
	switch nodes := strings.Join(live, " "); {
	case b.Nodes == "": // a new leader
		b.Nodes, b.Changed = nodes, p.Now-max(quiet, gatherMany)
	case nodes != b.Nodes:
		if p.Now < b.Changed+quiet && b.Held == 0 {
			b.Held = p.Now
		}
		b.Nodes, b.Changed = nodes, p.Now
	}
	if b.Held == 0 {
		return b, false
	}
	until := min(b.Changed+quiet, b.Held+maxHold)
	if p.Now < until {
		c.requeueAt(until)
		return b, true
	}
	b.Held = 0
	return b, false
}

// gather reports whether grants wait for more nodes to come.
func gather(b NodeChanges, p *placement, free [][]schema.SlotRange, c *commit) (next NodeChanges, wait bool) {
	if !slices.ContainsFunc(free, func(list []schema.SlotRange) bool { return len(list) > 0 }) || p.anythingGranted() {
		b.Gathers = 0
		return b, false
	}
	if b.Gathers == 0 {
		b.Gathers = p.Now
	}
	moment := gatherOne
	if len(p.nodes) > 1 {
		moment = gatherMany
	}
	until := min(max(p.Began, b.Changed)+moment, b.Gathers+maxGather)
	if p.Now >= until {
		return b, false
	}
	c.requeueAt(until)
	return b, true
}
