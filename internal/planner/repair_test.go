package planner_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// mixed draws a small world of workers that weigh 1 to 7 on nodes with capacities and labels.
func mixed(r *rand.Rand) planner.Input {
	var in planner.Input
	nodes, tasks := 2+r.IntN(3), 2+r.IntN(3)
	for n := range nodes {
		node := limited(node(fmt.Sprintf("n%d", n), "w"), 4+r.IntN(12))
		node.Labels, node.Leader = cluster.Labels{}, n == 0
		if r.IntN(2) == 0 {
			node.Labels["gpu"] = "true"
		}
		node.Cordoned = r.IntN(10) == 0
		in.Nodes = append(in.Nodes, node)
	}
	for t := range tasks {
		spec := cluster.TaskSpec{Name: fmt.Sprintf("t%d", t), WorkName: "w", WorkerNum: 1 + r.IntN(4), Weight: 1 + r.IntN(7)}
		if r.IntN(4) == 0 {
			spec.Require = "gpu"
		}
		if r.IntN(6) == 0 {
			spec.Prefer = "gpu=true"
		}
		if r.IntN(5) == 0 {
			spec.MaxPerNode = 1 + r.IntN(2)
		}
		task := planner.Task{Spec: spec}
		for range spec.WorkerNum {
			task.Current = append(task.Current, int32(r.IntN(nodes+1))-1)
		}
		in.Tasks = append(in.Tasks, task)
	}
	return in
}

// weighAndSpread makes nodes weigh differently, puts them into zones, and spreads some tasks over these.
func weighAndSpread(in planner.Input, r *rand.Rand) {
	for n := range in.Nodes {
		in.Nodes[n].Weight = 1 + r.IntN(3)
		in.Nodes[n].Labels["zone"] = strconv.Itoa(r.IntN(2))
	}
	for t := range in.Tasks {
		if r.IntN(2) == 0 {
			in.Tasks[t].Spec.Spread = "zone"
		}
		if r.IntN(2) == 0 {
			in.Tasks[t].Spec.Weight = 1
		}
	}
}

// mostPlaced returns the least number of workers without a place that any table of a small world has. It is
// independent of the planner.
func mostPlaced(in planner.Input, have table) int {
	free := make([]int, len(in.Nodes))
	for n := range in.Nodes {
		free[n] = in.Nodes[n].Capacity
	}
	best, out := 1<<30, 0
	var rec func(t, n, left int)
	rec = func(t, n, left int) {
		switch {
		case out >= best:
			return
		case t == len(in.Tasks):
			best = out
			return
		case n == len(in.Nodes):
			next := 0
			if t+1 < len(in.Tasks) {
				next = in.Tasks[t+1].Spec.WorkerNum
			}
			out += left
			rec(t+1, 0, next)
			out -= left
			return
		}
		spec, node := in.Tasks[t].Spec, &in.Nodes[n]
		most := min(left, free[n]/spec.Cost())
		if spec.MaxPerNode > 0 {
			most = min(most, spec.MaxPerNode)
		}
		if node.Cordoned || node.Draining {
			most = min(most, have[t][n])
		}
		if planner.Fits(node, spec).Code != "" {
			most = 0
		}
		for x := most; x >= 0; x-- {
			free[n] -= x * spec.Cost()
			rec(t, n+1, left-x)
			free[n] += x * spec.Cost()
		}
	}
	rec(0, 0, in.Tasks[0].Spec.WorkerNum)
	return best
}

// No more workers could have a place than have one: against exact search. REPAIR_WORLDS=20000 tries as many worlds.
func TestRepairAgainstExactSearch(t *testing.T) {
	worlds := 2000
	if n, err := strconv.Atoi(os.Getenv("REPAIR_WORLDS")); err == nil {
		worlds = n
	}
	misses, restless, short := 0, 0, 0
	for i := range worlds {
		r := rand.New(rand.NewPCG(20, uint64(i)))
		in := mixed(r)
		if i%2 == 1 {
			weighAndSpread(in, r)
		}
		have := tabulate(in, func(t int) []int32 { return in.Tasks[t].Current })
		plan := planner.Make(in)
		got := tabulate(in, func(t int) []int32 { return plan.Target[t] })
		cost, ok := judge(in, have, got)
		if !ok {
			t.Fatalf("world %d: the plan breaks a constraint: %v", i, got)
		}
		least := mostPlaced(in, have)
		if least > 0 {
			short++
		}
		if cost[0] != least {
			misses++
			if misses <= 3 {
				t.Errorf("world %d: %d workers without a place, %d by exact search\n%+v\nplan %v", i, cost[0], least, in, got)
			}
		}
		if n := settles(t, in, plan); n > 0 {
			restless++
		}
	}
	if misses > 0 {
		t.Errorf("%d misses in %d worlds", misses, worlds)
	}
	if restless > worlds/500+1 {
		t.Errorf("%d of %d clusters move again once they are as planned", restless, worlds)
	}
	t.Logf("%d worlds, in %d of them not all fit; %d misses, %d move again", worlds, short, misses, restless)
}

// settles carries plans out until nothing moves, and returns how many times something moved. Every further plan is
// strictly better than the placement before it, so they end.
func settles(t *testing.T, in planner.Input, plan planner.Plan) int {
	const most = 6
	for round := range most {
		in = adopt(in, plan)
		plan = planner.Make(in)
		if moves(in, plan) == 0 {
			return round
		}
	}
	t.Errorf("plan %d of a cluster that is as planned still moves something", most)
	return most
}

// nearlyFull makes 100 nodes that are filled to 95 % of their capacity, and takes all places away.
func nearlyFull(r *rand.Rand) planner.Input {
	var in planner.Input
	const tasks = 30
	for t := range tasks {
		in.Tasks = append(in.Tasks, planner.Task{Spec: cluster.TaskSpec{Name: fmt.Sprintf("t%02d", t), WorkName: "w", Weight: 1 + t%7}})
		if t%5 == 4 {
			in.Tasks[t].Spec.Require = "gpu"
		}
	}
	for n := range 100 {
		node := planner.Node{Name: fmt.Sprintf("n%03d", n), Works: []string{"w"}, Capacity: 20 + r.IntN(41), Labels: cluster.Labels{}}
		if r.IntN(2) == 0 {
			node.Labels["gpu"] = "true"
		}
		in.Nodes = append(in.Nodes, node)
		for left := node.Capacity * 95 / 100; left > 0; {
			spec := &in.Tasks[r.IntN(tasks)].Spec
			if spec.Cost() <= left && planner.Fits(&node, *spec).Code == "" {
				left -= spec.Cost()
				spec.WorkerNum++
			}
		}
	}
	for t := range in.Tasks {
		for range in.Tasks[t].Spec.WorkerNum {
			in.Tasks[t].Current = append(in.Tasks[t].Current, planner.Nobody)
		}
	}
	return in
}

// Lighter workers make room for a heavier one, with the fewest moves.
func TestRoomIsMadeForAHeavierOne(t *testing.T) {
	heavy := change(task("a", 1), func(s *cluster.TaskSpec) { s.Weight = 5 })
	light := func(owner ...int32) planner.Task { return task("b", len(owner), owner...) }
	n1, n2 := limited(node("n1", "a", "b"), 10), limited(node("n2", "a", "b"), 10)
	pairs := change(task("a", 2, 0, 0), func(s *cluster.TaskSpec) { s.Weight = 5 })
	twos := change(task("b", 5), func(s *cluster.TaskSpec) { s.Weight = 2 })
	for _, c := range []struct {
		name  string
		in    planner.Input
		moves int
	}{
		{"from nothing", planner.Input{Nodes: []planner.Node{n1, n2}, Tasks: []planner.Task{
			change(task("a", 2), func(s *cluster.TaskSpec) { s.Weight = 5 }), light(-1, -1, -1, -1, -1),
			change(task("c", 1), func(s *cluster.TaskSpec) { s.Weight, s.WorkName = 5, "a" })}}, 0},
		{"one light one is in the way", planner.Input{Nodes: []planner.Node{n1, n2}, Tasks: []planner.Task{
			heavy, light(0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1)}}, 1},
		{"a heavy one that runs stays", planner.Input{Nodes: []planner.Node{n1, n2}, Tasks: []planner.Task{pairs, twos}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := planner.Make(c.in)
			for i, target := range plan.Target {
				for k, n := range target {
					if n == planner.Nobody {
						t.Errorf("%s#%d has no place: %s", c.in.Tasks[i].Spec.Name, k, plan.Unplaced[i])
					}
				}
			}
			if got := moves(c.in, plan); got != c.moves {
				t.Errorf("%d moves, want %d", got, c.moves)
			}
		})
	}
}

// Where nodes weigh differently, a worker that is spread over zones makes way for one that fits on one node only.
func TestWorkersMakeWayAcrossZones(t *testing.T) {
	for _, weight := range []int{1, 2} {
		for _, key := range []string{"", "zone"} {
			for _, owner := range [][]int32{{planner.Nobody, planner.Nobody}, {0, 1}} {
				n0, n1 := weighs(with(node("n0", "a", "b"), "zone", "x"), weight), limited(node("n1", "a", "b"), 1)
				n1.Labels = cluster.Labels{"zone": "y", "gpu": "true"}
				in := planner.Input{Nodes: []planner.Node{n0, n1}, Tasks: []planner.Task{
					change(task("a", 2, owner...), func(s *cluster.TaskSpec) { s.Spread = key }),
					change(task("b", 1), func(s *cluster.TaskSpec) { s.Require = "gpu" })}}
				plan := planner.Make(in)
				if diff := cmp.Diff([][]int32{{0, 0}, {1}}, plan.Target); diff != "" {
					t.Errorf("n0 weighs %d, spread over %q, a is on %v: target (-want +got)\n%s", weight, key, owner, diff)
				}
			}
		}
	}
}

// crowd adds three workers to every task, more than fit.
func crowd(in planner.Input) planner.Input {
	in.Tasks = slices.Clone(in.Tasks)
	for t := range in.Tasks {
		task := &in.Tasks[t]
		task.Spec.WorkerNum += 3
		task.Current = append(slices.Clone(task.Current), planner.Nobody, planner.Nobody, planner.Nobody)
	}
	return in
}

// On nodes that are nearly full every worker has a place where they fit by construction.
func TestNearlyFullFleet(t *testing.T) {
	worlds := 5
	if n, err := strconv.Atoi(os.Getenv("REPAIR_FLEETS")); err == nil {
		worlds = n
	}
	out, restless, crowded := 0, 0, 0
	for i := range worlds {
		in := nearlyFull(rand.New(rand.NewPCG(95, uint64(i))))
		plan := planner.Make(in)
		for k, target := range plan.Target {
			for _, n := range target {
				if n == planner.Nobody {
					out++
					t.Errorf("fleet %d: a worker of weight %d has no place: %s", i, in.Tasks[k].Spec.Cost(), plan.Unplaced[k])
				}
			}
		}
		if settles(t, in, plan) > 0 {
			restless++
		}
		full := crowd(adopt(in, plan))
		if settles(t, full, planner.Make(full)) > 0 {
			crowded++
		}
	}
	t.Logf("%d fleets: %d without a place, %d move again; %d do where more are wanted than fit", worlds, out, restless, crowded)
}
