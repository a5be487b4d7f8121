package operation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var keys = schema.NewKeys("test")

type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)

// open returns an operator whose commits pass through f.
func open(t *testing.T, service *mem.Service, f func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error)) operation.Operator {
	t.Helper()
	s, err := coordtest.Intercept(service.Client(), coordtest.Interceptor{Commit: f}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return operation.Operator{Session: s, Keys: keys, By: "test"}
}

func pass(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
	return next(ctx, ops...)
}

// stored reads task a.
func stored(t *testing.T, o operation.Operator) *schema.Task {
	t.Helper()
	r, err := o.Session.Get(t.Context(), keys.Task("a"))
	if err != nil {
		t.Fatal(err)
	}
	rec := new(schema.Task)
	if err := schema.Decode(keys.Task("a"), r, rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// Without a leader, step-down is refused: the operation is valid, and conflicts with the state of the cluster.
func TestStepDownOfNobody(t *testing.T) {
	_, err := open(t, mem.New(mem.Config{}), pass).Do(t.Context(), &view.Snapshot{}, cluster.StepDown())
	if !errors.Is(err, cluster.ErrConflict) || !errors.Is(err, cluster.ErrChange) || err.Error() != "change refused in the current state: there is no leader" {
		t.Errorf("%v", err)
	}
}

// What the service refuses is not tried again; what is not known time after time is, ever more slowly.
func TestFailuresAreNotRepeatedAtOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		most int
	}{{"refused", coord.ErrRefused, 1}, {"unknown", coord.ErrUnknown, 40}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				commits := 0
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				o := open(t, mem.New(mem.Config{}), func(context.Context, []coord.Op, commit) ([]coord.Result, error) {
					commits++
					if commits > 1000 {
						cancel() // time stands still
					}
					return nil, fmt.Errorf("commit: %w", c.err)
				})
				spec := &cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 1}
				_, err := o.Do(ctx, &view.Snapshot{}, cluster.Operation{Kind: cluster.OpDeclare, Task: "a", Spec: spec})
				if err == nil || commits > c.most || errors.Is(c.err, coord.ErrRefused) && !errors.Is(err, coord.ErrRefused) {
					t.Errorf("%d commits in 30 s, then: %v", commits, err)
				}
			})
		})
	}
}

// A commit whose outcome is unknown is read again, not sent again: an operation is written once.
func TestUnknownOutcome(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprint("applied ", applied), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				commits := 0
				o := open(t, mem.New(mem.Config{}), func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
					commits++
					if commits == 2 {
						if applied {
							_, _ = next(ctx, ops...)
						}
						return nil, fmt.Errorf("test: %w", coord.ErrUnknown)
					}
					return next(ctx, ops...)
				})
				spec := cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 1}
				if _, err := o.Declare(t.Context(), "f", []cluster.TaskSpec{spec}, nil); err != nil {
					t.Fatal(err)
				}
				if _, err := o.Do(t.Context(), &view.Snapshot{}, cluster.Scale("a", 5)); err != nil {
					t.Fatal(err)
				}
				r, err := o.Session.Get(t.Context(), keys.Task("a"))
				if err != nil || r.Version != 1 || stored(t, o).Effective().WorkerNum != 5 {
					t.Errorf("version %d, %+v, %v", r.Version, stored(t, o), err)
				}
			})
		})
	}
}

// An operation that is bound to a revision, and was written although its answer was lost, is not taken for that of another caller.
func TestUnknownOutcomeOfABoundOperation(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprint("applied ", applied), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				commits := 0
				o := open(t, mem.New(mem.Config{}), func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
					commits++
					if commits%2 == 1 { // the first of each operation
						if applied {
							_, _ = next(ctx, ops...)
						}
						return nil, fmt.Errorf("test: %w", coord.ErrUnknown)
					}
					return next(ctx, ops...)
				})
				create := cluster.Declare(cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 1})
				create.If = cluster.IfAbsent
				first, err := o.Do(t.Context(), &view.Snapshot{}, create)
				if err != nil || first != "0" {
					t.Fatalf("revision %s, %v", first, err)
				}
				commits = 0
				scale := cluster.Scale("a", 5)
				scale.If = first
				second, err := o.Do(t.Context(), &view.Snapshot{}, scale)
				if err != nil || second != "1" || stored(t, o).Effective().WorkerNum != 5 {
					t.Errorf("revision %s, %+v, %v", second, stored(t, o), err)
				}
				if _, err := o.Do(t.Context(), &view.Snapshot{}, scale); !errors.Is(err, cluster.ErrMovedOn) {
					t.Errorf("once more: %v", err)
				}
			})
		})
	}
}

// Operations of several people at the same time are all kept.
func TestOperatorsAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Latency: time.Millisecond})
		const count = 5
		snap := &view.Snapshot{Peers: map[string]*view.Peer{}}
		for i := range count {
			snap.Peers[fmt.Sprint("gone", i)] = &view.Peer{Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Node: "n"}}, Member: view.Entry[schema.Member]{Absent: true}}
		}
		stops := snap.Peers["gone4"] // it stops, and its slots are to wait for it
		stops.Member = view.Entry[schema.Member]{Rec: &schema.Member{Member: cluster.Member{Node: "n", RestartGrace: cluster.Duration(time.Minute)}}}
		stops.Status = view.Entry[schema.Status]{Rec: &schema.Status{Leaving: true}}
		stays := *stops
		stays.Status = view.Entry[schema.Status]{Rec: &schema.Status{}}
		var wait sync.WaitGroup
		for i := range count {
			wait.Go(func() {
				one := &view.Snapshot{Peers: map[string]*view.Peer{}}
				one.Peers[fmt.Sprint("gone", i)] = snap.Peers[fmt.Sprint("gone", i)]
				one.Peers["stays"] = &stays
				if _, err := open(t, service, pass).Do(t.Context(), one, cluster.MoveNow()); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		o := open(t, service, pass)
		r, err := o.Session.Get(t.Context(), keys.Requests())
		if err != nil {
			t.Fatal(err)
		}
		var rec schema.Requests
		if err := schema.Decode(keys.Requests(), r, &rec); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"gone0", "gone1", "gone2", "gone3", "gone4"}, rec.MoveNow); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

// What a record that cannot be used stands in the way of is told, and nothing is written over it.
func TestDamagedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, mem.New(mem.Config{}), pass)
		if _, err := o.Session.Commit(t.Context(), coord.Create(keys.Task("a"), []byte("{oops"))); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Do(t.Context(), &view.Snapshot{}, cluster.Pause("a")); !errors.Is(err, schema.ErrCorrupt) {
			t.Errorf("%v", err)
		}
		unapplied, err := o.Declare(t.Context(), "f", []cluster.TaskSpec{{Name: "a", WorkName: "a"}}, nil)
		if len(unapplied) != 1 || err != nil {
			t.Errorf("unapplied %v, %v", unapplied, err)
		}
		if r, err := o.Session.Get(t.Context(), keys.Task("a")); err != nil || string(r.Value) != "{oops" {
			t.Errorf("%s, %v", r.Value, err)
		}
	})
}

// What is wrong with a field of a stored record is not said of a field of what somebody asks for, who has not given it.
func TestFieldsOfARecordAreNotTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, mem.New(mem.Config{}), pass)
		bad := &schema.Task{Spec: cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: -1}}
		if _, err := o.Session.Commit(t.Context(), coord.Create(keys.Task("a"), schema.Encode(bad, 0))); err != nil {
			t.Fatal(err)
		}
		_, err := o.Do(t.Context(), &view.Snapshot{}, cluster.Pause("a"))
		if field, ok := errors.AsType[*cluster.FieldError](err); ok || !errors.Is(err, schema.ErrCorrupt) || !strings.Contains(err.Error(), "workerNum: -1") || !strings.Contains(err.Error(), "xconsumer delete") {
			t.Errorf("%v; field %v", err, field)
		}
	})
}

// A file with many tasks is one commit: a leader that sees some of its tasks sees all. If one record cannot be used, or they do not fit
// into one commit, the others are declared all the same.
func TestDeclareIsOneCommit(t *testing.T) {
	var specs []cluster.TaskSpec
	for _, name := range []string{"a", "b", "c"} {
		specs = append(specs, cluster.TaskSpec{Name: name, WorkName: "w", WorkerNum: 1})
	}
	for _, c := range []struct {
		name      string
		before    []byte // the record of b
		most      int    // operations of a commit
		unapplied string
	}{
		{"fit", nil, coord.MaxOps, ""},
		{"do not fit", nil, 3, ""},
		{"damaged", []byte("{oops"), coord.MaxOps, "task b: not applied: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				commits := 0
				o := open(t, mem.New(mem.Config{}), func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
					commits++
					if len(ops) > c.most {
						return nil, coord.ErrTooLarge
					}
					return next(ctx, ops...)
				})
				if c.before != nil {
					if _, err := o.Session.Commit(t.Context(), coord.Create(keys.Task("b"), c.before)); err != nil {
						t.Fatal(err)
					}
				}
				commits = 0
				unapplied, err := o.Declare(t.Context(), "f", specs, &cluster.Settings{LeaderWorkers: cluster.LeaderNone})
				if err != nil || len(unapplied) > 1 || !strings.HasPrefix(strings.Join(unapplied, ""), c.unapplied) {
					t.Errorf("unapplied %q, %v", unapplied, err)
				}
				if one := c.before == nil && c.most == coord.MaxOps; one != (commits == 1) {
					t.Errorf("%d commits", commits)
				}
				for _, spec := range specs {
					if spec.Name == "b" && c.before != nil {
						continue
					}
					if _, err := o.Session.Get(t.Context(), keys.Task(spec.Name)); err != nil {
						t.Error(err)
					}
				}
				if _, err := o.Session.Get(t.Context(), keys.Settings()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
