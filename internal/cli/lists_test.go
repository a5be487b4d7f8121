package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// runOn runs a command against a node, and writes to out.
func runOn(t *testing.T, url string, out io.Writer, args ...string) {
	t.Helper()
	env := func(name string) string { return map[string]string{"XCONSUMER_SERVER": url}[name] }
	root := &cobra.Command{Use: "xconsumer", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands(Streams{Out: out, Err: io.Discard, Env: env}, func(string) (string, []cluster.TaskSpec, error) {
		return "app.toml", []cluster.TaskSpec{{Name: "fresh", WorkName: "w", WorkerNum: 1}}, nil
	})...)
	root.SetOut(out)
	root.SetErr(io.Discard)
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Errorf("%v: %v", args, err)
	}
}

// A node is listed with the address where others reach it, and with the one it listens on only if there is no other.
func TestAddressOfNode(t *testing.T) {
	node := apinode.New(cluster.State{Nodes: []cluster.NodeInfo{
		{Name: "n1", Member: "m1", State: cluster.NodeUp, Address: "0.0.0.0:8800", Advertise: "10.1.2.3:8801"},
		{Name: "n2", Member: "m2", State: cluster.NodeUp, Address: "127.0.0.1:8802"},
	}})
	url := apinode.Serve(t, node, httpapi.Options{}).URL
	for _, command := range []string{"nodes", "status"} {
		var out bytes.Buffer
		runOn(t, url, &out, command)
		if got := out.String(); !strings.Contains(got, " 10.1.2.3:8801") || !strings.Contains(got, " 127.0.0.1:8802") || strings.Contains(got, "0.0.0.0:8800") {
			t.Errorf("%s: %s", command, got)
		}
	}
}

// A task without runs is told why it has none; for programs the list is empty.
func TestNoRuns(t *testing.T) {
	due := time.Date(2026, 11, 30, 2, 0, 0, 0, time.UTC)
	var tasks []cluster.TaskInfo
	var details []cluster.TaskDetail
	for _, one := range []cluster.TaskInfo{
		{Name: "continuous", WorkName: "w"},
		{Name: "nightly", Runs: true, NextRun: due, Schedule: "at 02:00"},
		{Name: "paused", Runs: true, Paused: true, Schedule: "at 02:00"},
		{Name: "wrong", Runs: true, Reason: "its schedule cannot be used: no such zone"},
		{Name: "once", Runs: true},
	} {
		tasks, details = append(tasks, one), append(details, cluster.TaskDetail{TaskInfo: one})
	}
	url := apinode.Serve(t, apinode.New(cluster.State{Tasks: tasks}, details...), httpapi.Options{}).URL
	for task, want := range map[string]string{
		"continuous": "task continuous is continuous and has no runs; see `xconsumer workers continuous` and `xconsumer logs continuous`\n",
		"nightly":    "task nightly has no runs yet; the first one is due at " + due.Local().Format("2006-01-02 15:04:05 MST") + " (at 02:00)\n",
		"paused":     "task paused has no runs yet: it is paused; `xconsumer resume paused` lets it run\n",
		"wrong":      "task wrong has no runs yet: its schedule cannot be used: no such zone\n",
		"once":       "task once has no runs yet; `xconsumer run-now once` begins one\n",
	} {
		for format, want := range map[string]string{"table": want, "json": "{\n  \"runs\": []\n}\n", "name": ""} {
			var out bytes.Buffer
			if runOn(t, url, &out, "runs", task, "-o", format); out.String() != want {
				t.Errorf("%s, %s: %q; want %q", task, format, out.String(), want)
			}
		}
	}
}
