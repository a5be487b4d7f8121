package operation_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// lossy is a cluster of one node behind a link that may lose the answers to commits.
type lossy struct {
	t       *testing.T
	service *mem.Service
	// lose is asked of every commit: whether it is done, and whether its answer is lost, at once or when ctx is over.
	lose  func() (done, lost, hangs bool)
	deaf  bool // nothing is answered
	count int  // commits that were made
}

// newLossy makes the cluster: task a with workers on n1, task r whose runs are begun by hand, and n2 that has nothing.
func newLossy(t *testing.T) *lossy {
	t.Helper()
	l := &lossy{t: t, service: mem.New(mem.Config{}), lose: func() (bool, bool, bool) { return true, false, false }}
	s, err := l.service.Client().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	spec := cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 2}
	assignment := schema.Assignment{Node: "n1", SessionTimeout: cluster.Duration(20 * time.Second), Granted: []schema.Granted{{SlotRange: schema.SlotRange{Task: "a", Slots: cluster.Indexes{0, 1}, Token: 5}, Ref: schema.SpecRef{Chunk: 1}, Spec: &spec}}, Releasing: []schema.Releasing{}}
	for _, op := range []coord.Op{
		coord.Create(keys.Epoch(), schema.Encode(&schema.Epoch{Term: 1, Leader: "g1", Node: "n1", NextToken: 6}, 0)),
		coord.Create(keys.Task("a"), schema.Encode(&schema.Task{Spec: spec}, 0)),
		coord.Create(keys.Task("r"), schema.Encode(&schema.Task{Spec: cluster.TaskSpec{Name: "r", WorkName: "a", WorkerNum: 1, Mode: cluster.ModeOnce}}, 0)),
		coord.Create(keys.Assignment("g1"), schema.Encode(&assignment, 0)),
		coord.CreateBound(keys.Member("g1"), schema.Encode(&schema.Member{Member: cluster.Member{Node: "n1", Works: []string{"a"}}}, 0)),
		coord.CreateBound(keys.Status("g1"), schema.Encode(&schema.Status{Holding: []schema.Claimed{}}, 0)),
		coord.CreateBound(keys.Heartbeat("g1"), schema.Encode(&schema.Heartbeat{}, 0)),
		coord.CreateBound(keys.Name("n1"), schema.Encode(&schema.Name{Member: "g1", Node: "n1"}, 0)),
		coord.Create(keys.SpecChunk(1), schema.Encode(&schema.SpecChunk{Specs: []schema.StoredSpec{{Name: "a", Spec: spec}}}, 0)),
		coord.Create(keys.Assignment("g2"), schema.Encode(&schema.Assignment{Node: "n2", SessionTimeout: assignment.SessionTimeout, Granted: []schema.Granted{}, Releasing: []schema.Releasing{}}, 0)),
		coord.CreateBound(keys.Member("g2"), schema.Encode(&schema.Member{Member: cluster.Member{Node: "n2", Works: []string{"a"}}}, 0)),
		coord.CreateBound(keys.Status("g2"), schema.Encode(&schema.Status{Holding: []schema.Claimed{}}, 0)),
	} {
		if _, err := s.Commit(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// operator returns an operator over a link of its own.
func (l *lossy) operator() operation.Operator {
	l.t.Helper()
	s, err := coordtest.Intercept(l.service.Client(), coordtest.Interceptor{
		Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) (r []coord.Result, err error) {
			done, lost, hangs := l.lose()
			if done {
				r, err = next(ctx, ops...)
				if err == nil {
					l.count++
				}
			}
			if !lost {
				return r, err
			}
			if hangs {
				<-ctx.Done()
				err = context.Cause(ctx)
			}
			return nil, errors.Join(coord.ErrUnknown, err)
		},
		Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
			if l.deaf {
				<-ctx.Done()
				return coord.Record{}, errors.Join(coord.ErrUnknown, context.Cause(ctx))
			}
			return next(ctx, key)
		},
	}).Open(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = s.Close() })
	return operation.Operator{Session: s, Keys: keys, By: "test"}
}

func (l *lossy) snapshot() *view.Snapshot {
	l.t.Helper()
	s, err := l.service.Client().Open(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	v := view.New("test", s, keys)
	defer v.Close()
	if _, err := v.Refresh(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	return v.Snapshot()
}

// lines returns the audit.
func (l *lossy) lines() []cluster.AuditLine {
	l.t.Helper()
	r, err := l.operator().Session.Get(l.t.Context(), keys.Audit())
	if errors.Is(err, coord.ErrNotFound) {
		return nil
	}
	rec := new(schema.Audit)
	if err == nil {
		err = schema.Decode(keys.Audit(), r, rec)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return rec.Lines
}

// everyKind are operations of every kind, and a list of them.
func everyKind() map[string]func(ctx context.Context, o operation.Operator, s *view.Snapshot, key string) (string, error) {
	slot := cluster.Slot{Task: "a"}
	create := cluster.Declare(cluster.TaskSpec{Name: "new", WorkName: "a", WorkerNum: 1})
	create.If = cluster.IfAbsent
	bound := cluster.Scale("a", 7)
	bound.If = "0"
	list := map[string]func(context.Context, operation.Operator, *view.Snapshot, string) (string, error){
		"apply": func(ctx context.Context, o operation.Operator, s *view.Snapshot, key string) (string, error) {
			_, err := o.Apply(ctx, s, cluster.Operations{cluster.Scale("a", 3), cluster.Cordon("n1")}, explain.Revision(s), cluster.Caller{Key: key})
			return "", err
		},
	}
	for name, op := range map[string]cluster.Operation{
		"scale": cluster.Scale("a", 4), "scale what was looked at": bound, "pause": cluster.Pause("a"), "create": create, "patch": cluster.Patch("a", []byte(`{"workerNum": 9}`)),
		"delete": cluster.Delete("a"), "run now": cluster.RunNow("r", ""), "cordon": cluster.Cordon("n1"), "drain": cluster.Drain("n1", time.Minute),
		"label": cluster.Label("n1", map[string]*string{"zone": new("x")}), "evict": cluster.Evict("n1"), "restart": cluster.RestartTask("a"), "restart a worker": cluster.RestartWorker(slot),
		"restart a node": cluster.RestartNode("n1"), "move": cluster.Move(slot, "n2"), "step down": cluster.StepDown(),
	} {
		list[name] = func(ctx context.Context, o operation.Operator, s *view.Snapshot, key string) (string, error) {
			op.Key = key
			return o.Do(ctx, s, op)
		}
	}
	return list
}

func eachOperation(t *testing.T, test func(t *testing.T, l *lossy, do func(ctx context.Context, o operation.Operator, key string) (string, error))) {
	for name, do := range everyKind() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLossy(t)
				s := l.snapshot()
				test(t, l, func(ctx context.Context, o operation.Operator, key string) (string, error) {
					return do(ctx, o, s, key)
				})
			})
		})
	}
}

// What was done is called done although its answer was lost, and is done once: whether the link says so at once, or when
// nobody waits for it any longer; and what was not done is done.
func TestLostAnswers(t *testing.T) {
	for _, done := range []bool{true, false} {
		for _, hangs := range []bool{true, false} {
			if hangs && !done {
				continue // see TestOutcomeUnknown
			}
			t.Run(fmt.Sprintf("done %v hangs %v", done, hangs), func(t *testing.T) {
				eachOperation(t, func(t *testing.T, l *lossy, do func(context.Context, operation.Operator, string) (string, error)) {
					first := true
					l.lose = func() (bool, bool, bool) {
						lost := first
						first = false
						return done || !lost, lost, hangs
					}
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					if _, err := do(ctx, l.operator(), ""); err != nil || l.count != 1 || len(l.lines()) != 1 {
						t.Errorf("%d commits, %d lines, %v", l.count, len(l.lines()), err)
					}
				})
			})
		}
	}
}

// Where nobody can know, that is what is said; and what is asked for again with the same key, of another node, is done once.
func TestOutcomeUnknown(t *testing.T) {
	for _, done := range []bool{true, false} {
		t.Run(fmt.Sprint("done ", done), func(t *testing.T) {
			eachOperation(t, func(t *testing.T, l *lossy, do func(context.Context, operation.Operator, string) (string, error)) {
				l.lose = func() (bool, bool, bool) { l.deaf = true; return done, true, true }
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				began := time.Now()
				if _, err := do(ctx, l.operator(), "k"); !errors.Is(err, cluster.ErrOutcomeUnknown) || time.Since(began) > 8*time.Second {
					t.Fatalf("after %v: %v", time.Since(began), err)
				}
				l.deaf, l.lose = false, func() (bool, bool, bool) { return true, false, false }
				first, err := do(t.Context(), l.operator(), "k")
				if err != nil || l.count != 1 {
					t.Fatalf("%d commits, %v", l.count, err)
				}
				again, err := do(t.Context(), l.operator(), "k")
				if err != nil || again != first || l.count != 1 || len(l.lines()) != 1 {
					t.Errorf("revision %q after %q, %d commits, %d lines, %v", again, first, l.count, len(l.lines()), err)
				}
			})
		})
	}
}

// A key stands for one thing of one person, as long as the audit remembers it.
func TestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t)
		o, s := l.operator(), l.snapshot()
		run := func(by, key string) (string, error) {
			op := cluster.RunNow("r", "")
			op.By, op.Key = by, key
			return o.Do(t.Context(), s, op)
		}
		first, err := run("ann", "k")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := run("ann", "k"); err != nil || again != first {
			t.Errorf("run %q after %q, %v", again, first, err)
		}
		if other, err := run("bob", "k"); err != nil || other == first {
			t.Errorf("somebody else's: run %q, %v", other, err)
		}
		op := cluster.Scale("a", 4)
		op.By, op.Key = "ann", "k"
		if _, err := o.Do(t.Context(), s, op); !errors.Is(err, cluster.ErrKeyReused) {
			t.Errorf("another operation: %v", err)
		}
		if _, repeated, err := o.Repeated(t.Context(), op); repeated || !errors.Is(err, cluster.ErrKeyReused) {
			t.Errorf("another operation: %v, %v", repeated, err)
		}
		for i := range 250 {
			if _, err := run("ann", fmt.Sprint("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(l.lines()); n < 150 {
			t.Errorf("%d lines are kept", n)
		}
		if again, err := run("ann", "k249"); err != nil || again == first {
			t.Errorf("run %q, %v", again, err)
		}
	})
}

// Where the service does not answer a read, nothing was sent: the outcome is known.
func TestUnansweredIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		s, err := coordtest.Intercept(service.Client(), coordtest.Interceptor{
			Get: func(ctx context.Context, _ string, _ func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
				<-ctx.Done()
				return coord.Record{}, fmt.Errorf("get: %w: %w", coord.ErrUnknown, ctx.Err())
			},
		}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = operation.Operator{Session: s, Keys: keys, By: "test"}.Do(ctx, &view.Snapshot{}, cluster.Scale("a", 2))
		if !errors.Is(err, cluster.ErrUnanswered) || errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("%v", err)
		}
	})
}
