package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// Completions of an argument are names that the command takes there: workers for a worker, and tasks that run to their end for
// a command about runs.
func TestCompletesWhatIsTaken(t *testing.T) {
	state := cluster.State{
		Tasks: []cluster.TaskInfo{{Name: "fn", WorkName: "w", WorkerNum: 2}, {Name: "nightly", WorkName: "w", WorkerNum: 1, Runs: true}},
		Nodes: []cluster.NodeInfo{{Name: "n1", State: cluster.NodeUp}},
		Workers: []cluster.WorkerInfo{
			{Task: "fn", Index: 0}, {Task: "fn", Index: 1},
			{Task: "nightly", Run: "20261129T083938Z", Index: 0}, {Task: "nightly", Run: "20261129T083858Z", Index: 0},
		},
	}
	url := apinode.Serve(t, apinode.New(state), httpapi.Options{}).URL
	workers, tasks := []string{"fn#0", "fn#1", "nightly#0"}, []string{"fn", "nightly"}
	for _, c := range []struct {
		typed string
		want  []string
	}{
		{"explain ", workers}, {"stack ", workers}, {"move ", workers}, {"explain fn", workers[:2]},
		{"move fn#0 ", []string{"n1"}},
		{"logs ", tasks}, {"restart ", tasks}, {"workers ", tasks}, {"logs fn#", workers[:2]}, {"restart nightly#", workers[2:]},
		{"run-now ", tasks[1:]}, {"runs ", tasks[1:]},
		{"scale ", tasks}, {"pause ", tasks}, {"delete ", tasks}, {"tasks ", tasks}, {"explain fn#0 ", nil},
	} {
		var out bytes.Buffer
		runOn(t, url, &out, append([]string{"__complete"}, strings.Split(c.typed, " ")...)...)
		got := strings.Split(strings.TrimSpace(out.String()), "\n")
		got = got[:len(got)-1] // the last line is for the shell
		if len(got) != len(c.want) || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q; want %q", c.typed, got, c.want)
		}
	}
}
