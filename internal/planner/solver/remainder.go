package solver

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// none stands for no node.
const none int32 = -1

// rounding decides which nodes round up: which of them get the slots of each remainder.
type rounding struct {
	*model.Matrix
	headroom     []int64 // by node: its target load minus its load, times scale; negative if it carries too much
	mayTakeExtra []bool  // by node: may take one remainder slot beyond its headroom; nil if remainder slots cost differently
	retainable   []int64 // by node: remainder slots that it has now and may retain
	order        []int32 // scratch
}

// newRounding finds the headroom of every node. The filling is nil without remainders.
func newRounding(m *model.Matrix, w *model.WaterFilling) *rounding {
	r := &rounding{Matrix: m, headroom: m.Space.Amounts(m.NodeCount), retainable: m.Space.Amounts(m.NodeCount)}
	if w == nil {
		return r
	}
	for i := range m.Remainders {
		for _, n := range m.Remainders[i].Nodes {
			if r.mayRetain(&m.Remainders[i], n) {
				r.retainable[n]++
			}
		}
	}
	for n := range r.headroom {
		r.headroom[n] = m.TargetLoad[n] - m.Load[n]*model.Scale
	}
	if w.EqualCosts {
		r.roundHeadroom(w)
	}
	return r
}

// roundHeadroom rounds headrooms to whole remainder slots that add up to those of each component. Nodes that can retain one
// more slot round up first. Which other nodes round up is left open: these may take one extra slot.
func (r *rounding) roundHeadroom(w *model.WaterFilling) {
	left := make([]int64, len(w.Demands)) // by component: remainder slots beyond the headrooms
	component := slices.Repeat([]int{-1}, r.NodeCount)
	for _, d := range w.Demands {
		left[d.Component] += d.Cost / r.Quantum
		for _, n := range d.Nodes {
			component[n] = d.Component
		}
	}
	step := r.Quantum * model.Scale
	candidates := r.order[:0] // those with a fraction
	for n := range r.headroom {
		if component[n] < 0 {
			continue
		}
		tolerance := r.Nodes[n].Weight*2 + 64 // levels are rounded down
		whole := (r.headroom[n] + tolerance) / step
		if r.headroom[n]-whole*step > tolerance && r.Load[n]+(whole+1)*r.Quantum <= w.MaxLoad[n] {
			candidates = append(candidates, int32(n))
		}
		r.headroom[n] = whole // in slots, up to the end of this function
		left[component[n]] -= whole
	}
	r.order = candidates
	retainsMore := func(n int32) bool { return r.retainable[n] > r.headroom[n] }
	slices.SortStableFunc(candidates, func(a, b int32) int {
		return cmp.Or(model.CompareBools(retainsMore(b), retainsMore(a)), model.CompareBools(r.Nodes[a].Spared, r.Nodes[b].Spared))
	})
	r.mayTakeExtra = make([]bool, r.NodeCount)
	for _, n := range candidates {
		switch {
		case left[component[n]] <= 0:
		case retainsMore(n):
			r.headroom[n]++
			left[component[n]]--
		default:
			r.mayTakeExtra[n] = true
		}
	}
	for n := len(r.headroom) - 1; n >= 0; n-- { // where the tolerance rounded up too many
		if component[n] >= 0 && left[component[n]] < 0 && r.headroom[n] > 0 {
			r.headroom[n]--
			left[component[n]]++
		}
	}
	for n := range r.headroom {
		r.headroom[n] *= step
	}
}

// assign gives a node one slot of a remainder.
func (r *rounding) assign(rem *model.Remainder, n int32) {
	cell, cost := rem.Task*r.NodeCount+int(n), r.Tasks[rem.Task].Cost
	r.Rounded[cell] |= model.RoundedUp
	r.Share[cell]++
	r.Load[n] += cost
	r.headroom[n] -= cost * model.Scale
	rem.Left--
}

// unassign takes a node's slot of a remainder away.
func (r *rounding) unassign(rem *model.Remainder, n int32) {
	cell, cost := rem.Task*r.NodeCount+int(n), r.Tasks[rem.Task].Cost
	r.Rounded[cell] &^= model.RoundedUp
	r.Share[cell]--
	r.Load[n] -= cost
	r.headroom[n] += cost * model.Scale
	rem.Left++
}

// canTake reports whether a node can take a slot of a remainder.
func (r *rounding) canTake(rem *model.Remainder, n int32) bool {
	flags := r.Rounded[rem.Task*r.NodeCount+int(n)] & (model.MayRoundUp | model.RoundedUp)
	return flags == model.MayRoundUp && r.FreeCapacity(n) >= r.Tasks[rem.Task].Cost
}

// mayRetain reports whether a node has a slot of a remainder now, about which nothing is decided yet.
func (r *rounding) mayRetain(rem *model.Remainder, n int32) bool {
	cell := rem.Task*r.NodeCount + int(n)
	return r.Rounded[cell] == model.MayRoundUp && r.Current[cell] > r.Share[cell]
}

// transfer passes remainder slots from nodes that have more of them than they should retain to nodes with headroom, each slot
// of another task where possible. Otherwise a task could be left with many slots that only few nodes can take.
func (r *rounding) transfer() {
	const budget = 5_000_000
	if r.mayTakeExtra == nil {
		return // if slots cost differently, their number means little; augmenting paths even the loads out
	}
	shortage := func(n int32) int64 { return r.headroom[n]/(r.Quantum*model.Scale) - r.retainable[n] }
	var receivers []int32
	for n := range int32(r.NodeCount) {
		if shortage(n) > 0 {
			receivers = append(receivers, n)
		}
	}
	next, spent := 0, 0 // next is the remainder to go on with
	for from := range int32(r.NodeCount) {
		failed := 0 // remainders in a row of which nothing could be passed on
		for shortage(from) < 0 && len(receivers) > 0 && failed < len(r.Remainders) && spent < budget {
			rem := &r.Remainders[next]
			next = (next + 1) % len(r.Remainders)
			spent++
			failed++
			if !r.mayRetain(rem, from) || rem.Left == 0 {
				continue
			}
			spent += len(receivers)
			at := r.receiver(rem, from, receivers)
			if at < 0 {
				continue
			}
			to := receivers[at]
			r.Rounded[rem.Task*r.NodeCount+int(from)] |= model.Transferred
			r.retainable[from]--
			r.assign(rem, to)
			if shortage(to) <= 0 {
				receivers = slices.Delete(receivers, at, at+1)
			}
			failed = 0
		}
	}
}

// receiver returns the position of the first node that a slot of a remainder can be passed to, -1 if there is none.
func (r *rounding) receiver(rem *model.Remainder, from int32, receivers []int32) int {
	return slices.IndexFunc(receivers, func(to int32) bool {
		return rem.Zone == r.Tasks[rem.Task].Eligible.Zone[to] && r.canTake(rem, to) && !r.mayRetain(rem, to) && r.evensOut(from, to)
	})
}

// evensOut reports whether loads become more even if one node passes a remainder slot to another.
func (r *rounding) evensOut(from, to int32) bool {
	a := r.Excess(from, r.Load[from]+r.retainable[from]*r.Quantum)
	b := r.Excess(to, r.Load[to]+r.retainable[to]*r.Quantum)
	step := r.Quantum * model.Scale
	return a-b > step && (r.EqualWeights || a >= step || b <= -step)
}

// retain leaves remainder slots where they are.
func (r *rounding) retain() {
	for i := range r.Remainders {
		r.retainRemainder(&r.Remainders[i])
	}
}

// retainRemainder leaves the slots of a remainder where they are. If there are fewer than before, nodes that retain most
// beyond their headroom give theirs up, and a spared node gives up its slot before others like it.
func (r *rounding) retainRemainder(rem *model.Remainder) {
	last, quota := r.retainLimit(rem)
	consider := func(n int32) {
		surplus := r.surplusBucket(rem, n)
		r.retainable[n]--
		if !r.canTake(rem, n) || surplus > last || surplus == last && quota == 0 {
			return
		}
		if surplus == last {
			quota--
		}
		r.assign(rem, n)
	}
	spared := none
	for _, n := range rem.Nodes {
		switch {
		case !r.mayRetain(rem, n):
		case r.Nodes[n].Spared:
			spared = n
		default:
			consider(n)
		}
	}
	if spared != none {
		consider(spared)
	}
}

// surplusBuckets is the number of surpluses that are distinguished.
const surplusBuckets = 64

// surplusBucket returns how many slots a node would retain beyond its headroom, as a number from 0 on. The middle is none.
func (r *rounding) surplusBucket(rem *model.Remainder, n int32) int {
	slots := r.headroom[n] / model.Scale
	if cost := r.Tasks[rem.Task].Cost; cost > 1 {
		slots = r.headroom[n] / (cost * model.Scale)
	}
	surplus := r.retainable[n] - slots
	return int(min(max(surplus+surplusBuckets/2, 0), surplusBuckets-1))
}

// retainLimit finds the nodes that may retain a slot of a remainder: all nodes in the buckets before last, and quota nodes
// of that one.
func (r *rounding) retainLimit(rem *model.Remainder) (last int, quota int64) {
	var sizes [surplusBuckets]int64
	for _, n := range rem.Nodes {
		if r.mayRetain(rem, n) && r.canTake(rem, n) {
			sizes[r.surplusBucket(rem, n)]++
		}
	}
	quota = rem.Left
	for bucket, size := range sizes {
		if quota < size {
			return bucket, quota
		}
		quota -= size
	}
	return surplusBuckets, quota
}

// distribute gives the remainder slots that are left to the nodes with most headroom. Where the nodes with headroom cannot
// take a slot of the task, an augmenting path makes way for it.
func (r *rounding) distribute(paths *augmentingPaths) {
	const few = 4 // slots for which the best node is looked up one by one
	initial := slices.Clone(r.headroom)
	for i := range r.Remainders {
		rem := &r.Remainders[i]
		if rem.Left > few {
			r.distributeMany(rem, paths, initial, len(r.Remainders)-1-i)
		}
		for rem.Left > 0 {
			best := none
			for _, n := range rem.Nodes {
				if r.canTake(rem, n) && (best == none || r.precedes(n, best)) {
					best = n
				}
			}
			if best == none {
				r.Unplaced[rem.Task] += rem.Left // no capacity now; cycle canceling may find some
				break
			}
			if r.availableHeadroom(best) > 0 || !paths.makeWay(rem) {
				r.assignExtra(rem, best)
				paths.record(rem, best)
			}
		}
	}
}

// distributeMany distributes many slots of one remainder; toCome is the number of remainders after it. Nodes take part in
// the course of all remainders in turn, each as often as its headroom allows. If nodes with most headroom always came
// first, all nodes of a kind would get slots of the same tasks, and could not take slots from each other later.
func (r *rounding) distributeMany(rem *model.Remainder, paths *augmentingPaths, initial []int64, toCome int) {
	r.order = r.order[:0]
	for _, n := range rem.Nodes {
		if r.canTake(rem, n) && r.availableHeadroom(n) > 0 {
			r.order = append(r.order, n)
		}
	}
	due := func(n int32) int64 {
		return r.availableHeadroom(n) - initial[n]/int64(len(r.Remainders))*int64(toCome) + r.Quantum*stagger(n)
	}
	slices.SortFunc(r.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(due(b), due(a)), model.CompareBools(r.Nodes[a].Spared, r.Nodes[b].Spared), cmp.Compare(a, b))
	})
	for _, n := range r.order[:min(int(rem.Left), len(r.order))] {
		r.assignExtra(rem, n)
		paths.record(rem, n)
	}
}

// stagger spreads nodes evenly over one slot, so that they do not all take part in the same turns. It uses multiples of the
// golden ratio, as Fibonacci hashing does.
func stagger(n int32) int64 { return int64(uint32(n)*2654435769) >> 12 }

// precedes reports whether node a gets a remainder slot before node b.
func (r *rounding) precedes(a, b int32) bool {
	if inA, inB := r.availableHeadroom(a), r.availableHeadroom(b); inA != inB {
		return inA > inB
	}
	return r.Nodes[b].Spared && !r.Nodes[a].Spared
}

// availableHeadroom returns the headroom of a node. A node without any that may take an extra slot comes right after those that have
// some.
func (r *rounding) availableHeadroom(n int32) int64 {
	if r.extraLeft(n) {
		return 1
	}
	return r.headroom[n]
}

// extraLeft reports whether a node has used up its headroom, and may still take one extra slot.
func (r *rounding) extraLeft(n int32) bool {
	return r.headroom[n] == 0 && r.mayTakeExtra != nil && r.mayTakeExtra[n]
}

// assignExtra gives a node a slot of a remainder, which is its extra slot if it has no headroom.
func (r *rounding) assignExtra(rem *model.Remainder, n int32) {
	if r.extraLeft(n) {
		r.mayTakeExtra[n] = false
		r.headroom[n] += r.Quantum * model.Scale
	}
	r.assign(rem, n)
}
