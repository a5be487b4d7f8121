package operation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// What somebody writes after the snapshot was read from which a plan is applied is not written over.
func TestApplyAfterAnotherWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name            string
			earlier, theirs cluster.Operations
			planned         cluster.Operation
			refused         bool
		}{
			{"a new task", nil, cluster.Operations{cluster.Declare(cluster.TaskSpec{Name: "b", WorkName: "b", WorkerNum: 7})}, cluster.Declare(cluster.TaskSpec{Name: "b", WorkName: "b", WorkerNum: 4}), true},
			{"a task", cluster.Operations{cluster.Declare(cluster.TaskSpec{Name: "b", WorkName: "b", WorkerNum: 1})}, cluster.Operations{cluster.Scale("b", 7)}, cluster.Scale("b", 4), true},
			{"another task", cluster.Operations{cluster.Declare(cluster.TaskSpec{Name: "b", WorkName: "b", WorkerNum: 1}), cluster.Declare(cluster.TaskSpec{Name: "c", WorkName: "b", WorkerNum: 1})}, cluster.Operations{cluster.Scale("c", 7)}, cluster.Scale("b", 4), false},
			{"a mark", cluster.Operations{cluster.Cordon("n1")}, cluster.Operations{cluster.Drain("n1", 0)}, cluster.Uncordon("n1"), true},
		} {
			l := newLossy(t)
			for _, op := range c.earlier {
				if _, err := l.operator().Do(t.Context(), l.snapshot(), op); err != nil {
					t.Fatal(c.name, err)
				}
			}
			snap := l.snapshot()
			for _, op := range c.theirs {
				if _, err := l.operator().Do(t.Context(), snap, op); err != nil {
					t.Fatal(c.name, err)
				}
			}
			theirs := recordsOf(l.snapshot())
			_, err := l.operator().Apply(t.Context(), snap, cluster.Operations{c.planned}, explain.Revision(snap), cluster.Caller{})
			if errors.Is(err, cluster.ErrMovedOn) != c.refused || (err != nil) != c.refused {
				t.Errorf("%s: %v", c.name, err)
			}
			if now := recordsOf(l.snapshot()); c.refused && !equalRecords(now, theirs) {
				t.Errorf("%s: what was written is %v, and was %v", c.name, now, theirs)
			}
		}
	})
}

func equalRecords(a, b map[string]string) bool {
	for key, text := range a {
		if b[key] != text {
			return false
		}
	}
	return len(a) == len(b)
}

// A list is bounded, and what is wrong with an operation is said and not run into.
func TestOperationsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t)
		o, snap := l.operator(), l.snapshot()
		for _, c := range []struct {
			ops  cluster.Operations
			want string
		}{
			{slices.Repeat(cluster.Operations{cluster.Pause("a")}, 1001), "1001 are too many"},
			{slices.Repeat(cluster.Operations{cluster.Move(cluster.Slot{Task: "a"}, "n2")}, 21), "21 moves are too many"},
		} {
			if _, err := o.Plan(t.Context(), snap, c.ops); !errors.Is(err, cluster.ErrChange) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d operations: %v", len(c.ops), err)
			}
		}
		bad := cluster.Patch("a", []byte("{oops"))
		bad.Key = "k"
		if _, repeated, err := o.Repeated(t.Context(), bad); repeated || !errors.Is(err, cluster.ErrChange) {
			t.Error(repeated, err)
		}
		for _, op := range []cluster.Operation{bad, cluster.Lose("n1")} {
			before := recordsOf(snap)
			if _, err := o.Do(t.Context(), snap, op); !errors.Is(err, cluster.ErrChange) {
				t.Errorf("%s: %v", op.Kind, err)
			}
			if !equalRecords(before, recordsOf(l.snapshot())) {
				t.Errorf("%s has changed records", op.Kind)
			}
		}
	})
}

// The audit says of a long list how many operations of each kind it has.
func TestNoOperationHidesBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t)
		o := l.operator()
		if _, err := o.Do(t.Context(), l.snapshot(), cluster.Declare(cluster.TaskSpec{Name: "b", WorkName: "b", WorkerNum: 1})); err != nil {
			t.Fatal(err)
		}
		ops := append(slices.Repeat(cluster.Operations{cluster.Pause("b"), cluster.Resume("b")}, 60), cluster.Drain("n1", 0))
		snap := l.snapshot()
		if _, err := o.Apply(t.Context(), snap, ops, explain.Revision(snap), cluster.Caller{By: "ada"}); err != nil {
			t.Fatal(err)
		}
		r, err := o.Session.Get(t.Context(), keys.Audit())
		audit := new(schema.Audit)
		if err == nil {
			err = schema.Decode(keys.Audit(), r, audit)
		}
		if err != nil || !strings.Contains(audit.Lines[len(audit.Lines)-1].What, "121 operations (1 drain, 60 pause, 60 resume)") {
			t.Errorf("%v, %+v", err, audit.Lines)
		}
	})
}
