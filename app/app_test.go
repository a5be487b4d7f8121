package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
)

func TestMain(m *testing.M) {
	etcdserver.Serve()
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// run runs a command in an empty directory with the files and variables given.
func run(t *testing.T, files, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range files {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if len(args) > 0 && args[0] == "run" {
		cancel() // a node that gets as far as starting leaves again at once
	}
	code = app.Run(ctx, args, func(*xconsumer.Node) {}, app.Streams{Out: &stdout, Err: &stderr, Getenv: func(k string) string { return env[k] }})
	return code, stdout.String(), stderr.String()
}

const goodFile = `cluster = "demo"
[node]
name = "n1"
[zookeeper]
host = "h1:2181,h2/x"
sessionTimeout = "10s"
[[task]]
name = "a"
workName = "a"
workerNum = 2
stopTimeout = "5s"
`

type checkCase struct {
	name string
	file string
	env  map[string]string
	args []string
	want []string // lines of the error; none: it is accepted
}

func TestConfigCheck(t *testing.T) {
	const tlsKeys = "[zookeeper.tls]\n"
	cases := []checkCase{
		{name: "good", file: goodFile},
		{name: "by flag alone", file: "", args: []string{"--zookeeper", "127.0.0.1:1"}},
		{name: "etcd", file: "[etcd]\nendpoints=[\"h1\",\"https://h2:1\"]\nprefix=\"/x/\"\nsessionTimeout=\"5s\"\n"},
		{name: "etcd by flag alone", file: "", args: []string{"--etcd", "127.0.0.1:1"}},
		{name: "etcd by environment alone", file: "", env: map[string]string{"XCONSUMER_ETCD_ENDPOINTS": "http://127.0.0.1:1,h2"}},
		{name: "both services", file: goodFile + "[etcd]\nendpoints=[\"x\"]\n", want: []string{"xconsumer: app.toml:12:2: etcd: both [zookeeper] and [etcd] are given"}},
		{name: "another service by environment", file: goodFile, env: map[string]string{"XCONSUMER_ETCD_ENDPOINTS": "x"}},
		{name: "another service by flag", file: goodFile, args: []string{"--etcd", "x"}},
		{name: "another service by flag than by environment", file: goodFile, env: map[string]string{"XCONSUMER_ZOOKEEPER_HOST": "h"}, args: []string{"--etcd", "x"}},
		{name: "both services by environment", file: goodFile, env: map[string]string{"XCONSUMER_ETCD_ENDPOINTS": "x", "XCONSUMER_ZOOKEEPER_HOST": "h"}, want: []string{"xconsumer: etcd: both XCONSUMER_ZOOKEEPER_HOST and XCONSUMER_ETCD_ENDPOINTS are given"}},
		{name: "both services by flag", file: goodFile, args: []string{"--etcd", "x", "--zookeeper", "h"}, want: []string{"xconsumer: etcd: both --zookeeper and --etcd are given"}},
		{name: "a table without servers", file: "[zookeeper]\n", want: []string{"xconsumer: zookeeper.host: must be given"}},
		{name: "every mistake of etcd", file: `[etcd]
endpoints = "x"
prefix = "p"
sessionTimeout = "1500ms"
username = "u"
[etcd.tls]
ca = "none.pem"
[[task]]
name = "a"
workName = "a"
workerNum = -1
`, want: []string{
			"xconsumer: app.toml:2:13: endpoints: want an array of strings, got string",
			"app.toml:3:1: etcd.prefix: \"p\" does not begin with a slash",
			"app.toml:4:1: etcd.sessionTimeout: 1.5s: etcd counts in whole seconds",
			"app.toml:5:1: etcd.username: username and password belong together",
			"app.toml:6:2: etcd.tls: ca: open none.pem",
			"app.toml:11:1: task \"a\": workerNum: -1",
		}},
		{name: "etcd without servers", file: "[etcd]\n", want: []string{"xconsumer: etcd.endpoints: must be given"}},
		{name: "etcd endpoints that are none", file: "[etcd]\nendpoints=[\"a\",\"ftp://b\"]\n", want: []string{"xconsumer: app.toml:2:1: etcd.endpoints: endpoint \"ftp://b\": want a URL"}},
		{name: "TLS that would not be used", file: "[etcd]\nendpoints=[\"h\"]\n[etcd.tls]\nserverName=\"x\"\n", want: []string{"xconsumer: app.toml:3:2: etcd.tls: the endpoints are not https"}},
		{name: "by environment alone", file: "", env: map[string]string{"XCONSUMER_ZOOKEEPER_HOST": "127.0.0.1:1"}},
		{name: "environment over file", file: goodFile, env: map[string]string{"XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT": "1s"}, want: []string{"xconsumer: XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT: lease settings refused"}},
		{name: "flag over environment", file: goodFile, env: map[string]string{"XCONSUMER_NODE_NAME": "a b"}, args: []string{"--name", "c"}},
		{name: "variables of workers are not configuration", file: goodFile, env: map[string]string{"XCONSUMER_CLUSTER": "a b", "XCONSUMER_TASK": "x y"}},
		{name: "no TOML", file: "cluster = \n", want: []string{`xconsumer: app.toml:1:11: unexpected character`}},
		{name: "every mistake at once", file: `cluster = "de mo"
[zookeeper]
hots = "x"
host = 7
[http]
listen = "0.0.0.0:80"
[[task]]
name = "a"
workname = "a"
workerNum = -1
[[task]]
name = "a"
workName = "x"
workerNum = "two"
stopTimeout = "abc"
[[task]]
name = "z"
workName = ""
workerNum = 100001
stopTimeout = "2h"
[leader]
workers = "first"
`, want: []string{
			`xconsumer: app.toml:1:1: cluster: "de mo": only letters`,
			`app.toml:3:1: unknown key "hots", did you mean "host"?`,
			`app.toml:4:8: host: want string, got integer`,
			`app.toml:6:1: http.listen: "0.0.0.0:80" can be reached from other machines`,
			`app.toml:9:1: task "a": unknown key "workname", did you mean "workName"?`,
			`app.toml:10:1: task "a": workerNum: -1 is not between 0 and 100000`,
			`app.toml:12:1: task "a": name: the same as that of task 1 in line 7`,
			`app.toml:14:13: task "a": workerNum: want integer, got string`,
			`app.toml:15:1: task "a": stopTimeout: invalid duration "abc"`,
			`app.toml:18:1: task "z": workName: must not be empty`,
			`app.toml:19:1: task "z": workerNum: 100001 is not between 0 and 100000`,
			`app.toml:20:1: task "z": stopTimeout: 2h0m0s is not between 0s and 1h0m0s`,
			`app.toml:22:1: leader.workers: "first" is not one of`,
		}},
		{name: "every mistake of placement", file: `cluster = "demo"
[node]
weight = -3
capacity = 0
[node.labels]
zone = "a"
node = "x"
"bad key" = "v"
[rebalance]
maxInFlight = 0
leaveDelay = "-3s"
freezeAbove = 1.5
freezefor = "3s"
[leader]
workers = "last"
[zookeeper]
host = "127.0.0.1:2181"
[[task]]
name = "a"
workName = "w"
workerNum = 3
require = "gpu=true,gpu=false"
spread = "bad key"
weight = 0
maxPerNode = -1
[[task]]
name = "b"
workName = "w"
prefer = "!"
maxUnavailable = "x"
`, want: []string{
			`xconsumer: app.toml:3:1: node.weight: -3 is not between 1 and 10000`,
			`app.toml:4:1: capacity: 0 would let nothing run or move; leave it out for no limit`,
			`app.toml:5:2: node.labels: label "bad key": only letters`,
			`app.toml:5:2: node.labels: label node is set by the node itself`,
			`app.toml:10:1: maxInFlight: 0 would let nothing run or move`,
			`app.toml:11:1: rebalance.leaveDelay: -3s is not more than 0s`,
			`app.toml:12:1: rebalance.freezeAbove: 1.5 is not a share of the nodes between 0 and 1`,
			`app.toml:13:1: unknown key "freezefor", did you mean "freezeFor"?`,
			`app.toml:22:1: task "a": require: "gpu=true" and "gpu=false" contradict each other`,
			`app.toml:23:1: task "a": spread: want the key of a label`,
			`app.toml:24:1: task "a": weight: 0 would let nothing run or move; leave it out for 1`,
			`app.toml:25:1: task "a": maxPerNode: -1 is not between 1 and 100000`,
			`app.toml:29:1: task "b": prefer: term "!": must not be empty`,
			`app.toml:30:18: task "b": maxUnavailable: want integer, got string`,
		}},
		{name: "placement", file: `[zookeeper]
host = "127.0.0.1:2181"
[[task]]
name = "a"
workName = "w"
workerNum = 1
require = "gpu, zone!=a|b"
prefer = "ssd"
spread = "zone"
maxPerNode = 2
weight = 3
maxUnavailable = 1
paused = true
interval = "5s"
[task.params]
queue = "mail"
deep = { x = [1, 2] }
[node]
name = "n1"
labels = { zone = "c", gpu = "true" }
weight = 2
capacity = 40
[rebalance]
maxInFlight = 10
leaveDelay = "30s"
freezeAbove = 0.3
freezeFor = "10m"
`},
		{name: "a lease that leaves no time", file: "[zookeeper]\nhost=\"h\"\nsessionTimeout=\"4s\"\n", want: []string{"xconsumer: app.toml:3:1: zookeeper.sessionTimeout: lease settings refused: with a session timeout of 4s"}},
		{name: "a tick that is too long", file: "[zookeeper]\nhost=\"h\"\ntickTime=\"15s\"\n", want: []string{"xconsumer: app.toml:3:1: zookeeper.tickTime: lease settings refused"}},
		{name: "impossible durations", file: "[zookeeper]\nhost=\"h\"\nsessionTimeout=\"-4s\"\ntickTime=\"2\"\n", want: []string{"xconsumer: app.toml:3:1: zookeeper.sessionTimeout: -4s is not more than 0s", `app.toml:4:1: zookeeper.tickTime: invalid duration "2"`}},
		{name: "no such CA", file: "[zookeeper]\nhost=\"h\"\n" + tlsKeys + "ca=\"none.pem\"\n", want: []string{"xconsumer: app.toml:3:2: zookeeper.tls: ca: open none.pem"}},
		{name: "half a certificate", file: "[zookeeper]\nhost=\"h\"\n" + tlsKeys + "cert=\"x\"\n", want: []string{"xconsumer: app.toml:3:2: zookeeper.tls: cert and key belong together"}},
		{name: "half an identity", file: "[zookeeper]\nhost=\"h\"\nusername=\"x\"\n", want: []string{"xconsumer: app.toml:3:1: zookeeper.username: username and password belong together"}},
		{name: "a password in an endpoint", args: []string{"--etcd", "http://u:secret/?@h:2379"}, want: []string{`xconsumer: --etcd: endpoint "…@h:2379": leave out everything before the @: an address takes no username and password; they are given as such`}},
		{name: "a password before a server", args: []string{"--zookeeper", "h1,u:secret@h2:2181/x"}, want: []string{`xconsumer: --zookeeper: "…@h2:2181": leave out everything before the @`}},
		{name: "a password in a URL of ZooKeeper", args: []string{"--zookeeper", "zk://u:secret@h2:2181/x"}, want: []string{`xconsumer: --zookeeper: "…@h2:2181/x": leave out everything before the @`}},
		{name: "an @ in a chroot", args: []string{"--zookeeper", "h2:2181/x@y"}},
		{name: "a number alone", file: goodFile, args: []string{"--http", "8800"}, want: []string{`xconsumer: --http: "8800": the host is missing: want host:port, as in "127.0.0.1:8800"`}},
		{name: "off in capitals", file: goodFile, args: []string{"--http", "Off"}, want: []string{`xconsumer: --http: "Off": write it as "off"`}},
		{name: "a port that is none, for all", file: goodFile, args: []string{"--http", "0.0.0.0:99999"}, want: []string{`xconsumer: --http: "0.0.0.0:99999": port 99999 is not between 1 and 65535`}},
		{name: "two slashes", file: goodFile, args: []string{"--zookeeper", "h1,h2//x"}, want: []string{`xconsumer: --zookeeper: chroot "//x": one slash stands between two names: write it as "h1,h2/x"`}},
		{name: "advertised everywhere", file: goodFile, env: map[string]string{"XCONSUMER_HTTP_ADVERTISE": "0.0.0.0:8800"}, want: []string{`xconsumer: XCONSUMER_HTTP_ADVERTISE: "0.0.0.0:8800": want an address by which other nodes reach this one`}},
		{name: "advertised everywhere over IPv6", file: goodFile, env: map[string]string{"XCONSUMER_HTTP_ADVERTISE": "[::]:8800"}, want: []string{`xconsumer: XCONSUMER_HTTP_ADVERTISE: "[::]:8800": want an address by which other nodes reach this one`}},
		{name: "advertised everywhere over mapped IPv6", file: goodFile, env: map[string]string{"XCONSUMER_HTTP_ADVERTISE": "[::ffff:0.0.0.0]:8800"}, want: []string{`xconsumer: XCONSUMER_HTTP_ADVERTISE: "[::ffff:0.0.0.0]:8800": want an address by which other nodes reach this one`}},
		{name: "advertised without a host", file: goodFile, env: map[string]string{"XCONSUMER_HTTP_ADVERTISE": ":8800"}, want: []string{`xconsumer: XCONSUMER_HTTP_ADVERTISE: ":8800": want an address by which other nodes reach this one`}},
		{name: "advertised", file: goodFile, env: map[string]string{"XCONSUMER_HTTP_ADVERTISE": "[::1]:8800"}},
		{name: "an address that is none", file: goodFile, args: []string{"--http", "nowhere"}, want: []string{`xconsumer: --http: "nowhere": the port is missing: want host:port, as in "nowhere:8800"`}},
		{name: "every address of a file", file: `[zookeeper]
host = "::1:2181,h:99999,h:abc,h;2181"
[zookeeper.tls]
serverName = "h:2181"
[http]
listen = "::1:8800"
advertise = "h;8800"
hosts = ["https://x", "*"]
proxies = ["h", "10.0.0.0/8"]
`, want: []string{
			`xconsumer: app.toml:2:1: zookeeper.host: "::1:2181": want brackets around an IPv6 address: write it as "[::1]:2181"`,
			`app.toml:2:1: zookeeper.host: "h:99999": port 99999 is not between 1 and 65535`,
			`app.toml:2:1: zookeeper.host: "h:abc": port "abc" is not a number`,
			`app.toml:2:1: zookeeper.host: "h;2181": write it as "h:2181"`,
			`app.toml:4:1: zookeeper.tls.serverName: "h:2181": want only the host, without a port: leave out ":2181", as in "h"`,
			`app.toml:6:1: http.listen: "::1:8800": want brackets around an IPv6 address: write it as "[::1]:8800"`,
			`app.toml:7:1: http.advertise: "h;8800": write it as "h:8800"`,
			`app.toml:8:1: http.hosts: "https://x": want only the host: leave out "https://"`,
			`app.toml:9:1: http.proxies: "h": want the address of a proxy`,
		}},
		{name: "every address of etcd", file: "[etcd]\nendpoints = [\"http://::1:2379\", \"h:0\", \"http://h1:2379 http://h2:2379\", \"good\"]\n", want: []string{
			`xconsumer: app.toml:2:1: etcd.endpoints: endpoint "::1:2379": want brackets around an IPv6 address: write it as "[::1]:2379"`,
			`app.toml:2:1: etcd.endpoints: endpoint "h:0": port 0 is not between 1 and 65535`,
			`app.toml:2:1: etcd.endpoints: endpoint "http://h1:2379 http://h2:2379": `,
		}},
		{name: "a list without commas by flag", args: []string{"--zookeeper", "h1:2181 h2:2181"}, want: []string{`xconsumer: --zookeeper: "h1:2181 h2:2181": this is not one address; a list is written as "h1:2181,h2:2181"`}},
		{name: "an address by environment", env: map[string]string{"XCONSUMER_ZOOKEEPER_HOST": "2001:db8::5:2181"}, want: []string{`xconsumer: XCONSUMER_ZOOKEEPER_HOST: "2001:db8::5:2181": want brackets around an IPv6 address: write it as "[2001:db8::5]:2181"`}},
		{name: "endpoints by environment", env: map[string]string{"XCONSUMER_ETCD_ENDPOINTS": "h:99999"}, want: []string{`xconsumer: XCONSUMER_ETCD_ENDPOINTS: endpoint "h:99999": port 99999`}},
		{name: "a URL where servers are", file: goodFile, args: []string{"--zookeeper", "http://h:2181/x"}, want: []string{`xconsumer: --zookeeper: "http://h:2181/x": leave out "http://": write it as "h:2181/x"`}},
		{name: "hosts by environment", file: goodFile, env: map[string]string{"XCONSUMER_HTTP_HOSTS": "a:1"}, want: []string{`xconsumer: XCONSUMER_HTTP_HOSTS: "a:1": want only the host`}},
		{name: "bad servers", file: goodFile, args: []string{"--zookeeper", "a,,b"}, want: []string{"xconsumer: --zookeeper: empty server name"}},
	}
	cases = append(append(cases, programCases...), mistakeCases...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"app.toml": c.file, "secret": strings.Repeat("s", 32) + "\n", "short": "s"}
			code, out, errs := run(t, files, c.env, append([]string{"config", "check"}, c.args...)...)
			if c.want == nil {
				if code != 0 || !strings.Contains(out, "ok") || errs != "" {
					t.Errorf("exit %d, %q, %q", code, out, errs)
				}
				return
			}
			lines := strings.Split(strings.TrimSpace(errs), "\n")
			for i := range max(len(lines), len(c.want)) {
				got, want := "", ""
				if i < len(lines) {
					got = lines[i]
				}
				if i < len(c.want) {
					want = c.want[i]
				}
				if want == "" || !strings.HasPrefix(got, want) {
					t.Errorf("line %d: %s\nwant     %s", i+1, got, want)
				}
			}
			if code != 78 {
				t.Errorf("exit %d; want 78", code)
			}
		})
	}
}

// What config check prints names all of what was read: a chroot that is forgotten is another cluster.
func TestConfigCheckShowsWhere(t *testing.T) {
	for file, want := range map[string]string{
		goodFile: "app.toml: ok: cluster demo over ZooKeeper h1:2181,h2:2181/x, 1 task\n",
		"[etcd]\nendpoints = [\"h\"]\nprefix = \"/p/\"\n": "app.toml: ok: cluster default over etcd http://h:2379 below /p, 0 tasks\n",
	} {
		if _, out, _ := run(t, map[string]string{"app.toml": file}, nil, "config", "check"); out != want {
			t.Errorf("%q; want %q", out, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer refusing.Close()
	unsure := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGatewayTimeout)
		_ = json.NewEncoder(w).Encode(client.Problem{Status: http.StatusGatewayTimeout, Type: client.OutcomeUnknown, Title: "outcome unknown", Detail: "nobody says so"})
	}))
	defer unsure.Close()
	cases := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unknown command", []string{"bogus"}, 2, `unknown command "bogus"`},
		{"unknown flag", []string{"run", "--bogus"}, 2, "unknown flag: --bogus"},
		{"arguments", []string{"status", "x"}, 2, "takes no arguments"},
		{"output", []string{"status", "-o", "xml"}, 2, `invalid format "xml" (want`},
		{"server", []string{"status", "--server", "ftp://x"}, 2, "want a URL such as"},
		{"nobody there", []string{"status", "--server", "127.0.0.1:1"}, 5, "no node answers at http://127.0.0.1:1"},
		{"nobody knows", []string{"scale", "a", "4", "--server", unsure.URL, "--idempotency-key", "k"}, 6, "it is not known whether it was done: nobody says so\nLook at the cluster, or call this again with --idempotency-key k: it is done once then\n"},
		{"nobody knows of a part", []string{"pause", "a", "--server", unsure.URL}, 6, "call this again with --idempotency-key "},
		{"somebody else", []string{"status", "--server", refusing.URL}, 5, "418"},
		{"no file", []string{"run", "--config", "none.toml"}, 78, "open none.toml: no such file"},
		{"nothing configured", []string{"run"}, 78, "no coordination service is chosen"},
		{"other machines", []string{"run", "--zookeeper", "x", "--http", ":8800"}, 78, "insecure = true"},
		{"address taken", []string{"run", "--zookeeper", "x", "--http", taken.Addr().String()}, 69, "address already in use"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := run(t, nil, nil, c.args...)
			if code != c.code || !strings.Contains(errs, c.want) || out != "" {
				t.Errorf("exit %d, out %q, err %q; want %d, %q", code, out, errs, c.code, c.want)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"run", "--help"}, {"config"}, {"version"}, {"completion", "bash"}} {
		if code, out, errs := run(t, nil, nil, args...); code != 0 || out == "" || errs != "" {
			t.Errorf("%v: exit %d, %d bytes, %q", args, code, len(out), errs)
		}
	}
	_, out, _ := run(t, nil, nil, "version", "-o", "json")
	var v struct{ Version, Go string }
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Version == "" || !strings.HasPrefix(v.Go, "go1") {
		t.Errorf("%q: %v", out, err)
	}
}

func TestStatus(t *testing.T) {
	server := apinode.Serve(t, apinode.New(cluster.State{
		Cluster: "demo", Leader: "n1", Term: 3,
		Nodes: []cluster.NodeInfo{
			{Name: "n1", Address: "127.0.0.1:8800", PID: 11, Leader: true, State: cluster.NodeUp, Slots: 2},
			{Name: "n2", State: cluster.NodeLeaving},
			{Name: "n4", State: cluster.NodeUp, Slots: 2, Cordoned: true, Drain: &cluster.DrainInfo{From: 5, Left: 2}},
			{Name: "n5", State: cluster.NodeUp, Cordoned: true, Drain: &cluster.DrainInfo{From: 5}},
			{Name: "n6", State: cluster.NodeUp, Cordoned: true},
		},
		Lost:  []cluster.NodeInfo{{Name: "n3", State: cluster.NodeLost, Slots: 1}},
		Tasks: []cluster.TaskInfo{{Name: "a", WorkName: "A", WorkerNum: 3, Running: 1, Backoff: 1, Lost: 1}, {Name: "b", WorkName: "b", WorkerNum: 2, Unplaced: 1, Failed: 1, Reason: "no live node has registered its work"}},
		Workers: []cluster.WorkerInfo{
			{Task: "a", Index: 0, Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}},
			{Task: "a", Index: 1, Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Restarts: 4, Error: "boom \x1b[31m\nmore"}},
			{Task: "a", Index: 2, Node: "n3", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerLost}},
			{Task: "b", Index: 0, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp, Error: "took down n1, n2, n3, n1"}},
			{Task: "b", Index: 1, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerPending}},
		},
		Errors: []cluster.RecordError{{Path: "/xconsumer/demo/tasks/c", Error: "not usable"}},
	}), httpapi.Options{})
	want := `cluster demo   leader n1   term 3   1 of 5 workers running

NODE         STATE                      SLOTS  ADDRESS         PID
n1 (leader)  up                         2      127.0.0.1:8800  11
n2           leaving                    0      -               -
n4           up, draining: 2 of 5 left  2      -               -
n5           up, drained                0      -               -
n6           up, cordoned               0      -               -
n3           lost                       1      -               -

TASK  WORK  WORKERS  RUNNING  OTHERS             UNPLACED
a     A     3        1        1 lost, 1 backoff  0
b     b     2        0        1 failed           1: no live node has registered its work

WORKER  NODE  STATE    RESTARTS  LAST ERROR
a#1     n1    backoff  4         boom ` + "\uFFFD" + `[31m more
a#2     n3    lost     0
b#0     -     failed   0         took down n1, n2, n3, n1

unusable record /xconsumer/demo/tasks/c: not usable
`
	code, out, errs := run(t, nil, map[string]string{"XCONSUMER_SERVER": server.URL}, "status")
	if diff := cmp.Diff(want, out); diff != "" || code != 0 || errs != "" {
		t.Errorf("exit %d, %q, (-want +got):\n%s", code, errs, diff)
	}
	_, out, _ = run(t, nil, nil, "status", "--server", server.URL, "-o", "json")
	var state cluster.State
	if err := json.Unmarshal([]byte(out), &state); err != nil || state.Leader != "n1" || len(state.Workers) != 5 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSampleFileIsGood(t *testing.T) {
	sample, err := os.ReadFile(filepath.Join("..", "app.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := run(t, map[string]string{"app.toml": string(sample)}, nil, "config", "check"); code != 0 || !strings.Contains(out, "2 tasks") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(goodFile)
	f.Add("[[task]]\nname='x'\nworkerNum=[1,\n2]\n[task.sub]\na.b.c = {d=1}\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		file := filepath.Join(dir, "app.toml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := app.Run(t.Context(), []string{"config", "check", "--config", file}, nil, app.Streams{Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
		if code != 0 && code != 78 || code == 78 && errs.Len() == 0 {
			t.Errorf("exit %d: %s", code, errs.String())
		}
	})
}
