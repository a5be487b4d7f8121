package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A crash whose member is closed costs no session timeout, also when it is the leader's.
func TestCrashIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4), task("b", 2))
		n1, n2, n3 := w.start("n1"), w.start("n2"), w.start("n3")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		for _, victim := range []*proc{n1, n3} { // the leader, then a follower
			dead := w.crash(victim)
			if err := w.closeDead(dead, w.Service.Client()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
			if victim == n1 {
				w.wantShare(map[string]int{"n2": 3, "n3": 3})
			}
		}
		w.wantShare(map[string]int{"n2": 6})
		if s := w.state(n2); s.Leader != "n2" || len(s.Lost) != 0 || len(s.Nodes) != 1 {
			t.Errorf("state %+v", s)
		}
		w.leave(n1, n2, n3)
	})
}

// Processes die and are started again under the same name, their members are closed, over commits
// that go wrong: no slot runs twice, all of them run in the end, and nothing is left over.
func TestCrashesWhileCommitsGoWrong(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("a", 5), task("b", 3))
				n := newNemesis(seed, 0.2)
				w.intercept = n.interceptor
				var procs, zombies []*proc
				for i := range 4 {
					procs = append(procs, w.start(fmt.Sprint("n", i)))
				}
				dice := rand.New(rand.NewPCG(seed, 3))
				closed := 0
				for range 15 {
					time.Sleep(time.Duration(dice.IntN(8e9)) * time.Nanosecond)
					i := dice.IntN(len(procs))
					victim := procs[i]
					if victim.LastReport() == nil {
						continue // it has not come to join yet
					}
					dead := w.crash(victim)
					zombies = append(zombies, victim)
					client := w.Service.Client()
					if w.closeDead(dead, coordtest.Intercept(client, n.interceptor(client))) == nil {
						closed++
					}
					procs[i] = w.start(victim.Name())
				}
				n.heal()
				time.Sleep(2 * time.Minute)
				w.wantShare(map[string]int{"n0": 2, "n1": 2, "n2": 2, "n3": 2})
				if s := w.state(procs[0]); len(s.Lost) != 0 || len(s.Nodes) != 4 {
					t.Errorf("nodes %+v, lost %+v", s.Nodes, s.Lost)
				}
				for _, p := range append(zombies, procs...) {
					w.leave(p)
				}
				n.late.Wait()
				t.Logf("faults %v, closed %d of %d, starts %d", n.hits, closed, len(zombies), w.floor.started())
			})
		})
	}
}

// A slot that has failed since it took down nodes has no node, and restart tries it again, by its name and with its task.
func TestRestartOfWhatTookDownNodes(t *testing.T) {
	for name, op := range map[string]cluster.Operation{
		"the worker": cluster.RestartWorker(cluster.Slot{Task: "a"}), "the task": cluster.RestartTask("a"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spec := task("a", 2)
				spec.Require = "disk=ssd"
				w := newWorld(t, spec)
				n1 := w.start("n1")
				time.Sleep(2 * time.Second) // it has nowhere to run yet
				hand := w.hand()
				suspects := &schema.Suspects{Slots: []schema.Suspect{{
					Task: "a", Slots: cluster.Indexes{0}, TookDown: []string{"n1", "n2", "n1", "n2"}, Declared: hand.get("/tasks/a").Version,
				}}}
				if _, err := hand.s.Commit(t.Context(), coord.Create(root+"/suspects", schema.Encode(suspects, 0))); err != nil {
					t.Fatal(err)
				}
				w.do(n1, cluster.Label("n1", map[string]*string{"disk": new("ssd")}))
				state := func() (states []cluster.WorkerState) {
					for _, worker := range w.state(n1).Workers {
						states = append(states, worker.State)
					}
					return states
				}
				time.Sleep(10 * time.Minute)
				if got := state(); !slices.Equal(got, []cluster.WorkerState{cluster.WorkerGivenUp, cluster.WorkerRunning}) {
					t.Fatalf("before: %v", got)
				}
				w.do(n1, op)
				time.Sleep(2 * time.Second)
				if got := state(); !slices.Equal(got, []cluster.WorkerState{cluster.WorkerRunning, cluster.WorkerRunning}) {
					t.Errorf("after: %v", got)
				}
				w.leave(n1)
			})
		})
	}
}
