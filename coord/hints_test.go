package coord_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/coord"
)

// hinted is a session of which only the watches are used.
type hinted struct {
	coord.Session
	hints map[string]func()
}

func (s *hinted) Watch(key string, hint func()) (stop func()) {
	s.hints[key] = hint
	return func() {}
}

// A hint that was under way when its key was removed marks nothing: a leader would read each record that it has deleted.
func TestHintsOfRemovedKeys(t *testing.T) {
	s := &hinted{hints: map[string]func(){}}
	h := coord.NewHints(s)
	for _, key := range []string{"/a", "/b"} {
		h.Watch(key)
	}
	h.Unwatch("/a")
	for _, hint := range s.hints {
		hint()
	}
	if diff := cmp.Diff([]string{"/b"}, h.Take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.Mark("/a") // a caller may want any key
	if diff := cmp.Diff([]string{"/a"}, h.Take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.Close()
	s.hints["/b"]()
	if keys := h.Take(); len(keys) > 0 {
		t.Errorf("after the end: %v", keys)
	}
}
