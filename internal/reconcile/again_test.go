package reconcile_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A task that is deleted and declared again within a second has a run of its own: what the old one's worker has done is not
// its end.
func TestDeclaredAgainWithinASecond(t *testing.T) {
	s := spec("a", 1)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{}
	b.live("L", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	d := b.decide(atNoon)
	if len(d.TaskRuns["a"].Runs) != 1 {
		t.Fatalf("%+v", d.TaskRuns)
	}
	old := d.TaskRuns["a"].Runs[0].ID
	b.commit(d)
	// It is granted, has run to its end, and its member has noted that.
	p := b.live("L", 2, schematest.Granted("a@"+old+" 0 @5"), schematest.Releasing(), 2, schematest.Claimed("a@"+old+" 0 @5"))
	p.Completions = view.Entry[schema.Completions]{Rec: &schema.Completions{Slots: []schema.Completion{{Task: "a@" + old, Slots: cluster.Indexes{0}, Token: 5}}}}
	// Before a leader looks it is deleted and declared again.
	e := b.snap.Tasks["a"]
	rec := *e.Rec
	rec.Generation++
	b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &rec, Version: 2}
	d = b.decide(atNoon)
	if d.TaskRuns["a"] != nil {
		t.Fatalf("the agenda stays: %+v", d.TaskRuns["a"])
	}
	b.commit(d)
	d = b.decide(atNoon)
	if len(d.FinishedRuns) > 0 {
		t.Errorf("over before it began: %+v", d.FinishedRuns)
	}
	if a := d.TaskRuns["a"]; a == nil || len(a.Runs) != 1 || a.Runs[0].ID == old || len(a.Runs[0].Done) > 0 {
		t.Errorf("the new run: %+v, the old one was %s", a.Runs, old)
	}
}

// The same of a task with a schedule, where the next leader's clock is behind: the instant that the deleted task has fired at comes
// once more, and the new task's run of it is granted, whatever the old one's worker has said.
func TestDeclaredAgainWithAClockBehind(t *testing.T) {
	s := spec("a", 1)
	s.Schedule, s.KeepRuns = "* * * * *", 3
	b := newBoard(s)
	b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{}
	var began, ended []string
	granted := map[cluster.Slot]int{}
	at := func(clock time.Time) {
		d := b.decide(func(w *round.World) { w.WallNow = clock })
		for _, m := range d.Steps {
			switch m.Step {
			case cluster.StepRun:
				began = append(began, m.Task)
			case cluster.StepDone, cluster.StepFailed:
				ended = append(ended, m.Task)
			}
		}
		b.commit(d)
		b.carryOut(d, granted)
	}
	at(noon.Add(-10 * time.Second))
	at(noon)
	at(noon)
	if len(began) != 1 || granted[cluster.Slot{Task: began[0]}] != 1 {
		t.Fatalf("begun: %q, granted %v", began, granted)
	}
	b.snap.Peers["n1"].Completions = view.Entry[schema.Completions]{Rec: &schema.Completions{Slots: []schema.Completion{{Task: began[0], Slots: cluster.Indexes{0}, Token: 1}}}}
	rec := &schema.Task{Spec: s, Deleted: true, Generation: b.snap.Tasks["a"].Rec.Generation}
	rec.Declare(s)
	b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: rec, Version: 2}
	for i := range 5 {
		at(noon.Add(-30*time.Second + time.Duration(i)*time.Second))
	}
	for range 4 {
		at(noon.Add(time.Second))
	}
	if len(began) != 2 || began[1] == began[0] || granted[cluster.Slot{Task: began[1]}] != 1 || len(ended) != 0 {
		t.Fatalf("begun: %q, granted %v, ended %q", began, granted, ended)
	}
	run := b.snap.TaskRuns["a"].Rec.Runs[0]
	if instant, err := time.Parse("20060102T150405Z", run.ID); err != nil || !instant.Truncate(time.Second).Equal(noon) || !run.Due.Equal(noon) {
		t.Errorf("the run is not named after its firing: %+v", run)
	}
}
