package follower

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// What stops with an assignment is named by its tasks, runs and indexes, not by keys, however much there is.
func TestListedIn(t *testing.T) {
	granted := func(task string, slots ...int) schema.Granted {
		return schema.Granted{SlotRange: schema.SlotRange{Task: task, Slots: slots}}
	}
	run := cluster.RunTask("once", "20261125T020000Z")
	many := &schema.Assignment{Granted: []schema.Granted{granted("a", 0), granted("b", 0), granted("c", 0), granted("d", 0), granted("e", 0), granted("f", 0), granted("g", 0)}}
	for want, assignment := range map[string]*schema.Assignment{
		"nothing known":                      nil,
		"nothing":                            {},
		"a#0-2,7, " + run + "#1, b#4":        {Granted: []schema.Granted{granted("a", 0, 1, 2, 7), granted(run, 1)}, Releasing: []schema.Releasing{{SlotRange: schema.SlotRange{Task: "b", Slots: cluster.Indexes{4}}}}},
		"a#0, b#0, c#0, d#0, e#0 and 2 more": many,
	} {
		if got := listedIn(assignment); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
