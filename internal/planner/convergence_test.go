package planner_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// anything draws a small world with every feature.
func anything(r *rand.Rand) planner.Input {
	in := planner.Input{Leader: []cluster.LeaderPolicy{cluster.LeaderLast, cluster.LeaderEqual, cluster.LeaderNone}[r.IntN(3)]}
	one := func(of int) bool { return r.IntN(of) == 0 }
	nodes, tasks, weighted := 1+r.IntN(5), 1+r.IntN(4), one(3)
	lead := r.IntN(nodes)
	for n := range nodes {
		node := planner.Node{Name: fmt.Sprintf("n%d", n), Leader: n == lead, Labels: cluster.Labels{"zone": []string{"x", "y", "z"}[r.IntN(3)]}}
		for _, work := range []string{"w", "v"} {
			if !one(8) {
				node.Works = append(node.Works, work)
			}
		}
		if !one(3) {
			node.Capacity = 1 + r.IntN(14)
		}
		if one(2) {
			node.Labels["gpu"] = "true"
		}
		if weighted {
			node.Weight = r.IntN(4)
		}
		node.Cordoned, node.Draining, node.Gone = one(10), one(10), n != lead && one(8)
		in.Nodes = append(in.Nodes, node)
	}
	for t := range tasks {
		spec := cluster.TaskSpec{Name: fmt.Sprintf("t%d", t), WorkName: []string{"w", "v"}[r.IntN(2)], WorkerNum: r.IntN(6), Weight: r.IntN(8)}
		constrain(&spec, r, 4)
		task := planner.Task{Spec: spec}
		for range spec.WorkerNum {
			task.Current = append(task.Current, int32(r.IntN(nodes+1))-1)
		}
		in.Tasks = append(in.Tasks, task)
	}
	return in
}

// constrain gives a task constraints, each with a chance of one in so many.
func constrain(spec *cluster.TaskSpec, r *rand.Rand, of int) {
	if r.IntN(of) == 0 {
		spec.Require = "gpu"
	}
	if r.IntN(of) == 0 {
		spec.Prefer = "gpu=true"
	}
	if r.IntN(of) == 0 {
		spec.Spread = "zone"
	}
	if r.IntN(of) == 0 {
		spec.MaxPerNode = 1 + r.IntN(3)
	}
}

// medium draws a world whose nodes are filled to so many percent by construction, and takes all places away.
func medium(r *rand.Rand, percent int, weighted bool) planner.Input {
	var in planner.Input
	nodes, tasks := 2+r.IntN(20), 2+r.IntN(14)
	for t := range tasks {
		spec := cluster.TaskSpec{Name: fmt.Sprintf("t%02d", t), WorkName: "w", Weight: 1 + r.IntN(7)}
		constrain(&spec, r, 5)
		in.Tasks = append(in.Tasks, planner.Task{Spec: spec})
	}
	for n := range nodes {
		node := limited(with(node(fmt.Sprintf("n%02d", n), "w"), "zone", fmt.Sprint(n%3)), 4+r.IntN(37))
		node.Leader = n == 0
		if r.IntN(2) == 0 {
			node.Labels["gpu"] = "true"
		}
		if weighted {
			node.Weight = 1 + r.IntN(3)
		}
		in.Nodes = append(in.Nodes, node)
		count := map[int]int{}
		for left, tries := node.Capacity*percent/100, 0; left > 0 && tries < 200; tries++ {
			k := r.IntN(tasks)
			spec := &in.Tasks[k].Spec
			if spec.Cost() <= left && planner.Fits(&node, *spec).Code == "" && (spec.MaxPerNode == 0 || count[k] < spec.MaxPerNode) {
				left -= spec.Cost()
				spec.WorkerNum++
				count[k]++
			}
		}
	}
	for t := range in.Tasks {
		in.Tasks[t].Current = slices.Repeat([]int32{planner.Nobody}, in.Tasks[t].Spec.WorkerNum)
	}
	return in
}

// rests carries plans out until one changes nothing, and returns how many changed something. Each plan must be strictly
// better than the placement before it, provided that this one breaks no constraint and the order does not depend on it. The
// order depends on it for cordoned and draining nodes.
func rests(t *testing.T, name string, in planner.Input) int {
	const most = 12
	steady := !slices.ContainsFunc(in.Nodes, func(n planner.Node) bool { return n.Cordoned || n.Draining })
	for round := range most {
		next := adopt(in, planner.Make(in))
		if slices.EqualFunc(in.Tasks, next.Tasks, func(a, b planner.Task) bool { return slices.Equal(a.Current, b.Current) }) {
			return round
		}
		if before, after := planner.Cost(in), planner.Cost(next); steady && round > 0 && slices.Compare(after, before) >= 0 {
			t.Errorf("%s: plan %d changes something, and what was there cost no more: %v, now %v", name, round, before, after)
			return most
		}
		in = next
	}
	t.Errorf("%s: plan %d still changes something", name, most)
	return most
}

// If nothing happens the planner comes to rest, in worlds of all kinds and in those where it once did not.
// REST_WORLDS=100000 tries as many small ones.
func TestPlannerComesToRest(t *testing.T) {
	worlds := 5000
	if n, err := strconv.Atoi(os.Getenv("REST_WORLDS")); err == nil {
		worlds = n
	}
	rounds := map[int]int{}
	for i := range worlds {
		rounds[rests(t, fmt.Sprintf("small world %d", i), anything(rand.New(rand.NewPCG(34, uint64(i)))))]++
	}
	t.Logf("small worlds by how many plans changed something: %v", rounds)
	rounds = map[int]int{}
	for _, percent := range []int{80, 95, 100} {
		for i := range worlds / 50 {
			in := medium(rand.New(rand.NewPCG(uint64(percent), uint64(i))), percent, i%2 == 0)
			rounds[rests(t, fmt.Sprintf("world %d at %d%%", i, percent), in)]++
		}
	}
	t.Logf("medium worlds: %v", rounds)
}

// Whole numbers of the same kind are all tried: two nodes with little room, and tasks of two weights.
func TestEverySmallWorldComesToRest(t *testing.T) {
	worlds := 0
	for code := range 3 * 3 * 4 * 4 * 4 * 2 * 2 {
		pick := func(of int) (x int) {
			x, code = code%of, code/of
			return x
		}
		a, b := limited(node("n1", "a", "b"), 2+2*pick(3)), limited(node("n2", "a", "b"), 3+pick(3))
		x, y, z := task("a", pick(4)), task("b", pick(4)), task("c", pick(4))
		x.Spec.Weight, z.Spec.Weight, z.Spec.WorkName = 2+pick(2), 3, "a"
		if pick(2) == 1 {
			b.Weight = 2
		}
		in := planner.Input{Nodes: []planner.Node{a, b, limited(node("n3", "a", "b"), 4)}, Tasks: []planner.Task{x, y, z}}
		rests(t, fmt.Sprintf("world %d", worlds), in)
		worlds++
	}
}

func TestRestlessWorldsComeToRest(t *testing.T) {
	all := func(weight, workers int) planner.Task {
		return change(task(fmt.Sprintf("%d×%d", workers, weight), workers), func(s *cluster.TaskSpec) { s.WorkName, s.Weight = "w", weight })
	}
	at := func(name string, capacity int, labels cluster.Labels) planner.Node {
		n := limited(node(name, "w"), capacity)
		n.Labels = labels
		return n
	}
	zoned := func(s *cluster.TaskSpec) { s.Spread = "zone" }
	fleets := map[string]planner.Input{
		"two workers change places": {
			Nodes: []planner.Node{at("n0", 12, nil), at("n1", 20, nil), at("n2", 21, nil), at("n3", 14, nil), at("n4", 4, nil)},
			Tasks: []planner.Task{all(4, 4), all(3, 7), all(3, 10)},
		},
		"two plans in turn": {
			Nodes: []planner.Node{
				at("n0", 14, cluster.Labels{"zone": "0"}), at("n1", 36, cluster.Labels{"zone": "0", "gpu": "true"}),
				at("n2", 24, cluster.Labels{"zone": "1"}),
			},
			Tasks: []planner.Task{
				change(all(2, 15), zoned), change(all(5, 7), func(s *cluster.TaskSpec) { s.Prefer = "gpu=true" }), change(all(2, 4), zoned),
			},
		},
	}
	for _, percent := range []int{85, 90, 93} {
		in := fleet(100, 80, 8000, percent)
		fleets[fmt.Sprintf("a node is gone from a fleet at %d%%", percent)] = without(adopt(in, planner.Make(in)), 1)
	}
	fleets["the zones of a task change with who has it"] = medium(rand.New(rand.NewPCG(95, 854)), 95, true)
	fleets["so do those of tasks of many weights"] = medium(rand.New(rand.NewPCG(95, 2497)), 95, false)
	for name, in := range fleets {
		if n := rests(t, name, in); n > 3 {
			t.Errorf("%s: %d plans changed something", name, n)
		}
	}
}
