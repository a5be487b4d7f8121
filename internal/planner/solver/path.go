package solver

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// augmentingPaths finds chains of nodes, each of which takes a remainder slot and passes another one on, down to a
// node that carries too little. Such an augmenting path evens the loads out, and where none exists, loads are as even as they
// can be. Paths are found by breadth-first searches.
type augmentingPaths struct {
	*rounding
	received [][]*model.Remainder // by node: remainder slots that it got and does not have now; passing them on moves nothing further
	pred     []int32              // by node: the node before it on the path, none at its start
	via      []*model.Remainder   // by node: the slot that it gets along the path
	visited  []int32              // by node: the search that reached it last
	expanded []int32              // by remainder: the search in which all nodes that can take a slot of it were reached
	search   int32
	isEnd    func(n int32) bool // of the search: whether a path may end with a node
	queue    []int32
	head     int // of the queue: the next node
	budget   int
}

// pathBudget bounds the steps of all searches for augmenting paths.
const pathBudget = 50_000_000

func newAugmentingPaths(r *rounding) *augmentingPaths {
	return &augmentingPaths{
		rounding: r, received: make([][]*model.Remainder, r.NodeCount),
		pred: r.Space.Numbers(r.NodeCount), via: make([]*model.Remainder, r.NodeCount),
		visited: r.Space.Numbers(r.NodeCount), expanded: make([]int32, len(r.Remainders)), budget: pathBudget,
	}
}

// record remembers a remainder slot that a node got and does not have now.
func (p *augmentingPaths) record(rem *model.Remainder, n int32) {
	if cell := rem.Task*p.NodeCount + int(n); p.Current[cell] < p.Share[cell] {
		p.received[n] = append(p.received[n], rem)
	}
}

// makeWay places one more slot of a remainder by an augmenting path, if possible by one that moves nothing further.
func (p *augmentingPaths) makeWay(rem *model.Remainder) bool {
	for _, moveless := range []bool{true, false} {
		p.begin(func(n int32) bool { return p.availableHeadroom(n) > 0 })
		for _, n := range rem.Nodes {
			if p.canTake(rem, n) {
				p.visit(n, none, rem)
			}
		}
		if p.augmentFirst(moveless) {
			return true
		}
	}
	return false
}

// balance passes remainder slots on from nodes that carry more to nodes that carry less, until no path is left.
func (p *augmentingPaths) balance() {
	if p.Quantum == 0 {
		return
	}
	for _, moveless := range []bool{true, false} {
		for p.balanceOnce(moveless) {
		}
	}
}

// balanceOnce finds one path that evens the loads out.
func (p *augmentingPaths) balanceOnce(moveless bool) bool {
	step := p.Quantum * model.Scale
	if !p.EqualWeights {
		return p.augmentBetween(moveless, func(x int64) bool { return x >= step }, func(x int64) bool { return x < 0 }) ||
			p.augmentBetween(moveless, func(x int64) bool { return x > 0 }, func(x int64) bool { return x <= -step })
	}
	excess := func(n int32) int64 { return p.Excess(n, p.Load[n]) }
	// Paths start from the fullest nodes first. A node that the search reached from fuller nodes in vain is useless to less
	// full ones as well, so it stays visited.
	order := make([]int32, p.NodeCount)
	for n := range order {
		order[n] = int32(n)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(p.Load[b], p.Load[a]) })
	least := excess(order[len(order)-1])
	var level int64
	p.begin(func(n int32) bool { return excess(n) < level-step })
	for i := 0; i < len(order); {
		level = excess(order[i])
		if level-least <= step {
			return false
		}
		for ; i < len(order) && excess(order[i]) == level; i++ {
			if p.visited[order[i]] != p.search {
				p.visit(order[i], none, nil)
			}
		}
		if p.augmentFirst(moveless) {
			return true
		}
	}
	return false
}

// augmentBetween looks for a path from a node whose excess is high to one whose excess is low.
func (p *augmentingPaths) augmentBetween(moveless bool, high, low func(excess int64) bool) bool {
	p.begin(func(n int32) bool { return low(p.Excess(n, p.Load[n])) })
	for n := range int32(p.NodeCount) {
		if high(p.Excess(n, p.Load[n])) {
			p.visit(n, none, nil)
		}
	}
	return len(p.queue) > 0 && p.augmentFirst(moveless)
}

// begin begins a search.
func (p *augmentingPaths) begin(isEnd func(n int32) bool) {
	p.search++
	p.isEnd, p.head = isEnd, 0
	p.queue = p.queue[:0]
}

func (p *augmentingPaths) visit(n, pred int32, via *model.Remainder) {
	p.visited[n], p.pred[n], p.via[n] = p.search, pred, via
	p.queue = append(p.queue, n)
}

// augmentFirst goes on from the nodes that were visited, and augments along the first path that it finds. A moveless search
// passes on only slots that move anyway.
func (p *augmentingPaths) augmentFirst(moveless bool) bool {
	for ; p.head < len(p.queue) && p.budget > 0; p.head++ {
		at := p.queue[p.head]
		if moveless {
			for _, rem := range p.received[at] {
				if p.expand(rem, at) {
					return true
				}
			}
			continue
		}
		for i := range p.Remainders {
			if p.expand(&p.Remainders[i], at) {
				return true
			}
		}
	}
	return false
}

// expand visits the nodes to which a node could pass its slot of a remainder. If a path may end with one of them, expand
// augments along it and returns true.
func (p *augmentingPaths) expand(rem *model.Remainder, at int32) bool {
	p.budget--
	if p.expanded[rem.Index] == p.search || p.Rounded[rem.Task*p.NodeCount+int(at)]&model.RoundedUp == 0 ||
		p.Tasks[rem.Task].Eligible.Zone[at] != rem.Zone {
		return false
	}
	p.budget -= len(rem.Nodes)
	p.expanded[rem.Index] = p.search
	for _, n := range rem.Nodes {
		if p.visited[n] == p.search || !p.canTake(rem, n) {
			continue
		}
		p.visit(n, at, rem)
		if p.isEnd(n) {
			p.augment(n)
			return true
		}
	}
	return false
}

// augment passes remainder slots on along the path that ends with a node.
func (p *augmentingPaths) augment(end int32) {
	for n := end; n != none && p.via[n] != nil; n = p.pred[n] {
		rem := p.via[n]
		if from := p.pred[n]; from != none {
			p.unassign(rem, from)
		}
		p.assignExtra(rem, n)
		p.record(rem, n)
	}
}
