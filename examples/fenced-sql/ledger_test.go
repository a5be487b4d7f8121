//go:build unix

package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/examples/fleet"
	"gitee.com/ken.yang/xconsumer/xconsumertest"
)

// A worker is paused while it thinks, its node is gone for the others, and its successor has written when it
// wakes: its write is refused, and the successor's stays.
func TestStaleWriteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		db, err := open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		wake, paused, woken := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		c.Task("ledger", "ledger", 1)
		n1 := c.Start("n1", func(n *xconsumer.Node) {
			n.Handle("ledger", func(ctx context.Context, w *xconsumer.Worker) error {
				l := ledger{db, func() { close(paused); <-wake }}
				err := l.run(context.WithoutCancel(ctx), w) // a paused process hears nothing either
				woken <- err
				return err
			})
		})
		<-paused
		c.Start("n2", func(n *xconsumer.Node) {
			n.Handle("ledger", ledger{db, func() { time.Sleep(time.Second) }}.run)
		})
		n1.Crash() // for the others; what it was executing goes on
		c.Settle()
		c.Advance(10500 * time.Millisecond)
		close(wake)
		if err := <-woken; !errors.Is(err, errFenced) {
			t.Errorf("the stale worker ended with %v", err)
		}
		value, err := ledger{db: db}.read(t.Context(), "ledger#0")
		if err != nil || value < 9 || value > 11 {
			t.Errorf("after ten seconds of counting the value is %d, %v", value, err)
		}
	})
}

// Processes share the file; one is killed, and its successor counts on.
func TestLedger(t *testing.T) {
	dir := fleet.Dir(t, "app.toml")
	f := fleet.Start(t, fleet.Build(t, "."), dir)
	db, err := open(t.Context(), filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l := ledger{db: db}
	beyond := func(value int64) func(cluster.State) bool {
		return func(cluster.State) bool {
			for _, slot := range []string{"ledger#0", "ledger#1"} {
				if v, err := l.read(t.Context(), slot); err != nil || v < value {
					return false
				}
			}
			return true
		}
	}
	f.Await("both count", beyond(5))
	f.Kill()
	f.Kill()
	f.Await("both go on", beyond(30))
}
