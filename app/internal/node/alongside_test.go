package node

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
)

// A function that runs alongside a node delays the end of the process if the node has left, but not if its workers do not
// stop: then other nodes are about to be granted their slots.
func TestAlongsideDelaysNoStuckNode(t *testing.T) {
	const slow = 3 * time.Second // as when a session is closed whose server does not answer
	for _, c := range []struct {
		err  error
		want time.Duration
	}{
		{nil, slow},
		{errors.New("of another kind"), slow},
		{fmt.Errorf("%w: test01#0", xconsumer.ErrStuck), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			run := func() (err error) {
				defer alongside(t.Context(), func(ctx context.Context) {
					<-ctx.Done()
					time.Sleep(slow)
				})(&err)
				return c.err
			}
			began := time.Now()
			if err := run(); !errors.Is(err, c.err) {
				t.Errorf("%v; want %v", err, c.err)
			}
			if took := time.Since(began); took != c.want {
				t.Errorf("after %v: the function alongside the node took %v; want %v", c.err, took, c.want)
			}
			time.Sleep(slow) // until it has ended
		})
	}
}
