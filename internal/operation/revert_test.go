package operation_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A declaration that was in force before is named as such before it comes back, whether a file or a person had put it
// there; and a node that starts with a file of it changes nothing.
func TestReverts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, mem.New(mem.Config{}), pass)
		with := func(workers int) cluster.TaskSpec {
			return cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: workers}
		}
		snapshot := func() *view.Snapshot {
			return &view.Snapshot{Tasks: map[string]view.Entry[schema.Task]{"a": {Rec: stored(t, o)}}}
		}
		reverts := func(spec cluster.TaskSpec) (codes []cluster.Revert) {
			plan, err := o.Plan(t.Context(), snapshot(), cluster.Operations{cluster.Declare(spec)})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range plan.Reverts {
				if r.Task != "a" || r.Reason == "" {
					t.Errorf("%+v", r)
				}
				codes = append(codes, r.Code)
			}
			return codes
		}
		want := func(spec cluster.TaskSpec, codes ...cluster.Revert) {
			t.Helper()
			if diff := cmp.Diff(codes, reverts(spec)); diff != "" {
				t.Errorf("%d workers (-want +got):\n%s", spec.WorkerNum, diff)
			}
		}
		if _, err := o.Declare(t.Context(), "f", []cluster.TaskSpec{with(1)}, nil); err != nil {
			t.Fatal(err)
		}
		want(with(1))
		want(with(2))
		declare := func(spec cluster.TaskSpec) { do(t, o, snapshot(), cluster.Declare(spec)) }
		declare(with(2)) // as apply does
		declare(with(3))
		do(t, o, snapshot(), cluster.Patch("a", []byte(`{"workerNum": 4}`)))
		want(with(1), cluster.RevertReplaced) // of a file
		want(with(2), cluster.RevertReplaced) // of a person
		want(with(3), cluster.RevertReplaced)
		want(with(4))
		want(with(5))
		for workers := 1; workers <= 3; workers++ {
			unapplied, err := o.Declare(t.Context(), "old", []cluster.TaskSpec{with(workers)}, nil)
			if err != nil || !slices.ContainsFunc(unapplied, func(s string) bool { return strings.Contains(s, "in force before") }) {
				t.Errorf("a node with %d workers in its file: %q, %v", workers, unapplied, err)
			}
		}
		if got := stored(t, o).Spec; got != with(4) {
			t.Errorf("in force: %+v", got)
		}
		do(t, o, snapshot(), cluster.Delete("a"))
		want(with(4), cluster.RevertDeleted)
		if _, err := o.Declare(t.Context(), "old", []cluster.TaskSpec{with(4)}, nil); err != nil || !stored(t, o).Deleted {
			t.Errorf("a file brings back what was deleted: %v", err)
		}
		// Followers do not read what leaders have removed.
		removeAs(t, o.Session, keys.Task("a"), stored(t, o))
		ops := cluster.Operations{cluster.Declare(with(3)), cluster.Declare(with(5))}
		want3 := []cluster.PlannedRevert{{Task: "a", Code: cluster.RevertDeleted, Reason: "the task was deleted, and this declares it again"}}
		if plan, err := o.Plan(t.Context(), &view.Snapshot{}, ops); err != nil || cmp.Diff(want3, plan.Reverts) != "" {
			t.Errorf("after its record is removed: %+v, %v", plan.Reverts, err)
		}
	})
}
