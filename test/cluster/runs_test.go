package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// ran notes what was executed, and how it is to end.
type ran struct {
	mu   sync.Mutex
	list []string // "run#index"
	how  func(w *xconsumer.Worker, before int) error
}

// work is a job of one second.
func (r *ran) work(ctx context.Context, w *xconsumer.Worker) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second):
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	name := fmt.Sprintf("%s#%d", w.Run(), w.Index())
	before := 0
	for _, other := range r.list {
		if other == name {
			before++
		}
	}
	r.list = append(r.list, name)
	if r.how != nil {
		return r.how(w, before)
	}
	return nil
}

func (r *ran) count() int { return len(r.executions()) }

// executions returns what was executed, in order.
func (r *ran) executions() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (r *ran) handle(n *xconsumer.Node) { n.Handle("job", r.work) }

func once(workers int) cluster.TaskSpec {
	return cluster.TaskSpec{Name: "job", WorkName: "job", WorkerNum: workers, Mode: cluster.ModeOnce}
}

func (w *world) runs(p *proc) []cluster.RunInfo {
	w.t.Helper()
	list, err := p.Admin().Runs(w.t.Context(), "job")
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// summary describes runs without their times.
func summary(list []cluster.RunInfo) (lines []string) {
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("%s %d done %d failed of %d %s", r.State, r.Done, r.Failed, r.WorkerNum, r.Error))
	}
	return lines
}

func (w *world) wantRuns(p *proc, want ...string) {
	w.t.Helper()
	got := summary(w.runs(p))
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Error(diff)
	}
}

// A task that runs once does so, over nodes that come and go and leaders that change; and again when
// somebody asks.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r ran
		w := newWorld(t, once(6))
		n1, n2 := w.start("n1", r.handle), w.start("n2", r.handle)
		time.Sleep(5 * time.Second)
		w.wantRuns(n2, "done 6 done 0 failed of 6")
		if r.count() != 6 {
			t.Errorf("%d executions", r.count())
		}
		w.leave(n1)
		time.Sleep(5 * time.Second)
		n1 = w.start("n1", r.handle)
		time.Sleep(5 * time.Second)
		if r.count() != 6 {
			t.Errorf("%d executions after another leader has begun", r.count())
		}
		if s := w.state(n2); len(s.Runs) != 0 || len(s.Workers) != 0 || len(s.Tasks) != 1 || !s.Tasks[0].Runs || s.Nodes[0].Slots+s.Nodes[1].Slots != 0 {
			t.Errorf("it has not ended: %+v", s)
		}
		w.do(n1, cluster.RunNow("job", `{"n":7}`))
		overHTTP := cluster.RunNow("job", "")
		overHTTP.From = "127.0.0.1"
		w.do(n1, overHTTP)
		time.Sleep(500 * time.Millisecond)
		s := w.state(n2)
		list, err := n2.Admin().Decisions(t.Context())
		var whys []string
		for _, d := range list.Decisions {
			for _, m := range d.Moves {
				if m.Code == cluster.WhyAsked {
					whys = append(whys, m.Node+m.Why)
				}
			}
		}
		if err != nil || !slices.Equal(whys, []string{"asked for by n1", "asked for by anonymous at 127.0.0.1"}) || len(s.Runs) == 2 && s.Runs[1].By != "anonymous at 127.0.0.1" {
			t.Errorf("%q, %v, %+v", whys, err, s.Runs)
		}
		if len(s.Runs) != 2 || s.Runs[0].State != cluster.RunGoesOn || s.Runs[1].State != cluster.RunQueued || s.Runs[0].Params != `{"n":7}` || s.Runs[0].By != "n1" {
			t.Errorf("runs: %+v", s.Runs)
		}
		time.Sleep(5 * time.Second)
		w.wantRuns(n2, "done 6 done 0 failed of 6", "done 6 done 0 failed of 6", "done 6 done 0 failed of 6")
		if r.count() != 18 {
			t.Errorf("%d executions", r.count())
		}
		w.leave(n1, n2)
	})
}

// What fails is tried again, and fails in the end; what hangs is stopped.
func TestRunsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := ran{how: func(w *xconsumer.Worker, before int) error {
			switch {
			case w.Index() == 1 && before < 2, w.Index() == 2:
				return errors.New("no luck")
			case w.Index() == 3:
				time.Sleep(time.Hour)
			}
			return nil
		}}
		spec := once(4)
		spec.MaxAttempts, spec.Timeout = 3, cluster.Duration(10*time.Second)
		w := newWorld(t, spec)
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("job", func(ctx context.Context, wk *xconsumer.Worker) error {
				if wk.Index() == 3 {
					<-ctx.Done()
					return nil
				}
				return r.work(ctx, wk)
			})
		})
		time.Sleep(time.Minute)
		list := w.runs(n1)
		if len(list) != 1 || list[0].State != cluster.RunFailed || list[0].Done != 2 || list[0].Failed != 2 {
			t.Errorf("runs: %+v", list)
		} else if want := "2: after 3 attempts: no luck"; list[0].Error != want {
			t.Errorf("the run's error is %q; want %q", list[0].Error, want)
		}
		if n := r.count(); n != 1+3+3 {
			t.Errorf("%d executions", n)
		}
		w.leave(n1)
	})
}

// A node that crashes takes nothing with it but what it had not finished; nothing that is done runs again.
func TestRunsOutliveNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := ran{}
		w := newWorld(t, once(10))
		slow := func(n *xconsumer.Node) {
			n.Handle("job", func(ctx context.Context, wk *xconsumer.Worker) error {
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(wk.Index()) * 2 * time.Second):
					r.mu.Lock()
					r.list = append(r.list, fmt.Sprint(wk.Index()))
					r.mu.Unlock()
				}
				return nil
			})
		}
		n1, n2 := w.start("n1", slow), w.start("n2", slow)
		time.Sleep(9 * time.Second)
		_ = w.crash(n1) // it leads
		time.Sleep(2 * time.Minute)
		w.wantRuns(n2, "done 10 done 0 failed of 10")
		times := map[string]int{}
		for _, index := range r.executions() {
			times[index]++
		}
		for index := range 10 {
			if n := times[fmt.Sprint(index)]; n == 0 || n > 1 && index < 4 {
				t.Errorf("worker %d was executed %d times", index, n)
			}
		}
		w.leave(n1, n2)
	})
}

// A schedule fires each instant once, whoever leads.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r ran
		spec := cluster.TaskSpec{Name: "job", WorkName: "job", WorkerNum: 1, Every: cluster.Duration(5 * time.Second), Overlap: cluster.OverlapAllow, KeepRuns: 30}
		w := newWorld(t, spec)
		procs := []*proc{w.start("n1", r.handle), w.start("n2", r.handle)}
		for range 20 {
			time.Sleep(7 * time.Second)
			w.do(procs[0], cluster.StepDown())
		}
		time.Sleep(10 * time.Second)
		list := w.runs(procs[1])
		if len(list) < 28 {
			t.Fatalf("%d runs", len(list))
		}
		if next, last := w.state(procs[1]).Tasks[0].NextRun, list[len(list)-1].Due; !next.Equal(last.Add(5 * time.Second)) {
			t.Errorf("the next run is said to be due at %v; the last one was at %v", next, last)
		}
		for i := 1; i < len(list); i++ {
			if gap := list[i].Due.Sub(list[i-1].Due); gap != 5*time.Second {
				t.Errorf("run %d is due %v after the one before", i, gap)
			}
		}
		seen := map[string]bool{}
		for _, name := range r.executions() {
			if seen[name] {
				t.Errorf("%s was executed twice", name)
			}
			seen[name] = true
		}
		w.leave(procs...)
	})
}

// Runs that overlap are skipped, wait, or go on side by side.
func TestOverlap(t *testing.T) {
	for overlap, want := range map[cluster.Overlap]int{cluster.OverlapSkip: 3, cluster.OverlapQueue: 5, cluster.OverlapAllow: 6} {
		t.Run(string(overlap), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spec := cluster.TaskSpec{Name: "job", WorkName: "job", WorkerNum: 1, Every: cluster.Duration(10 * time.Second), Phase: cluster.PhaseOf(0), Overlap: overlap}
				w := newWorld(t, spec)
				var began atomic.Int64
				n1 := w.start("n1", func(n *xconsumer.Node) {
					n.Handle("job", func(ctx context.Context, _ *xconsumer.Worker) error {
						began.Add(1)
						select {
						case <-ctx.Done():
						case <-time.After(12 * time.Second):
						}
						return nil
					})
				})
				time.Sleep(64 * time.Second)
				if n := int(began.Load()); n != want {
					t.Errorf("%d runs began in a minute; want %d", n, want)
				}
				w.leave(n1)
			})
		})
	}
}

// A task that is deleted and declared again while nobody leads is another task, and runs as it does when somebody leads.
func TestOnceDeclaredAgain(t *testing.T) {
	for name, led := range map[string]bool{"while somebody leads": true, "while nobody does": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r ran
				w := newWorld(t, once(2))
				n1 := w.start("n1", r.handle)
				time.Sleep(5 * time.Second)
				if !led {
					w.leave(n1)
				}
				hand := operation.Operator{Session: w.hand().s, Keys: testcluster.Keys(), By: "hand"}
				for _, op := range []cluster.Operation{cluster.Delete("job"), cluster.Declare(once(2))} {
					if _, err := hand.Do(t.Context(), &view.Snapshot{}, op); err != nil {
						t.Fatal(err)
					}
					if led {
						time.Sleep(time.Second)
					}
				}
				if !led {
					n1 = w.start("n1", r.handle)
				}
				time.Sleep(5 * time.Second)
				w.wantRuns(n1, "done 2 done 0 failed of 2")
				if r.count() != 4 {
					t.Errorf("%d executions", r.count())
				}
				w.leave(n1)
			})
		})
	}
}

// A schedule that cannot be used says so, and nothing else suffers.
func TestScheduleCannotBeUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1), cluster.TaskSpec{Name: "job", WorkName: "a", WorkerNum: 1, Schedule: "0 0 1 1 *"})
		n1 := w.start("n1")
		hand := w.hand()
		hand.set("/tasks/job", strings.Replace(string(hand.get("/tasks/job").Value), "0 0 1 1 *", "0 0 31 2 *", 1))
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 1})
		for _, info := range w.state(n1).Tasks {
			if info.Name == "job" && (!strings.Contains(info.Reason, "there is no such date") || info.ReasonCode != cluster.WhySchedule || !info.NextRun.IsZero()) {
				t.Errorf("%+v", info)
			}
		}
		w.leave(n1)
	})
}
