package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRecordsReadWell(t *testing.T) {
	spec := &cluster.TaskSpec{Name: "a", WorkName: "w", WorkerNum: 9}
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	three := 3
	for _, c := range []struct {
		record schema.Record
		want   string
	}{
		{&schema.Decision{Decision: cluster.Decision{Number: 9, Term: 3, Leader: "n1", At: since, Moves: []cluster.Decided{
			cluster.Decided{Step: cluster.StepRelease, Task: "a", Slots: cluster.Indexes{0, 1}, Node: "n2", To: "n1", Token: 4}.Because(cluster.Reason{Code: cluster.WhyDraining, Node: "n2"}),
		}}}, `{"v":1,"number":9,"term":3,"leader":"n1","at":"2026-01-02T03:04:05Z","moves":[{"step":"release","task":"a","slots":"0-1","node":"n2","to":"n1","token":4,"code":"draining","why":"n2 is draining"}]}`},
		{&schema.Member{Since: since, Member: cluster.Member{MemberID: "g1", Node: "n1", Host: "h", PID: 7, Works: []string{"w"}, Weight: 2,
			SessionTimeout: cluster.Duration(20 * time.Second)}},
			`{"v":1,"member":"g1","node":"n1","host":"h","pid":7,"works":["w"],"weight":2,"sessionTimeout":"20s","since":"2026-01-02T03:04:05Z"}`},
		{&schema.Epoch{Leader: "g1", Node: "n1", Term: 3, NextToken: 17, NextDecision: 4, Since: since},
			`{"v":1,"version":5,"leader":"g1","node":"n1","term":3,"nextToken":17,"nextDecision":4,"since":"2026-01-02T03:04:05Z"}`},
		{&schema.Assignment{Node: "n1", Host: "h<1>", SessionTimeout: cluster.Duration(20 * time.Second),
			Granted: []schema.Granted{{SlotRange: schema.SlotRange{Task: "a", Slots: cluster.Indexes{0, 1, 2, 3, 7}, Token: 5}, Ref: schema.SpecRef{Chunk: 2, Version: 7}, Spec: spec},
				{SlotRange: schema.SlotRange{Task: "a", Slots: cluster.Indexes{4}, Token: 5}, Ref: schema.SpecRef{Chunk: 2, Version: 7}, Count: new(0)},
				{SlotRange: schema.SlotRange{Task: "b", Slots: cluster.Indexes{0}, Token: 5}, Ref: schema.SpecRef{Chunk: 2, Version: 7}, Count: new(0)}},
			Releasing: []schema.Releasing{}},
			`{"v":1,"version":5,"node":"n1","host":"h<1>","sessionTimeout":"20s","granted":[{"token":5,"specs":"2.7","slots":{"a":"0-3,7 of 9"}},{"token":5,"specs":"2.7","slots":{"a":"4","b":"0"}}],"releasing":[]}`},
		{&schema.SpecChunk{Specs: []schema.StoredSpec{{Name: "a", From: 3, Spec: *spec}}},
			`{"v":1,"version":5,"specs":[{"name":"a","from":3,"spec":{"name":"a","workName":"w","workerNum":9}}]}`},
		{&schema.Status{Applied: 4, Holding: []schema.Claimed{{SlotRange: schema.SlotRange{Task: "a", Slots: cluster.Indexes{7}, Token: 5}, Since: since}}},
			`{"v":1,"version":5,"applied":4,"holding":[{"token":5,"since":"2026-01-02T03:04:05Z","slots":{"a":"7"}}]}`},
		{&schema.Task{Spec: *spec, Override: cluster.Override{WorkerNum: &three}},
			`{"v":1,"spec":{"name":"a","workName":"w","workerNum":9},"override":{"workerNum":3}}`},
	} {
		if diff := cmp.Diff(c.want, string(schema.Encode(c.record, 5))); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.record, diff)
		}
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	const key = "/xconsumer/c/tasks/a"
	stored := `{"later":{"x":[1,2]},"v":2,"spec":{"name":"a","priority":7,"workName":"w","workerNum":1},"another":true}`
	var task schema.Task
	if err := schema.Decode(key, coord.Record{Value: []byte(stored), Version: 3}, &task); err != nil {
		t.Fatal(err)
	}
	task.Spec.WorkerNum = 2
	want := `{"v":2,"spec":{"name":"a","workName":"w","workerNum":2,"priority":7},"another":true,"later":{"x":[1,2]}}`
	if diff := cmp.Diff(want, string(schema.Encode(&task, 4))); diff != "" {
		t.Errorf("written again (-want +got):\n%s", diff)
	}
}

// Where a record is named beside what is wrong with it, it is named once.
func TestReason(t *testing.T) {
	const key = "/xconsumer/f/marks/b"
	err := schema.Decode(key, coord.Record{Value: []byte("{")}, &schema.Mark{})
	if got := schema.Reason(key, err); err == nil || got == "" || strings.Contains(got, key) || strings.Contains(got, "not usable") {
		t.Errorf("%q of %v", got, err)
	}
	err = schema.Decode(key, coord.Record{Value: []byte(`{"v":1,"version":3}`), Version: 4}, &schema.Assignment{})
	if got, want := schema.Reason(key, err), "record was edited manually: its version is 3, that of its key 4"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestUnusableRecords(t *testing.T) {
	slot := `{"token":1,"specs":"2.7","slots":{"a":"0 of 1"}}`
	stored := `{"name":"a","from":3,"spec":{"name":"a","workName":"a","workerNum":1}}`
	chunk := func(specs string) string { return fmt.Sprintf(`{"v":1,"version":3,"specs":[%s]}`, specs) }
	assignment := func(version int, slots, releasing string) string {
		return fmt.Sprintf(`{"v":1,"version":%d,"node":"n","granted":[%s],"releasing":[%s]}`, version, slots, releasing)
	}
	for _, c := range []struct {
		name, value string
		record      schema.Record
		want        error
	}{
		{"good", assignment(3, slot, ``), &schema.Assignment{}, nil},
		{"good specs", chunk(stored), &schema.SpecChunk{}, nil},
		{"good by the rules of another version", chunk(strings.Replace(stored, `"workerNum":1`, `"workerNum":200000,"mode":"later"`, 1)), &schema.SpecChunk{}, nil},
		{"another's spec", chunk(strings.Replace(stored, `"name":"a"`, `"name":"b"`, 1)), &schema.SpecChunk{}, schema.ErrCorrupt},
		{"a spec of a later version", chunk(strings.Replace(stored, `"from":3`, `"from":4`, 1)), &schema.SpecChunk{}, schema.ErrCorrupt},
		{"a spec twice", chunk(stored + "," + stored), &schema.SpecChunk{}, schema.ErrCorrupt},
		{"a name that nobody may declare now", `{"v":1,"spec":{"name":"𠮷","workName":"a","workerNum":1}}`, &schema.Task{}, nil},
		{"a node with such a name", `{"v":1,"node":"𠮷"}`, &schema.Member{}, nil},
		{"a node with an impossible name", `{"v":1,"node":"a/b"}`, &schema.Member{}, schema.ErrCorrupt},
		{"empty", ``, &schema.Assignment{}, schema.ErrCorrupt},
		{"no JSON", `{`, &schema.Assignment{}, schema.ErrCorrupt},
		{"no object", `[1]`, &schema.Assignment{}, schema.ErrCorrupt},
		{"another type", `{"v":1,"version":3,"slots":"x"}`, &schema.Assignment{}, schema.ErrCorrupt},
		{"no format", `{"version":3,"node":"n"}`, &schema.Assignment{}, schema.ErrCorrupt},
		{"another version", assignment(2, slot, ``), &schema.Assignment{}, schema.ErrForeign},
		{"slot twice", assignment(3, slot, slot), &schema.Assignment{}, schema.ErrCorrupt},
		{"no token", assignment(3, strings.Replace(slot, `"token":1`, `"token":0`, 1), ``), &schema.Assignment{}, schema.ErrCorrupt},
		{"no specs", assignment(3, strings.Replace(slot, `"specs":"2.7",`, ``, 1), ``), &schema.Assignment{}, schema.ErrCorrupt},
		{"impossible specs", assignment(3, strings.Replace(slot, `2.7`, `2.-7`, 1), ``), &schema.Assignment{}, schema.ErrCorrupt},
		{"no number of workers", assignment(3, strings.Replace(slot, `of 1`, `of `, 1), ``), &schema.Assignment{}, schema.ErrCorrupt},
		{"impossible slots", assignment(3, strings.Replace(slot, `"0 of`, `"3-1 of`, 1), ``), &schema.Assignment{}, schema.ErrCorrupt},
		{"too many slots", assignment(3, strings.Replace(slot, `"0 of`, `"0-2000000000 of`, 1), ``), &schema.Assignment{}, schema.ErrCorrupt},
		{"a slot held twice", `{"v":1,"version":3,"holding":[{"token":1,"slots":{"a":"0"}},{"token":2,"slots":{"a":"0-1"}}]}`, &schema.Status{}, schema.ErrCorrupt},
		{"an impossible token", `{"v":1,"version":3,"holding":[{"token":4611686018427387905,"slots":{"a":"0"}}]}`, &schema.Status{}, schema.ErrCorrupt},
		{"slots held under two tokens", `{"v":1,"version":3,"holding":[{"token":1,"slots":{"a":"0"}},{"token":2,"slots":{"a":"1"}}]}`, &schema.Status{}, nil},
		{"a release", assignment(3, ``, `{"task":"a","slots":"0","token":1,"version":3}`), &schema.Assignment{}, nil},
		{"a release that no status can confirm", assignment(3, ``, `{"task":"a","slots":"0","token":1,"version":4}`), &schema.Assignment{}, schema.ErrCorrupt},
		{"a request", `{"v":1,"version":3,"runNow":[{"id":"r","task":"a","params":{"x":1}}]}`, &schema.Requests{}, nil},
		{"a request for a run without a name", `{"v":1,"version":3,"runNow":[{"id":"","task":"a"}]}`, &schema.Requests{}, schema.ErrCorrupt},
		{"a request for a run with an impossible name", `{"v":1,"version":3,"runNow":[{"id":"r/1","task":"a"}]}`, &schema.Requests{}, schema.ErrCorrupt},
		{"a request with impossible parameters", `{"v":1,"version":3,"runNow":[{"id":"r","task":"a","params":[1]}]}`, &schema.Requests{}, schema.ErrCorrupt},
		{"impossible token counter", `{"v":1,"version":3,"nextToken":0}`, &schema.Epoch{}, schema.ErrCorrupt},
		{"too many workers", `{"v":1,"spec":{"name":"a","workName":"a","workerNum":100001}}`, &schema.Task{}, schema.ErrCorrupt},
		{"an impossible override", `{"v":1,"spec":{"name":"a","workName":"a","workerNum":1},"override":{"workerNum":-1}}`, &schema.Task{}, schema.ErrCorrupt},
		{"a policy that there is not", `{"v":1,"spec":{"leaderWorkers":"first"}}`, &schema.Settings{}, schema.ErrCorrupt},
		{"a rebalance policy", `{"v":1,"spec":{"rebalance":{"maxInFlight":3,"leaveDelay":"30s","freezeAbove":0.3,"freezeFor":"5m"}}}`, &schema.Settings{}, nil},
		{"an impossible rebalance policy", `{"v":1,"spec":{"rebalance":{"maxInFlight":-1}}}`, &schema.Settings{}, schema.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := schema.Decode("/key", coord.Record{Value: []byte(c.value), Version: 3}, c.record)
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), "/key") {
				t.Errorf("decode: %v; want %v", err, c.want)
			}
		})
	}
}

func TestDecisionsStaySmall(t *testing.T) {
	d := schema.Decision{Decision: cluster.Decision{Number: 1}}
	for i := range 5000 {
		d.Moves = append(d.Moves, cluster.Decided{Step: cluster.StepGrant, Task: "task", Slots: cluster.Indexes{i}, Node: "node"})
	}
	if b := d.Encode(); len(b) > 16<<10 || !strings.Contains(string(b), `"omitted":`) {
		t.Errorf("%d bytes: %.100s", len(b), b)
	}
}

func TestHeldLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := map[cluster.Slot]schema.Claim{}
		for range rapid.IntRange(0, 40).Draw(t, "slots") {
			slot := cluster.Slot{Task: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "task"), Index: rapid.IntRange(0, 30).Draw(t, "index")}
			claims[slot] = schema.Claim{Token: rapid.Int64Range(1, 3).Draw(t, "token")}
		}
		list := schema.Gather(claims)
		if n := schema.Count(list); n != len(claims) {
			t.Fatalf("%d slots of %d", n, len(claims))
		}
		for slot, h := range schema.Each(list) {
			if claims[slot].Token != h.Token || schema.Find(list, slot).Token != h.Token {
				t.Fatalf("%s has token %d; want %d", slot, h.Token, claims[slot].Token)
			}
		}
		even, odd := schema.Split(list, func(s cluster.Slot, _ *schema.Claimed) bool { return s.Index%2 == 0 })
		if schema.Count(even)+schema.Count(odd) != len(claims) {
			t.Fatal("a split lost slots")
		}
		for slot := range schema.Each(odd) {
			if slot.Index%2 == 0 {
				t.Fatalf("%s is odd", slot)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"version":3,"node":"n","granted":[{"task":"a","slots":"0-3,7","token":1,"spec":{"name":"a","workName":"a","workerNum":1}}],"releasing":[]}`))
	f.Add([]byte(`{"v":1,"spec":{"name":"a","workName":"a","workerNum":1},"extra":[]}`))
	f.Add([]byte(`{"v":1,"version":3,"node":"n","granted":[],"releasing":[],"closed":{"by":"p","cause":"c","startedLast60s":[{"task":"a","slots":"1","token":2,"since":"2026-01-02T03:04:05Z"}],"at":"2026-01-02T03:04:06Z"}}`))
	f.Add([]byte(`{"v":1,"version":3,"slots":[{"task":"a","slots":"1","tookDown":["n1","n2"],"declared":4}]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, r := range []schema.Record{&schema.Assignment{}, &schema.Status{}, &schema.Epoch{}, &schema.Meta{}, &schema.Task{}, &schema.Settings{}, &schema.Member{}, &schema.Name{},
			&schema.Heartbeat{}, &schema.Decision{}, &schema.Suspects{}, &schema.Requests{}, &schema.Mark{}, &schema.TaskRuns{}, &schema.FinishedRun{}, &schema.Removed{}} {
			if schema.Decode("/k", coord.Record{Value: value, Version: 3}, r) != nil {
				continue
			}
			once := schema.Encode(r, 3)
			if err := schema.Decode("/k", coord.Record{Value: once, Version: 3}, r); err != nil {
				t.Fatalf("%T written again cannot be read: %v\n%s", r, err, once)
			}
			if twice := schema.Encode(r, 3); string(once) != string(twice) {
				t.Fatalf("%T changes when it is written again:\n%s\n%s", r, once, twice)
			}
		}
	})
}

// The count of a grant is kept, also when it is 0. A grant that is made has the one of its spec.
func TestCountOfAGrant(t *testing.T) {
	spec := cluster.TaskSpec{Name: "t", WorkName: "t", WorkerNum: 3}
	r := schema.SlotRange{Task: "t", Slots: cluster.Indexes{0}, Token: 1}
	ref := schema.SpecRef{Chunk: 1}
	for _, c := range []struct {
		entry schema.Entry
		want  int
		known bool
	}{
		{&schema.Granted{SlotRange: r, Count: new(4), Ref: ref, Spec: &spec}, 4, true},
		{&schema.Granted{SlotRange: r, Count: new(0), Ref: ref, Spec: &spec}, 0, true},
		{&schema.Granted{SlotRange: r, Ref: ref, Spec: &spec}, 3, true},
		{&schema.Releasing{SlotRange: r, Count: new(4)}, 4, true},
		{&schema.Releasing{SlotRange: r, Count: new(0)}, 0, true},
		{&schema.Releasing{SlotRange: r}, 0, false},
	} {
		assignment := &schema.Assignment{Node: "n"}
		switch e := c.entry.(type) {
		case *schema.Granted:
			assignment.Granted = []schema.Granted{*e}
		case *schema.Releasing:
			assignment.Releasing = []schema.Releasing{*e}
		}
		var back schema.Assignment
		if err := schema.Decode("assignments/x", coord.Record{Value: schema.Encode(assignment, 3), Version: 3}, &back); err != nil {
			t.Fatal(err)
		}
		for e := range back.Entries() {
			if count, known := e.WorkerCount(); count != c.want || known != c.known {
				t.Errorf("%T has count %d, %v; want %d, %v", e, count, known, c.want, c.known)
			}
		}
		if n := len(back.Granted) + len(back.Releasing); n != 1 {
			t.Errorf("%d entries came back", n)
		}
	}
}

// Releases stay listed for a while after the slots were given back, but not where that could hide what an edit has done, or lose the end of
// a run.
func TestMayStay(t *testing.T) {
	for _, c := range []struct {
		task string
		why  cluster.ReasonCode
		want bool
	}{
		{"a", cluster.WhyBalance, true},
		{"a", "", false},
		{"a", cluster.WhyEdited, false},
		{"a", cluster.WhyDoubled, false},
		{"a", cluster.WhyRefused, false},
		{cluster.RunTask("a", "1"), cluster.WhyBalance, false},
	} {
		h := schema.Releasing{SlotRange: schema.SlotRange{Task: c.task}}
		if c.why != "" {
			h.Why = &cluster.Reason{Code: c.why}
		}
		if got := h.MayStay(); got != c.want {
			t.Errorf("%s because of %q: %v", c.task, c.why, got)
		}
	}
}
