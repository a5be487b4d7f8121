package hub

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A key that the store is slow with is read once, and holds up neither who asks for another one nor who has no more time.
func TestCacheReadsEachKeyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Cache[string, int]
		m, reads := &Snapshot{}, 0
		slow := func(context.Context) (int, error) { //nolint:unparam // what Get takes
			reads++
			time.Sleep(3 * time.Second)
			return reads, nil
		}
		ask := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() {
				value, err := c.Get(ctx, m, "slow", slow)
				if err == nil && value != 1 {
					err = errors.New("it was read again")
				}
				done <- err
			}()
			synctest.Wait()
			return done
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, second := ask(short), ask(t.Context())
		began := time.Now()
		if value, err := c.Get(t.Context(), m, "fast", func(context.Context) (int, error) { return 7, nil }); err != nil || value != 7 || time.Since(began) > 0 {
			t.Errorf("another key: %d, %v after %v", value, err, time.Since(began))
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("who has a second gets %v after %v", err, time.Since(began))
		}
		if err := <-second; err != nil || time.Since(began) != 3*time.Second || reads != 1 {
			t.Errorf("who has time gets %v after %v, in %d reads", err, time.Since(began), reads)
		}
		if err := <-ask(t.Context()); err != nil || reads != 1 {
			t.Errorf("afterwards: %v, in %d reads", err, reads)
		}
	})
}

// What is kept counts for one snapshot and for a few seconds, and no error is kept.
func TestCacheLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Cache[string, int]
		reads, fails := 0, errors.New("no answer")
		get := func(m *Snapshot, err error) (int, error) {
			return c.Get(t.Context(), m, "a", func(context.Context) (int, error) {
				reads++
				return reads, err
			})
		}
		one, two := &Snapshot{}, &Snapshot{Seq: 1}
		for i, step := range []struct {
			at    *Snapshot
			wait  time.Duration
			fails error
			want  int
		}{
			{one, 0, fails, 1}, {one, 0, nil, 2}, {one, time.Second, nil, 2}, {two, 0, nil, 3}, {two, cacheFor - time.Second, nil, 3}, {two, time.Second, nil, 4},
		} {
			time.Sleep(step.wait)
			if got, err := get(step.at, step.fails); got != step.want || !errors.Is(err, step.fails) {
				t.Errorf("step %d: %d, %v; want %d, %v", i, got, err, step.want, step.fails)
			}
		}
	})
}

// A read that does not end is given up.
func TestCacheGivesUpAReadThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Cache[string, int]
		began := time.Now()
		_, err := c.Get(t.Context(), &Snapshot{}, "a", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != readTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
