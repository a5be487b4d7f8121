package follower_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
)

// A status keeps its bound whatever a member holds and however its workers are, and names everything that it holds.
func TestStatusIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, noon := local(3, nil, nil), time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
		entries := rapid.IntRange(1, 1900).Draw(t, "entries")
		slots := rapid.IntRange(1, max(1, min(60, 20_000/entries))).Draw(t, "slots")
		apart := rapid.Bool().Draw(t, "claimed apart")
		dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for i := range entries {
			s := cluster.TaskSpec{Name: fmt.Sprintf("t%04d", i), WorkerNum: slots}
			h := schema.Granted{SlotRange: schema.SlotRange{Task: s.Name, Token: int64(i + 1)}, Spec: &s}
			for index := range slots {
				h.Slots = append(h.Slots, index)
				if slots > 1 && dice.IntN(2) == 0 {
					continue
				}
				slot := cluster.Slot{Task: s.Name, Index: index}
				l.Running[slot] = cluster.Report{Slot: slot, Token: h.Token, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Since: noon, Restarts: 3, InRow: 3, Error: strings.Repeat("refused \x02", dice.IntN(90))}}
				l.Claims[slot] = schema.Claim{Token: h.Token, Since: noon}
				if apart {
					l.Claims[slot] = schema.Claim{Token: h.Token, Since: noon.Add(time.Duration(dice.IntN(1e6)) * time.Millisecond)}
				}
			}
			l.Assignment.Granted = append(l.Assignment.Granted, h)
			if i%100 == 99 && schema.Size(l.Assignment) > schema.MaxGrants-10<<10 {
				break
			}
		}
		l.Phase = membership.SoftStop // nothing is claimed
		o := follower.Follow(l)
		if o.Status == nil {
			t.Fatal("it says nothing")
		}
		schematest.WantFit(t, "the status", o.Status)
		holds := map[cluster.Slot]int64{}
		for slot, h := range schema.Each(o.Status.Holding) {
			holds[slot] = h.Token
		}
		for slot, r := range l.Running {
			if holds[slot] != r.Token {
				t.Fatalf("%s is not named", slot)
			}
		}
		for slot, token := range holds {
			if h := schema.Find(l.Assignment.Granted, slot); h == nil || h.Token != token {
				t.Fatalf("%s is named, and not granted", slot)
			}
		}
	})
}
