package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

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

// The versions of nodes are listed, and usual rows fit in 80 columns uncut. Columns without a value are left out.
func TestNodes(t *testing.T) {
	node := cluster.NodeInfo{Name: "n1", Leader: true, State: cluster.NodeUp, Slots: 12, Load: 12, Works: []string{"test01", "test02"}, Address: "10.0.0.11:8800"}
	show := func(list ...cluster.NodeInfo) string {
		var b bytes.Buffer
		Nodes(list).Write(&b, 80)
		return b.String()
	}
	old, gpu := node, node
	node.Version = "v0.10.2"
	old.Leader, old.Name = false, "n2"
	gpu.Leader, gpu.Capacity, gpu.Labels = false, 20, cluster.Labels{"gpu": "yes"}
	for _, c := range []struct {
		nodes []cluster.NodeInfo
		want  string
	}{
		{[]cluster.NodeInfo{node, old}, "NODE         STATE  VERSION  SLOTS  LOAD  WORKS          ADDRESS\n" +
			"n1 (leader)  up     v0.10.2  12     12    test01,test02  10.0.0.11:8800\n" +
			"n2           up     -        12     12    test01,test02  10.0.0.11:8800\n"},
		{[]cluster.NodeInfo{gpu}, "NODE  STATE  SLOTS  LOAD  CAPACITY  WORKS          LABELS   ADDRESS\n" +
			"n1    up     12     12    20        test01,test02  gpu=yes  10.0.0.11:8800\n"},
		{nil, "NODE  STATE  SLOTS  LOAD  ADDRESS\n"},
	} {
		if got := show(c.nodes...); got != c.want {
			t.Errorf("got:\n%swant:\n%s", got, c.want)
		}
	}
}

// The state shows until when slots wait that would move for balance, and how to end that.
func TestStateShowsWhatIsDeferred(t *testing.T) {
	show := func(d *cluster.Deferral) string {
		var b bytes.Buffer
		State(&b, &cluster.State{Cluster: "c", Leader: "n1", Deferred: d}, 0)
		return b.String()
	}
	until := time.Date(2026, 11, 28, 10, 20, 30, 0, time.Local)
	why := cluster.Reason{Code: cluster.WhyQuiet, Detail: "15s"}
	text := show(&cluster.Deferral{Code: why.Code, Reason: why.String(), Until: until})
	want := "\nbalance waits until " + until.Format("15:04:05 MST") + " at least: nodes have come back, and get only free slots until no node has " +
		"come or gone for 15s; to wait no longer: xconsumer move-now\n"
	if !strings.HasSuffix(text, want) {
		t.Errorf("%q does not end with %q", text, want)
	}
	if text := show(nil); strings.Contains(text, "balance") {
		t.Errorf("%q", text)
	}
}
