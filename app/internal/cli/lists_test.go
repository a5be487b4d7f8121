package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// runOn runs a command against a node, and writes to out.
func runOn(t *testing.T, url string, out io.Writer, args ...string) {
	t.Helper()
	if err := tryOn(t, url, out, args...); err != nil {
		t.Errorf("%v: %v", args, err)
	}
}

// tryOn is runOn for a command that may fail.
func tryOn(t *testing.T, url string, out io.Writer, args ...string) error {
	t.Helper()
	env := func(name string) string { return map[string]string{"XCONSUMER_SERVER": url}[name] }
	root := &cobra.Command{Use: "xconsumer", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(nodeCommands(Streams{Out: out, Err: io.Discard, Getenv: env}, func(string) (config.Declarations, error) {
		return config.Declarations{File: "app.toml", Tasks: []cluster.TaskSpec{{Name: "fresh", WorkName: "w", WorkerNum: 1}}}, nil
	})...)
	root.SetOut(out)
	root.SetErr(io.Discard)
	root.SetArgs(args)
	return root.ExecuteContext(t.Context())
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

// A task without runs is shown with the reason; for programs the list is empty.
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
			runOn(t, url, &out, "runs", task, "-o", format)
			if out.String() != want {
				t.Errorf("%s, %s: %q; want %q", task, format, out.String(), want)
			}
		}
	}
}

// A run under way shows the failed attempts of a worker, and not only the last error.
func TestRunsShowAttempts(t *testing.T) {
	node := apinode.New(cluster.State{
		Tasks: []cluster.TaskInfo{{Name: "a", WorkName: "w", WorkerNum: 3, Runs: true}},
		Workers: []cluster.WorkerInfo{
			{Task: "a", Run: "r2", Index: 0, Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}},
			{Task: "a", Run: "r2", Index: 1, Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Restarts: 2, Error: "it has run for 5s"}},
			{Task: "a", Run: "r2", Index: 2, Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning, Restarts: 1, Error: "no luck"}},
			{Task: "a", Run: "r3", Index: 0, Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}},
		},
	}, cluster.TaskDetail{TaskInfo: cluster.TaskInfo{Name: "a", Runs: true}})
	node.Ran = []cluster.RunInfo{
		{Task: "a", Run: cluster.Run{ID: "r1", WorkerNum: 3}, State: cluster.RunFailed, Failed: 3, Error: "0-2: after 3 attempts: no luck"},
		{Task: "a", Run: cluster.Run{ID: "r2", WorkerNum: 3}, State: cluster.RunGoesOn},
		{Task: "a", Run: cluster.Run{ID: "r3", WorkerNum: 1}, State: cluster.RunGoesOn},
	}
	var out bytes.Buffer
	runOn(t, apinode.Serve(t, node, httpapi.Options{}).URL, &out, "runs", "a")
	for i, want := range []string{"ERROR OR REASON", "  0-2: after 3 attempts: no luck", "  1: 2 failed attempts so far: it has run for 5s", "  -"} {
		if line := strings.Split(out.String(), "\n")[i]; !strings.HasSuffix(line, want) {
			t.Errorf("line %d is %q; want it to end with %q", i, line, want)
		}
	}
}

// A commit that moved nothing has a line, so that no number is missing.
func TestDecisionWithoutSteps(t *testing.T) {
	url := apinode.Serve(t, apinode.New(cluster.State{}), httpapi.Options{}).URL // it has one decision
	var out bytes.Buffer
	runOn(t, url, &out, "decisions")
	if got := out.String(); !strings.Contains(got, "no step") || !strings.Contains(got, "records were put in order, no worker was touched") {
		t.Errorf("%s", got)
	}
}

// Every step is shown with a reason, even if its record has none.
func TestDecisionsHaveReasons(t *testing.T) {
	var b bytes.Buffer
	render.Decisions(&b, &cluster.Decisions{Decisions: []cluster.Decision{
		{Number: 1, Moves: []cluster.Decided{
			cluster.Decided{Step: cluster.StepGrant, Task: "a"}.Because(cluster.Reason{Code: cluster.WhyUnplaced}),
			{Step: cluster.StepFree, Task: "a", Code: cluster.WhyLeft}, {Step: cluster.StepReap, Node: "n1"},
		}, Omitted: 3},
		{Number: 2},
	}, Audit: []cluster.AuditLine{{By: "ada", What: "pause task \"a\""}}}, 0)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i, want := range []string{"WHY", "no node had it", "left", "the record has no reason", "lists only some of its steps", "no worker was touched", "an operation"} {
		if i >= len(lines) || !strings.HasSuffix(lines[i], "  "+want) && !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d does not end with %q:\n%s", i, want, &b)
		}
	}
}

// The limit of decisions and events is that of the request, and may not be negative.
func TestLimitOfHistory(t *testing.T) {
	var asked []string
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+"?"+r.URL.RawQuery)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"decisions":[],"audit":[],"events":[]}`)
	}))
	defer node.Close()
	for _, command := range []string{"decisions", "events"} {
		path := "/api/v1/" + command + "?"
		for _, c := range []struct {
			args []string
			want string
		}{{nil, path}, {[]string{"-n", "10"}, path + "limit=10"}, {[]string{"--limit=1", "--task", "a"}, path + "limit=1&task=a"}, {[]string{"-n", "0"}, path}} {
			asked = nil
			runOn(t, node.URL, io.Discard, append([]string{command}, c.args...)...)
			if !slices.Equal(asked, []string{c.want}) {
				t.Errorf("%s %v asks for %v; want %s", command, c.args, asked, c.want)
			}
		}
		if err := tryOn(t, node.URL, io.Discard, command, "-n", "-1"); !errors.Is(err, config.ErrUsage) {
			t.Errorf("%s -n -1: %v", command, err)
		}
	}
}

// apply and diff compare the settings of the file with those of the cluster, if the file has any.
func TestSettingsOfAFile(t *testing.T) {
	had := cluster.Settings{LeaderWorkers: cluster.LeaderNone, Rebalance: cluster.Rebalance{MaxInFlight: 3}}
	api, err := client.New(apinode.Serve(t, apinode.New(cluster.State{Settings: had}), httpapi.Options{}).URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &cobra.Command{}
	c.SetContext(t.Context())
	for _, one := range []struct {
		file *cluster.Settings
		want string
		ops  string
	}{
		{nil, "the cluster has what app.toml declares\n", "nothing"},
		{&had, "the cluster has what app.toml declares\n", "nothing"},
		{
			&cluster.Settings{Rebalance: cluster.Rebalance{MaxInFlight: 5}},
			"~ settings\n    leaderWorkers: \"none\" → default\n    rebalance: {\"maxInFlight\":3} → {\"maxInFlight\":5}\n",
			`settings {"rebalance":{"maxInFlight":5}}`,
		},
	} {
		env := &environment{files: func(string) (config.Declarations, error) {
			return config.Declarations{File: "app.toml", Settings: one.file}, nil
		}}
		d, err := env.declared(c, api, "")
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		d.show(env, &b, false)
		if b.String() != one.want || d.operations(false).String() != one.ops {
			t.Errorf("%v: %q, %s; want %q, %s", one.file, &b, d.operations(false), one.want, one.ops)
		}
	}
}

// obliging is a node that accepts all operations.
type obliging struct{ *apinode.Node }

func (obliging) Do(context.Context, cluster.Operation) (string, error) { return "7", nil }

// A restart tries again a worker that no node has because it took down nodes, and does not report that nothing restarted.
func TestRestartOfAKeptWorker(t *testing.T) {
	for _, state := range []cluster.WorkerState{cluster.WorkerWithheld, cluster.WorkerGivenUp} {
		url := apinode.Serve(t, obliging{apinode.New(cluster.State{
			Tasks: []cluster.TaskInfo{{Name: "a"}}, Workers: []cluster.WorkerInfo{{Task: "a", WorkerStatus: cluster.WorkerStatus{State: state}}},
		})}, httpapi.Options{}).URL
		for _, name := range []string{"a#0", "a"} {
			var out bytes.Buffer
			runOn(t, url, &out, "restart", name)
			if got := out.String(); !strings.HasPrefix(got, "accepted: restart ") || strings.Contains(got, "nothing was restarted") {
				t.Errorf("%s, %s: %s", state, name, got)
			}
		}
	}
}

// run-now --wait fails if the run has failed, with the workers, the number of their attempts and their error. Its output is that
// of any run.
func TestRunNowReportsTheResult(t *testing.T) {
	endsWith := func(last cluster.RunInfo) (url string) {
		task := cluster.TaskInfo{Name: "a", Runs: true}
		node := apinode.New(cluster.State{Tasks: []cluster.TaskInfo{task}}, cluster.TaskDetail{TaskInfo: task})
		last.Task, last.Run = "a", cluster.Run{ID: "7", WorkerNum: 2}
		node.Ran = []cluster.RunInfo{{Task: "a", Run: cluster.Run{ID: "6", WorkerNum: 2}, State: cluster.RunFailed, Failed: 1, Error: "0: other"}, last}
		return apinode.Serve(t, obliging{node}, httpapi.Options{}).URL
	}
	done := endsWith(cluster.RunInfo{State: cluster.RunDone, Done: 2})
	failed := endsWith(cluster.RunInfo{State: cluster.RunFailed, Failed: 2, Error: "0-1: after 3 attempts: no luck"})
	for _, format := range []string{"table", "json", "name"} {
		var want, got bytes.Buffer
		runOn(t, done, &want, "run-now", "a", "--wait", "-o", format)
		err := tryOn(t, failed, &got, "run-now", "a", "--wait", "-o", format)
		if !errors.Is(err, ErrRunFailed) || !strings.Contains(err.Error(), "a@7: 2 of 2 workers failed; error of 0-1: after 3 attempts: no luck\n") {
			t.Errorf("%s: %v", format, err)
		}
		if got.String() != want.String() || got.Len() == 0 {
			t.Errorf("%s: %q; %q of a run that is done", format, &got, &want)
		}
		runOn(t, failed, &got, "run-now", "a", "-o", format) // it does not wait
	}
}
