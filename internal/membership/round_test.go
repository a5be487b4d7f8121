package membership_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/membership"
)

func TestRound(t *testing.T) {
	var r membership.Round
	if d := r.Lasts(time.Hour); d != 0 {
		t.Errorf("a loop that has not begun is at work for %v", d)
	}
	r.Begin(0) // a clock may start at 0
	if d := r.Lasts(3 * time.Second); d != 3*time.Second {
		t.Errorf("a round lasts %v after 3s", d)
	}
	r.End()
	if d := r.Lasts(time.Hour); d != 0 {
		t.Errorf("a loop that waits is at work for %v", d)
	}
	r.Begin(time.Minute)
	if d := r.Lasts(59 * time.Second); d != 0 {
		t.Errorf("a round that begins later lasts %v", d)
	}
}
