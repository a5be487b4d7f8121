package leader

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A member that leaves before it has decided anything in its term tells the next leader so, and nothing of a former term.
func TestUndecidedLeadersSaySo(t *testing.T) {
	session, err := mem.New(mem.Config{}).Client().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	l := &Leader{Session: session, Lease: membership.NewLease(session), Keys: schema.NewKeys("c"), Self: membership.Self{Member: cluster.Member{MemberID: "m"}}, Log: slog.New(slog.DiscardHandler), Emit: func(cluster.Event) {}}
	if told := l.Burst(); told != nil {
		t.Errorf("it has never led, and tells %+v", told)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, term := range []int64{3, 7} {
		_ = l.Lead(left, election.Term{Number: term}) // it has left
		if diff := cmp.Diff(&schema.Burst{Term: term}, l.Burst()); diff != "" {
			t.Error(diff)
		}
	}
}
