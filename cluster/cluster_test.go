package cluster_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "test01", "mail-out_2.x", "a-", "_-", "任务", "吉野家", strings.Repeat("x", 128)} {
		if err := cluster.ValidateName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", "a b", "a#1", "a\n", "\xff", strings.Repeat("x", 129), "-", "-a", "--yes", "-1",
		// Characters that ZooKeeper refuses: 𠮷 and others beyond U+FFFF, surrogates, private use, specials, controls.
		"\U00020bb7野家", "a\U0001d7ceb", "\xed\xa0\x80", "\ue000", "\uf8ff", "\ufff0", "\ufffd", "\uffff", "\x00", "\x1f", "\x7f", "\u0085"} {
		if cluster.ValidateName(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for name, want := range map[string]string{"Test01": "test01", "test01": "test01", "ÄB": "äB", "": "", "0x": "0x"} {
		if got := cluster.WorkName(name); got != want {
			t.Errorf("work name of %q is %q; want %q", name, got, want)
		}
	}
}

// A new rule applies to new declarations, and not to stored ones, whose workers run.
func TestStoredNames(t *testing.T) {
	spec := cluster.TaskSpec{Name: "\U00020bb7野家", WorkName: "\U00020bb7", WorkerNum: 1}
	if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), "name: ") || !strings.Contains(err.Error(), "workName: ") || !strings.Contains(err.Error(), "U+20BB7") {
		t.Errorf("declared: %v", err)
	}
	if err := spec.ValidateStored(); err != nil {
		t.Errorf("stored: %v", err)
	}
	if (cluster.TaskSpec{Name: "a/b", WorkName: "a"}).ValidateStored() == nil {
		t.Error("what can be no key at all is accepted")
	}
}

func TestTaskSpec(t *testing.T) {
	bad := cluster.TaskSpec{Name: "a b", WorkerNum: -1, StopTimeout: cluster.Duration(2 * time.Hour)}
	err := bad.Validate()
	for _, part := range []string{"name:", "workName:", "workerNum: -1", "stopTimeout: 2h0m0s"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
	if g := (cluster.TaskSpec{}).StopTimeoutOrDefault(); g != cluster.DefaultStopTimeout {
		t.Errorf("default grace %v", g)
	}
}

func TestSlotText(t *testing.T) {
	var s cluster.Slot
	if err := s.UnmarshalText([]byte("test01#12")); err != nil || s != (cluster.Slot{Task: "test01", Index: 12}) || s.String() != "test01#12" {
		t.Errorf("%v, %v", s, err)
	}
	for _, bad := range []string{"", "test01", "test01#", "test01#-1", "#x"} {
		if s.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestParams(t *testing.T) {
	for _, c := range []struct{ name, text, want, err string }{
		{"none", `null`, "", ""},
		{"empty", ` { } `, "", ""},
		{"an object", ` {"b": 1, "a": [true, "x"]} `, `{"b":1,"a":[true,"x"]}`, ""},
		{"a list", `[1]`, "", `params: want an object, as in {"queue": "mail"}`},
		{"a text", `"x"`, "", `params: want an object, as in {"queue": "mail"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p cluster.Params
			err := json.Unmarshal([]byte(c.text), &p)
			if string(p) != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("%q, %v; want %q, %q", p, err, c.want, c.err)
			}
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
	large := cluster.TaskSpec{Name: "a", WorkName: "a", Params: cluster.Params(`{"x":"` + strings.Repeat("y", cluster.MaxParams) + `"}`)}
	if err := large.Validate(); err == nil || !strings.Contains(err.Error(), "params: 4104 bytes are more than 4096") {
		t.Errorf("%v", err)
	}
	for _, bad := range []cluster.Params{`{"x": 1}`, `[1]`, `{`, `{}`} {
		if err := bad.Validate(); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	text, err := json.Marshal(cluster.TaskSpec{Name: "a", WorkName: "b", Params: `{"x":1}`})
	if err != nil || string(text) != `{"name":"a","workName":"b","workerNum":0,"params":{"x":1}}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestSelectors(t *testing.T) {
	labels := cluster.Labels{"gpu": "true", "zone": "a"}
	for _, c := range []struct {
		selector cluster.Selector
		unmet    string
		err      string
	}{
		{"", "", ""},
		{"gpu", "", ""},
		{"!gpu", "!gpu", ""},
		{"ssd", "ssd", ""},
		{"!ssd", "", ""},
		{"gpu=true, zone=a|b", "", ""},
		{"zone=b|c", "zone=b|c", ""},
		{"zone!=a", "zone!=a", ""},
		{"zone!=b|c", "", ""},
		{"rack!=x", "", ""}, // it has no rack at all
		{"zone=b, ssd, gpu", "zone=b ssd", ""},
		{"gpu,", "", "an empty term"},
		{"a b", "a b", "only letters"},
		{"zone=", "zone=", "must not be empty"},
		{"gpu, !gpu", "!gpu", "contradict"},
		{"zone=a, zone!=a", "zone!=a", "contradict"},
		{"zone=a|b, zone!=a", "zone!=a", ""},
		{"zone=a, !zone", "!zone", "contradict"},
		{"zone!=a, !zone", "zone!=a !zone", ""},
	} {
		err := c.selector.Validate()
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %v; want %q", c.selector, err, c.err)
		}
		if unmet := strings.Join(c.selector.Unmet(labels), " "); err == nil && unmet != c.unmet {
			t.Errorf("%q: unmet %q; want %q", c.selector, unmet, c.unmet)
		}
	}
}

// Every code of a reason has words of its own.
func TestReasons(t *testing.T) {
	seen := map[string]cluster.ReasonCode{}
	for _, code := range []cluster.ReasonCode{
		cluster.WhyNoNode, cluster.WhyNoWork, cluster.WhyNoLabel, cluster.WhyCordoned, cluster.WhyFull, cluster.WhyPerNode, cluster.WhyPaused, cluster.WhySchedule, cluster.WhyClock, cluster.WhyTooLarge, cluster.WhyQuarantined, cluster.WhyFailing, cluster.WhyDone,
		cluster.WhyDelayed, cluster.WhyRunsUnusable, cluster.WhyDraining, cluster.WhyLeaving, cluster.WhyLost, cluster.WhyLeft, cluster.WhyEvicted,
		cluster.WhyPreferred, cluster.WhyLeaderFree, cluster.WhySpread, cluster.WhyBalance, cluster.WhyScaledDown, cluster.WhyDeleted,
		cluster.WhyTaskChanged, cluster.WhyRestart, cluster.WhyMoved, cluster.WhyEdited, cluster.WhyCrashed, cluster.WhyCleared,
		cluster.WhyUnplaced, cluster.WhyResumed, cluster.WhyQuiet,
	} {
		for _, node := range []string{"", "n1"} {
			text := cluster.Reason{Code: code, Node: node, Detail: "x"}.String()
			if other, twice := seen[text]; text == "" || strings.HasPrefix(text, string(code)) && code != cluster.WhyNoNode || twice && other != code {
				t.Errorf("%s: %q", code, text)
			}
			seen[text] = code
		}
	}
}

// Declarations are compared with ==: they contain no references, and a declaration that was encoded and decoded is
// the same.
func TestSpecsAreValues(t *testing.T) {
	var look func(path string, typ reflect.Type)
	look = func(path string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface, reflect.Func, reflect.Chan:
			t.Errorf("%s is a %s", path, typ.Kind())
		case reflect.Struct:
			for f := range typ.Fields() {
				look(path+"."+f.Name, f.Type)
			}
		}
	}
	look("TaskSpec", reflect.TypeFor[cluster.TaskSpec]())
	for _, phase := range []cluster.Phase{{}, cluster.PhaseOf(0), cluster.PhaseOf(time.Minute)} {
		spec := cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 1, Every: cluster.Duration(time.Hour), Phase: phase}
		text, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		var again cluster.TaskSpec
		if err := json.Unmarshal(text, &again); err != nil || again != spec {
			t.Errorf("%s is read as %+v, %v", text, again, err)
		}
		if _, set := phase.Get(); set != strings.Contains(string(text), `"phase"`) {
			t.Errorf("%s", text)
		}
	}
}

// Two statuses are the same only if every field is; of an instant, the time zone does not count.
func TestWorkerStatusEqual(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	status := cluster.WorkerStatus{State: cluster.WorkerBackoff, Since: at, Restarts: 1, InRow: 1, Error: "no"}
	elsewhere := status
	elsewhere.Since = at.In(time.FixedZone("", 3600))
	if !status.Equal(elsewhere) {
		t.Error("the same instant in another time zone counts as another one")
	}
	for i := range reflect.TypeFor[cluster.WorkerStatus]().NumField() {
		other := status
		field := reflect.ValueOf(&other).Elem().Field(i)
		field.Set(reflect.Zero(field.Type()))
		if status.Equal(other) {
			t.Errorf("%s does not count", reflect.TypeFor[cluster.WorkerStatus]().Field(i).Name)
		}
	}
}
