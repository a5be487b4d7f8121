package coord_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// A write had been committed by the first answer that shows it, and by no earlier one.
func TestRevisions(t *testing.T) {
	var r coord.Revisions
	if least, greatest := r.Range(); least != 0 || greatest != 0 {
		t.Errorf("nothing was answered, and it shows %d to %d", least, greatest)
	}
	for i, revision := range []int64{10, 20, 20, 30} {
		r.Answered(revision, time.Duration(i+1)*time.Second)
	}
	for revision, want := range map[int64]time.Duration{1: 1, 10: 1, 11: 2, 20: 2, 21: 4, 30: 4, 31: 0} {
		if at, ok := r.CommittedBy(revision); at != want*time.Second || ok != (want > 0) {
			t.Errorf("revision %d: %v, %v; want %v", revision, at, ok, want*time.Second)
		}
	}
	before := r.Clone()
	r.Answered(15, 5*time.Second) // the service was restored from a copy
	if at, ok := r.CommittedBy(12); !ok || at != 5*time.Second {
		t.Errorf("after a loss: %v, %v", at, ok)
	}
	if least, greatest := before.Range(); least != 10 || greatest != 30 {
		t.Errorf("the copy shows %d to %d", least, greatest)
	}
	for i := range int64(1000) {
		r.Answered(100+i, time.Duration(100+i)*time.Second)
	}
	least, greatest := r.Range()
	if greatest != 1099 || least < 100 || greatest-least < 200 {
		t.Errorf("of 1000 answers it keeps %d to %d", least, greatest)
	}
	if at, ok := r.CommittedBy(1); !ok || at != time.Duration(least)*time.Second {
		t.Errorf("what is older than all answers was committed by %v, %v; want the oldest one", at, ok)
	}
}
