package operation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// interrupted returns an operator to whom something happens after its first read of a key.
func interrupted(t *testing.T, service *mem.Service, key string, during func()) operation.Operator {
	t.Helper()
	var first sync.Once
	s, err := coordtest.Intercept(service.Client(), coordtest.Interceptor{
		Get: func(ctx context.Context, k string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
			r, err := next(ctx, k)
			if k == key {
				first.Do(during)
			}
			return r, err
		},
	}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return operation.Operator{Session: s, Keys: keys, By: "late"}
}

// removeAs removes a key as a leader does.
func removeAs(t *testing.T, s coord.Session, key string, task *schema.Task) {
	t.Helper()
	rec := new(schema.Removed)
	at, err := s.Get(t.Context(), keys.Removed())
	if err == nil {
		err = schema.Decode(keys.Removed(), at, rec)
	}
	r, readErr := s.Get(t.Context(), key)
	err = errors.Join(err, readErr)
	if err != nil {
		t.Fatal(err)
	}
	if task != nil {
		rec.Add(task)
	}
	if _, err := s.Commit(t.Context(), coord.Set(keys.Removed(), schema.Encode(rec, at.Version+1), at.Version), coord.Delete(key, r.Version)); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, o operation.Operator, s *view.Snapshot, op cluster.Operation) string {
	t.Helper()
	revision, err := o.Do(t.Context(), s, op)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// A write that is based on a record which has been removed since is not made to the one that is in its place, although
// both are at version 0.
func TestWriteOfARemovedTask(t *testing.T) {
	for _, bound := range []bool{false, true} {
		t.Run(fmt.Sprint("bound ", bound), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				o := open(t, service, pass)
				spec := cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 1}
				first := do(t, o, &view.Snapshot{}, cluster.Declare(spec))
				spec.WorkName = "another"
				late := interrupted(t, service, keys.Task("a"), func() {
					do(t, o, &view.Snapshot{}, cluster.Delete("a"))
					removeAs(t, o.Session, keys.Task("a"), stored(t, o))
					if again := do(t, o, &view.Snapshot{}, cluster.Declare(spec)); again == first {
						t.Errorf("both have revision %s", again)
					}
				})
				scale := cluster.Scale("a", 7)
				if bound {
					scale.If = first
				}
				_, err := late.Do(t.Context(), &view.Snapshot{}, scale)
				if got := stored(t, o); got.Spec.WorkName != "another" || got.Generation != 1 || (got.Override.WorkerNum != nil) == bound || errors.Is(err, cluster.ErrMovedOn) != bound {
					t.Errorf("%+v, %v", got, err)
				}
				// The same once more, by a file.
				late = interrupted(t, service, keys.Task("a"), func() {
					do(t, o, &view.Snapshot{}, cluster.Delete("a"))
					removeAs(t, o.Session, keys.Task("a"), stored(t, o))
					do(t, o, &view.Snapshot{}, cluster.Declare(spec))
				})
				other := spec
				other.WorkName = "third"
				if _, err := late.Declare(t.Context(), "f", []cluster.TaskSpec{other}, nil); err != nil {
					t.Error(err)
				}
				if got := stored(t, o); got.Generation != 2 {
					t.Errorf("%+v is of the task that was removed", got)
				}
			})
		})
	}
}

// The same of a mark: a drain that somebody has asked for since stays.
func TestWriteOfARemovedMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		o := open(t, service, pass)
		there := &view.Snapshot{Peers: map[string]*view.Peer{"g": {Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Node: "n"}}}}}
		do(t, o, there, cluster.Cordon("n"))
		late := interrupted(t, service, keys.Mark("n"), func() {
			do(t, o, there, cluster.Uncordon("n"))
			removeAs(t, o.Session, keys.Mark("n"), nil)
			do(t, o, there, cluster.Drain("n", 0))
		})
		do(t, late, there, cluster.Label("n", map[string]*string{"gpu": new("a")}))
		r, err := o.Session.Get(t.Context(), keys.Mark("n"))
		if err != nil {
			t.Fatal(err)
		}
		var mark schema.Mark
		if err := schema.Decode(keys.Mark("n"), r, &mark); err != nil || mark.Drain == nil || mark.Cordoned || mark.Labels["gpu"] != "a" {
			t.Errorf("%s, %v", r.Value, err)
		}
	})
}

// What was taken back is written so, and not deleted: its version goes on.
func TestMarksAreNotDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, mem.New(mem.Config{}), pass)
		there := &view.Snapshot{Peers: map[string]*view.Peer{"g": {Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Node: "n"}}}}}
		if got := do(t, o, there, cluster.Uncordon("n")); got != "" {
			t.Errorf("nothing was asked for, and the revision is %q", got)
		}
		for i, op := range []cluster.Operation{cluster.Cordon("n"), cluster.Uncordon("n"), cluster.Drain("n", 0), cluster.Uncordon("n")} {
			if got := do(t, o, there, op); got != fmt.Sprint(i) {
				t.Errorf("%s: revision %s; want %d", op, got, i)
			}
		}
	})
}

// A declaration that was in force once is not taken for a new one, however many others came after it; and no number of
// them makes the record too large.
func TestOldFilesRevertNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, mem.New(mem.Config{}), pass)
		declare := func(workers int) string {
			t.Helper()
			unapplied, err := o.Declare(t.Context(), "f", []cluster.TaskSpec{{Name: "a", WorkName: "a", WorkerNum: workers}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(unapplied, "; ")
		}
		const releases = 3000
		for n := range releases {
			if note := declare(n); note != "" {
				t.Fatalf("release %d: %s", n, note)
			}
		}
		for n := range releases - 1 {
			note := declare(n)
			if got := stored(t, o).Spec.WorkerNum; got != releases-1 {
				t.Fatalf("the file of release %d is in force again: %d workers", n, got)
			}
			certain := n >= releases-1032
			if strings.Contains(note, "this one was in force before") != certain || strings.Contains(note, "seems to have been in force before") == certain {
				t.Fatalf("release %d: %q", n, note)
			}
		}
		r, err := o.Session.Get(t.Context(), keys.Task("a"))
		if err != nil || len(r.Value) > 32<<10 {
			t.Errorf("the record has %d bytes, %v", len(r.Value), err)
		}
		// Not even when the task was deleted, and its record removed.
		do(t, o, &view.Snapshot{}, cluster.Delete("a"))
		removeAs(t, o.Session, keys.Task("a"), stored(t, o))
		for n := range releases {
			if note := declare(n); !strings.Contains(note, "the task was deleted") {
				t.Fatalf("release %d: %q", n, note)
			}
		}
		if note := declare(releases); note != "" {
			t.Errorf("a new one: %s", note)
		}
	})
}
