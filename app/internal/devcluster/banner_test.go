package devcluster

import (
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// dev says of a task whose work no node has which there are.
func TestBannerNamesMissingWorks(t *testing.T) {
	got := workless(cluster.State{
		Nodes: []cluster.NodeInfo{{Works: []string{"hello", "resize"}}, {Works: []string{"hello"}}},
		Tasks: []cluster.TaskInfo{{Name: "fine", WorkName: "hello"}, {Name: "x", WorkName: "helo", ReasonCode: cluster.WhyNoWork}},
	})
	if want := []string{`task x: no node has registered work "helo"; there are: hello, resize; did you mean "hello"?`, ""}; !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}

// Workers that fail do not keep the addresses back, and the banner says what failed and where to read more.
func TestBannerNamesFailingWorkers(t *testing.T) {
	s := cluster.State{
		Leader: "n1", Nodes: []cluster.NodeInfo{{Name: "n1"}},
		Tasks: []cluster.TaskInfo{{Name: "fine", WorkerNum: 1, Running: 1}, {Name: "prices", WorkerNum: 2}},
		Workers: []cluster.WorkerInfo{
			{Task: "fine", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}},
			{Task: "prices", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Error: "no file\nopen prices.txt"}},
			{Task: "prices", Index: 1, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerStarting}},
		},
	}
	if atWork(s, 1) {
		t.Error("a worker that starts is waited for")
	}
	s.Workers[2].State = cluster.WorkerBackoff
	if !atWork(s, 1) {
		t.Error("workers that failed are waited for")
	}
	want := []string{"prices#0 fails: no file; read its log with: ./mail logs 'prices#0'", ""}
	if got := failing(s, "./mail"); !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}
