package logging

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A line that comes again and again is held back, and counted; others, and other slots, are not.
func TestDedup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := slog.New(dedup(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		for i := range 50 {
			log.Warn("worker failed", "slot", "a#0", "error", i)
			log.With("slot", "a#1").Warn("worker failed", "error", i)
			log.Debug("looked")
		}
		log.Error("worker failed", "slot", "a#0")
		count := func(part string) int { return strings.Count(out.String(), part) }
		if count("level=WARN") != 20 || count("slot=a#0 error") != 10 || count("level=DEBUG") != 50 || count("level=ERROR") != 1 || count("heldBack") != 0 {
			t.Errorf("%d of slot 0, %d at debug:\n%s", count("slot=a#0 error"), count("level=DEBUG"), out.String())
		}
		time.Sleep(window + time.Second)
		log.Warn("worker failed", "slot", "a#0")
		if count("heldBack=40") != 1 {
			t.Errorf("what was held back is not told:\n%s", out.String()[len(out.String())-200:])
		}
		for i := range 2 * maxKinds {
			log.Info("x", "slot", i)
		}
		if got := count("msg=x"); got != 2*maxKinds {
			t.Errorf("%d of %d different lines", got, 2*maxKinds)
		}
	})
}
