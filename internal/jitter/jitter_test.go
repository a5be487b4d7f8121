package jitter_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/internal/jitter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOf(t *testing.T) {
	var tenths [10]int
	for i := range 10_000 {
		d := jitter.Of(time.Second, "n1", i)
		if d < 0 || d >= time.Second {
			t.Fatalf("%v", d)
		}
		if again := jitter.Of(time.Second, "n1", i); again != d {
			t.Fatalf("%v, then %v", d, again)
		}
		tenths[d*10/time.Second]++
	}
	for i, n := range tenths {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 10000 in tenth %d", n, i)
		}
	}
	if d := jitter.Of(0, "n1"); d != 0 {
		t.Errorf("%v of nothing", d)
	}
}
