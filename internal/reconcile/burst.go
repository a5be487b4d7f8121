package reconcile

import (
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Burst is what a leader remembers of nodes that come and go one soon after the other.
type Burst struct {
	// Nodes identifies the nodes at the last decision, Changed is when they last changed, and Held
	// since when moves for balance are held for a burst of changes to end, 0 if they are not.
	Nodes         string
	Changed, Held time.Duration
	// Gathers is since when grants wait for the nodes of a cluster that starts, 0 if they do not.
	Gathers time.Duration
}

// next takes in which nodes there are, and reports whether they come and go so fast that moves for comfort wait.
func (b Burst) next(p *placement, c *commit) (next Burst, hold bool) {
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
func (b Burst) gather(p *placement, free [][]schema.Granted, c *commit) (next Burst, wait bool) {
	if !slices.ContainsFunc(free, func(list []schema.Granted) bool { return len(list) > 0 }) || p.anythingGranted() {
		b.Gathers = 0
		return b, false
	}
	if b.Gathers == 0 {
		b.Gathers = p.Now
	}
	gather := gatherOne
	if len(p.nodes) > 1 {
		gather = gatherMany
	}
	until := min(max(p.Began, b.Changed)+gather, b.Gathers+maxGather)
	if p.Now >= until {
		return b, false
	}
	c.requeueAt(until)
	return b, true
}
