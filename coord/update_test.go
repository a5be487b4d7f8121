package coord_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

const listKey = "/list"

// commit replaces a commit; doing makes the real one.
type (
	doing  = func(context.Context, ...coord.Op) ([]coord.Result, error)
	commit func(ctx context.Context, ops []coord.Op, next doing) ([]coord.Result, error)
)

// updating is a session whose commits fail according to a script; those after its end succeed.
type updating struct {
	coord.Session
	script  []commit
	commits int
}

func openUpdating(t *testing.T, service *mem.Service, script ...commit) *updating {
	t.Helper()
	u := &updating{script: script}
	s, err := coordtest.Intercept(service.Client(), coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next doing) ([]coord.Result, error) {
		u.commits++
		if u.commits > len(u.script) || u.script[u.commits-1] == nil {
			return next(ctx, ops...)
		}
		return u.script[u.commits-1](ctx, ops, next)
	}}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	u.Session = s
	return u
}

// add is the decide that adds a name to a list, at the version read, unless the name is there.
func add(ctx context.Context, s coord.Session, name string) ([]coord.Op, error) {
	r, err := s.Get(ctx, listKey)
	switch {
	case errors.Is(err, coord.ErrNotFound):
		return []coord.Op{coord.Create(listKey, []byte(name+" "))}, nil
	case err != nil:
		return nil, err
	case slices.Contains(strings.Fields(string(r.Value)), name):
		return nil, nil
	}
	return []coord.Op{coord.Set(listKey, append(r.Value, name+" "...), r.Version)}, nil
}

func listed(t *testing.T, s coord.Session) []string {
	t.Helper()
	r, err := s.Get(context.WithoutCancel(t.Context()), listKey)
	if errors.Is(err, coord.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(r.Value))
}

func unknown() error { return fmt.Errorf("test: %w", coord.ErrUnknown) }

// The fates of one commit.
var (
	// madeUnheard: the commit is made, and its answer is lost.
	madeUnheard commit = func(ctx context.Context, ops []coord.Op, next doing) ([]coord.Result, error) {
		if _, err := next(ctx, ops...); err != nil {
			return nil, err
		}
		return nil, unknown()
	}
	// lost: the commit never arrives, and its outcome is unknown.
	lost commit = func(context.Context, []coord.Op, doing) ([]coord.Result, error) {
		return nil, unknown()
	}
)

// fails is a commit that is not made, for a reason.
func fails(err error) commit {
	return func(context.Context, []coord.Op, doing) ([]coord.Result, error) {
		return nil, err
	}
}

// check is the error of a commit whose first operation failed.
func check(err error) error {
	return &coord.CheckError{Op: coord.Check(listKey, 0), Err: err}
}

// overtaken: another client's commit comes first.
func overtaken(other coord.Session, name string) commit {
	return func(ctx context.Context, ops []coord.Op, next doing) ([]coord.Result, error) {
		written, err := add(ctx, other, name)
		if err == nil {
			_, err = other.Commit(ctx, written...)
		}
		if err != nil {
			return nil, err
		}
		return next(ctx, ops...)
	}
}

// For every outcome of its commits, an update is made once, and decides from values that were read after the last
// commit.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			script  func(other coord.Session) []commit
			list    string
			commits int
			lasts   []error // why decide was called
			none    bool    // it found the name there
		}{
			"at once":      {func(coord.Session) []commit { return nil }, "[me]", 1, []error{nil}, false},
			"overtaken":    {func(o coord.Session) []commit { return []commit{overtaken(o, "x"), overtaken(o, "y")} }, "[x y me]", 3, []error{nil, coord.ErrExists, coord.ErrVersion}, false},
			"not there":    {func(coord.Session) []commit { return []commit{fails(check(coord.ErrNotFound))} }, "[me]", 2, []error{nil, coord.ErrNotFound}, false},
			"made unheard": {func(coord.Session) []commit { return []commit{madeUnheard} }, "[me]", 1, []error{nil, coord.ErrUnknown}, true},
			"lost":         {func(coord.Session) []commit { return []commit{lost, lost} }, "[me]", 3, []error{nil, coord.ErrUnknown, coord.ErrUnknown}, false},
			"all of it": {func(o coord.Session) []commit { return []commit{lost, overtaken(o, "x"), madeUnheard} }, "[x me]", 3,
				[]error{nil, coord.ErrUnknown, coord.ErrExists, coord.ErrUnknown}, true},
		} {
			service := mem.New(mem.Config{})
			other := openUpdating(t, service)
			s := openUpdating(t, service, c.script(other)...)
			var lasts []error
			results, err := coord.Update(t.Context(), s, func(last error) ([]coord.Op, error) {
				lasts = append(lasts, last)
				return add(t.Context(), s, "me")
			})
			if err != nil || (len(results) == 0) != c.none {
				t.Errorf("%s: results %v, %v", name, results, err)
			}
			if list := fmt.Sprint(listed(t, s)); list != c.list || s.commits != c.commits {
				t.Errorf("%s: the list is %s after %d commits, want %s after %d", name, list, s.commits, c.list, c.commits)
			}
			if !slices.EqualFunc(lasts, c.lasts, errors.Is) {
				t.Errorf("%s: decided after %v, want %v", name, lasts, c.lasts)
			}
		}
	})
}

// A commit that arrives when the next one has been decided already makes that one fail, and is recognized then.
func TestUpdateWhoseCommitComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		var late func()
		s := openUpdating(t, service,
			func(ctx context.Context, ops []coord.Op, next doing) ([]coord.Result, error) {
				late = func() {
					if _, err := next(ctx, ops...); err != nil {
						t.Error(err)
					}
				}
				return nil, unknown()
			},
			func(ctx context.Context, ops []coord.Op, next doing) ([]coord.Result, error) {
				late()
				return next(ctx, ops...)
			})
		decided := 0
		results, err := coord.Update(t.Context(), s, func(error) ([]coord.Op, error) { decided++; return add(t.Context(), s, "me") })
		if list := listed(t, s); err != nil || results != nil || decided != 3 || fmt.Sprint(list) != "[me]" {
			t.Errorf("%v, %v after %d decisions; the list is %v", results, err, decided, list)
		}
	})
}

// An error that reading again does not fix ends an update at once, unless its caller can wait.
func TestUpdateFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []error{
			coord.ErrRefused, coord.ErrTooLarge, coord.ErrInvalid, check(coord.ErrUnauthorized), check(coord.ErrInvalid),
			errors.Join(coord.ErrUnknown, coord.ErrSessionEnded), context.DeadlineExceeded,
		} {
			s := openUpdating(t, mem.New(mem.Config{}), fails(want))
			decided := 0
			results, err := coord.Update(t.Context(), s, func(error) ([]coord.Op, error) { decided++; return add(t.Context(), s, "me") })
			if err != want || results != nil || decided != 1 || s.commits != 1 { //nolint:errorlint // it is returned as it is
				t.Errorf("%v: %v, %v after %d decisions and %d commits", want, results, err, decided, s.commits)
			}
		}
		s := openUpdating(t, mem.New(mem.Config{}), fails(coord.ErrRefused), fails(coord.ErrRefused))
		if _, err := coord.Update(t.Context(), s, func(error) ([]coord.Op, error) { return add(t.Context(), s, "me") }, coord.ErrRefused); err != nil || s.commits != 3 {
			t.Errorf("who can wait: %v after %d commits", err, s.commits)
		}
		// An error of decide is returned as it is, also one that would be tried again if a commit returned it.
		for _, want := range []error{coord.ErrNotFound, coord.ErrUnknown, coord.ErrRefused} {
			s := openUpdating(t, mem.New(mem.Config{}))
			_, err := coord.Update(t.Context(), s, func(error) ([]coord.Op, error) { return nil, want }, coord.ErrRefused)
			if err != want || s.commits != 0 { //nolint:errorlint // it is returned as it is
				t.Errorf("decide returns %v: %v after %d commits", want, err, s.commits)
			}
		}
	})
}

// The end of ctx ends an update at every step, and the error reports whether a commit may have been made.
func TestUpdateEnds(t *testing.T) {
	cause := errors.New("the cause")
	for name, c := range map[string]struct {
		script  []commit
		at      int  // the call of decide that ends ctx
		unknown bool // the error means that a commit may have been made
		commits int
	}{
		"before":                 {nil, 0, false, 0},
		"while it decides":       {nil, 1, true, 1}, // a client cannot find out whether a request was sent
		"after a failed check":   {[]commit{fails(check(coord.ErrVersion))}, 1, false, 1},
		"after an unknown one":   {[]commit{lost}, 1, true, 1},
		"while it decides again": {[]commit{fails(check(coord.ErrVersion))}, 2, true, 2},
		"while it pauses":        {[]commit{lost, lost, lost, lost, lost, lost, lost, lost, lost, lost}, -1, true, 7},
		"while a commit is under way": {[]commit{func(ctx context.Context, _ []coord.Op, _ doing) ([]coord.Result, error) {
			<-ctx.Done()
			return nil, errors.Join(coord.ErrUnknown, context.Cause(ctx))
		}}, -1, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openUpdating(t, mem.New(mem.Config{}), c.script...)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				began := time.Now()
				switch c.at {
				case 0:
					cancel(cause)
				case -1:
					time.AfterFunc(time.Second, func() { cancel(cause) })
				}
				decided := 0
				_, err := coord.Update(ctx, s, func(error) ([]coord.Op, error) {
					ops, err := add(ctx, s, "me")
					decided++
					if decided == c.at {
						cancel(cause)
					}
					return ops, err
				})
				if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
				if errors.Is(err, coord.ErrUnknown) != c.unknown || s.commits != c.commits || time.Since(began) > time.Second {
					t.Errorf("after %v and %d commits: %v", time.Since(began), s.commits, err)
				}
			})
		})
	}
}

// An update tries again at once, and then more and more rarely.
func TestUpdatePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openUpdating(t, mem.New(mem.Config{}))
		for range 20 {
			s.script = append(s.script, lost)
		}
		var at []time.Duration
		began := time.Now()
		if _, err := coord.Update(t.Context(), s, func(error) ([]coord.Op, error) {
			at = append(at, time.Since(began))
			return add(t.Context(), s, "me")
		}); err != nil {
			t.Fatal(err)
		}
		last := time.Duration(0)
		for i := 1; i < len(at); i++ {
			switch pause := at[i] - at[i-1]; {
			case i == 1 && pause != 0, i > 1 && pause < max(last, 20*time.Millisecond), pause > time.Second, i > 10 && pause != time.Second:
				t.Errorf("before try %d it pauses for %v", i+1, pause)
			default:
				last = pause
			}
		}
	})
}

// Many update one key at once over links that lose commits and answers, and that deliver some late: each update is made
// once, whatever the order.
func TestUpdatesAtOnce(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 1))
			service := mem.New(mem.Config{Latency: time.Millisecond, Faults: mem.Faults{Request: func(r mem.Request) mem.Delivery {
				mu.Lock()
				defer mu.Unlock()
				delivery := mem.Delivery{There: time.Duration(random.Int64N(5_000_000)), Back: time.Duration(random.Int64N(5_000_000))}
				switch n := random.IntN(10); {
				case !r.Commit:
				case n < 2:
					delivery.Lost = true
				case n < 4:
					delivery.Late, delivery.There = true, time.Duration(random.Int64N(50_000_000))
				case n < 6:
					delivery.Mute = true
				}
				return delivery
			}}})
			var updates sync.WaitGroup
			var want []string
			for i := range 8 {
				s, name := openUpdating(t, service), fmt.Sprint("n", i)
				want = append(want, name)
				updates.Go(func() {
					if _, err := coord.Update(t.Context(), s, func(error) ([]coord.Op, error) { return add(t.Context(), s, name) }); err != nil {
						t.Error(err)
					}
				})
			}
			updates.Wait()
			time.Sleep(time.Second) // for what is late
			if list := listed(t, openUpdating(t, service)); !slices.Equal(slices.Sorted(slices.Values(list)), want) {
				t.Errorf("seed %d: %v", seed, list)
			}
		})
	}
}
