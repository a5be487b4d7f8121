package view_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A release counts until another assignment lists its slots with a higher token, whoever granted them.
func TestWithoutSuperseded(t *testing.T) {
	released := func(code cluster.ReasonCode, texts ...string) []schema.Releasing {
		list := schematest.Releasing(texts...)
		for i := range list {
			list[i].Why = &cluster.Reason{Code: code}
		}
		return list
	}
	peer := func(granted []schema.Granted, releasing []schema.Releasing) *view.Peer {
		return &view.Peer{Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Granted: granted, Releasing: releasing}, Version: 9}}
	}
	snap := &view.Snapshot{Peers: map[string]*view.Peer{
		"old":     peer(schematest.Granted("a 9 @2"), released(cluster.WhyBalance, "a 0-3 @2 v3", "b 0 @2 v3")),
		"between": peer(nil, released(cluster.WhyBalance, "a 0 @4 v3", "a 2 @4 v3")),
		"now":     peer(schematest.Granted("a 0-1 @5", "b 0 @1"), nil),
		"edited":  peer(nil, released(cluster.WhyEdited, "a 1 @1 v3")),
		"lost":    peer(nil, schematest.Releasing("a 1 @1 v3")),
		"far":     peer(nil, released(cluster.WhyBalance, fmt.Sprintf("a %d @1 v3", cluster.MaxWorkers))),
		"farther": peer(schematest.Granted(fmt.Sprintf("a %d @2", cluster.MaxWorkers)), nil),
	}}
	snap.Peers["unread"] = &view.Peer{}
	want := map[string]int{
		"old":     2, // a#3, which no member has now, and b#0
		"between": 1, // a#2
		"now":     0,
		"edited":  1, // its member may run it
		"lost":    1,
		"far":     1, // its list could have any length
		"farther": 0,
	}
	got := snap.WithoutSuperseded()
	for name, n := range want {
		p := got.Peers[name]
		if have := schema.Count(p.Assignment.Rec.Releasing); have != n {
			t.Errorf("%s: %d releases; want %d", name, have, n)
		}
		if (p.Superseded != nil) != (name == "old" || name == "between") || p.Assignment.Version != 9 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if schema.Count(snap.Peers["old"].Assignment.Rec.Releasing) != 5 {
		t.Error("the snapshot itself was changed")
	}
	if stored := got.Peers["old"].StoredAssignment(); schema.Count(stored.Releasing) != 5 || schema.Count(got.Peers["old"].Assignment.Rec.Releasing) != 2 {
		t.Errorf("stored: %+v", stored.Releasing)
	}
	if got.Peers["unread"].StoredAssignment() != nil {
		t.Error("an assignment that was not read")
	}
	if again := got.WithoutSuperseded(); again.Peers["old"].Superseded == nil {
		t.Error("the second time it is forgotten")
	}
}

// What a view has read is shown without superseded releases, also when their members are gone.
func TestSnapshotsLeaveOutSuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		a, b := join(t, service.Client(), "a"), join(t, service.Client(), "b")
		v := view.New("test", open(t, service.Client()), keys, view.ForLeader())
		defer v.Close()
		rec := *refresh(t, v).Peers["a"].Assignment.Rec
		rec.Releasing = schematest.Releasing("t 0 @2 v1")
		rec.Releasing[0].Why = &cluster.Reason{Code: cluster.WhyBalance}
		set(t, a, keys.Assignment("a"), string(schema.Encode(&rec, 1)))
		listed := func() (n int) {
			for _, p := range refresh(t, v).Peers {
				n += schema.Count(p.Assignment.Rec.Releasing)
			}
			return n
		}
		if n := listed(); n != 1 {
			t.Errorf("%d releases before the slot is granted elsewhere", n)
		}
		rec = *refresh(t, v).Peers["b"].Assignment.Rec
		rec.Granted = schematest.Granted("t 0 @3")
		rec.Granted[0].Ref = schema.SpecRef{Chunk: 1}
		set(t, b, keys.Assignment("b"), string(schema.Encode(&rec, 1)))
		if n := listed(); n != 0 {
			t.Errorf("%d releases after that", n)
		}
		if v.Snapshot().Peers["a"] != v.Snapshot().Peers["a"] {
			t.Error("a member that has not changed is another one in the next snapshot, so that a leader counts it again")
		}
		_ = a.Close()
		if n := listed(); n != 0 {
			t.Errorf("%d releases when the member is gone", n)
		}
	})
}
