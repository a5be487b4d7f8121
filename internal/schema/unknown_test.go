package schema_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

const (
	aSpec  = `{"name":"a","workName":"a","workerNum":4,"params":{"x":1},"restart":{"max":3}}`
	aHeld  = `{"task":"a","slots":"0-1","token":5,"spec":` + aSpec + `,"why":{"code":"scaled","node":"n"}}`
	aGroup = `{"token":5,"specs":"2.7","slots":{"a":"0-1"}}`
	aClaim = `{"token":5,"since":"2026-01-02T03:04:05Z","slots":{"a":"0-1","b":"3"}}`
	aRun   = `{"id":"r","due":"2026-01-02T03:04:05Z","workName":"a","workerNum":4,"params":{"x":1},"failed":[{"slots":"1","error":"e"}]}`
)

// rewritten are records that somebody other than their first writer writes again, with everything in them.
var rewritten = []struct {
	make func() schema.Record
	text string
}{
	{func() schema.Record { return new(schema.Epoch) }, `{"v":1,"version":3,"leader":"g","node":"n","term":1,"nextToken":2,"nextDecision":3}`},
	{func() schema.Record { return new(schema.Assignment) }, `{"v":1,"version":3,"node":"n","host":"h","sessionTimeout":"10s","granted":[` + aGroup + `],"releasing":[` +
		strings.Replace(aHeld, "0-1", "2-3", 1) + `],"closed":{"by":"p","cause":"c","startedLast60s":[` + aHeld + `],"at":"2026-01-02T03:04:06Z"}}`},
	{func() schema.Record { return new(schema.Status) }, `{"v":1,"version":3,"applied":1,"holding":[` + aClaim + `],"workers":[{"slot":"a#0","state":"backoff","since":"2026-01-02T03:04:06Z"}]}`},
	{func() schema.Record { return new(schema.SpecChunk) }, `{"v":1,"version":3,"specs":[{"name":"a","from":3,"spec":` + aSpec + `}]}`},
	{func() schema.Record { return new(schema.Task) }, `{"v":1,"spec":` + aSpec + `,"origin":{"file":"f","seen":["01"]},"override":{"workerNum":3}}`},
	{func() schema.Record { return new(schema.Settings) }, `{"v":1,"spec":{"leaderWorkers":"last"},"origin":{"file":"f"}}`},
	{func() schema.Record { return new(schema.Mark) }, `{"v":1,"cordoned":true,"drain":{"slots":1},"quarantine":{"member":"g","error":"e"},"labels":{"zone":"x"}}`},
	{func() schema.Record { return new(schema.Audit) }, `{"v":1,"version":3,"lines":[{"id":"i","at":"2026-01-02T03:04:06Z","by":"b","what":"w","tasks":["a"],"nodes":["n"]}]}`},
	{func() schema.Record { return new(schema.Requests) }, `{"v":1,"version":3,"stepDown":1,"balanceNow":1,"moveNow":["g"],"restart":[` + aHeld + `],"runNow":[{"id":"r","task":"a","params":{"x":1}}],"move":[{"slot":"a#0","token":1,"to":"n"}]}`},
	{func() schema.Record { return new(schema.Suspects) }, `{"v":1,"version":3,"slots":[{"task":"a","slots":"0","tookDown":["n"],"declared":1}]}`},
	{func() schema.Record { return new(schema.TaskRuns) }, `{"v":1,"version":3,"runs":[` + aRun + `],"kept":["q"]}`},
	{func() schema.Record { return new(schema.FinishedRun) }, `{"v":1,"task":"a",` + aRun[1:]},
	{func() schema.Record { return new(schema.Completions) }, `{"v":1,"version":3,"slots":[{"task":"a@r","slots":"0","token":1,"error":"e"}]}`},
}

func isObject(v any) bool {
	_, is := v.(map[string]any)
	return is
}

// objects lists the objects of a record, by path, whose fields have names of their own.
func objects(v any, path []any, found *[][]any) {
	switch v := v.(type) {
	case map[string]any:
		*found = append(*found, slices.Clone(path))
		for name, inner := range v {
			if name != "params" && name != "labels" && !(name == "slots" && isObject(inner)) { // what is in these is the users'
				objects(inner, append(path, name), found)
			}
		}
	case []any:
		for i, inner := range v {
			objects(inner, append(path, i), found)
		}
	}
}

func at(v any, path []any) map[string]any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step] //nolint:errcheck // a test that fails
		case int:
			v = v.([]any)[step] //nolint:errcheck // likewise
		}
	}
	return v.(map[string]any) //nolint:errcheck // likewise
}

// change makes a record another one, as this version would.
func change(r schema.Record) {
	switch r := r.(type) {
	case *schema.Assignment:
		in, out := schema.Split(r.Granted, func(slot cluster.Slot, _ *schema.Granted) bool { return slot.Index%2 == 0 })
		r.Granted = slices.Concat(in, out) // each half of each entry has what the whole had
		asked, more := schema.Split(r.Releasing, func(slot cluster.Slot, _ *schema.Releasing) bool { return slot.Index%2 == 0 })
		r.Releasing = slices.Concat(more, asked)
	case *schema.Task:
		r.Spec.WorkerNum, r.Deleted = 9, true
	case *schema.Requests:
		r.StepDown++
	case *schema.TaskRuns:
		r.Runs[0].Done = cluster.Indexes{0}
	}
}

// Whatever a later version has added to a record, at any depth, is there after this version has read, changed and
// written it.
func TestUnknownFieldsAreKeptAtAnyDepth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(rewritten).Draw(t, "record")
		var tree any
		if err := json.Unmarshal([]byte(c.text), &tree); err != nil {
			t.Fatal(err)
		}
		var paths [][]any
		objects(tree, nil, &paths)
		slices.SortFunc(paths, func(a, b []any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		added := map[string]int{}
		for n := range rapid.IntRange(1, 4).Draw(t, "fields") {
			name := fmt.Sprint("later", n)
			at(tree, rapid.SampledFrom(paths).Draw(t, "path"))[name] = []any{map[string]any{"deep": name + "<&>"}}
			added[name]++
		}
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		rec := c.make()
		for range 2 {
			if err := schema.Decode("/k", coord.Record{Value: text, Version: 3}, rec); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			change(rec)
			text = schema.Encode(rec, 3)
			rec = c.make()
		}
		for name := range added {
			if want := fmt.Sprintf(`%q:[{"deep":"%s`, name, name); !strings.Contains(string(text), want) {
				t.Fatalf("%T: %s is gone:\n%s", rec, want, text)
			}
		}
	})
}

// What declarations have that this version does not know tells them apart, and goes with every grant.
func TestUnknownFieldsOfSpecs(t *testing.T) {
	task := new(schema.Task)
	text := `{"v":1,"spec":{"name":"a","workName":"a","workerNum":1,"shard":"x","restart":{"jitter":"1s"}}}`
	if err := schema.Decode("/k", coord.Record{Value: []byte(text)}, task); err != nil {
		t.Fatal(err)
	}
	if plain := (cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 1}); task.Spec == plain {
		t.Error("a declaration with more in it is the same as one without")
	}
	spec := task.Effective()
	chunk := schema.Encode(&schema.SpecChunk{Specs: []schema.StoredSpec{{Name: "a", Spec: spec}}}, 0)
	if want := `"spec":{"name":"a","workName":"a","workerNum":1,"restart":{"jitter":"1s"},"shard":"x"}`; !strings.Contains(string(chunk), want) {
		t.Errorf("stored: %s; want %s", chunk, want)
	}
}

// A field whose name is written otherwise was read as the field that it is, and is not kept beside that.
func TestNamesInOtherLetters(t *testing.T) {
	task := new(schema.Task)
	text := `{"v":1,"spec":{"name":"a","workName":"a","WORKERNUM":1},"later":1}`
	if err := schema.Decode("/k", coord.Record{Value: []byte(text)}, task); err != nil {
		t.Fatal(err)
	}
	task.Spec.WorkerNum = 2
	if want, got := `{"v":1,"spec":{"name":"a","workName":"a","workerNum":2},"later":1}`, string(schema.Encode(task, 1)); got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// largeAssignment is an assignment of 100 slots of each of so many tasks.
func largeAssignment(tasks int) *schema.Assignment {
	assignment := &schema.Assignment{Node: "n", Host: "h", SessionTimeout: cluster.Duration(10 * time.Second), Releasing: []schema.Releasing{}}
	for i := range tasks {
		name := fmt.Sprint("task", i)
		assignment.Granted = append(assignment.Granted, schema.Granted{SlotRange: schema.SlotRange{Task: name, Slots: cluster.Indexes{0, 1, 2, 7, 9}, Token: int64(i + 1)}, Ref: schema.SpecRef{Chunk: 1}, Spec: &cluster.TaskSpec{Name: name, WorkName: "w", WorkerNum: 100}})
	}
	return assignment
}

func BenchmarkEncode(b *testing.B) {
	assignment := new(schema.Assignment)
	if err := schema.Decode("/k", coord.Record{Value: schema.Encode(largeAssignment(100), 3), Version: 3}, assignment); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		schema.Encode(assignment, 4)
	}
}

func BenchmarkDecode(b *testing.B) {
	value := schema.Encode(largeAssignment(100), 3)
	for b.Loop() {
		if err := schema.Decode("/k", coord.Record{Value: value, Version: 3}, new(schema.Assignment)); err != nil {
			b.Fatal(err)
		}
	}
}
