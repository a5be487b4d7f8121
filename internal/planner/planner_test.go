package planner_test

import (
	"fmt"
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

func task(name string, workers int, owner ...int) planner.Task {
	for len(owner) < workers {
		owner = append(owner, planner.Nobody)
	}
	return planner.Task{Spec: cluster.TaskSpec{Name: name, WorkName: name, WorkerNum: workers}, Owner: owner}
}

// draw draws a plan: one line a node with what it gets; slots that came from elsewhere are
// marked with +.
func draw(in planner.Input) string {
	plan := planner.Make(in)
	var b strings.Builder
	line := func(n int, name string) {
		fmt.Fprintf(&b, "%s:", name)
		for t, target := range plan.Target {
			for i, to := range target {
				if to == n {
					mark := ""
					if n != planner.Nobody && in.Tasks[t].Owner[i] != n {
						mark = "+"
					}
					fmt.Fprintf(&b, " %s#%d%s", in.Tasks[t].Spec.Name, i, mark)
				}
			}
			if n == planner.Nobody && plan.Unplaced[t] != "" {
				fmt.Fprintf(&b, " (%s)", plan.Unplaced[t])
			}
		}
		b.WriteByte('\n')
	}
	for n := range in.Nodes {
		line(n, in.Nodes[n].Name)
	}
	line(planner.Nobody, "-")
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
		{"first deal, the leader last", planner.Input{
			Nodes: []planner.Node{leader(n1), n2, n3}, Tasks: []planner.Task{task("a", 2), task("b", 2)}, Leader: cluster.LeaderLast}, `
n1: b#0+
n2: a#0+ b#1+
n3: a#1+
-:
`},
		{"first deal, the leader like any other", planner.Input{
			Nodes: []planner.Node{leader(n1), n2, n3}, Tasks: []planner.Task{task("a", 1)}, Leader: cluster.LeaderEqual}, `
n1: a#0+
n2:
n3:
-:
`},
		{"first deal, none for the leader", planner.Input{
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
		{"odd ones stay with a new leader", planner.Input{
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
		{"no workers", planner.Input{Nodes: []planner.Node{n1}, Tasks: []planner.Task{task("a", 0)}}, `
n1:
-:
`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), draw(c.in)); diff != "" {
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
		owner := rapid.SliceOfN(rapid.IntRange(planner.Nobody, nodes-1), 0, 20).Draw(t, name)
		in.Tasks = append(in.Tasks, task(name, len(owner), owner...))
	}
	return in
}

func shares(in planner.Input, target [][]int) (byTask [][]int, total []int) {
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
		in.Tasks[t].Owner = plan.Target[t]
	}
	return in
}

func moves(in planner.Input, plan planner.Plan) int {
	n := 0
	for t := range in.Tasks {
		for i, to := range plan.Target[t] {
			if from := in.Tasks[t].Owner[i]; from != planner.Nobody && from != to {
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
		for i, n := range settled.Tasks[0].Owner {
			switch {
			case n == gone:
				n = planner.Nobody
			case n > gone:
				n--
			}
			less.Tasks[0].Owner[i] = n
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

// Slots that are held back get no node, and the others are spread as if they were all there are.
func TestHeldSlotsAreNotPlaced(t *testing.T) {
	in := planner.Input{
		Nodes: []planner.Node{{Name: "n1", Works: []string{"a"}}, {Name: "n2", Works: []string{"a"}}},
		Tasks: []planner.Task{{
			Spec:  cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 5},
			Owner: []int{0, planner.Nobody, 0, planner.Nobody, 0},
			Held:  []bool{false, true, false, false, false},
		}},
	}
	if diff := cmp.Diff([][]int{{0, planner.Nobody, 0, 1, 1}}, planner.Make(in).Target); diff != "" {
		t.Error(diff)
	}
}
