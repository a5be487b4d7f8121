package xconsumertest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/xconsumertest"
)

// counter is a work that counts once a second and stops when it is asked to. In your own tests, your
// work takes its place.
type counter struct {
	sink  xconsumertest.Sink
	ended chan error // why it was asked to stop, each time
}

func (c *counter) RunCount(ctx context.Context, w *xconsumer.Worker) error {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			c.ended <- context.Cause(ctx)
			return nil
		case <-time.After(time.Second):
			if err := c.sink.Write(w, n); err != nil {
				return err
			}
		}
	}
}

// A test of a work: it counts, and stops when a worker moves, when its node loses its lease, and
// when its node leaves; effects that come too late are refused.
func TestCounter(t *testing.T) {
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		work := &counter{ended: make(chan error, 10)}
		register := func(n *xconsumer.Node) { n.Methods(work) }
		c.Task("counts", "count", 2)

		n1 := c.Start("n1", register)
		c.Advance(time.Minute)
		if effects := work.sink.Effects(); len(effects) != 2*60 && len(effects) != 2*59 {
			t.Errorf("two workers counted %d times in a minute", len(effects))
		}

		n2 := c.Start("n2", register) // one worker moves to it
		if cause := <-work.ended; !errors.Is(cause, xconsumer.ErrReleased) {
			t.Errorf("the worker that moves was stopped because %v", cause)
		}

		n2.Cut()
		c.Advance(time.Minute)
		if cause := <-work.ended; !errors.Is(cause, xconsumer.ErrLeaseLost) {
			t.Errorf("the worker without a lease was stopped because %v", cause)
		}
		if on := c.Where("counts", 0) + c.Where("counts", 1); on != "n1n1" {
			t.Errorf("the workers run on %s", on)
		}
		n2.Heal()
		c.Settle()

		if err := n1.Leave(); err != nil {
			t.Error(err)
		}
		c.Settle()
		if on := c.Where("counts", 0) + c.Where("counts", 1); on != "n2n2" {
			t.Errorf("the workers run on %s", on)
		}
		if n := work.sink.Refused(); n != 0 {
			t.Errorf("%d counts came too late", n)
		}
	})
}
