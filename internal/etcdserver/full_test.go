package etcdserver

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// The error of a full disk or an exhausted quota contains the fix, even if only the text of the cause is
// left.
func TestBrokenByAFullDisk(t *testing.T) {
	s := &Server{path: t.TempDir()}
	for _, code := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		for _, err := range []error{fmt.Errorf("write: %w", code), errors.New("walpb: write wal: " + code.Error())} {
			if got := s.broken(err); !errors.Is(got, ErrDir) || !strings.Contains(got.Error(), "not enough room on its disk") {
				t.Errorf("%v: %v", err, got)
			}
		}
	}
	if other := errors.New("else"); !errors.Is(s.broken(other), other) || errors.Is(s.broken(other), ErrDir) {
		t.Errorf("another error: %v", s.broken(other))
	}
}
