package leader

import (
	"fmt"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// BenchmarkChanged looks for what has happened in a cluster in which nothing has: that is part of every round.
func BenchmarkChanged(b *testing.B) {
	snap := &view.Snapshot{Epoch: view.Entry[schema.Epoch]{Rec: &schema.Epoch{}}, Peers: map[string]*view.Peer{}}
	for i := range 1000 {
		snap.Peers[fmt.Sprintf("%016x-%d", i*7919, i)] = &view.Peer{
			Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{}},
			Status:     view.Entry[schema.Status]{Rec: &schema.Status{}},
			Member:     view.Entry[schema.Member]{Rec: &schema.Member{Member: cluster.Member{Node: fmt.Sprintf("node-%d", i)}}},
		}
	}
	r := &reports{Leader: &Leader{Emit: func(cluster.Event) {}, Keys: schema.NewKeys("bench")}}
	r.changed(snap)
	b.ReportAllocs()
	for b.Loop() {
		r.changed(snap)
	}
}
