package operation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/operation"
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

// replaceByHand writes something else in place of the settings.
func replaceByHand(t *testing.T, o operation.Operator, value string) {
	t.Helper()
	r, err := o.Session.Get(t.Context(), keys.Settings())
	if err == nil {
		_, err = o.Session.Commit(t.Context(), coord.Set(keys.Settings(), []byte(value), r.Version))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Settings are replaced by an operation, also by those that were in force before, and a node that starts with an earlier file
// reverts nothing. A plan is refused after they were changed. A record that cannot be used is replaced.
func TestSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, mem.New(mem.Config{}), pass)
		with := func(moves int) cluster.Settings {
			return cluster.Settings{Rebalance: cluster.Rebalance{MaxInFlight: moves}}
		}
		read := func() view.Entry[schema.Settings] {
			stored, err := o.Session.Get(t.Context(), keys.Settings())
			if errors.Is(err, coord.ErrNotFound) {
				return view.Entry[schema.Settings]{Absent: true}
			}
			rec := new(schema.Settings)
			if err := errors.Join(err, schema.Decode(keys.Settings(), stored, rec)); err != nil {
				t.Fatal(err)
			}
			return view.Entry[schema.Settings]{Rec: rec, Version: stored.Version}
		}
		snapshot := func() *view.Snapshot { return &view.Snapshot{Settings: read()} }
		want := func(moves int) {
			t.Helper()
			if got := read().Rec.Spec; got != with(moves) {
				t.Errorf("%+v; want %d", got, moves)
			}
		}
		declare := func(moves int) []string {
			settings := with(moves)
			unapplied, err := o.Declare(t.Context(), "f", nil, &settings)
			if err != nil {
				t.Fatal(err)
			}
			return unapplied
		}
		do(t, o, snapshot(), cluster.Configure(with(1)))
		want(1)
		if unapplied := declare(2); unapplied != nil {
			t.Error(unapplied)
		}
		do(t, o, snapshot(), cluster.Configure(with(3)))
		for _, known := range []int{1, 2} {
			if unapplied := declare(known); len(unapplied) != 1 || !strings.Contains(unapplied[0], "use `xconsumer apply`") {
				t.Errorf("%d: %v", known, unapplied)
			}
			want(3)
		}
		do(t, o, snapshot(), cluster.Configure(with(1)))
		want(1)
		if _, err := o.Session.Commit(t.Context(), coord.Create(keys.Epoch(), schema.Encode(&schema.Epoch{NextToken: 1}, 0))); err != nil {
			t.Fatal(err) // without it no plan is applied
		}
		planned, ops := snapshot(), cluster.Operations{cluster.Configure(with(4))}
		plan, err := o.Plan(t.Context(), planned, ops)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Apply(t.Context(), planned, ops, plan.Revision, cluster.Caller{}); err != nil {
			t.Error(err)
		}
		want(4)
		if _, err := o.Apply(t.Context(), planned, ops, plan.Revision, cluster.Caller{}); !errors.Is(err, cluster.ErrMovedOn) {
			t.Errorf("a plan from before another change: %v", err)
		}
		do(t, o, snapshot(), cluster.Configure(with(5)))
		want(5)
		replaceByHand(t, o, "{oops")
		do(t, o, &view.Snapshot{Settings: view.Entry[schema.Settings]{Err: schema.ErrCorrupt}}, cluster.Configure(with(6)))
		want(6)
		for _, wrong := range []cluster.Operation{
			{Kind: cluster.OpSettings}, cluster.Configure(with(-1)), cluster.Configure(cluster.Settings{LeaderWorkers: "some"}),
		} {
			if _, err := o.Do(t.Context(), snapshot(), wrong); !errors.Is(err, cluster.ErrChange) {
				t.Errorf("%s: %v", wrong, err)
			}
		}
	})
}
