package planner_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func node(name string, works ...string) planner.Node {
	return planner.Node{Name: name, Works: works}
}

func leader(n planner.Node) planner.Node {
	n.Leader = true
	return n
}

func task(name string, workers int, owner ...int32) planner.Task {
	for len(owner) < workers {
		owner = append(owner, planner.Nobody)
	}
	return planner.Task{Spec: cluster.TaskSpec{Name: name, WorkName: name, WorkerNum: workers}, Current: owner}
}

func with(n planner.Node, key, value string) planner.Node {
	n.Labels = cluster.Labels{key: value}
	return n
}

func weighs(n planner.Node, weight int) planner.Node {
	n.Weight = weight
	return n
}

func limited(n planner.Node, capacity int) planner.Node {
	n.Capacity = capacity
	return n
}

func cordoned(n planner.Node) planner.Node {
	n.Cordoned = true
	return n
}

func drained(n planner.Node) planner.Node {
	n.Draining = true
	return n
}

func change(t planner.Task, f func(*cluster.TaskSpec)) planner.Task {
	f(&t.Spec)
	return t
}

// draw draws a plan: one line for each node with its slots, where + marks slots that came from another node; and if
// reasons matter, one line for each move.
func draw(in planner.Input, why bool) string {
	plan := planner.Make(in)
	var b strings.Builder
	line := func(n int32, name string) {
		fmt.Fprintf(&b, "%s:", name)
		for t, target := range plan.Target {
			for i, to := range target {
				if to == n {
					mark := ""
					if n != planner.Nobody && in.Tasks[t].Current[i] != n {
						mark = "+"
					}
					fmt.Fprintf(&b, " %s#%d%s", in.Tasks[t].Spec.Name, i, mark)
				}
			}
			if n == planner.Nobody && plan.Unplaced[t].Code != "" {
				fmt.Fprintf(&b, " (%s)", plan.Unplaced[t])
			}
		}
		b.WriteByte('\n')
	}
	for n := range in.Nodes {
		line(int32(n), in.Nodes[n].Name)
	}
	line(planner.Nobody, "-")
	if !why {
		return b.String()
	}
	for _, m := range plan.Moves {
		to := "nowhere"
		if m.To >= 0 {
			to = in.Nodes[m.To].Name
		}
		fmt.Fprintf(&b, "%s → %s %s#%d: %s\n", in.Nodes[m.From].Name, to, in.Tasks[m.Task].Spec.Name, m.Slot, m.Reason)
	}
	return b.String()
}

func TestPlans(t *testing.T) {
	const none = planner.Nobody
	n1, n2, n3 := node("n1", "a", "b"), node("n2", "a", "b"), node("n3", "a", "b")
	cases := []struct {
		name string
		in   planner.Input
		want string
	}{
		{"no node", planner.Input{Tasks: []planner.Task{task("a", 2)}}, `
-: a#0 a#1 (no node takes work)
`},
		{"first plan, the leader last", planner.Input{
			Nodes: []planner.Node{leader(n1), n2, n3}, Tasks: []planner.Task{task("a", 2), task("b", 2)}, Leader: cluster.LeaderLast}, `
n1: b#0+
n2: a#0+ b#1+
n3: a#1+
-:
`},
		{"first plan, the leader like any other", planner.Input{
			Nodes: []planner.Node{leader(n1), n2, n3}, Tasks: []planner.Task{task("a", 1)}, Leader: cluster.LeaderEqual}, `
n1: a#0+
n2:
n3:
-:
`},
		{"first plan, none for the leader", planner.Input{
			Nodes: []planner.Node{leader(n1), n2, n3}, Tasks: []planner.Task{task("a", 3)}, Leader: cluster.LeaderNone}, `
n1:
n2: a#0+ a#2+
n3: a#1+
-:
`},
		{"a leader alone works", planner.Input{
			Nodes: []planner.Node{leader(n1)}, Tasks: []planner.Task{task("a", 2)}, Leader: cluster.LeaderNone}, `
n1: a#0+ a#1+
-:
`},
		{"a node joins: only its share moves", planner.Input{
			Nodes: []planner.Node{n1, n2, n3}, Tasks: []planner.Task{task("a", 6, 0, 0, 0, 1, 1, 1)}}, `
n1: a#0 a#1
n2: a#3 a#4
n3: a#2+ a#5+
-:
`},
		{"a node left: only its slots move", planner.Input{
			Nodes: []planner.Node{n1, n2}, Tasks: []planner.Task{task("a", 5, 0, none, 1, none, 0)}}, `
n1: a#0 a#1+ a#4
n2: a#2 a#3+
-:
`},
		{"a node joins: the leader gives first", planner.Input{
			Nodes: []planner.Node{leader(n1), n2, n3}, Tasks: []planner.Task{task("a", 2, 0, 1), task("b", 2, 0, 1)}, Leader: cluster.LeaderLast}, `
n1: b#0
n2: a#1 b#1
n3: a#0+
-:
`},
		{"a remainder stays with a new leader", planner.Input{
			Nodes: []planner.Node{leader(n1), n2}, Tasks: []planner.Task{task("a", 1, 0)}, Leader: cluster.LeaderLast}, `
n1: a#0
n2:
-:
`},
		{"totals are balanced over tasks", planner.Input{
			Nodes: []planner.Node{n1, n2}, Tasks: []planner.Task{task("a", 1, 0), task("b", 1, 0)}}, `
n1: b#0
n2: a#0+
-:
`},
		{"only where the work is registered", planner.Input{
			Nodes: []planner.Node{node("n1", "a"), node("n2", "b"), node("n3", "B")},
			Tasks: []planner.Task{task("a", 2), task("b", 2), task("c", 1)}}, `
n1: a#0+ a#1+
n2: b#0+
n3: b#1+
-: c#0 (no live node has registered its work)
`},
		{"only with the labels that it needs", planner.Input{
			Nodes: []planner.Node{with(n1, "gpu", "true"), n2, with(n3, "gpu", "false")},
			Tasks: []planner.Task{change(task("a", 2), func(s *cluster.TaskSpec) { s.Require = "gpu=true" }),
				change(task("b", 1), func(s *cluster.TaskSpec) { s.Require = "gpu=maybe, ssd" })}}, `
n1: a#0+ a#1+
n2:
n3:
-: b#0 (no live node with this work has the required label gpu=maybe, ssd)
`},
		{"where it prefers to be, while there is room", planner.Input{
			Nodes: []planner.Node{n1, limited(with(n2, "disk", "ssd"), 2), n3},
			Tasks: []planner.Task{change(task("a", 4, 0, 0, 0, 0), func(s *cluster.TaskSpec) { s.Prefer = "disk=ssd" })}}, `
n1: a#0
n2: a#1+ a#3+
n3: a#2+
-:
n1 → n2 a#1: another node has the labels that it prefers
n1 → n3 a#2: n1 had more of the task than its share
n1 → n2 a#3: another node has the labels that it prefers
`},
		{"zones first, then nodes", planner.Input{
			Nodes: []planner.Node{with(n1, "zone", "x"), with(n2, "zone", "x"), with(n3, "zone", "y")},
			Tasks: []planner.Task{change(task("a", 4), func(s *cluster.TaskSpec) { s.Spread = "zone" })}}, `
n1: a#0+
n2: a#1+
n3: a#2+ a#3+
-:
`},
		{"by the nodes' weights", planner.Input{
			Nodes: []planner.Node{weighs(n1, 3), n2}, Tasks: []planner.Task{task("a", 8)}}, `
n1: a#0+ a#2+ a#4+ a#5+ a#6+ a#7+
n2: a#1+ a#3+
-:
`},
		{"no more than a node may have of a task", planner.Input{
			Nodes: []planner.Node{n1, n2}, Tasks: []planner.Task{change(task("a", 5, 0, 0, 0), func(s *cluster.TaskSpec) { s.MaxPerNode = 2 })}}, `
n1: a#0 a#1
n2: a#2+ a#3+
-: a#4 (every node that could run it has the 2 of the task that a node may have)
n1 → n2 a#2: n1 has more than the 2 of the task that a node may have
`},
		{"no more than a node has room for", planner.Input{
			Nodes: []planner.Node{limited(n1, 5), limited(n2, 3)},
			Tasks: []planner.Task{change(task("a", 3), func(s *cluster.TaskSpec) { s.Weight = 2 }), task("b", 4)}}, `
n1: a#0+ b#0+ b#2+ b#3+
n2: a#1+ b#1+
-: a#2 (every node that could run it is full)
`},
		{"a cordoned node keeps what it has", planner.Input{
			Nodes: []planner.Node{cordoned(n1), n2}, Tasks: []planner.Task{task("a", 4, 0)}}, `
n1: a#0
n2: a#1+ a#2+ a#3+
-:
`},
		{"nothing new where every node is cordoned", planner.Input{
			Nodes: []planner.Node{cordoned(n1)}, Tasks: []planner.Task{task("a", 2, 0)}}, `
n1: a#0
-: a#1 (every node that could run it is cordoned or draining)
`},
		{"a draining node gives everything away", planner.Input{
			Nodes: []planner.Node{drained(n1), n2}, Tasks: []planner.Task{task("a", 2, 0, 1)}}, `
n1:
n2: a#0+ a#1
-:
n1 → n2 a#0: n1 is draining
`},
		{"a draining node keeps the slots that no other node can take", planner.Input{
			Nodes: []planner.Node{drained(n1), limited(n2, 1)}, Tasks: []planner.Task{task("a", 2, 0, 0)}}, `
n1: a#0
n2: a#1+
-:
n1 → n2 a#1: n1 is draining
`},
		{"a label that is gone", planner.Input{
			Nodes: []planner.Node{n1, with(n2, "gpu", "true")},
			Tasks: []planner.Task{change(task("a", 1, 0), func(s *cluster.TaskSpec) { s.Require = "gpu" })}}, `
n1:
n2: a#0+
-:
n1 → n2 a#0: it needs label gpu, n1 does not have it
`},
		{"one task makes way for another", planner.Input{
			Nodes: []planner.Node{limited(node("n1", "a", "b"), 1), limited(node("n2", "a"), 1)},
			Tasks: []planner.Task{task("a", 1, 0), task("b", 1)}}, `
n1: b#0+
n2: a#0+
-:
n1 → n2 a#0: n1 had more work than its share
`},
		{"no workers", planner.Input{Nodes: []planner.Node{n1}, Tasks: []planner.Task{task("a", 0)}}, `
n1:
-:
`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), draw(c.in, strings.Contains(c.want, "→"))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// world draws an input in which every node has every work.
func world(t *rapid.T) planner.Input {
	in := planner.Input{Leader: rapid.SampledFrom([]cluster.LeaderPolicy{cluster.LeaderLast, cluster.LeaderEqual}).Draw(t, "policy")}
	tasks := rapid.IntRange(1, 6).Draw(t, "tasks")
	var works []string
	for i := range tasks {
		works = append(works, fmt.Sprintf("t%d", i))
	}
	nodes := rapid.IntRange(1, 8).Draw(t, "nodes")
	lead := rapid.IntRange(0, nodes-1).Draw(t, "leader")
	for i := range nodes {
		in.Nodes = append(in.Nodes, planner.Node{Name: fmt.Sprintf("n%d", i), Works: works, Leader: i == lead})
	}
	for _, name := range works {
		owner := rapid.SliceOfN(rapid.Int32Range(planner.Nobody, int32(nodes-1)), 0, 20).Draw(t, name)
		in.Tasks = append(in.Tasks, task(name, len(owner), owner...))
	}
	return in
}

func shares(in planner.Input, target [][]int32) (byTask [][]int, total []int) {
	total = make([]int, len(in.Nodes))
	for t := range target {
		share := make([]int, len(in.Nodes))
		for _, n := range target[t] {
			share[n]++
			total[n]++
		}
		byTask = append(byTask, share)
	}
	return byTask, total
}

func spread(x []int) int { return slices.Max(x) - slices.Min(x) }

// adopt returns the input after the plan was carried out.
func adopt(in planner.Input, plan planner.Plan) planner.Input {
	in.Tasks = slices.Clone(in.Tasks)
	for t := range in.Tasks {
		in.Tasks[t].Current = plan.Target[t]
	}
	return in
}

func moves(in planner.Input, plan planner.Plan) int {
	n := 0
	for t := range in.Tasks {
		for i, to := range plan.Target[t] {
			if from := in.Tasks[t].Current[i]; from != planner.Nobody && from != to {
				n++
			}
		}
	}
	return n
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		plan := planner.Make(in)
		byTask, total := shares(in, plan.Target)
		for i, share := range byTask {
			if spread(share) > 1 {
				t.Fatalf("task %d is spread %v", i, share)
			}
		}
		if spread(total) > 1 {
			t.Fatalf("totals are %v", total)
		}
		if diff := cmp.Diff(plan, planner.Make(in)); diff != "" {
			t.Fatalf("not deterministic: %s", diff)
		}
		again := adopt(in, plan)
		if n := moves(again, planner.Make(again)); n != 0 {
			t.Fatalf("%d moves in a cluster that is as planned", n)
		}
	})
}

// One node more or less moves no more than its share, where there is one task.
func TestMovesAreMinimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(0, 200).Draw(t, "workers")
		nodes := rapid.IntRange(2, 12).Draw(t, "nodes")
		in := planner.Input{Tasks: []planner.Task{task("a", workers)}}
		for i := range nodes {
			in.Nodes = append(in.Nodes, node(fmt.Sprintf("n%02d", i), "a"))
		}
		settled := adopt(in, planner.Make(in))

		gone := rapid.IntRange(0, nodes-1).Draw(t, "gone")
		less := planner.Input{Tasks: []planner.Task{task("a", workers)}, Nodes: slices.Delete(slices.Clone(in.Nodes), gone, gone+1)}
		for i, n := range settled.Tasks[0].Current {
			switch {
			case n == int32(gone):
				n = planner.Nobody
			case n > int32(gone):
				n--
			}
			less.Tasks[0].Current[i] = n
		}
		if n := moves(less, planner.Make(less)); n != 0 {
			t.Fatalf("%d slots moved between nodes that stayed", n)
		}

		more := settled
		more.Nodes = append(slices.Clone(in.Nodes), node("new", "a"))
		if n, share := moves(more, planner.Make(more)), workers/(nodes+1); n > share {
			t.Fatalf("%d slots moved; the newcomer's share is %d", n, share)
		}
	})
}

// Slots that are withheld get no node, and the others are spread as if they were all there are.
func TestHeldSlotsAreNotPlaced(t *testing.T) {
	in := planner.Input{
		Nodes: []planner.Node{{Name: "n1", Works: []string{"a"}}, {Name: "n2", Works: []string{"a"}}},
		Tasks: []planner.Task{{
			Spec:     cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 5},
			Current:  []int32{0, planner.Nobody, 0, planner.Nobody, 0},
			Withheld: []bool{false, true, false, false, false},
		}},
	}
	if diff := cmp.Diff([][]int32{{0, planner.Nobody, 0, 1, 1}}, planner.Make(in).Target); diff != "" {
		t.Error(diff)
	}
}

// Tasks that are fixed stay as they are, also where some of their slots have no place, and others are placed around them.
func TestFixedTasksStay(t *testing.T) {
	for i := range 3000 {
		r := rand.New(rand.NewPCG(6, uint64(i)))
		in := anything(r)
		in = adopt(in, planner.Make(in))
		for k := range in.Tasks {
			task := &in.Tasks[k]
			task.Fixed = r.IntN(2) == 0
			if !task.Fixed {
				task.Current = slices.Repeat([]int32{planner.Nobody}, len(task.Current))
			}
		}
		for name, plan := range map[string]planner.Plan{"plan": planner.Make(in), "fallback": planner.Fallback(in)} {
			for k := range in.Tasks {
				if is, target := in.Tasks[k].Current, plan.Target[k]; in.Tasks[k].Fixed && !slices.Equal(is, target) {
					t.Errorf("world %d, %s: task %d is fixed on %v, its target is %v", i, name, k, is, target)
				}
			}
			have := tabulate(in, func(t int) []int32 { return in.Tasks[t].Current })
			if got := tabulate(in, func(t int) []int32 { return plan.Target[t] }); name == "plan" {
				if _, ok := judge(in, have, got); !ok {
					t.Errorf("world %d: the plan breaks a constraint: %v", i, got)
				}
			}
		}
	}
}

// The fallback plan breaks no constraint and moves no slot that may stay.
func TestFallback(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := small(t)
		plan := planner.Fallback(in)
		load := make([]int, len(in.Nodes))
		for i, target := range plan.Target {
			count := make([]int, len(in.Nodes))
			for k, n := range target {
				from := in.Tasks[i].Current[k]
				if from != planner.Nobody && n != from && planner.Fits(&in.Nodes[from], in.Tasks[i].Spec).Code == "" {
					t.Fatalf("slot %d of task %d moved from %d to %d", k, i, from, n)
				}
				if n == planner.Nobody {
					continue
				}
				load[n]++
				count[n]++
				node := &in.Nodes[n]
				if n == from || node.Gone {
					continue
				}
				if planner.Fits(node, in.Tasks[i].Spec).Code != "" || node.Cordoned || node.Draining ||
					node.Capacity > 0 && load[n] > node.Capacity && in.Tasks[i].Current[k] == planner.Nobody && onlyFresh(in, n) ||
					in.Tasks[i].Spec.MaxPerNode > 0 && count[n] > in.Tasks[i].Spec.MaxPerNode {
					t.Fatalf("slot %d of task %d went to %d", k, i, n)
				}
			}
		}
	})
}

// onlyFresh reports whether a node had nothing before.
func onlyFresh(in planner.Input, n int32) bool {
	for _, task := range in.Tasks {
		if slices.Contains(task.Current, n) {
			return false
		}
	}
	return true
}

// With weights every node's load is within one slot of its ideal.
func TestWeightedLoads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		costs := rapid.Bool().Draw(t, "workers weigh too")
		heaviest, total, weights := 1, 0, 0
		for i := range in.Nodes {
			in.Nodes[i].Weight = rapid.IntRange(1, 5).Draw(t, "weight")
			weights += in.Nodes[i].Weight
		}
		for i := range in.Tasks {
			if costs {
				in.Tasks[i].Spec.Weight = rapid.IntRange(1, 4).Draw(t, "cost")
			}
			heaviest = max(heaviest, in.Tasks[i].Spec.Cost())
			total += in.Tasks[i].Spec.Cost() * in.Tasks[i].Spec.WorkerNum
		}
		plan := planner.Make(in)
		byTask, _ := shares(in, plan.Target)
		load := make([]int, len(in.Nodes))
		for task, share := range byTask {
			for n, count := range share {
				load[n] += count * in.Tasks[task].Spec.Cost()
				if ideal := in.Tasks[task].Spec.WorkerNum * in.Nodes[n].Weight; count < ideal/weights || count > (ideal+weights-1)/weights {
					t.Fatalf("node %d has %d of task %d, its ideal is %d/%d", n, count, task, ideal, weights)
				}
			}
		}
		for n, l := range load {
			if off := l*weights - total*in.Nodes[n].Weight; off > heaviest*weights || off < -heaviest*weights {
				t.Fatalf("node %d carries %d, its ideal is %d/%d, the heaviest slot weighs %d", n, l, total*in.Nodes[n].Weight, weights, heaviest)
			}
		}
		again := adopt(in, plan)
		if n := moves(again, planner.Make(again)); n != 0 {
			t.Fatalf("%d moves in a cluster that is as planned", n)
		}
	})
}

// Worlds that are too large for cycle canceling are planned as well: nodes come and go, and the plan
// stays valid, even and still.
func TestLargeWorlds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const nodes, tasks = 200, 60
		in := planner.Input{Leader: cluster.LeaderLast}
		spread := rapid.Bool().Draw(t, "zones")
		weighted := rapid.Bool().Draw(t, "weights")
		costly := rapid.Bool().Draw(t, "workers weigh too")
		for i := range nodes {
			n := node(fmt.Sprintf("n%03d", i), "w")
			n.Leader, n.Labels = i == 7, cluster.Labels{"zone": fmt.Sprint(i % 4), "half": fmt.Sprint(i % 2)}
			if weighted {
				n.Weight = 1 + i%3
			}
			in.Nodes = append(in.Nodes, n)
		}
		for i := range tasks {
			task := task(fmt.Sprintf("t%02d", i), rapid.IntRange(0, 500).Draw(t, "workers"))
			task.Spec.WorkName = "w"
			if costly {
				task.Spec.Weight = 1 + i%3
			}
			if spread {
				task.Spec.Spread = "zone"
			}
			if rapid.IntRange(0, 3).Draw(t, "requires") == 0 {
				task.Spec.Require = "half=1"
			}
			in.Tasks = append(in.Tasks, task)
		}
		for range 3 {
			plan := planner.Make(in)
			for i, target := range plan.Target {
				for _, n := range target {
					if n == planner.Nobody || planner.Fits(&in.Nodes[n], in.Tasks[i].Spec).Code != "" {
						t.Fatalf("task %d: a slot is on %d", i, n)
					}
				}
			}
			in = adopt(in, plan)
			if n := moves(in, planner.Make(in)); n != 0 {
				t.Fatalf("%d moves in a cluster that is as planned", n)
			}
			gone := rapid.IntRange(0, len(in.Nodes)-1).Draw(t, "gone")
			in.Nodes = slices.Delete(slices.Clone(in.Nodes), gone, gone+1)
			for i := range in.Tasks {
				in.Tasks[i].Current = slices.Clone(in.Tasks[i].Current)
				for k, n := range in.Tasks[i].Current {
					switch {
					case n == int32(gone):
						in.Tasks[i].Current[k] = planner.Nobody
					case n > int32(gone):
						in.Tasks[i].Current[k]--
					}
				}
			}
		}
	})
}
