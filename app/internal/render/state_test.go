package render

import (
	"bytes"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// The row of a task counts its workers by the states that the rows of the workers show.
func TestTaskCountsByState(t *testing.T) {
	for _, state := range cluster.WorkerStates() {
		task := cluster.TaskInfo{Name: "a", WorkName: "w", WorkerNum: 2}
		task.Add(state)
		task.Add(state)
		want := "2 " + string(state)
		if state == cluster.WorkerRunning || state == cluster.WorkerDone {
			want = ""
		}
		if got := between(task); got != want {
			t.Errorf("two workers %s: the task has %q; want %q", state, got, want)
		}
	}
	var task cluster.TaskInfo
	for _, state := range cluster.WorkerStates() {
		task.Add(state)
	}
	if got, want := between(task), "1 lost, 1 stuck, 1 stopping, 1 pending, 1 starting, 1 backoff, 1 withheld, 1 failed"; got != want {
		t.Errorf("one in every state: %q; want %q", got, want)
	}
}

// What is overridden of a task is told beside its number of workers, if anything is overridden of any.
func TestOverrideColumn(t *testing.T) {
	five := 5
	yes, no := true, false
	for _, c := range []struct {
		override cluster.Override
		want     string
	}{
		{cluster.Override{}, "TASK  WORK  WORKERS  RUNNING  UNPLACED\na     w     5        0        0\n"},
		{cluster.Override{WorkerNum: &five}, "TASK  WORK  WORKERS  OVERRIDE   RUNNING  UNPLACED\na     w     5        5 workers  0        0\n"},
		{cluster.Override{Paused: &yes}, "TASK  WORK  WORKERS  OVERRIDE  RUNNING  UNPLACED\na     w     5        paused    0        0\n"},
		{cluster.Override{WorkerNum: &five, Paused: &no}, "TASK  WORK  WORKERS  OVERRIDE            RUNNING  UNPLACED\na     w     5        5 workers, resumed  0        0\n"},
	} {
		var b bytes.Buffer
		Tasks([]cluster.TaskDetail{{TaskInfo: cluster.TaskInfo{Name: "a", WorkName: "w", WorkerNum: 5}, Override: c.override}}).Write(&b, 0)
		if b.String() != c.want {
			t.Errorf("%+v:\n%s\nwant\n%s", c.override, &b, c.want)
		}
	}
}
