// Package test02 holds the sample work test02.
package test02

import (
	"context"
	"time"

	"gitee.com/ken.yang/xconsumer"
)

// Test02 is registered by node.Methods(&Test02{}).
type Test02 struct{}

// RunTest02 is work "test02": it pretends to consume something once a second, and stops as soon
// as its context ends.
func (*Test02) RunTest02(ctx context.Context, w *xconsumer.Worker) error {
	w.Logger().Info("test02 begins", "of", w.Count())
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			w.Logger().Info("test02 stops", "cause", context.Cause(ctx))
			return nil
		case <-tick.C:
			w.Logger().Debug("test02 consumed", "messages", n)
		}
	}
}
