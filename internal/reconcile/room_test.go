package reconcile_test

import (
	"fmt"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// withRun lets a board come to rest, begins a run of task r, and lets it come to rest again. It returns how many workers of the run
// have a place, what every member carries, and how many workers of other tasks moved for the run.
func withRun(t *testing.T, b *board) (placed int, load map[string]int, moved int) {
	t.Helper()
	settle := func() {
		t.Helper()
		for range 40 {
			b.now += 60e9
			d := b.decide(atNoon)
			b.commit(d)
			b.carryOut(d, map[cluster.Slot]int{})
			if len(d.Assignments) == 0 && len(d.TaskRuns) == 0 {
				return
			}
		}
		t.Fatal("the cluster does not come to rest")
	}
	run := b.snap.Tasks["r"].Rec.Spec
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"r": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{}}}}
	settle()
	before := b.places()
	b.snap.TaskRuns["r"] = view.Entry[schema.TaskRuns]{Version: 5,
		Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "x", WorkerNum: run.WorkerNum, Began: noon}, WorkName: "a"}}}}
	settle()
	load = map[string]int{}
	for slot, name := range b.places() {
		task, id := cluster.SplitRun(slot.Task)
		load[name] += b.snap.Tasks[task].Rec.Spec.Cost()
		switch {
		case id != "":
			placed++
		case before[slot] != name:
			moved++
		}
	}
	return placed, load, moved
}

// places returns which member has each slot.
func (b *board) places() map[cluster.Slot]string {
	list := map[cluster.Slot]string{}
	for name, p := range b.snap.WithoutSuperseded().Peers {
		for slot := range p.Assignment.Rec.Each() {
			list[slot] = name
		}
	}
	return list
}

// roomy makes a board with members of some capacities, on which a task runs for ever, and one that is run.
func roomy(capacities []int, forEver, run cluster.TaskSpec) *board {
	run.Name, run.WorkName, run.Mode, forEver.Name, forEver.WorkName = "r", "a", cluster.ModeOnce, "f", "a"
	b := newBoard(forEver, run)
	for i, capacity := range capacities {
		p := b.live(fmt.Sprintf("n%d", i), 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
		p.Member.Rec.Works, p.Member.Rec.Capacity = []string{"a"}, capacity
	}
	return b
}

// A worker of a run has a place as long as a node has room for it, and nobody who runs for ever moves for it.
func TestRunsTakeWhatRoomThereIs(t *testing.T) {
	for first := 1; first <= 5; first++ {
		for second := 1; second <= 5; second++ {
			for forEver := 1; forEver <= 4; forEver++ {
				for weight := 1; weight <= 2; weight++ {
					b := roomy([]int{first, second}, cluster.TaskSpec{WorkerNum: forEver}, cluster.TaskSpec{WorkerNum: 2, Weight: weight})
					placed, load, moved := withRun(t, b)
					if moved > 0 {
						t.Errorf("capacities %d and %d, %d for ever, a run of weight %d: %d moved for it", first, second, forEver, weight, moved)
					}
					for name, capacity := range map[string]int{"n0": first, "n1": second} {
						if load[name] > capacity || placed < 2 && capacity-load[name] >= weight {
							t.Errorf("capacities %d and %d, %d for ever, a run of weight %d: %d of 2 have a place, %s carries %d",
								first, second, forEver, weight, placed, name, load[name])
						}
					}
				}
			}
		}
	}
}

// What a run executes stays where it is where a task that runs for ever takes the node's room, and nothing new of it comes.
func TestRunsKeepWhatTheyExecute(t *testing.T) {
	b := roomy([]int{2}, cluster.TaskSpec{WorkerNum: 1}, cluster.TaskSpec{WorkerNum: 1})
	if placed, _, _ := withRun(t, b); placed != 1 {
		t.Fatal("the run has no place")
	}
	rec := b.snap.Tasks["f"].Rec
	rec.Spec.WorkerNum = 2
	task := cluster.RunTask("r", "x")
	var d round.Decision
	for range 10 {
		b.now += 60e9
		d = b.decide(atNoon)
		b.commit(d)
		b.carryOut(d, map[cluster.Slot]int{})
		if b.places()[cluster.Slot{Task: task}] != "n0" {
			t.Fatalf("the worker of the run was taken away: %v", d.Steps)
		}
	}
	b.snap.TaskRuns["r"].Rec.Runs[0].WorkerNum = 2
	d = b.decide(atNoon)
	if why := d.Unplaced[task]; why.Code != cluster.WhyFull {
		t.Errorf("another worker of the run has no place because %q", why)
	}
}
