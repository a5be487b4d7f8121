package jitter_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/internal/jitter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What fails again and again is tried once a second in the end.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := jitter.Backoff(t.Context(), 1); err != nil || time.Since(began) != 0 {
			t.Errorf("after one failure: %v, %v", time.Since(began), err)
		}
		last := time.Duration(0)
		for failures := 2; failures < 70; failures++ {
			began = time.Now()
			if err := jitter.Backoff(t.Context(), failures); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			if took < max(last, 20*time.Millisecond) || took > time.Second || failures > 10 && took != time.Second {
				t.Fatalf("after %d failures it waits %v", failures, took)
			}
			last = took
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := jitter.Backoff(ctx, 5); !errors.Is(err, context.Canceled) {
			t.Errorf("without hope: %v", err)
		}
	})
}

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
