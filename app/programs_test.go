package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// What runs to its end says when it runs next, and has no workers meanwhile.
func TestStatusOfRuns(t *testing.T) {
	at := time.Date(2026, 11, 25, 1, 30, 0, 0, time.UTC)
	node := apinode.New(cluster.State{
		Cluster: "demo", Leader: "n1", Term: 3, Nodes: []cluster.NodeInfo{},
		Tasks: []cluster.TaskInfo{
			{Name: "a", WorkName: "a", WorkerNum: 3, Running: 3},
			{Name: "night", WorkName: "report", WorkerNum: 4, Running: 1, Runs: true, NextRun: at, Schedule: "every 1h0m0s, phase 6m11s"},
			{Name: "off", WorkName: "report", WorkerNum: 4, Runs: true, Paused: true},
			{Name: "setup", WorkName: "report", WorkerNum: 4, Runs: true},
		},
		Runs: []cluster.RunInfo{{Task: "night", Run: cluster.Run{ID: "x", WorkerNum: 4}, State: cluster.RunGoesOn, Done: 2, Failed: 1, Error: "no luck"}},
	})
	node.Ran = []cluster.RunInfo{
		{Task: "night", Run: cluster.Run{ID: "20261125T013000Z", Due: at}, State: cluster.RunSkipped, Skipped: 1, Reason: "2026-11-25T01:30:00Z skipped: 1m27s late"},
		{Task: "night", Run: cluster.Run{ID: "x", WorkerNum: 4}, State: cluster.RunGoesOn},
	}
	server := apinode.Serve(t, node, httpapi.Options{})
	next := at.Local().Format("2006-01-02 15:04:05 MST")
	pad := strings.Repeat(" ", len(next)-len("NEXT RUN"))
	want := `cluster demo   leader n1   term 3   4 of 4 workers running

NODE  STATE  SLOTS  ADDRESS  PID

TASK   WORK    WORKERS  RUNNING  SCHEDULE                   NEXT RUN` + pad + `  UNPLACED
a      a       3        3        -                          -       ` + pad + `  0
night  report  4        1        every 1h0m0s, phase 6m11s  ` + next + `  0
off    report  4        0        -                          paused  ` + pad + `  0
setup  report  4        0        -                          by hand ` + pad + `  0

RUN      STATE    DONE  FAILED  OF  LAST ERROR
night@x  running  2     1       4   no luck
`
	env := map[string]string{"XCONSUMER_SERVER": server.URL}
	code, out, errs := run(t, nil, env, "status")
	if diff := cmp.Diff(want, out); diff != "" || code != 0 || errs != "" {
		t.Errorf("exit %d, %q, (-want +got):\n%s", code, errs, diff)
	}
	code, out, _ = run(t, nil, env, "runs", "night")
	if want := "20261125T013000Z  skipped  -     -       -   -      -     -   2026-11-25T01:30:00Z skipped: 1m27s late"; code != 0 || !strings.Contains(out, want) {
		t.Errorf("exit %d, want %q in:\n%s", code, want, out)
	}
	_, out, _ = run(t, nil, env, "runs", "night", "-o", "name")
	if strings.TrimSpace(out) != "x" {
		t.Errorf("runs by name: %q", out)
	}
	for name, want := range map[string]string{
		"setup":   "no run of setup is under way",
		"setup#7": "xconsumer logs setup#0 --run ID",
		"unknown": "no such task: unknown; `xconsumer tasks` lists the tasks",
		"a#b":     "want for example a#0",
	} {
		if code, _, errs := run(t, nil, env, "logs", name); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("logs %s: exit %d, %s", name, code, errs)
		}
	}
}

const here = "[zookeeper]\nhost=\"h\"\n"

// programCases are checks of what says how programs, runs and logs are to be.
var programCases = []checkCase{
	{name: "programs and runs", file: here + `
[log]
keep = "1MB"
[http]
advertise = "10.0.0.1:8800"
secretFile = "secret"
[[work]]
name = "resize"
command = ["python3", "resize.py"]
dir = "/"
[work.env]
MODEL = "small"
[[task]]
name = "night"
workName = "resize"
workerNum = 4
schedule = "30 2 * * MON-FRI"
timeZone = "Europe/Berlin"
misfire = "once"
overlap = "queue"
maxAttempts = 5
timeout = "10m"
keepRuns = 30
whenDisconnected = "continue"
[task.restart]
backoff = "1s"
maxBackoff = "2m"
elsewhere = 3
[[task]]
name = "often"
workName = "resize"
workerNum = 1
every = "10s"
phase = "0s"
[[task]]
name = "setup"
workName = "resize"
workerNum = 1
mode = "once"
`},
	{name: "every mistake of programs", file: here + `[[work]]
name = "a b"
command = []
[work.env]
XCONSUMER_TOKEN = "7"
[[work]]
name = "same"
command = "sh"
[[work]]
name = "same"
command = ["sh"]
user = "no-such-user"
shell = true
`, want: []string{
		`xconsumer: app.toml:4:1: work "a b": name: "a b": only letters`,
		`app.toml:5:1: work "a b": command: name the program and its arguments`,
		`app.toml:6:2: work "a b": env: XCONSUMER_TOKEN: names with XCONSUMER_ are xconsumer's own`,
		`app.toml:10:11: work "same": command: want an array of strings, got string`,
		`app.toml:12:1: work "same": name: the same as that of work 2 in line 8`,
		`app.toml:14:1: work "same": user: there is no user "no-such-user" on this machine`,
		`app.toml:15:1: work "same": unknown key "shell"`,
	}},
	{name: "every mistake of runs", file: here + `[[task]]
name = "a"
workName = "w"
workerNum = 20001
mode = "twice"
schedule = "0 0 31 2 *"
timeZone = "Mars/Olympus"
every = "1s"
misfire = "perhaps"
overlap = "some"
maxAttempts = -1
timeout = "never"
[[task]]
name = "b"
workName = "w"
keepRuns = 7
timeZone = "UTC"
whenDisconnected = "pray"
[task.restart]
max = -1
[[task]]
name = "c"
workName = "w"
mode = "continuous"
every = "10ms"
[[task]]
name = "d"
workName = "w"
every = "1m"
phase = "1m"
[[task]]
name = "e"
workName = "w"
mode = "once"
misfire = "all"
`, want: []string{
		`xconsumer: app.toml:6:1: task "a": workerNum: 20001 is more than 20000`,
		`app.toml:7:1: task "a": mode: invalid value "twice" (want "continuous" or "once")`,
		`app.toml:10:1: task "a": every: a task has either this or a schedule`,
		`app.toml:11:1: task "a": misfire: invalid value "perhaps" (want`,
		`app.toml:12:1: task "a": overlap: invalid value "some" (want`,
		`app.toml:13:1: task "a": maxAttempts: -1 is not between 1 and 1000`,
		`app.toml:14:1: task "a": timeout: invalid duration "never"`,
		`app.toml:18:1: task "b": keepRuns: only tasks that run to their end have it; add mode = "once" or a schedule`,
		`app.toml:19:1: task "b": timeZone: requires schedule, which the task does not have`,
		`app.toml:20:1: task "b": whenDisconnected: invalid value "pray" (want`,
		`app.toml:21:2: task "b": restart: max and elsewhere are numbers of failures`,
		`app.toml:26:1: task "c": mode: a task with a schedule runs to its end`,
		`app.toml:32:1: task "d": phase: 1m0s is not between 0s and less than every, which is 1m0s`,
		`app.toml:37:1: task "e": misfire: the task has no schedule whose firings could come too late`,
	}},
	{name: "a zone that there is not", file: here + `[[task]]
name = "a"
workName = "w"
schedule = "0 0 * * *"
timeZone = "Mars/Olympus"
`, want: []string{`xconsumer: app.toml:7:1: task "a": timeZone: invalid time zone "Mars/Olympus"`}},
	{name: "a date that there is not", file: here + `[[task]]
name = "a"
workName = "w"
schedule = "0 0 31 2 *"
`, want: []string{`xconsumer: app.toml:6:1: task "a": schedule: "0 0 31 2 *": there is no such date`}},
	{name: "logs that are too small", file: here + "[log]\nkeep = \"1KB\"\n", want: []string{"xconsumer: app.toml:4:1: log.keep: want between 4KB and 64MB"}},
	{name: "logs of no size", file: here + "[log]\nkeep = \"much\"\n", want: []string{`xconsumer: app.toml:4:1: log.keep: invalid size "much"`}},
	{name: "a secret that is none", file: here + "[http]\nsecretFile = \"none\"\n", want: []string{"xconsumer: app.toml:4:1: http.secretFile: open none"}},
	{name: "a secret that is too short", file: here, env: map[string]string{"XCONSUMER_HTTP_SECRET_FILE": "short"}, want: []string{"xconsumer: XCONSUMER_HTTP_SECRET_FILE: short: the secret has less than"}},
	{name: "nowhere to be reached", file: here + "[http]\nadvertise = \":0\"\n", want: []string{`xconsumer: app.toml:4:1: http.advertise: ":0": want an address by which other nodes reach this one`}},
}
