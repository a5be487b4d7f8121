package schema_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// scattered is a set of about every second index, up to n.
func scattered(n int, seed uint64) (x cluster.Indexes) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		if r.IntN(2) == 0 {
			x = append(x, i)
		}
	}
	return x
}

// A set of slots takes no more than its text may, however it is scattered, and is read as it was written.
func TestScatteredSlotsAreShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, cluster.MaxWorkers).Draw(t, "n")
		var x cluster.Indexes
		step := rapid.IntRange(1, 400).Draw(t, "step")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for i := r.IntN(step); i < n; i += 1 + r.IntN(step) {
			x = append(x, i)
		}
		text, err := x.MarshalText()
		if most := max(2<<10, n/6+20); err != nil || len(text) > most {
			t.Fatalf("%d of %d take %d bytes, at most %d: %v", len(x), n, len(text), most, err)
		}
		var back cluster.Indexes
		if err := back.UnmarshalText(text); err != nil || cmp.Diff(x, back) != "" {
			t.Fatalf("%.40s: %v %s", text, err, cmp.Diff(x, back))
		}
	})
	for _, text := range []string{"1:", ":", "-1:AA", "x:AA", "1:???", "1:" + strings.Repeat("A", 20_000)} {
		if err := new(cluster.Indexes).UnmarshalText([]byte(text)); err == nil && text != "1:" {
			t.Errorf("%.20q is read", text)
		}
	}
}

// fits fails if a record is beyond its bound, or cannot be read.
func fits[R any, P interface {
	*R
	schema.Record
}](t interface{ Fatalf(string, ...any) }, rec P) {
	text := schema.Encode(rec, 7)
	if most := schema.Bound(rec); len(text) > most {
		t.Fatalf("%T has %d bytes, at most %d", rec, len(text), most)
	}
	if err := schema.Decode("key", coord.Record{Value: text, Version: 7}, P(new(R))); err != nil {
		t.Fatalf("%T: %v", rec, err)
	}
}

// Of too many suspects those with the most crashes are kept, and as many as there is room for.
func TestSuspectsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := &schema.Suspects{}
		for i := range rapid.IntRange(0, 5000).Draw(t, "n") {
			nodes := make([]string, 1+rapid.IntRange(0, 3).Draw(t, "crashes"))
			for k := range nodes {
				nodes[k] = fmt.Sprintf("node-%d", k)
			}
			rec.Slots = append(rec.Slots, schema.Suspect{Task: fmt.Sprintf("t%05d", i), Slots: cluster.Indexes{0}, TookDown: nodes, Declared: 3})
		}
		before := rec.Slots
		whole := schema.Size(rec) <= schema.MaxSuspects
		rec.Limit()
		fits(t, rec)
		least, most := 9, 0 // crashes of those that are kept, and of those that are not
		kept := map[string]bool{}
		for _, s := range rec.Slots {
			kept[s.Task], least = true, min(least, len(s.TookDown))
		}
		for _, s := range before {
			if !kept[s.Task] {
				most = max(most, len(s.TookDown))
			}
		}
		if whole != (most == 0) || most > least {
			t.Fatalf("kept down to %d crashes, forgot up to %d", least, most)
		}
		if size := schema.Size(rec); !whole && size < schema.MaxSuspects-200 {
			t.Fatalf("more is forgotten than has to be: %d bytes", size)
		}
	})
}

// A member with a large assignment can be closed: the last starts are named, as far as there is room.
func TestClosedAssignmentsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		assignment := &schema.Assignment{Node: "n", Releasing: []schema.Releasing{}}
		began := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		var started []schema.Claimed
		most := rapid.SampledFrom([]int{10 << 10, 600 << 10}).Draw(t, "size")
		for i := 0; 80*i < most; i++ { // a started slot takes about 80 bytes
			spec := &cluster.TaskSpec{Name: fmt.Sprintf("t%05d", i), WorkName: "w", WorkerNum: 1}
			r := schema.SlotRange{Task: spec.Name, Slots: cluster.Indexes{0}, Token: int64(i + 1)}
			if i < 1000 {
				assignment.Granted = append(assignment.Granted, schema.Granted{SlotRange: r, Ref: schema.SpecRef{Chunk: 1}, Spec: spec})
			}
			started = append(started, schema.Claimed{SlotRange: r, Since: began.Add(time.Duration(rand.IntN(60_000)) * time.Millisecond)})
		}
		assignment.Close(&schema.Closed{By: "parent", Cause: strings.Repeat("x", 10_000), StartedLast60s: started, At: began.Add(time.Minute)})
		fits(t, assignment)
		kept, oldest := map[int64]bool{}, began.Add(time.Hour)
		for _, h := range assignment.Closed.StartedLast60s {
			kept[h.Token] = true
			if h.Since.Before(oldest) {
				oldest = h.Since
			}
		}
		for _, h := range started {
			if !kept[h.Token] && h.Since.After(oldest) {
				t.Fatal("a later start is not named")
			}
		}
		if len(kept) < len(started) && schema.Size(assignment) < coord.MaxValue-300 {
			t.Fatalf("more is left out than has to be: %d bytes", schema.Size(assignment))
		}
	})
}

// A decision keeps its bound, and says how much it does not tell.
func TestDecisionsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := schema.Decision{Decision: cluster.Decision{Number: 5, Term: 3, Leader: "n1", At: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}}
		for i := range rapid.IntRange(0, 400).Draw(t, "moves") {
			m := cluster.Decided{Step: cluster.StepFree, Task: "t", Node: "n", Token: int64(i)}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				m.Slots = scattered(rapid.IntRange(1, 20_000).Draw(t, "slots"), uint64(i))
			case 1:
				m.Why = strings.Repeat("because ", rapid.IntRange(0, 400).Draw(t, "words"))
			}
			d.Moves = append(d.Moves, m)
		}
		text := d.Encode()
		var back schema.Decision
		if err := schema.Decode("key", coord.Record{Value: text}, &back); err != nil || len(text) > schema.MaxDecision {
			t.Fatalf("%d bytes: %v", len(text), err)
		}
		if len(back.Moves)+back.Omitted < len(d.Moves) {
			t.Fatalf("%d steps, %d omitted, of %d", len(back.Moves), back.Omitted, len(d.Moves))
		}
		if back.Omitted > 0 && len(d.Moves) > len(back.Moves) && len(text) < schema.MaxDecision/2 {
			t.Fatalf("%d bytes are told", len(text))
		}
	})
}
