package cluster_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

func TestStuckWorkerIsNeverGrantedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cluster.TaskSpec{Name: "slow", WorkName: "slow", WorkerNum: 2, StopTimeout: cluster.Duration(2 * time.Second)})
		release := make(chan struct{})
		slow := func(name string) func(*xconsumer.Node) {
			return func(n *xconsumer.Node) {
				n.Handle("slow", func(ctx context.Context, wk *xconsumer.Worker) error {
					defer w.floor.enter(name, wk)()
					<-ctx.Done()
					<-release
					return nil
				})
			}
		}
		n1 := w.start("n1", slow("n1"))
		time.Sleep(time.Second)
		events := n1.Events(t.Context())
		n2 := w.start("n2", slow("n2")) // one slot has to move, and does not stop
		var asked time.Time
		for e := range events {
			if e.Kind == cluster.SlotReleased {
				asked = e.Time
			}
			if e.Kind == cluster.WorkerGotStuck {
				if took := e.Time.Sub(asked); took != 2*time.Second {
					t.Errorf("stuck after %v; its task allows 2s", took)
				}
				break
			}
		}
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n1": 2})
		states := map[cluster.WorkerState]int{}
		for _, wk := range w.state(n2).Workers {
			states[wk.State]++
		}
		if diff := cmp.Diff(map[cluster.WorkerState]int{cluster.WorkerRunning: 1, cluster.WorkerStuck: 1}, states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		close(release)
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 1, "n2": 1})
		w.leave(n2, n1)
	})
}

func TestStuckWorkerAtTheHardStopEndsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("slow", 1))
		release := make(chan struct{})
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("slow", func(context.Context, *xconsumer.Worker) error { <-release; return nil })
		})
		time.Sleep(time.Second)
		n1.Cut()
		began := time.Now()
		err := n1.Wait()
		if !errors.Is(err, xconsumer.ErrStuck) || !strings.Contains(err.Error(), "slow#0") {
			t.Errorf("run: %v", err)
		}
		if took := time.Since(began); took < 15*time.Second || took > 20*time.Second {
			t.Errorf("ended after %v; the session is lost after 20 s", took)
		}
		close(release)
		n1.Heal() // so that what a real process would take with it ends here, too
		time.Sleep(time.Minute)
	})
}

// latest measures by how much a machine is late at present: what sleeps for a moment gets the processor so much too late. What it
// returns ends that and returns the worst.
func latest() (worst func() time.Duration) {
	const moment = 10 * time.Millisecond
	end, result := make(chan struct{}), make(chan time.Duration)
	go func() {
		var late time.Duration
		for last := time.Now(); ; {
			select {
			case <-end:
				result <- late
				return
			case <-time.After(moment):
			}
			now := time.Now()
			late, last = max(late, now.Sub(last)-moment), now
		}
	}()
	return func() time.Duration {
		close(end)
		return <-result
	}
}

// Many workers that do not stop do not keep the process from ending in time: they are not reported first. This is on the
// machine's own clock, since the stacks of so many cost time that no other clock counts; so a machine that is itself late by
// more than the protocol leaves for that shows nothing. The guard has a test on a clock of its own: TestAbandonDoesNotWaitForItsReport.
func TestManyStuckWorkersEndInTime(t *testing.T) {
	const timeout, grace, workers = 6 * time.Second, 2 * time.Second, 2000
	service := mem.New(mem.Config{Timeout: timeout, TakeoverDelay: grace})
	free := make(chan struct{})
	var running atomic.Int64
	c := testcluster.Cluster{Service: service, Tasks: []cluster.TaskSpec{task("a", workers)}}
	n1, err := c.Start(t.Context(), "n1", func(node *xconsumer.Node) {
		node.Handle("a", func(context.Context, *xconsumer.Worker) error {
			running.Add(1)
			<-free // whatever it is asked
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); running.Load() < workers; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d run", running.Load(), workers)
		}
	}
	worst := latest()
	n1.Cut()
	cut := n1.Now() // the lease's last heartbeat was sent before
	err = n1.Wait()
	late, starved := n1.Now()-cut-timeout-grace, worst()
	switch {
	case late <= 0:
	case starved > timeout/20: // the time between the hard stop and the end of the lease
		t.Logf("the process is asked to end %v too late, on a machine that is late by %v itself", late, starved)
	default:
		t.Errorf("the process is asked to end %v after others may run its slots, on a machine that is late by %v", late, starved)
	}
	if !errors.Is(err, xconsumer.ErrStuck) {
		t.Error(err)
	}
	t.Logf("asked to end %v after the cut", n1.Now()-cut)
	n1.Kill()
	close(free)
}
