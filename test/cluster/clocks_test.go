package cluster_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// offClock shifts what heartbeats say of their sender's clock.
func offClock(by time.Duration) coordtest.Interceptor {
	return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
		for i, op := range ops {
			var beat schema.Heartbeat
			if strings.Contains(op.Key, "/heartbeats/") && op.Value != nil && schema.Decode(op.Key, coord.Record{Value: op.Value, Version: op.Version + 1}, &beat) == nil && !beat.At.IsZero() {
				beat.At = beat.At.Add(by)
				ops[i].Value = schema.Encode(&beat, op.Version+1)
			}
		}
		return next(ctx, ops...)
	}}
}

// A node whose clock and the leader's are apart says so, once, and names the leader; one whose clock is not, and nodes
// whose clocks differ by less than what is called apart, say nothing.
func TestClocksApart(t *testing.T) {
	for off, want := range map[time.Duration]string{90 * time.Second: "ahead of", -90 * time.Second: "behind", 1500 * time.Millisecond: ""} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, task("a", 2))
			w.intercept = func(*mem.Client) coordtest.Interceptor { return offClock(off) }
			n1 := w.start("n1")
			w.intercept = nil
			n2 := w.start("n2")
			var mu sync.Mutex
			reported := map[string][]string{}
			for _, p := range []*proc{n1, n2} {
				events := p.Events(t.Context())
				go func() {
					for e := range events {
						if e.Kind == cluster.ClockWrong {
							mu.Lock()
							reported[e.Node] = append(reported[e.Node], e.Detail)
							mu.Unlock()
						}
					}
				}()
			}
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case len(reported["n1"]) > 0:
				t.Errorf("the leader says %q", reported["n1"])
			case want == "" && len(reported["n2"]) > 0 || want != "" && len(reported["n2"]) != 1:
				t.Errorf("off by %v, n2 says %q", off, reported["n2"])
			case want != "" && (!strings.Contains(reported["n2"][0], "the clock of n1, which leads, is 1m") || !strings.Contains(reported["n2"][0], want)):
				t.Errorf("off by %v, n2 says %q", off, reported["n2"])
			default:
				t.Logf("off by %v: %q", off, reported["n2"])
			}
			w.leave(n2, n1)
		})
	}
}

// What is measured of clocks that are apart is taken back when it is not known any longer, and at once when the node
// itself leads.
func TestApartIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		var silent atomic.Bool
		off := offClock(90 * time.Second)
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
				return off.Commit(ctx, ops, func(ctx context.Context, ops ...coord.Op) ([]coord.Result, error) {
					for i, op := range ops {
						var beat schema.Heartbeat
						if silent.Load() && strings.Contains(op.Key, "/heartbeats/") && op.Value != nil && schema.Decode(op.Key, coord.Record{Value: op.Value, Version: op.Version + 1}, &beat) == nil {
							beat.At = time.Time{}
							ops[i].Value = schema.Encode(&beat, op.Version+1)
						}
					}
					return next(ctx, ops...)
				})
			}}
		}
		n1 := w.start("n1")
		w.intercept = nil
		n2 := w.start("n2")
		shown := func() float64 {
			synctest.Wait()
			for _, m := range n2.Admin().Measures() {
				if m.Name == "xconsumer_clock_apart_seconds" && len(m.Series) == 1 {
					return m.Series[0].Value
				}
			}
			return 0
		}
		apart := func(when string) {
			t.Helper()
			time.Sleep(3 * time.Minute)
			if v := shown(); v < 80 || v > 90 {
				t.Fatalf("%s: %v s apart are shown, want nearly 90", when, v)
			}
		}
		apart("the leader shows its clock")
		silent.Store(true)
		time.Sleep(3 * time.Minute)
		if v := shown(); v != 0 {
			t.Errorf("the leader does not show its clock: %v s apart are shown", v)
		}
		silent.Store(false)
		apart("it shows it again")
		w.leave(n1)
		time.Sleep(2 * time.Second)
		if leads := w.state(n2).Leader == "n2"; !leads {
			t.Fatal("n2 does not lead")
		}
		if v := shown(); v != 0 {
			t.Errorf("the node leads: %v s apart are shown", v)
		}
		w.leave(n2)
	})
}

// A task that was paused while its schedule fired reports the firings that it did not make up for, and of those that
// came while a run went on: in its runs, by an event and by a counter.
func TestSkippedFirings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := cluster.TaskSpec{Name: "job", WorkName: "job", WorkerNum: 1, Every: cluster.Duration(10 * time.Second), Phase: cluster.PhaseOf(0), Misfire: cluster.MisfireOnce}
		w := newWorld(t, spec)
		var r ran
		n1 := w.start("n1", r.handle)
		var events []string
		all := n1.Events(t.Context())
		go func() {
			for e := range all {
				if e.Kind == cluster.FiringSkipped {
					events = append(events, e.Detail)
				}
			}
		}()
		time.Sleep(25 * time.Second)
		w.do(n1, cluster.Pause("job"))
		time.Sleep(100 * time.Second)
		w.do(n1, cluster.Resume("job"))
		time.Sleep(8 * time.Second)
		synctest.Wait()
		var skipped []cluster.RunInfo
		for _, r := range w.runs(n1) {
			if r.State == cluster.RunSkipped {
				skipped = append(skipped, r)
			}
		}
		if len(skipped) != 1 || skipped[0].Skipped != 8 || !strings.Contains(skipped[0].Reason, "8 firings from") || !strings.Contains(skipped[0].Reason, "s late") {
			t.Errorf("skipped: %+v", skipped)
		}
		if len(events) != 1 || !strings.HasPrefix(events[0], "job: 8 firings from") {
			t.Errorf("events: %q", events)
		}
		counted := false
		for _, m := range n1.Admin().Measures() {
			if m.Name == "xconsumer_runs_skipped_total" {
				counted = len(m.Series) == 1 && m.Series[0].Value == 8 && strings.Join(m.Series[0].Labels, " ") == "job late"
			}
		}
		if !counted {
			t.Error("they are not counted")
		}
		if info := w.state(n1).Tasks[0]; info.Schedule != "every 10s, phase 0s" {
			t.Errorf("its schedule is said to be %q", info.Schedule)
		}
		w.leave(n1)
	})
}
