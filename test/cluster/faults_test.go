package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// nemesis makes commits go wrong in all the ways that a service knows, by a seed.
type nemesis struct {
	mu   sync.Mutex
	rand *rand.Rand
	rate float64
	hits map[string]int
	late sync.WaitGroup
}

func newNemesis(seed uint64, rate float64) *nemesis {
	return &nemesis{rand: rand.New(rand.NewPCG(seed, 1)), rate: rate, hits: map[string]int{}}
}

func (n *nemesis) next() (fault int, delay time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rand.Float64() >= n.rate {
		return 0, time.Duration(n.rand.IntN(1000)) * time.Nanosecond
	}
	fault = 1 + n.rand.IntN(4)
	n.hits[[]string{"", "lost", "reply lost", "late", "slow"}[fault]]++
	return fault, time.Duration(n.rand.IntN(3e9)) * time.Nanosecond
}

func (n *nemesis) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rate = 0
}

func (n *nemesis) interceptor(*mem.Client) coordtest.Interceptor {
	type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
	return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
		fault, delay := n.next()
		unknown := fmt.Errorf("nemesis: %w", coord.ErrUnknown)
		switch fault {
		case 1: // it never arrives
			return nil, unknown
		case 2: // the answer does not
			if _, err := next(ctx, ops...); err != nil {
				return nil, err
			}
			return nil, unknown
		case 3: // it arrives later than anybody would think
			n.late.Go(func() {
				time.Sleep(delay)
				_, _ = next(context.WithoutCancel(ctx), ops...)
			})
			return nil, unknown
		case 4:
			time.Sleep(delay)
		default:
			time.Sleep(delay)
		}
		return next(ctx, ops...)
	}}
}

// Whatever happens to single commits, no slot runs twice; and once it stops happening, all of
// them run, and nothing is left over.
func TestCommitsGoWrong(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("a", 5), task("b", 3))
				n := newNemesis(seed, 0.25)
				w.intercept = n.interceptor
				var procs []*proc
				for i := range 4 {
					procs = append(procs, w.start(fmt.Sprint("n", i)))
				}
				dice := rand.New(rand.NewPCG(seed, 2))
				for range 12 {
					time.Sleep(time.Duration(dice.IntN(20e9)) * time.Nanosecond)
					i := dice.IntN(len(procs))
					switch dice.IntN(4) {
					case 0: // it leaves and comes back
						w.leave(procs[i])
						procs[i] = w.start(procs[i].Name())
					case 1:
						procs[i].Cut()
					case 2:
						procs[i].Heal()
					default: // no service does that to a client that it does not hear
						procs[i].Heal()
						w.Service.Expire(memberSession(w, procs[i]))
					}
				}
				n.heal()
				for _, p := range procs {
					p.Heal()
				}
				time.Sleep(2 * time.Minute)
				w.wantShare(map[string]int{"n0": 2, "n1": 2, "n2": 2, "n3": 2})
				if s := w.state(procs[0]); len(s.Lost) != 0 || len(s.Nodes) != 4 {
					t.Errorf("nodes %+v, lost %+v", s.Nodes, s.Lost)
				}
				for _, p := range procs {
					w.leave(p)
					time.Sleep(time.Second)
				}
				n.late.Wait()
				// What is left: meta, epoch, settings, what was removed, two tasks, their specs, the ring, and the assignment of the last to leave.
				h := w.hand()
				if assignments := h.children("/assignments"); len(assignments) != 1 {
					t.Errorf("assignments left: %v", assignments)
				}
				if got := w.Service.Keys() - len(h.children("/decisions")); got != 8 {
					t.Errorf("%d keys left besides the ring", got)
				}
				t.Logf("faults %v, starts %d", n.hits, w.floor.started())
			})
		})
	}
}

// A claim is made against the assignment that it was read from: one that comes too late fails in
// the store, and nothing starts.
func TestLateClaimIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1))
		h := w.hand()
		claims := 0
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
			return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
				for _, op := range ops {
					if op.Kind != coord.KindSet || !strings.HasPrefix(op.Key, root+"/status/") || !strings.Contains(string(op.Value), `"slots":{"a":"0"`) {
						continue
					}
					claims++
					if claims > 1 {
						break
					}
					// While the claim is under way its slot is taken out of the assignment.
					assignment := "/assignments/" + strings.TrimPrefix(op.Key, root+"/status/")
					r := h.get(assignment)
					value := string(r.Value)
					from, to := strings.Index(value, `"granted":[`), strings.Index(value, `,"releasing"`)
					value = value[:from] + `"granted":[]` + value[to:]
					h.set(assignment, strings.Replace(value, fmt.Sprintf(`"version":%d`, r.Version), fmt.Sprintf(`"version":%d`, r.Version+1), 1))
				}
				return next(ctx, ops...)
			}}
		}
		var first int64
		n1 := w.start("n1", func(n *xconsumer.Node) {
			events := n.Events(t.Context())
			go func() {
				for e := range events {
					if e.Kind == cluster.WorkerStarted && first == 0 {
						first = e.Token
					}
				}
			}()
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.wantShare(map[string]int{"n1": 1})
		if claims < 2 || first != 3 {
			t.Errorf("%d claims; the worker started with token %d", claims, first)
		}
		w.leave(n1)
	})
}

// A claim whose answer comes when the lease is over starts nothing: the lease is looked at after
// the claim, just before the start.
func TestNothingStartsWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1))
		var mute, held atomic.Bool // heartbeats fail; the claim has been held up
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
			return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
				if mute.Load() && strings.HasPrefix(ops[0].Key, root+"/heartbeats/") {
					return nil, fmt.Errorf("test: %w", coord.ErrUnknown)
				}
				results, err := next(ctx, ops...)
				if ops[0].Kind == coord.KindCheck && strings.HasPrefix(ops[0].Key, root+"/assignments/") && held.CompareAndSwap(false, true) {
					mute.Store(true)
					time.Sleep(17 * time.Second)
				}
				return results, err
			}}
		}
		var stopped atomic.Int32
		n1 := w.start("n1", func(n *xconsumer.Node) {
			events := n.Events(t.Context())
			go func() {
				for e := range events {
					if e.Kind == cluster.WorkerStopped {
						stopped.Add(1) // one that was cancelled before it could begin
					}
				}
			}()
		})
		time.Sleep(17 * time.Second) // the answer has come by now
		synctest.Wait()
		if n := stopped.Load(); n > 0 {
			t.Errorf("%d workers were started, and stopped at once", n)
		}
		if reasons := n1.Ready(); len(reasons) == 0 || !held.Load() || w.floor.started() != 0 {
			t.Errorf("ready %v, claim held up %v, %d started", reasons, held.Load(), w.floor.started())
		}
		mute.Store(false)
		time.Sleep(10 * time.Second)
		w.wantShare(map[string]int{"n1": 1})
		w.leave(n1)
	})
}

// What a node was before it lost its session is closed as soon as that can be: a first try that fails is not the last.
func TestFormerMemberIsClosedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		var refuse atomic.Bool
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
			return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
				for _, op := range ops {
					if refuse.Load() && strings.HasPrefix(op.Key, root+"/assignments/") && strings.Contains(string(op.Value), `"closed":`) {
						return nil, fmt.Errorf("test: %w", coord.ErrUnknown)
					}
				}
				return next(ctx, ops...)
			}}
		}
		n1, n2 := w.start("n1"), w.start("n2")
		refuse.Store(true)
		w.do(n1, cluster.Evict("n2"))
		time.Sleep(8 * time.Second)
		if s := w.floor.share(); s["n1"]+s["n2"] == 4 {
			t.Error("nothing waits: the test has to be written again")
		}
		refuse.Store(false)
		time.Sleep(5 * time.Second) // and not the 22 that the leader would wait
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		w.leave(n2, n1)
	})
}

// A commit of a leader that arrives when another one leads is refused, though its session lives and
// the assignments that it writes are as it knew them.
func TestLateCommitOfADeposedLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		h := w.hand()
		var held atomic.Bool
		late := make(chan error, 1) // what becomes of it
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
			return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
				grant := slices.ContainsFunc(ops, func(op coord.Op) bool {
					return op.Kind == coord.KindSet && strings.HasPrefix(op.Key, root+"/assignments/") && strings.Contains(string(op.Value), `"b":"`)
				})
				if !grant || held.Swap(true) {
					return next(ctx, ops...)
				}
				time.Sleep(3 * time.Second)
				// The record of specs that it writes, too, may be refused, and a grant need not write one: the epoch alone has to do it.
				ops = slices.DeleteFunc(slices.Clone(ops), func(op coord.Op) bool { return strings.HasPrefix(op.Key, root+"/specs/") })
				results, err := next(context.WithoutCancel(ctx), ops...)
				late <- err
				return results, err
			}}
		}
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		leader := memberOf(w.state(n1), "n1")
		record := schema.Encode(&schema.Task{Spec: task("b", 1)}, 0)
		if _, err := h.s.Commit(t.Context(), coord.Create(root+"/tasks/b", record)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // n1 grants it to n2, and its commit is on its way
		for _, name := range h.children("/election") {
			if strings.HasPrefix(name, leader) {
				h.del("/election/" + name) // n2 leads, and grants it to n1
			}
		}
		time.Sleep(2 * time.Second)
		if on := w.floor.check.Running()["b#0"]; on != "n1" || len(late) > 0 {
			t.Errorf("the new leader's grant runs on %q; late commits that are over: %d", on, len(late))
		}
		if _, refused := coord.FailedCheck(<-late); !refused {
			t.Error("the late commit is not refused")
		}
		time.Sleep(10 * time.Second) // a second start would be seen
		w.leave(n1, n2)
	})
}
