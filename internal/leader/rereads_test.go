package leader

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A member is read again when it was to be, however often decisions in between name a later time, and not with others.
func TestRereadsAreNotPutOff(t *testing.T) {
	type due map[string]time.Duration
	old := nextRereads(nil, due{"a": 5, "b": 7})
	if diff := cmp.Diff(map[string]time.Duration{"a": 5, "c": 9}, nextRereads(old, due{"a": 6, "c": 9})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
