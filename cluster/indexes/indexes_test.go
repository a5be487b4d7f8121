package indexes_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster/indexes"
)

func TestSets(t *testing.T) {
	for text, want := range map[string]indexes.Set{
		"":            nil,
		"0":           {0},
		"0-3,7":       {0, 1, 2, 3, 7},
		"2,4-5,9":     {2, 4, 5, 9},
		"99998-99999": {99998, 99999},
	} {
		got, err := indexes.Parse(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil || got.String() != text {
			t.Errorf("%q: %v, %v, written again %q", text, got, err, got)
		}
	}
	for _, text := range []string{"x", "-1", "3-1", "1,1", "2,1", "0-100000", "1,", ",", "1-2-3", " 1", "99999999999999999999"} {
		if x, err := indexes.Parse(text); err == nil {
			t.Errorf("%q: %v", text, x)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var x indexes.Set
		for i, in := range rapid.SliceOfN(rapid.Bool(), 0, 60).Draw(t, "in") {
			if in {
				x = append(x, i)
			}
		}
		back, err := indexes.Parse(x.String())
		if diff := cmp.Diff(x, back); diff != "" || err != nil {
			t.Fatalf("%q: %v %s", x, err, diff)
		}
	})
}
