package peers

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// upstreams are the logs of another node that were opened.
type upstreams struct {
	mu  sync.Mutex
	all []upstream
}

type upstream struct {
	wanted context.Context
	out    *io.PipeWriter
}

func (u *upstreams) open(ctx context.Context) (io.ReadCloser, error) {
	in, out := io.Pipe()
	context.AfterFunc(ctx, func() { _ = out.CloseWithError(ctx.Err()) })
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, upstream{ctx, out})
	return in, nil
}

func (u *upstreams) opened() []upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.all)
}

// say has a line in those that are wanted still.
func (u *upstreams) say(text string) {
	for _, one := range u.opened() {
		if one.wanted.Err() == nil {
			_ = json.NewEncoder(one.out).Encode(cluster.LogLine{Text: text}) // it may have ended
		}
	}
}

// Whoever begins to follow a log at the moment when the last one leaves, or when it ends, follows one that goes on.
func TestJoinAsTheLogEnds(t *testing.T) {
	key := TailKey{Slot: cluster.Slot{Task: "a"}, Node: "n2"}
	// Whoever has waited for a mutex for more than a millisecond, and finds it taken once more, has it next; the others
	// follow in their order.
	const queued = 5 * time.Millisecond
	for name, race := range map[string]func(all *Tails, up *upstreams, leave, join func()) (done []<-chan struct{}){
		"the last one leaves": func(_ *Tails, _ *upstreams, leave, join func()) []<-chan struct{} {
			left := background(leave)
			time.Sleep(queued)
			return []<-chan struct{}{left, background(join)}
		},
		"the last one leaves afterwards": func(_ *Tails, _ *upstreams, leave, join func()) []<-chan struct{} {
			joined := background(join)
			time.Sleep(queued)
			return []<-chan struct{}{joined, background(leave)}
		},
		"it ends": func(all *Tails, up *upstreams, leave, join func()) []<-chan struct{} {
			joined := background(join)
			time.Sleep(queued)
			_ = up.opened()[0].out.Close()
			for !all.open[key].over() {
				time.Sleep(time.Millisecond)
			}
			return []<-chan struct{}{joined, background(leave)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				all, up := &Tails{}, &upstreams{}
				_, leave := all.Join(t.Context(), key, up.open)
				for len(up.opened()) == 0 {
					time.Sleep(time.Millisecond)
				}
				var tail *Tail
				var leaveToo func()
				all.mu.Lock()
				begun := race(all, up, leave, func() { tail, leaveToo = all.Join(t.Context(), key, up.open) })
				time.Sleep(queued)
				all.mu.Unlock()
				all.mu.Lock() // so that it is found taken
				time.Sleep(queued)
				all.mu.Unlock()
				for _, done := range begun {
					<-done
				}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				said := background(func() {
					for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
						up.say("later")
					}
				})
				if lines := tail.since(ctx, 0); len(lines) == 0 {
					t.Error("what comes later is not given to who has joined")
				}
				leaveToo()
				cancel()
				<-said
				if all.mu.Lock(); len(all.open) > 0 {
					t.Errorf("%d logs stay open", len(all.open))
				}
				all.mu.Unlock()
			}
		})
	}
}

func background(do func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	return done
}
