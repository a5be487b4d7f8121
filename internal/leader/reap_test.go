package leader

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// With the assignment of a member goes its record of ended slots, also one that cannot be read: nothing else would delete it.
func TestReapDeletesCompletions(t *testing.T) {
	l := &leading{Leader: &Leader{Keys: schema.NewKeys("c")}}
	for name, c := range map[string]struct {
		completions view.Entry[schema.Completions]
		want        int
	}{
		"never read": {view.Entry[schema.Completions]{}, 0},
		"absent":     {view.Entry[schema.Completions]{Rec: &schema.Completions{}, Absent: true}, 0},
		"there":      {view.Entry[schema.Completions]{Rec: &schema.Completions{}, Version: 3}, 1},
		"unreadable": {view.Entry[schema.Completions]{Err: schema.ErrCorrupt, Version: 3}, 1},
	} {
		deleted := 0
		for _, op := range l.reapOps("m", &view.Peer{Completions: c.completions}) {
			if op.Kind == coord.KindDelete && op.Key == l.Keys.CompletionsOf("m") && op.Version == 3 {
				deleted++
			}
		}
		if deleted != c.want {
			t.Errorf("%s: deleted %d times, want %d", name, deleted, c.want)
		}
	}
}
