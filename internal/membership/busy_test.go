package membership_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/membership"
)

func TestBusy(t *testing.T) {
	var r membership.Busy
	if d := r.Lasts(time.Hour); d != 0 {
		t.Errorf("a loop that has not begun is at work for %v", d)
	}
	r.Begin(0) // a clock may start at 0
	if d := r.Lasts(3 * time.Second); d != 3*time.Second {
		t.Errorf("it is at work for %v after 3s", d)
	}
	r.End()
	if d := r.Lasts(time.Hour); d != 0 {
		t.Errorf("a loop that waits is at work for %v", d)
	}
	r.Begin(time.Minute)
	if d := r.Lasts(59 * time.Second); d != 0 {
		t.Errorf("a loop that begins later is at work for %v", d)
	}
}
