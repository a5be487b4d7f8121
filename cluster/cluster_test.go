package cluster_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIndexes(t *testing.T) {
	for text, want := range map[string]cluster.Indexes{
		"":            nil,
		"0":           {0},
		"0-3,7":       {0, 1, 2, 3, 7},
		"2,4-5,9":     {2, 4, 5, 9},
		"99998-99999": {99998, 99999},
	} {
		got, err := cluster.ParseIndexes(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil || got.String() != text {
			t.Errorf("%q: %v, %v, written again %q", text, got, err, got)
		}
	}
	for _, text := range []string{"x", "-1", "3-1", "1,1", "2,1", "0-100000", "1,", ",", "1-2-3", " 1", "99999999999999999999"} {
		if x, err := cluster.ParseIndexes(text); err == nil {
			t.Errorf("%q: %v", text, x)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var x cluster.Indexes
		for i, in := range rapid.SliceOfN(rapid.Bool(), 0, 60).Draw(t, "in") {
			if in {
				x = append(x, i)
			}
		}
		back, err := cluster.ParseIndexes(x.String())
		if diff := cmp.Diff(x, back); diff != "" || err != nil {
			t.Fatalf("%q: %v %s", x, err, diff)
		}
	})
}

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "test01", "mail-out_2.x", "任务", strings.Repeat("x", 128)} {
		if err := cluster.ValidateName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", "a b", "a#1", "a\n", "\xff", strings.Repeat("x", 129)} {
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

func TestTaskSpec(t *testing.T) {
	bad := cluster.TaskSpec{Name: "a b", WorkerNum: -1, StopTimeout: cluster.Duration(2 * time.Hour)}
	err := bad.Validate()
	for _, part := range []string{"name:", "workName:", "workerNum: -1", "stopTimeout: 2h0m0s"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not tell of %s", err, part)
		}
	}
	if g := (cluster.TaskSpec{}).Grace(); g != cluster.DefaultStopTimeout {
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
