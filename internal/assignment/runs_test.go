package assignment_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/assignment"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func atNoon(w *assignment.World) { w.WallNow = noon }

// commit takes the agendas of a decision over, as if they had been committed.
func (b *board) commit(d assignment.Decision) {
	for task, rec := range d.Agendas {
		if rec == nil {
			delete(b.snap.Agendas, task)
			continue
		}
		b.snap.Agendas[task] = view.Entry[schema.Agenda]{Rec: rec, Version: b.snap.Agendas[task].Version + 1}
	}
}

// Many tasks are deleted with long histories: every commit stays small, and in the end nothing is left of them.
func TestHistoriesAreDroppedInSmallCommits(t *testing.T) {
	for name, maxDocs := range map[string]int{"usual": assignment.MaxDocs, "the last commit was too large": 1} {
		t.Run(name, func(t *testing.T) {
			b := newBoard()
			b.live("n1", 1, held(), held(), 1, held())
			b.snap.Agendas = map[string]view.Entry[schema.Agenda]{}
			for i := range 30 {
				rec := &schema.Agenda{Runs: []schema.Run{}}
				for run := range 100 {
					rec.Kept = append(rec.Kept, fmt.Sprint(run))
				}
				b.snap.Agendas[fmt.Sprintf("t%02d", i)] = view.Entry[schema.Agenda]{Rec: rec}
			}
			dropped := map[assignment.RunKey]bool{}
			for commits := 1; len(b.snap.Agendas) > 0; commits++ {
				d := b.decide(atNoon, func(w *assignment.World) { w.MaxDocs = maxDocs })
				ops := len(d.Agendas) + len(d.DropRuns) + len(d.Ran) + len(d.Docs)
				if ops == 0 || ops > 75 || maxDocs == 1 && ops > 40 {
					t.Fatalf("commit %d has %d operations", commits, ops)
				}
				for _, key := range d.DropRuns {
					if dropped[key] {
						t.Fatalf("%v is dropped twice", key)
					}
					dropped[key] = true
				}
				b.commit(d)
			}
			if len(dropped) != 30*100 {
				t.Errorf("%d records were dropped", len(dropped))
			}
		})
	}
}

// A task that has as many runs as it may does not keep its leader busy: it goes on when one of them ends.
func TestFullTaskWaitsForAnEnd(t *testing.T) {
	s := spec("a", 1)
	s.Every, s.Overlap = cluster.Duration(time.Second), cluster.OverlapAllow
	b := newBoard(s)
	b.live("n1", 1, held(), held(), 1, held())
	last := noon.Add(-10 * time.Second)
	rec := &schema.Agenda{Timing: schedule.Name(s), Last: last}
	for i := range cluster.MaxActiveRuns {
		due := last.Add(time.Duration(i-cluster.MaxActiveRuns) * time.Second)
		rec.Runs = append(rec.Runs, schema.Run{ID: assignment.RunID(due), Due: due, WorkName: "a", WorkerNum: 1, Began: due})
	}
	b.snap.Agendas = map[string]view.Entry[schema.Agenda]{"a": {Rec: rec}}
	d := b.decide(atNoon)
	if d.Agendas["a"] != nil {
		t.Errorf("it is written: %+v", d.Agendas["a"])
	}
	if d.Again != 0 && d.Again-b.now < 100*time.Millisecond {
		t.Errorf("it is looked at again after %v", d.Again-b.now)
	}
	full := *rec
	full.Runs = append([]schema.Run{}, rec.Runs...)
	full.Runs[3].Done = cluster.Indexes{0}
	b.snap.Agendas["a"] = view.Entry[schema.Agenda]{Rec: &full, Version: 1}
	d = b.decide(atNoon)
	next := d.Agendas["a"]
	if next == nil || len(next.Runs) != cluster.MaxActiveRuns || len(d.Ran) != 1 || !next.Last.Equal(last.Add(time.Second)) {
		t.Errorf("one run has ended: %+v, %d over", next, len(d.Ran))
	}
}

// What a member says of slots that nobody waits for is not noted, and nothing is noted twice.
func TestEndsAreNotedOnce(t *testing.T) {
	s := spec("a", 3)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	name := cluster.RunTask("a", "r")
	p := b.live("n1", 1, held(), held(), 1, held())
	p.Done = view.Entry[schema.Done]{Rec: &schema.Done{Slots: []schema.Outcome{
		{Task: name, Slots: cluster.Indexes{0, 1, 7}, Token: 5},
		{Task: name, Slots: cluster.Indexes{1}, Token: 6, Error: "said twice"},
		{Task: cluster.RunTask("a", "old"), Slots: cluster.Indexes{0}, Token: 4},
	}}}
	b.snap.Agendas = map[string]view.Entry[schema.Agenda]{"a": {Rec: &schema.Agenda{Begun: true, Runs: []schema.Run{{ID: "r", WorkName: "a", WorkerNum: 3}}}}}
	d := b.decide(atNoon)
	next := d.Agendas["a"]
	if next == nil || len(next.Runs) != 1 || next.Runs[0].Done.String() != "0-1" || len(next.Runs[0].Failed) != 0 {
		t.Fatalf("%+v", next)
	}
	b.commit(d)
	if d := b.decide(atNoon); d.Agendas["a"] != nil {
		t.Errorf("it is noted again: %+v", d.Agendas["a"])
	}
}

// What an operator asks for begins once, also if the order is still there when the run is over: the record of
// orders could not be written meanwhile, or another leader reads it.
func TestOrderIsObeyedOnce(t *testing.T) {
	s := spec("a", 1)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	b.live("n1", 1, held(), held(), 1, held())
	b.snap.Orders = view.Entry[schema.Orders]{Rec: &schema.Orders{RunNow: []schema.RunOrder{{ID: "r", Task: "a", By: "n1"}}}}
	b.snap.Agendas = map[string]view.Entry[schema.Agenda]{"a": {Rec: &schema.Agenda{Begun: true, Runs: []schema.Run{}}}}
	d := b.decide(atNoon)
	next := d.Agendas["a"]
	if next == nil || len(next.Runs) != 1 || next.Runs[0].ID != "r" || next.Runs[0].By != "n1" {
		t.Fatalf("%+v", next)
	}
	over := *next
	over.Runs, over.Kept = []schema.Run{}, []string{"r"}
	b.snap.Agendas["a"] = view.Entry[schema.Agenda]{Rec: &over, Version: 2}
	if d := b.decide(atNoon); d.Agendas["a"] != nil && len(d.Agendas["a"].Runs) > 0 {
		t.Errorf("it begins again: %+v", d.Agendas["a"])
	}
}

// Whose end of a run's slot is not in the agenda yet, since that cannot be read, is not buried: what it said would be lost.
// Its other slots run elsewhere meanwhile.
func TestEndsWaitForTheirAgenda(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(*view.Peer)
		why   cluster.ReasonCode
	}{
		{"left", func(p *view.Peer) { p.Doc.Rec.Closed = &schema.Closed{By: "n2", Cause: "node left", Clean: true} }, cluster.WhyLeft},
		{"crashed", func(p *view.Peer) {
			p.Doc.Rec.Closed = &schema.Closed{By: "n2", Cause: "killed", StartedLast60s: held("b 0 @8")}
		}, cluster.WhyLost},
		{"lost", func(p *view.Peer) { gone(p) }, cluster.WhyLost},
		{"evicted", func(p *view.Peer) { gone(p).Doc.Rec.Evicted = true }, cluster.WhyEvicted},
	} {
		t.Run(c.name, func(t *testing.T) {
			once := spec("a", 1)
			once.Mode = cluster.ModeOnce
			b := newBoard(once, spec("b", 2))
			b.live("n1", 1, held(), held(), 1, held())
			p := b.live("n2", 1, held("a@r 0 @7", "b 0-1 @8"), held(), 1, held("a@r 0 @7", "b 0-1 @8"))
			p.Done = view.Entry[schema.Done]{Rec: &schema.Done{Slots: []schema.Outcome{{Task: "a@r", Slots: cluster.Indexes{0}, Token: 7}}}}
			b.snap.Agendas = map[string]view.Entry[schema.Agenda]{"a": {Err: schema.ErrCorrupt}}
			c.leave(p)
			looks := map[string]assignment.Look{"n2": {Doc: 1, Wait: grace}}
			if c.name == "evicted" {
				looks = map[string]assignment.Look{"n2": {Doc: 1, Wait: timeout + grace}}
			}
			d := b.decide(atNoon, func(w *assignment.World) { w.Looks = looks })
			doc := d.Docs["n2"]
			if doc == nil || len(doc.Slots) != 1 || doc.Slots[0].Task != "a@r" || doc.Closed == nil || doc.Evicted != (c.name == "evicted") {
				t.Fatalf("%s %+v", draw(d), doc)
			}
			if why := d.Unplaced["a"]; why.Code != cluster.WhyWaiting || !strings.Contains(why.String(), "node-n2 is gone: what it says of the end of a@r is kept until the agenda of a can be read") {
				t.Errorf("the reason that is shown: %q", why)
			}
			if c.name == "crashed" && (d.Suspects == nil || len(d.Suspects.Slots) != 1 || len(d.Suspects.Slots[0].TookDown) != 1) {
				t.Errorf("suspected: %+v", d.Suspects)
			}
			moves := slices.Clone(d.Moves)
			for range 3 { // by leaders that know nothing of the first one
				b.apply(t, d)
				b.commit(d)
				if d = b.decide(atNoon); len(d.Docs) == 0 {
					break
				}
				moves = append(moves, d.Moves...)
			}
			if got := b.where("b"); got != "n1 0-1 of 2" {
				t.Errorf("b runs: %q", got)
			}
			if d.Suspects != nil {
				t.Errorf("suspected again: %+v", d.Suspects)
			}
			for _, m := range moves {
				if m.Step == "free" && (m.Task != "b" || m.Why.Code != c.why) || m.Step == "bury" {
					t.Errorf("%+v", m)
				}
			}
			b.snap.Agendas["a"] = view.Entry[schema.Agenda]{Rec: &schema.Agenda{Begun: true, Runs: []schema.Run{{ID: "r", WorkName: "a", WorkerNum: 1}}}, Version: 3}
			d = b.decide(atNoon)
			if doc, written := d.Docs["n2"]; !written || doc != nil {
				t.Errorf("n2 is not buried: %+v", d.Docs)
			}
			if rec := d.Agendas["a"]; rec == nil || len(rec.Runs) == 1 && !rec.Runs[0].Done.Contains(0) {
				t.Errorf("its end is not noted: %+v", rec)
			}
		})
	}
}
