package backoff_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/internal/backoff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

func TestPausesDoubleUpToTheLongest(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy backoff.Policy
		want   []time.Duration // after no failure, after one …
	}{
		{"doubled", backoff.Policy{First: 100 * ms, Max: 700 * ms}, []time.Duration{0, 100 * ms, 200 * ms, 400 * ms, 700 * ms, 700 * ms}},
		{"the first are free", backoff.Policy{Free: 2, First: 100 * ms, Max: 300 * ms}, []time.Duration{0, 0, 0, 100 * ms, 200 * ms, 300 * ms}},
		{"constant", backoff.Policy{First: 100 * ms}, []time.Duration{0, 100 * ms, 100 * ms, 100 * ms}},
		{"none", backoff.Policy{}, []time.Duration{0, 0, 0}},
		{"conflicts", backoff.Conflicts, []time.Duration{0, 0, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, time.Second, time.Second}},
	} {
		for failures, want := range c.want {
			if got := c.policy.Pause(failures, "n1"); got != want {
				t.Errorf("%s: after %d failures %v; want %v", c.name, failures, got, want)
			}
		}
		if got, last := c.policy.Pause(math.MaxInt, "n1"), c.want[len(c.want)-1]; got != last {
			t.Errorf("%s: in the end %v; want %v", c.name, got, last)
		}
	}
}

// The position of a pause in its spread depends on the caller's identity alone.
func TestJitter(t *testing.T) {
	p := backoff.Policy{First: 100 * ms, Max: time.Second, Jitter: 0.25}
	short, long := time.Hour, time.Duration(0)
	for i := range 1000 {
		got := p.Pause(2, "n1", i)
		if got < 150*ms || got >= 250*ms {
			t.Fatalf("%v", got)
		}
		if again := p.Pause(2, "n1", i); again != got {
			t.Fatalf("%v, then %v", got, again)
		}
		short, long = min(short, got), max(long, got)
	}
	if short > 155*ms || long < 245*ms {
		t.Errorf("from %v to %v", short, long)
	}
}

func TestSteady(t *testing.T) {
	p := backoff.Policy{Steady: 10 * time.Second}
	failures := 0
	for i, c := range []struct {
		lasted time.Duration
		want   int
	}{{0, 1}, {9 * time.Second, 2}, {time.Second, 3}, {10 * time.Second, 1}, {0, 2}} {
		failures = p.Failed(failures, c.lasted)
		if failures != c.want {
			t.Errorf("%d: %d failures in a row; want %d", i, failures, c.want)
		}
	}
	if n := (backoff.Policy{}).Failed(3, time.Hour); n != 4 {
		t.Errorf("%d failures in a row where only a success ends the row", n)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := backoff.Policy{Free: 1, First: 20 * ms, Max: time.Second}
		for failures, want := range []time.Duration{0, 0, 20 * ms, 40 * ms} {
			began := time.Now()
			if err := p.Wait(t.Context(), failures); err != nil || time.Since(began) != want {
				t.Errorf("after %d failures: %v, %v; want %v", failures, time.Since(began), err, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		for failures, want := range []error{nil, context.Canceled, context.Canceled} {
			if err := p.Wait(ctx, failures); !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("after %d failures and the end of ctx: %v; want %v", failures, err, want)
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("waits %v after the end of ctx", d)
		}
	})
}
