package members

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Why slots are free is what became of their member, also when a leader has closed its assignment so that nobody waits for it.
func TestDepartureOf(t *testing.T) {
	for name, c := range map[string]struct {
		assignment schema.Assignment
		want       string
	}{
		"gone":                  {schema.Assignment{}, "n1 was lost"},
		"gone, and settled":     {schema.Assignment{Closed: &schema.Closed{Cause: schema.CauseLost, Settled: true}}, "n1 was lost"},
		"crashed":               {schema.Assignment{Closed: &schema.Closed{Cause: "exit code 2"}}, "n1 was lost: exit code 2"},
		"crashed, and settled":  {schema.Assignment{Closed: &schema.Closed{Cause: "exit code 2", Settled: true}}, "n1 was lost: exit code 2"},
		"left, and settled":     {schema.Assignment{Closed: &schema.Closed{Cause: "node left", Left: true, Settled: true}}, "n1 left"},
		"left":                  {schema.Assignment{Closed: &schema.Closed{Cause: "node left", Left: true}}, "n1 left"},
		"evicted":               {schema.Assignment{Evicted: true}, "n1 was evicted"},
		"evicted, and settled":  {schema.Assignment{Evicted: true, Closed: &schema.Closed{Cause: "evicted", Settled: true}}, "n1 was evicted"},
		"evicted, for question": {schema.Assignment{Evicted: true, Closed: &schema.Closed{Cause: schema.CauseLost, Settled: true}}, "n1 was evicted"},
	} {
		c.assignment.Node = "n1"
		why := departureOf(&view.Peer{Assignment: view.Entry[schema.Assignment]{Rec: &c.assignment}})
		if got := why.String(); got != c.want {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
	if why := departureOf(&view.Peer{}); why.Code != cluster.WhyLost || why.Node != "" {
		t.Errorf("without an assignment: %+v", why)
	}
}
