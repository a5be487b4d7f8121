package assignment_test

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A task that is deleted and declared again within a second has a run of its own: what the old one's worker has done is not
// its end.
func TestDeclaredAgainWithinASecond(t *testing.T) {
	s := spec("a", 1)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	b.snap.Agendas = map[string]view.Entry[schema.Agenda]{}
	b.live("L", 1, held(), held(), 1, held())
	d := b.decide(atNoon)
	if len(d.Agendas["a"].Runs) != 1 {
		t.Fatalf("%+v", d.Agendas)
	}
	old := d.Agendas["a"].Runs[0].ID
	b.commit(d)
	// It is granted, has run to its end, and its member has noted that.
	p := b.live("L", 2, held("a@"+old+" 0 @5"), held(), 2, held("a@"+old+" 0 @5"))
	p.Done = view.Entry[schema.Done]{Rec: &schema.Done{Slots: []schema.Outcome{{Task: "a@" + old, Slots: cluster.Indexes{0}, Token: 5}}}}
	// Before a leader looks it is deleted and declared again.
	e := b.snap.Tasks["a"]
	rec := *e.Rec
	rec.Generation++
	b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &rec, Version: 2}
	d = b.decide(atNoon)
	if d.Agendas["a"] != nil {
		t.Fatalf("the agenda stays: %+v", d.Agendas["a"])
	}
	b.commit(d)
	d = b.decide(atNoon)
	if len(d.Ran) > 0 {
		t.Errorf("over before it began: %+v", d.Ran)
	}
	if a := d.Agendas["a"]; a == nil || len(a.Runs) != 1 || a.Runs[0].ID == old || len(a.Runs[0].Done) > 0 {
		t.Errorf("the new run: %+v, the old one was %s", a.Runs, old)
	}
}
