package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// problem is slots to be placed on nodes.
type problem struct {
	slots, nodes, tasks int
	variant             string
}

func (p problem) String() string {
	return fmt.Sprintf("%d slots of %d tasks on %d nodes, %s", p.slots, p.tasks, p.nodes, p.variant)
}

func problems(most int) []problem {
	var list []problem
	for _, size := range []struct{ slots, nodes int }{{1_000, 10}, {10_000, 100}, {100_000, 1_000}, {1_000_000, 10_000}} {
		if size.slots > most {
			continue
		}
		for _, tasks := range []int{1, 100} {
			for _, variant := range []string{"plain", "weights", "zones", "labels"} {
				list = append(list, problem{size.slots, size.nodes, tasks, variant})
			}
		}
	}
	return list
}

// change is what happens to a world that was planned before.
type change struct {
	name  string
	steps int
	do    func(w *world, step int)
}

var changes = []change{
	{"initial", 1, func(*world, int) {}},
	{"leave1", 1, func(w *world, _ int) { w.leave(1) }},
	{"join1", 1, func(w *world, _ int) { w.join() }},
	{"leave10%", 1, func(w *world, _ int) { w.leave(len(w.live) / 10) }},
	{"chain50", 50, func(w *world, _ int) {
		if w.dice.IntN(2) == 0 && len(w.live) > 2 {
			w.leave(1)
		} else {
			w.join()
		}
	}},
}

// node is a node that there was at some time; its id is its index in world.nodes.
type node struct {
	name, zone string
	weight     int
	gpu        bool
}

// world is a cluster and its present plan.
type world struct {
	problem
	nodes []node
	live  []int32   // ids, by name
	names []string  // of tasks
	owner [][]int32 // by task and slot: id, or -1
	fresh []int32   // ids that joined with the last change
	gone  map[int32]bool
	dice  *rand.Rand
}

func newWorld(p problem) *world {
	w := &world{problem: p, dice: rand.New(rand.NewPCG(uint64(p.slots), uint64(p.tasks))), gone: map[int32]bool{}}
	for range p.nodes {
		w.join()
	}
	w.fresh = nil
	for t := range p.tasks {
		w.names = append(w.names, fmt.Sprintf("task-%03d", t))
		w.owner = append(w.owner, slices.Repeat([]int32{-1}, p.slots/p.tasks))
	}
	return w
}

func (w *world) join() {
	id := int32(len(w.nodes))
	n := node{name: fmt.Sprintf("node-%05d", id), weight: 1, zone: fmt.Sprintf("zone-%d", id%5), gpu: id%2 == 0}
	if w.variant == "weights" {
		n.weight = []int{1, 2, 4}[id%3]
	}
	w.nodes = append(w.nodes, n)
	w.live = append(w.live, id)
	w.fresh, w.gone = []int32{id}, map[int32]bool{}
}

func (w *world) leave(count int) {
	w.fresh, w.gone = nil, map[int32]bool{}
	for range count {
		at := w.dice.IntN(len(w.live))
		w.gone[w.live[at]] = true
		w.live = slices.Delete(w.live, at, at+1)
	}
}

// owners returns the plan before a change.
func (w *world) owners() [][]int32 { return slices.Clone(w.owner) }

// needsGPU reports whether a task may run on every other node only.
func (w *world) needsGPU(task int) bool { return w.variant == "labels" && task%2 == 0 }

func (w *world) mayRun(task int, n int32) bool { return !w.needsGPU(task) || w.nodes[n].gpu }

// moved counts the slots that are not where they were, and what no plan can do with less that
// spreads every task: see bound.
func (w *world) moved(old [][]int32) (moves, bound int) {
	for t := range old {
		for i, from := range old[t] {
			if from >= 0 && w.owner[t][i] != from {
				moves++
			}
		}
	}
	return moves, w.bound(old)
}

// bound is the least number of moves. Of each task that is what has to leave a node that is gone or
// has more than its share rounded up, or what has to come to nodes that have less than their share
// rounded down, whichever is more; and over all tasks the same of the nodes' ideal loads.
func (w *world) bound(old [][]int32) (bound int) {
	have, total := make([]int, len(w.nodes)), make([]int, len(w.nodes))
	gone, first := 0, true
	for t := range old {
		clear(have)
		lost := 0
		for _, n := range old[t] {
			switch {
			case n < 0:
				continue
			case w.gone[n]:
				lost++
			default:
				have[n]++
				total[n]++
			}
			first = false
		}
		out, in := lost, 0
		for n, share := range w.shares(t) {
			out += max(0, have[n]-share.high)
			in += max(0, share.low-have[n])
		}
		bound += max(out, in)
		gone += lost
	}
	if first {
		return bound
	}
	out, in := gone, 0
	ideals := w.ideals()
	for n, ideal := range ideals {
		out += max(0, total[n]-int(math.Ceil(ideal-1e-6)))
		in += max(0, int(ideal+1e-6)-total[n])
	}
	if w.variant == "labels" { // what is ideal for others than newcomers depends on both kinds of tasks
		out, in = gone, 0
		for _, n := range w.fresh {
			in += int(ideals[n] + 1e-6)
		}
	}
	return max(bound, out, in)
}

// share is what spreading a task lets a node have.
type share struct{ low, high int }

// shares returns every live node's share of a task, by weight, of a task that is spread over zones
// by weight within its zone.
func (w *world) shares(task int) map[int32]share {
	weights := map[string]float64{}
	for _, n := range w.live {
		if w.mayRun(task, n) {
			weights[w.zoneOf(n)] += float64(w.nodes[n].weight)
		}
	}
	slots, zones := float64(len(w.owner[task])), float64(len(weights))
	list := make(map[int32]share, len(w.live))
	for _, n := range w.live {
		if w.mayRun(task, n) {
			part := float64(w.nodes[n].weight) / weights[w.zoneOf(n)]
			list[n] = share{int(math.Floor(slots/zones)*part + 1e-9), int(math.Ceil(math.Ceil(slots/zones)*part - 1e-9))}
		}
	}
	return list
}

// zoneOf is the zone over which tasks are spread, "" if they are not.
func (w *world) zoneOf(n int32) string {
	if w.variant == "zones" {
		return w.nodes[n].zone
	}
	return ""
}

// ideals returns every live node's ideal load: of each task its share by weight, of a task that is
// spread over zones its share of its zone's.
func (w *world) ideals() map[int32]float64 {
	ideal := make(map[int32]float64, len(w.live))
	kinds := map[bool]int{} // slots of tasks that need a GPU, and of others
	for t := range w.owner {
		kinds[w.needsGPU(t)] += len(w.owner[t])
	}
	for gpu, slots := range kinds {
		weights, zones := map[string]float64{}, map[string]bool{}
		for _, n := range w.live {
			if !gpu || w.nodes[n].gpu {
				weights[w.zoneOf(n)] += float64(w.nodes[n].weight)
				zones[w.zoneOf(n)] = true
			}
		}
		for _, n := range w.live {
			if !gpu || w.nodes[n].gpu {
				ideal[n] += float64(slots) / float64(len(zones)) * float64(w.nodes[n].weight) / weights[w.zoneOf(n)]
			}
		}
	}
	return ideal
}

// balance returns how even the plan is.
func (w *world) balance() (spread, maxOverMean float64) {
	load := make(map[int32]float64, len(w.live))
	for _, owner := range w.owner {
		for _, n := range owner {
			load[n]++
		}
	}
	low, high := math.Inf(1), 0.0
	for n, ideal := range w.ideals() {
		low, high = min(low, load[n]), max(high, load[n])
		maxOverMean = max(maxOverMean, load[n]/max(ideal, 1))
		if w.variant != "plain" && w.variant != "labels" {
			spread = max(spread, math.Abs(load[n]-ideal))
		}
	}
	if w.variant == "plain" {
		spread = high - low
	}
	if w.variant == "labels" {
		spread = w.labelSpread()
	}
	return spread, maxOverMean
}

// labelSpread is the greatest difference of two nodes' shares of one task, where not every node
// may run it.
func (w *world) labelSpread() (spread float64) {
	for t, owner := range w.owner {
		share := make([]float64, len(w.nodes))
		for _, n := range owner {
			share[n]++
		}
		low, high := math.Inf(1), 0.0
		for _, n := range w.live {
			if w.mayRun(t, n) {
				low, high = min(low, share[n]), max(high, share[n])
			}
		}
		spread = max(spread, high-low)
	}
	return spread
}

// check refuses a plan that is none.
func (w *world) check() error {
	live := make([]bool, len(w.nodes))
	for _, n := range w.live {
		live[n] = true
	}
	for t, owner := range w.owner {
		for i, n := range owner {
			if n < 0 || !live[n] || !w.mayRun(t, n) {
				return fmt.Errorf("slot %d of task %d is on node %d, which cannot have it", i, t, n)
			}
		}
	}
	return nil
}
