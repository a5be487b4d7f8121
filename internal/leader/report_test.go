package leader

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A slot that two assignments list at one decision only was read while a commit arrived; one that stays so is reported once.
func TestDoublesAreToldWhenTheyLast(t *testing.T) {
	var reported []cluster.Event
	r := reports{Leader: &Leader{Log: slog.New(slog.DiscardHandler), Emit: func(e cluster.Event) { reported = append(reported, e) }}}
	doubled := map[cluster.Slot][]view.Listing{{Task: "a", Index: 1}: {{MemberID: "x", Node: "n1", Token: 9}, {MemberID: "y", Node: "n2", Token: 5}}}
	r.reportDoubles(doubled)
	r.reportDoubles(nil)
	r.reportDoubles(doubled)
	if len(reported) > 0 {
		t.Errorf("reported what did not last: %+v", reported)
	}
	r.reportDoubles(doubled)
	r.reportDoubles(doubled)
	if len(reported) != 1 || reported[0].Kind != cluster.SlotDoubled || reported[0].Detail != "granted to n1 under token 9 and n2 under token 5" {
		t.Errorf("reported what lasts: %+v", reported)
	}
}

// A leader emits once who has joined and how others have left, nothing about itself, and once that a record cannot be used.
func TestLeaderEmitsWhatHasChanged(t *testing.T) {
	var got []string
	emit := func(e cluster.Event) { got = append(got, fmt.Sprintf("%s %s: %s", e.Kind, e.Node, e.Detail)) }
	r := reports{Leader: &Leader{
		Keys: schema.NewKeys("c"), Self: membership.Self{Member: cluster.Member{MemberID: "g1"}}, Log: slog.New(slog.DiscardHandler), Emit: emit,
	}}
	peer := func(node string) *view.Peer {
		return &view.Peer{Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Node: node}}, Member: view.Entry[schema.Member]{Rec: &schema.Member{Member: cluster.Member{Node: node}}}}
	}
	lost, closed := peer("n2"), peer("n3")
	lost.Member.Absent = true
	closed.Assignment.Rec.Closed = &schema.Closed{Cause: "left"}
	all := map[string]*view.Peer{"g1": peer("n1"), "g2": peer("n2"), "g3": peer("n3")}
	gone := map[string]*view.Peer{"g1": peer("n1"), "g2": lost, "g3": closed}
	unusable := map[string]view.Entry[schema.Task]{"t": {Err: errors.New("no JSON")}}
	var left []*view.Peer
	for _, snap := range []*view.Snapshot{{Peers: all}, {Peers: all}, {Peers: gone, Tasks: unusable}, {Peers: gone, Tasks: unusable}, {Peers: map[string]*view.Peer{"g1": all["g1"]}}} {
		left = append(left, r.changed(snap)...)
	}
	want := []string{"node-joined n2: ", "node-joined n3: ", "node-left n2: lost", "node-left n3: left", "record-unusable : " + r.Keys.Task("t") + ": no JSON"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if !slices.Equal(left, []*view.Peer{lost, closed}) {
		t.Errorf("returned %v as those that have left; want n2 and n3", left)
	}
}
