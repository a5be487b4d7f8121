package follower

import (
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// What a departure waits for is named, but not all of many, and for as long as the last of them may take.
func TestWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running := map[cluster.Slot]cluster.Report{}
		add := func(index int, since, grace time.Duration) {
			slot := cluster.Slot{Task: "a", Index: index}
			running[slot] = cluster.Report{Slot: slot, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerStopping, Since: time.Now().Add(-since)}, Spec: &cluster.TaskSpec{StopTimeout: cluster.Duration(grace)}}
		}
		add(0, 3*time.Second, 20*time.Second)
		add(1, 3*time.Second, 10*time.Second)
		if names, left := waitsFor(running); names != "a#0 a#1" || left != 17*time.Second {
			t.Errorf("%q, %v", names, left)
		}
		for i := range 7 {
			add(i, time.Minute, 10*time.Second)
		}
		if names, left := waitsFor(running); names != "a#0 a#1 a#2 a#3 a#4 and 2 more" || left != 0 {
			t.Errorf("%q, %v", names, left)
		}
		clear(running)
		add(0, time.Second, 10*time.Second)
		stuck, ended := cluster.Slot{Task: "b"}, cluster.Slot{Task: "c"}
		running[stuck] = cluster.Report{Slot: stuck, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerStuck, Since: time.Now()}, Spec: &cluster.TaskSpec{StopTimeout: cluster.Duration(time.Minute)}}
		running[ended] = cluster.Report{Slot: ended, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerDone, Since: time.Now()}, Spec: &cluster.TaskSpec{StopTimeout: cluster.Duration(time.Minute)}, Ended: true}
		if names, left := waitsFor(running); names != "a#0 b#0" || left != 9*time.Second {
			t.Errorf("%q, %v", names, left)
		}
	})
}

// A member that leaves says that it has written no record of ended slots only if it is sure: the leader then does not look for one.
func TestDepartureKnowsCompletions(t *testing.T) {
	for name, c := range map[string]struct {
		fl   following
		none bool
	}{
		"none":                          {following{lastStatus: &schema.Status{}}, true},
		"one was committed":             {following{lastStatus: &schema.Status{}, done: &schema.Completions{}}, false},
		"the outcome of one is unknown": {following{lastStatus: &schema.Status{}, doneUnsure: true}, false},
		"one may be under way":          {following{lastStatus: &schema.Status{}, busy: true}, false},
		"one may still arrive":          {following{}, false}, // its outcome was unknown, there was none, and the status was not written since
	} {
		if got := c.fl.departure().NoCompletions; got != c.none {
			t.Errorf("%s: it says that there is none: %v", name, got)
		}
	}
}
