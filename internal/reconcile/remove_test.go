package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A record is removed only when nothing of what it is about is left.
func TestWhatIsRemoved(t *testing.T) {
	deleted := view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec("a", 1), Deleted: true, Generation: 3}, Version: 4}
	keptBack := func(w *round.World) { w.Unremovable = map[string]bool{"tasks/stays": true, "marks/stays": true} }
	for _, c := range []struct {
		name   string
		change func(b *board)
		want   round.Removal
	}{
		{"what could not be removed is not tried again", func(b *board) {
			b.snap.Tasks["stays"] = deleted
			b.snap.Marks = map[string]view.Entry[schema.Mark]{"stays": {Rec: &schema.Mark{}}}
		}, round.Removal{Tasks: []string{"a"}}},
		{"a deleted task", func(*board) {}, round.Removal{Tasks: []string{"a"}}},
		{"a task that is there", func(b *board) { b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec("a", 0)}} }, round.Removal{}},
		{"a task that a hand has deleted", func(b *board) {
			b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec("a", 0)}, Absent: true}
		}, round.Removal{}},
		{"a record that cannot be read", func(b *board) {
			e := b.snap.Tasks["a"]
			e.Err = schema.ErrCorrupt
			b.snap.Tasks["a"] = e
		}, round.Removal{}},
		{"a slot of which is being released", func(b *board) {
			b.live("n2", 2, schematest.Granted(), schematest.Releasing("a 0 @5 v2"), 1, schematest.Claimed("a 0 @5"))
		}, round.Removal{}},
		{"a slot of a run of which is being released", func(b *board) {
			b.live("n2", 2, schematest.Granted(), schematest.Releasing("a@r 0 @5 v2"), 1, schematest.Claimed("a@r 0 @5"))
		}, round.Removal{}},
		{"a member has no assignment that can be used", func(b *board) {
			p := b.live("n2", 2, schematest.Granted(), schematest.Releasing(), 2, schematest.Claimed())
			p.Assignment.Err = schema.ErrCorrupt
		}, round.Removal{}},
		{"its agenda is there", func(b *board) {
			b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Runs: []schema.Run{}}}}
		}, round.Removal{}},
		{"there is something else to do", func(b *board) {
			b.live("n2", 2, schematest.Granted(), schematest.Releasing("b 0 @5 v2"), 2, schematest.Claimed())
		}, round.Removal{}},
		{"what was removed before cannot be read", func(b *board) { b.snap.Removed.Err = schema.ErrCorrupt }, round.Removal{}},
		{"marks", func(b *board) {
			delete(b.snap.Tasks, "a")
			b.snap.Marks = map[string]view.Entry[schema.Mark]{
				"gone": {Rec: &schema.Mark{By: "x"}}, "node-n1": {Rec: &schema.Mark{}}, "wanted": {Rec: &schema.Mark{Cordoned: true}},
			}
		}, round.Removal{Marks: []string{"gone"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard()
			b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
			b.snap.Tasks["a"] = deleted
			b.snap.Removed = view.Entry[schema.Removed]{Rec: &schema.Removed{Generation: 2}, Version: 1}
			c.change(b)
			got := b.decide(atNoon, keptBack).Remove
			if (got.Record != nil) != (len(got.Tasks)+len(got.Marks) > 0) {
				t.Errorf("record %+v", got.Record)
			}
			if len(got.Tasks) > 0 && got.Record.Generation != 4 {
				t.Errorf("the next task begins with generation %d", got.Record.Generation)
			}
			got.Record = nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("removed (-want +got):\n%s", diff)
			}
		})
	}
}

// As much is removed at once as goes into one commit.
func TestRemovalsAreSmall(t *testing.T) {
	b := newBoard()
	b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	b.snap.Removed.Absent = true
	for i := range 1000 {
		name := fmt.Sprint("t", i)
		b.snap.Tasks[name] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec(name, 1), Deleted: true}}
	}
	if r := b.decide(atNoon).Remove; len(r.Tasks) != 80 || r.Record.Generation != 1 {
		t.Errorf("%d tasks, %+v", len(r.Tasks), r.Record)
	}
}

// The records of runs of which a slot may still run stay, and so do their checkpoints; those after them do not wait.
func TestRunsAreKeptWhileTheyAreListed(t *testing.T) {
	s := spec("a", 1)
	s.Mode, s.KeepRuns = cluster.ModeOnce, 1
	b := newBoard(s)
	b.live("n1", 2, schematest.Granted(), schematest.Releasing("a@r1 0 @5 v2"), 1, schematest.Claimed("a@r1 0 @5"))
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{}, Kept: []string{"r1", "r2", "r3"}}}}
	d := b.decide(atNoon)
	if diff := cmp.Diff([]round.RunKey{{Task: "a", ID: "r2"}, {Task: "a", ID: "r3"}}, d.DropRuns); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	b.commit(d)
	b.live("n1", 2, schematest.Granted(), schematest.Releasing(), 2, schematest.Claimed())
	if d := b.decide(atNoon); len(d.DropRuns) != 0 || len(d.TaskRuns) != 0 {
		t.Errorf("%+v", d.DropRuns)
	}
}

// Whoever leaves while runs are being forgotten does not wait for that: their checkpoints go one commit after the other.
func TestForgettingRunsMakesNobodyWait(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*board)
	}{
		{"too many are kept", func(*board) {}},
		{"the task was deleted", func(b *board) { b.snap.Tasks["a"].Rec.Deleted = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec("a", 1)
			s.Mode, s.KeepRuns = cluster.ModeOnce, 1
			b := newBoard(s, spec("b", 2))
			b.live("n1", 2, schematest.Granted(), schematest.Releasing(), 2, schematest.Claimed())
			b.live("n2", 2, schematest.Granted("b 0-1 @5"), schematest.Releasing(), 2, schematest.Claimed()).Assignment.Rec.Closed = &schema.Closed{Left: true}
			b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{}, Kept: []string{"r1", "r2", "r3"}}}}
			c.change(b)
			d := b.decide(atNoon)
			wantDraw(t, `
n1: b[0-1]@100 | 
n2: reaped
`, d)
			if len(d.DropRuns) > 0 || len(d.TaskRuns) > 0 {
				t.Errorf("forgotten together with that: %v", d.DropRuns)
			}
			b.apply(t, d)
			b.answer("n1", false)
			if d := b.decide(atNoon); len(d.DropRuns) < 2 || len(d.Assignments) > 0 {
				t.Errorf("forgotten after that: %v, %d assignments", d.DropRuns, len(d.Assignments))
			}
		})
	}
}
