// Package test01 holds the sample work test01.
package test01

import (
	"context"
	"time"

	"gitee.com/ken.yang/xconsumer"
)

// Test01 is registered by node.Methods(&Test01{}).
type Test01 struct{}

// RunTest01 is work "test01": it pretends to consume something once a second, and stops as soon
// as its context ends.
func (*Test01) RunTest01(ctx context.Context, w *xconsumer.Worker) error {
	w.Logger().Info("test01 begins", "of", w.Count())
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			w.Logger().Info("test01 stops", "cause", context.Cause(ctx))
			return nil
		case <-tick.C:
			w.Logger().Debug("test01 consumed", "messages", n)
		}
	}
}
