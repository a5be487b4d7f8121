package follower

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// What stops with an assignment is named by its tasks, runs and indexes, not by keys, however much there is.
func TestListedIn(t *testing.T) {
	held := func(task string, slots ...int) schema.SlotRange { return schema.SlotRange{Task: task, Slots: slots} }
	run := cluster.RunTask("once", "20261125T020000Z")
	many := &schema.Assignment{Granted: []schema.SlotRange{held("a", 0), held("b", 0), held("c", 0), held("d", 0), held("e", 0), held("f", 0), held("g", 0)}}
	for want, assignment := range map[string]*schema.Assignment{
		"nothing that is known":              nil,
		"nothing":                            {},
		"a#0-2,7, " + run + "#1, b#4":        {Granted: []schema.SlotRange{held("a", 0, 1, 2, 7), held(run, 1)}, Releasing: []schema.SlotRange{held("b", 4)}},
		"a#0, b#0, c#0, d#0, e#0 and 2 more": many,
	} {
		if got := listedIn(assignment); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
