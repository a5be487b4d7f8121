package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// slotName is the name of a worker's slot.
func slotName(w *xconsumer.Worker) string {
	slot := cluster.Slot{Task: w.Task(), Index: w.Index()}
	if w.Run() != "" {
		slot.Task = cluster.RunTask(slot.Task, w.Run())
	}
	return slot.String()
}

// finished is noted by a job that has come to its end.
const finished = "finished"

// job takes a moment, and notes that it has finished.
func job(ctx context.Context, dir, node string, w *xconsumer.Worker) error {
	return locked(dir, node, w, func(write func(string)) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(rand.N(3 * time.Second)):
		}
		write(finished)
		return nil
	})
}

// finishes counts, by slot, how often jobs have finished.
func (f *fleet) finishes() map[string]int {
	counts := map[string]int{}
	for _, n := range f.notes(0, finished, "") {
		counts[n.Slot]++
	}
	return counts
}

// runs asks a node for the runs of a task.
func (p *proc) runs(task string) []cluster.RunInfo {
	p.f.Helper()
	var answer struct{ Runs []cluster.RunInfo }
	if p.get("tasks/"+task+"/runs", &answer) != 200 {
		return nil
	}
	return answer.Runs
}

// A task of a thousand workers that runs once, on five nodes that are killed at random: each worker comes to
// its end, and its end is noted once.
func TestOnceWhileNodesDie(t *testing.T) { onBoth(t, testOnceWhileNodesDie) }

func testOnceWhileNodesDie(t *testing.T, b backend) {
	const workers = 1000
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	f.supervised = true
	config := f.config() + fmt.Sprintf("[[task]]\nname = \"job\"\nworkName = \"job\"\nworkerNum = %d\nmode = \"once\"\n", workers)
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var procs []*proc
	for i := range 5 {
		procs = append(procs, f.start(fmt.Sprint("n", i+1)))
	}
	f.Await("jobs finish", func() bool { return len(f.finishes()) > 10 })
	for range 8 { // the parent starts the node again
		victim := procs[rand.IntN(len(procs))]
		for _, pid := range process.ChildrenOf(victim.PID()) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(rand.N(700 * time.Millisecond))
	}
	f.Await("the run is over", func() bool {
		for _, p := range procs {
			for _, r := range p.runs("job") {
				return r.State == cluster.RunDone && r.Done == workers
			}
		}
		return false
	})
	counts := f.finishes()
	again := 0
	for i := range workers {
		var n int
		for slot, count := range counts {
			if strings.HasSuffix(slot, fmt.Sprintf("#%d", i)) && strings.HasPrefix(slot, "job@") {
				n += count
			}
		}
		if n == 0 {
			t.Errorf("job#%d has not finished", i)
		}
		if n > 1 {
			again++
		}
	}
	t.Logf("%d of %d jobs were executed again because their node died before it could say that they had finished", again, workers)
	for _, p := range procs {
		p.leave()
	}
}

// A schedule fires each of its instants once, though leaders step down and are killed all the time.
func TestScheduleOverLeaders(t *testing.T) { onBoth(t, testScheduleOverLeaders) }

func testScheduleOverLeaders(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	f.supervised = true
	config := f.config() + "[[task]]\nname = \"job\"\nworkName = \"job\"\nworkerNum = 1\nevery = \"1s\"\noverlap = \"allow\"\nkeepRuns = 1000\n"
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	n1, n2, n3 := f.three()
	procs := []*proc{n1, n2, n3}
	leaders := map[int64]bool{}
	for i := 0; len(leaders) < 21; i++ {
		var s *cluster.State
		f.Await("a leader", func() bool {
			s = procs[i%3].State()
			return s != nil && s.Leader != ""
		})
		leaders[s.Term] = true
		if i%4 == 3 {
			for _, p := range procs {
				if p.Name == s.Leader {
					for _, pid := range process.ChildrenOf(p.PID()) {
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
				}
			}
		} else {
			_ = procs[i%3].post("leader/step-down", "", nil)
		}
		time.Sleep(time.Second + rand.N(time.Second))
	}
	var list []cluster.RunInfo
	f.Await("runs are shown", func() bool {
		for _, p := range procs {
			list = p.runs("job")
			if len(list) > 20 {
				return true
			}
		}
		return false
	})
	slices.SortFunc(list, func(a, b cluster.RunInfo) int { return a.Due.Compare(b.Due) }) // they end in any order
	for i := 1; i < len(list); i++ {
		if gap := list[i].Due.Sub(list[i-1].Due); gap != time.Second {
			t.Errorf("%s fired %v after %s", list[i].ID, gap, list[i-1].ID)
		}
	}
	t.Logf("%d instants fired over %d terms", len(list), len(leaders))
	for _, p := range procs {
		p.leave()
	}
}
