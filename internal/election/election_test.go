package election_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var keys = schema.NewKeys("test")

// candidate is a member that takes part in elections.
type candidate struct {
	session coord.Session
	self    membership.Self
	cancel  context.CancelFunc
	done    chan error
	depose  chan struct{}
	giveUp  chan struct{}
	blocked atomic.Bool

	mu    sync.Mutex
	leads bool
	terms []int64
}

func (c *candidate) leading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leads
}

func run(t *testing.T, store coord.Store, name string) *candidate {
	t.Helper()
	s, err := store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	self, err := membership.Join(t.Context(), s, keys, cluster.Member{MemberID: membership.NewMemberID(), Node: name, SessionTimeout: cluster.Duration(s.Info().Timeout)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := &candidate{session: s, self: self, cancel: cancel, done: make(chan error, 1), depose: make(chan struct{}), giveUp: make(chan struct{})}
	go func() {
		c.done <- election.Run(ctx, s, keys, self.Member, slog.New(slog.DiscardHandler), func(err error) { c.blocked.Store(err != nil) }, func(ctx context.Context, term election.Term) error {
			c.mu.Lock()
			c.leads, c.terms = true, append(c.terms, term.Number)
			c.mu.Unlock()
			defer func() {
				c.mu.Lock()
				c.leads = false
				c.mu.Unlock()
			}()
			select {
			case <-ctx.Done():
				time.Sleep(time.Second) // it takes a while, and is awaited
				return nil
			case <-c.depose:
				return fmt.Errorf("test: %w", election.ErrDeposed)
			case <-c.giveUp:
				return &election.GiveUp{Err: errors.New("test"), Until: make(chan struct{})} // it never comes back
			}
		})
	}()
	return c
}

func (c *candidate) stop(t *testing.T) {
	t.Helper()
	c.cancel()
	if err := <-c.done; err != nil {
		t.Errorf("%s: %v", c.self.Node, err)
	}
	if c.leading() {
		t.Errorf("%s: lead was not awaited", c.self.Node)
	}
	_ = c.session.Close()
}

func candidates(t *testing.T, s coord.Session) []coord.Entry {
	t.Helper()
	list, err := s.List(t.Context(), keys.Elections())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func epoch(t *testing.T, s coord.Session) schema.Epoch {
	t.Helper()
	r, err := s.Get(t.Context(), keys.Epoch())
	if err != nil {
		t.Fatal(err)
	}
	var e schema.Epoch
	if err := schema.Decode(keys.Epoch(), r, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFirstInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Latency: time.Millisecond})
		a, b, c := run(t, service.Client(), "a"), run(t, service.Client(), "b"), run(t, service.Client(), "c")
		time.Sleep(time.Second)
		want := func(leader *candidate, term int64) {
			t.Helper()
			for _, x := range []*candidate{a, b, c} {
				if x.leading() != (x == leader) {
					t.Errorf("%s leads: %v", x.self.Node, x.leading())
				}
			}
			if e := epoch(t, leader.session); e.Leader != leader.self.MemberID || e.Node != leader.self.Node || e.Term != term {
				t.Errorf("epoch %+v", e)
			}
		}
		want(a, 1)
		b.stop(t) // not the leader: nobody notices
		time.Sleep(time.Second)
		want(a, 1)
		a.depose <- struct{}{} // it is still the first, and leads again, in a new term
		time.Sleep(time.Second)
		want(a, 2)
		a.stop(t)
		time.Sleep(time.Second)
		want(c, 3)
		c.stop(t)
	})
}

// Only the candidate behind the leader looks at once when the one before it has gone.
func TestOthersThanTheSecondLookLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		var reads atomic.Int64
		counted := coordtest.Intercept(service.Client(), coordtest.Interceptor{
			Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
				reads.Add(1)
				return next(ctx, key)
			},
		})
		a, b, c := run(t, service.Client(), "a"), run(t, service.Client(), "b"), run(t, counted, "c")
		time.Sleep(time.Second)
		reads.Store(0)
		_ = b.session.Close()
		<-b.done
		time.Sleep(10 * time.Millisecond)
		if n := reads.Load(); n != 0 {
			t.Errorf("it reads %d keys at once, although it is not to lead", n)
		}
		time.Sleep(20 * time.Millisecond)
		if reads.Load() == 0 {
			t.Error("it does not look for the next one before it")
		}
		_ = a.session.Close()
		synctest.Wait()
		if !c.leading() {
			t.Error("it does not lead at once, although it was the second")
		}
		c.stop(t)
		a.cancel()
		<-a.done
	})
}

func TestLostCandidateKeyEndsTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		a, b := run(t, service.Client(), "a"), run(t, service.Client(), "b")
		time.Sleep(time.Second)
		if _, err := b.session.Commit(t.Context(), coord.Delete(a.self.Election, 0)); err != nil {
			t.Fatal(err)
		}
		if err := <-a.done; err == nil || a.leading() {
			t.Errorf("a goes on: %v", err)
		}
		time.Sleep(time.Second)
		if !b.leading() {
			t.Error("b does not lead")
		}
		b.stop(t)
		_ = a.session.Close()
	})
}

// A bump of the epoch whose outcome is unknown is read again, not repeated blindly.
func TestUnknownBump(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprint("applied ", applied), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				bumps := 0
				a := run(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
					Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
						if len(ops) != 2 || ops[1].Key != keys.Epoch() || ops[1].Kind != coord.KindSet {
							return next(ctx, ops...)
						}
						bumps++
						if bumps > 1 {
							return next(ctx, ops...)
						}
						if applied {
							_, _ = next(ctx, ops...)
						}
						return nil, fmt.Errorf("test: %w", coord.ErrUnknown)
					},
				}), "a")
				time.Sleep(time.Second)
				if !a.leading() || bumps != 2 {
					t.Errorf("leads %v after %d bumps", a.leading(), bumps)
				}
				if e := epoch(t, a.session); e.Term != a.terms[0] {
					t.Errorf("epoch %+v, term %v", e, a.terms)
				}
				a.stop(t)
			})
		})
	}
}

// A member that has two candidate keys, since nobody knew whether it stood, gives the first one up: others wait for that,
// and it waits for others.
func TestTwoCandidateKeysOfOneMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		first, twice, last := run(t, service.Client(), "first"), run(t, service.Client(), "twice"), run(t, service.Client(), "last")
		time.Sleep(time.Second)
		if !first.leading() {
			t.Fatal("the first does not lead")
		}
		if _, err := twice.session.Commit(t.Context(), coord.CreateSequenced(schema.CandidatePrefix(keys, twice.self.MemberID), []byte("{}"))); err != nil {
			t.Fatal(err)
		}
		if err := first.session.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if !twice.leading() && !last.leading() {
			t.Error("nobody leads")
		}
		for _, c := range []*candidate{first, twice, last} {
			c.cancel()
			<-c.done //nolint:errcheck // however it ends
			_ = c.session.Close()
		}
	})
}

// The same of a member that has given up leading, and whose late second key comes after that of another member.
func TestWhoGivesUpWithdrawsAllKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		a := run(t, service.Client(), "a")
		time.Sleep(time.Second)
		if _, err := a.session.Commit(t.Context(), coord.CreateSequenced(schema.CandidatePrefix(keys, a.self.MemberID), []byte("{}"))); err != nil {
			t.Fatal(err)
		}
		b := run(t, service.Client(), "b")
		time.Sleep(time.Second)
		close(a.giveUp)
		time.Sleep(time.Minute)
		if !b.leading() {
			t.Error("nobody leads")
		}
		a.stop(t)
		b.stop(t)
	})
}

// A service that takes no writes for a while, for want of space, ends no membership: the term begins when it does again.
func TestRefusedTermIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		var full atomic.Bool
		var refused atomic.Int64
		a := run(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
			Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
				if full.Load() {
					refused.Add(1)
					return nil, fmt.Errorf("test: %w", coord.ErrRefused)
				}
				return next(ctx, ops...)
			},
		}), "a")
		time.Sleep(time.Second)
		for _, end := range []chan struct{}{a.depose, a.giveUp} { // it begins a term again; it withdraws
			full.Store(true)
			refused.Store(0)
			select {
			case end <- struct{}{}:
			case <-time.After(time.Minute):
				t.Fatal("it does not lead")
			}
			time.Sleep(30 * time.Second)
			if n := refused.Load(); a.leading() || n < 10 || n > 50 {
				t.Errorf("it leads: %v, after %d refused commits", a.leading(), n)
			}
			full.Store(false)
			time.Sleep(10 * time.Second)
		}
		if leads := candidates(t, a.session); len(leads) != 0 { // Until never comes
			t.Errorf("it stands: %v", leads)
		}
		if len(a.terms) != 2 {
			t.Errorf("terms %v", a.terms)
		}
		a.stop(t)
	})
}

// A member that could not begin a term, for the epoch was damaged, says so no longer once another one stands before it.
func TestBlockedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		a, b := run(t, service.Client(), "a"), run(t, service.Client(), "b")
		time.Sleep(time.Second)
		set := func(key string, value []byte) {
			t.Helper()
			r, err := a.session.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if value == nil {
				value = schema.Encode(&schema.Epoch{Term: 9, Leader: "x", Node: "x", NextToken: 100}, r.Version+1)
			}
			if _, err := a.session.Commit(t.Context(), coord.Set(key, value, r.Version)); err != nil {
				t.Fatal(err)
			}
		}
		set(keys.Epoch(), []byte("damaged"))
		set(a.self.Election, []byte("touched")) // it stands again behind b
		time.Sleep(10 * time.Second)
		if !b.blocked.Load() {
			t.Error("b says nothing of the epoch")
		}
		set(b.self.Election, []byte("touched")) // and b behind it
		time.Sleep(10 * time.Second)
		if !a.blocked.Load() || b.blocked.Load() {
			t.Errorf("a is blocked: %v, b: %v", a.blocked.Load(), b.blocked.Load())
		}
		set(keys.Epoch(), nil)
		time.Sleep(time.Minute)
		if a.blocked.Load() || b.blocked.Load() || !a.leading() {
			t.Errorf("a is blocked: %v, b: %v; a leads: %v", a.blocked.Load(), b.blocked.Load(), a.leading())
		}
		a.stop(t)
		b.stop(t)
	})
}
