package e2e_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A copy of a node's assignment that is written back, as one does who restores a single record, starts nothing: its slots run
// elsewhere. It is asked back and reported, and the node takes part as before.
func TestFormerAssignmentIsPutBack(t *testing.T) { onBoth(t, testFormerAssignmentIsPutBack) }

func testFormerAssignmentIsPutBack(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 5*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	f.start("n2")
	for _, victim := range []string{"n2", "n1"} { // not the leader, and the leader
		key := f.keys.Assignment(memberOf(n1.awaitSpread("n1", "n2"), victim))
		former, err := f.session.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		other := map[string]string{"n1": "n2", "n2": "n1"}[victim]
		n1.accepted("nodes/"+victim+"/drain", "")
		n1.awaitBalance(other)
		mark := len(f.journal())
		for {
			now, err := f.session.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			assignment := new(schema.Assignment)
			if err := json.Unmarshal(former.Value, assignment); err != nil || len(assignment.Granted) == 0 {
				t.Fatalf("%s, %v", former.Value, err)
			}
			_, err = f.session.Commit(t.Context(), coord.Set(key, schema.Encode(assignment, now.Version+1), now.Version))
			if err == nil {
				break
			}
			if _, checked := coord.FailedCheck(err); !checked {
				t.Fatal(err)
			}
		}
		f.Await("what was put back is asked back", func() bool {
			var all cluster.Decisions
			n1.get("decisions", &all)
			return slices.ContainsFunc(all.Decisions, func(d cluster.Decision) bool {
				return slices.ContainsFunc(d.Moves, func(m cluster.Decided) bool {
					return m.Node == victim && (m.Code == cluster.WhyDoubled || m.Code == cluster.WhyRefused)
				})
			})
		})
		n1.awaitBalance(other)
		if starts := f.notes(mark, "start", ""); len(starts) > 0 {
			t.Errorf("after %s had its former assignment back there were starts: %+v", victim, starts)
		}
		n1.accepted("nodes/"+victim+"/uncordon", "")
		n1.awaitSpread("n1", "n2")
	}
}
