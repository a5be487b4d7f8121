package plural_test

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/internal/plural"
)

func TestOf(t *testing.T) {
	for n, want := range map[int]string{0: "0 workers", 1: "1 worker", 2: "2 workers", 1000: "1000 workers"} {
		if got := plural.Of(n, "worker"); got != want {
			t.Errorf("%d: %q; want %q", n, got, want)
		}
	}
}
