package mem_test

import (
	"errors"
	"hash/maphash"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// A sequenced key keeps its number when there are keys below it, regardless of the order of the map.
func TestSequenceWithKeysBelow(t *testing.T) {
	s, err := mem.New(mem.Config{}).Client().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	made, err := s.Commit(t.Context(), coord.CreateSequenced("/q/a-n_", nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), coord.Create(made[0].Key+"/below", nil)); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if list, err := s.List(t.Context(), "/q"); err != nil || len(list) != 1 || list[0].Sequence == 0 {
			t.Fatalf("listed %+v, %v", list, err)
		}
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	service := mem.New(mem.Config{Timeout: time.Second, Latency: 50 * time.Microsecond})
	coordtest.Run(t, func(*testing.T) coordtest.Client { return service.Client() })
}

// The same service when it ends sessions early, as etcd's may, and keeps the former states of its keys.
func TestConformanceLikeEtcd(t *testing.T) {
	t.Parallel()
	service := mem.New(mem.Config{Timeout: time.Second, TakeoverDelay: coord.OwnTimeout, Latency: 50 * time.Microsecond})
	coordtest.Run(t, func(*testing.T) coordtest.Client { return service.Client() })
}

// Delays and losses within the rules must not break the contract.
func TestConformanceOfARoughService(t *testing.T) {
	t.Parallel()
	seed := maphash.MakeSeed()
	some := func(limit time.Duration, what ...any) time.Duration {
		return time.Duration(maphash.Comparable(seed, [2]any{what[0], what[1]}) % uint64(limit))
	}
	const tick = 200 * time.Millisecond
	service := mem.New(mem.Config{Timeout: 2 * time.Second, Tick: tick, Latency: 50 * time.Microsecond, Servers: 3, Faults: mem.Faults{
		Request: func(r mem.Request) mem.Delivery {
			return mem.Delivery{There: some(time.Millisecond, r, 1), Back: some(time.Millisecond, r, 2)}
		},
		Touch: func(session string, at time.Duration) time.Duration { return some(tick/2, session, at) },
		Hint:  func(n mem.Notice) time.Duration { return some(time.Millisecond, n, 0) },
	}})
	coordtest.Run(t, func(*testing.T) coordtest.Client { return service.Client() })
}

func open(t *testing.T, c *mem.Client) coord.Session {
	t.Helper()
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func commit(t *testing.T, s coord.Session, ops ...coord.Op) {
	t.Helper()
	if _, err := s.Commit(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
}

// A session whose server is cut off from the store ends there, while reads go on as if nothing had
// happened.
func TestIsolatedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Timeout: 10 * time.Second, Servers: 2, Latency: time.Millisecond})
		a, b := service.Client(), service.Client()
		victim, other := open(t, a), open(t, b)
		if a.Server() == b.Server() {
			t.Fatal("both clients use one server")
		}
		commit(t, victim, coord.CreateBound("/x/bound", nil))
		service.Isolate(a.Server())
		time.Sleep(11 * time.Second)
		if _, err := other.Get(t.Context(), "/x/bound"); !errors.Is(err, coord.ErrNotFound) {
			t.Errorf("the others see %v", err)
		}
		if _, err := victim.Get(t.Context(), "/x/bound"); err != nil || !victim.Info().Connected {
			t.Errorf("the victim sees %v, connected %v", err, victim.Info().Connected)
		}
		service.Rejoin(a.Server())
		time.Sleep(10 * time.Millisecond)
		select {
		case <-victim.Done():
		default:
			t.Error("the victim does not learn of the end of its session")
		}
	})
}

// A server may lag behind. A session still sees its own commits, and never goes back in time when it
// moves.
func TestLaggingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Servers: 2, Latency: time.Millisecond, Faults: mem.Faults{
			Lag: func(server int, _ int64) time.Duration { return time.Duration(server) * time.Second },
		}})
		clients := []*mem.Client{service.Client(), service.Client()}
		slow, fast := clients[0], clients[1]
		if slow.Server() == 0 {
			slow, fast = fast, slow
		}
		s, f := open(t, slow), open(t, fast)
		var hints atomic.Int32
		defer s.Watch("/x/k", func() { hints.Add(1) })()
		if _, err := s.Get(t.Context(), "/x/k"); !errors.Is(err, coord.ErrNotFound) {
			t.Fatal(err)
		}
		commit(t, f, coord.Create("/x/k", []byte("0")))
		if _, err := s.Get(t.Context(), "/x/k"); !errors.Is(err, coord.ErrNotFound) || hints.Load() != 0 {
			t.Errorf("seen at once: %v, %d hints", err, hints.Load())
		}
		commit(t, s, coord.Set("/x/k", []byte("1"), 0))
		if r, err := s.Get(t.Context(), "/x/k"); err != nil || string(r.Value) != "1" || hints.Load() != 1 {
			t.Errorf("own commit: %q, %v, %d hints", r.Value, err, hints.Load())
		}
		commit(t, s, coord.Set("/x/k", []byte("2"), 1))
		slow.Move(fast.Server())
		if r, err := s.Get(t.Context(), "/x/k"); err != nil || string(r.Value) != "2" {
			t.Errorf("after the move: %q, %v", r.Value, err)
		}
	})
}

// A paused process sends and receives nothing; its session may end meanwhile.
func TestPausedClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Timeout: 10 * time.Second, Latency: time.Millisecond})
		c := service.Client()
		s := open(t, c)
		commit(t, s, coord.Create("/x/k", nil))
		c.Pause()
		done := make(chan error)
		go func() {
			_, err := s.Commit(t.Context(), coord.Set("/x/k", []byte("late"), 0))
			done <- err
		}()
		time.Sleep(30 * time.Second)
		select {
		case <-s.Done():
			t.Error("a paused process heard of its session's end")
		case err := <-done:
			t.Errorf("a paused process wrote: %v", err)
		default:
		}
		c.Resume()
		if err := <-done; !errors.Is(err, coord.ErrSessionEnded) {
			t.Errorf("commit after the pause: %v", err)
		}
		if r := service.Records()["/x/k"]; r.Version != 0 {
			t.Errorf("written: %q", r.Value)
		}
	})
}

// Requests and answers can be lost independently.
func TestOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Timeout: 10 * time.Second, Latency: time.Millisecond})
		c := service.Client()
		s := open(t, c)
		commit(t, s, coord.Create("/x/k", nil))
		for i, cut := range []func(){c.CutRequests, c.CutReplies} {
			cut()
			done := make(chan error)
			go func() {
				_, err := s.Commit(t.Context(), coord.Set("/x/k", nil, int64(i)))
				done <- err
			}()
			time.Sleep(time.Second)
			if v := service.Records()["/x/k"].Version; v != int64(2*i) {
				t.Errorf("cut %d: version %d while cut", i, v)
			}
			c.Heal()
			if err := <-done; err != nil {
				t.Errorf("cut %d: %v", i, err)
			}
		}
		if s.Close() != nil {
			t.Error("not closed")
		}
	})
}

// With a slow clock, the owner of a lease takes it for valid too long, in proportion to the drift.
func TestDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Timeout: 10 * time.Second})
		c := service.Client()
		c.Drift(0.9)
		s := open(t, c)
		began := s.Now()
		time.Sleep(10 * time.Second)
		if passed := s.Now() - began; passed != 9*time.Second {
			t.Errorf("%v passed", passed)
		}
	})
}

// A session that was silent almost until its end commits a write and still ends, since the service
// hears of it too late. Its lease must not have been prolonged.
func TestLeaseAfterASilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tick = 2 * time.Second
		service := mem.New(mem.Config{Timeout: 20 * time.Second, Tick: tick, Latency: time.Millisecond, Faults: mem.Faults{
			Touch: func(string, time.Duration) time.Duration { return tick / 2 },
		}})
		c, observer := service.Client(), open(t, service.Client())
		s := open(t, c)
		commit(t, s, coord.CreateBound("/x/hb", nil))
		time.Sleep(2 * time.Second)
		c.Pause()
		time.Sleep(18*time.Second + 300*time.Millisecond)
		c.Resume()
		if err := s.Renew(t.Context(), coord.Set("/x/hb", nil, 0)); err != nil {
			t.Fatalf("the write comes too late for this test: %v", err)
		}
		end := s.Info().Base + s.Info().Timeout
		for {
			if _, err := observer.Get(t.Context(), "/x/hb"); errors.Is(err, coord.ErrNotFound) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if gone := observer.Now(); gone < end || gone > 24*time.Second {
			t.Errorf("the service let go at %v, the lease lasted until %v", gone, end)
		}
	})
}

// The answer to a renewal shows what was committed by its arrival, however early the renewal was sent: what a server hears late
// may be after a write of another session. What is forgotten is not guessed.
func TestLastWriteCountsFromTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := time.Duration(0)
		service := mem.New(mem.Config{TakeoverDelay: coord.OwnTimeout, Latency: time.Millisecond, Faults: mem.Faults{
			Request: func(r mem.Request) mem.Delivery {
				if r.Key == "/own" {
					return mem.Delivery{There: held, Back: held}
				}
				return mem.Delivery{}
			},
		}})
		observer, lost := open(t, service.Client()), open(t, service.Client())
		commit(t, observer, coord.CreateBound("/own", nil))
		commit(t, lost, coord.CreateBound("/hb", nil))
		held = 5 * time.Second
		done := make(chan error, 1)
		go func() { done <- observer.Renew(t.Context(), coord.Set("/own", nil, 0)) }()
		time.Sleep(2 * time.Second)
		sent := lost.Now()
		if err := lost.Renew(t.Context(), coord.Set("/hb", nil, 0)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		answered := observer.Now()
		service.Expire(lost.Info().ID)
		time.Sleep(time.Second)
		if by, err := coord.LastWrite(t.Context(), observer, "/hb"); err != nil || by < sent || by > answered {
			t.Errorf("sent at %v, committed by %v (%v), shown at %v", sent, by, err, answered)
		}
		service.Compact()
		if by, err := coord.LastWrite(t.Context(), observer, "/hb"); !errors.Is(err, coord.ErrNoHistory) {
			t.Errorf("compacted: %v, %v", by, err)
		}
	})
}
