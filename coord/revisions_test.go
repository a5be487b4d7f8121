package coord_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// A write had been committed by the first answer that shows it, and by no earlier one. One that no answer shows yet is shown by
// the present one.
func TestRevisions(t *testing.T) {
	var r coord.Revisions
	const now = 9
	by := func(revision, head int64, want time.Duration) {
		t.Helper()
		at, ok := r.CommittedBy(revision, head, now*time.Second)
		if at != want*time.Second || ok != (want > 0) {
			t.Errorf("revision %d of %d: %v, %v; want %v", revision, head, at, ok, want*time.Second)
		}
	}
	if r.Oldest() != 0 {
		t.Errorf("nothing was answered, and it shows %d", r.Oldest())
	}
	by(7, 7, now)
	for i, revision := range []int64{10, 20, 20, 30} {
		r.Answered(revision, time.Duration(i+1)*time.Second)
	}
	for revision, want := range map[int64]time.Duration{1: 1, 10: 1, 11: 2, 20: 2, 21: 4, 30: 4, 31: now} {
		by(revision, 31, want)
	}
	before := r.Clone()
	// The service is behind what it has shown, since it was restored from a copy.
	by(11, 29, 0)
	by(32, 31, 0)
	r.Answered(15, 5*time.Second)
	by(12, 16, 5)
	if oldest := before.Oldest(); oldest != 10 {
		t.Errorf("the copy begins with %d", oldest)
	}
	for i := range int64(1000) {
		r.Answered(100+i, time.Duration(100+i)*time.Second)
	}
	oldest := r.Oldest()
	if oldest < 100 || oldest > 900 {
		t.Errorf("of 1000 answers it keeps those from %d on", oldest-100)
	}
	by(1, 1099, time.Duration(oldest)) // what is older than all answers counts from the oldest one
	by(1099, 1099, 1099)
}
