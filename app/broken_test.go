package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const (
	etcdTable = "[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\n"
	taskTable = "[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkerNum = 1\n"
)

// brokenFiles are files as somebody writes them who is new to app.toml, with all that is told of them. Each cause is one
// line. What is said of a coordination service dev does not say, which brings its own.
var brokenFiles = []struct {
	name, file string
	service    bool
	want       []string
}{
	{name: "key typo", file: etcdTable + "[http]\nlisen = \"127.0.0.1:8800\"\n" + taskTable, want: []string{
		`app.toml:4:1: unknown key "lisen", did you mean "listen"?`,
	}},
	{name: "key case", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkernum = 2\n", want: []string{
		`app.toml:6:1: task "a": unknown key "workernum", did you mean "workerNum"?`,
	}},
	{name: "string for int", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkerNum = \"3\"\n", want: []string{
		`app.toml:6:13: task "a": workerNum: want integer, got string; leave the quotes out`,
	}},
	{name: "int for string", file: etcdTable + "cluster = 5\n", want: []string{
		`app.toml:3:1: unknown key "cluster"; move it above the first table`,
	}},
	{name: "int for cluster", file: "cluster = 5\n[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\n", want: []string{
		`app.toml:1:11: cluster: want string, got integer; write it in quotes`,
	}},
	{name: "int for duration", file: etcdTable + taskTable + "stopTimeout = 5\n", want: []string{
		`app.toml:7:15: task "a": stopTimeout: want string, got integer; write it in quotes and with its unit, as in "30s"`,
	}},
	{name: "unit day", file: etcdTable + taskTable + "stopTimeout = \"1d\"\n", want: []string{
		`app.toml:7:1: task "a": stopTimeout: invalid duration "1d" (want e.g. "30s", "1m30s" or "500ms")`,
	}},
	{name: "unit none", file: etcdTable + taskTable + "stopTimeout = \"10\"\n", want: []string{
		`app.toml:7:1: task "a": stopTimeout: invalid duration "10" (want e.g. "30s", "1m30s" or "500ms")`,
	}},
	{name: "unit sec", file: etcdTable + taskTable + "stopTimeout = \"10 sec\"\n", want: []string{
		`app.toml:7:1: task "a": stopTimeout: invalid duration "10 sec" (want e.g. "30s", "1m30s" or "500ms")`,
	}},
	{name: "restart grace without unit", file: etcdTable + "[node]\nrestartGrace = 10\n", want: []string{
		`app.toml:4:16: restartGrace: want string, got integer; write it in quotes and with its unit, as in "30s"`,
	}},
	{name: "negative restart grace", file: etcdTable + "[node]\nrestartGrace = \"-1m\"\n", want: []string{
		`app.toml:4:1: node.restartGrace: -1m0s is less than 0s`,
	}},
	{name: "zero", file: etcdTable + taskTable + "stopTimeout = \"0s\"\ninterval = \"0s\"\nrestart = { backoff = \"0s\", maxBackoff = \"0s\" }\nevery = \"0s\"\ntimeout = \"0s\"\n", want: []string{
		`app.toml:7:1: task "a": stopTimeout: 0s would leave a worker no time to stop; leave it out for 10s, or write a short time such as 100ms`,
		`app.toml:8:1: task "a": interval: 0s would be no pause; leave it out to run a worker again at once`,
		`app.toml:9:13: task "a": backoff: 0s would start a worker that fails again without a pause; leave it out for 500ms, or write a short time such as 10ms`,
		`app.toml:9:29: task "a": maxBackoff: 0s would be no pause after any failure; leave it out for 1m, or write at least what backoff is`,
		`app.toml:10:1: task "a": every: 0s would fire without end; write at least 1s, or leave it out for a task without a schedule`,
		`app.toml:11:1: task "a": timeout: 0s would stop every execution at once; leave it out for no limit`,
	}},
	{name: "zero rebalance", file: etcdTable + "sessionTimeout = \"0s\"\n[rebalance]\nleaveDelay = \"0s\"\nfreezeFor = \"0s\"\nmaxInFlight = 0\n", service: true, want: []string{
		`app.toml:3:1: etcd.sessionTimeout: 0s would end every session at once; leave it out for 10s; the least is 2s`,
		`app.toml:5:1: rebalance.leaveDelay: 0s would be no delay; leave it out for that`,
		`app.toml:6:1: rebalance.freezeFor: 0s would end a freeze at once; leave freezeAbove out for no freeze, or freezeFor for 5m`,
		`app.toml:7:1: maxInFlight: 0 would let nothing run or move; leave it out for no limit`,
	}},
	{name: "zero zk", file: "[zookeeper]\nhost = \"127.0.0.1:1\"\nsessionTimeout = \"0s\"\ntickTime = \"0s\"\n", service: true, want: []string{
		`app.toml:3:1: zookeeper.sessionTimeout: 0s would end every session at once; leave it out for 20s; at the usual tickTime the least is 5s`,
		`app.toml:4:1: zookeeper.tickTime: 0s is not a possible tick; leave it out for 2s, or write what the servers have`,
	}},
	{name: "no quotes", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = test01\nworkerNum = 1\n", want: []string{
		`app.toml:5:12: task "a": the value stands without quotes; write it in quotes`,
	}},
	{name: "open quote", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = \"test01\nworkerNum = 1\n", want: []string{
		`app.toml:5:19: task "a": the quotes are not closed in this line; close them, or escape a quote within them as \"`,
	}},
	{name: "single", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = 'test01\nworkerNum = 1\n", want: []string{
		`app.toml:5:19: task "a": the quotes are not closed in this line; close them, or escape a quote within them as \"`,
	}},
	{name: "smart", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = “test01”\nworkerNum = 1\n", want: []string{
		`app.toml:5:12: task "a": unexpected character U+00E2 'â' at start of value; write straight quotes, "`,
	}},
	{name: "crlf", file: "[etcd]\r\nendpoints = [\"http://127.0.0.1:1\"]\r\n[[task]]\r\nname = \"a\"\r\nworkName = \"test01\"\r\nworkerNum = 1\r\nwrokerNum = 2\r\n", want: []string{
		`app.toml:7:1: task "a": unknown key "wrokerNum", did you mean "workerNum"?`,
	}},
	{name: "cr", file: "[etcd]\rendpoints = [\"http://127.0.0.1:1\"]\r[[task]]\rname = \"a\"\rworkName = \"test01\"\rworkerNum = 1\r\r", want: []string{
		`app.toml:1:7: expected newline but got U+000D; save the file with lines that end in LF, or in CR and LF`,
	}},
	{name: "bom", file: "\ufeff[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\n[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkerNum = 1\nwrokerNum = 2\n", want: []string{
		`app.toml:7:1: task "a": unknown key "wrokerNum", did you mean "workerNum"?`,
	}},
	{name: "array for string", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = [\"test01\"]\nworkerNum = 1\n", want: []string{
		`app.toml:5:12: task "a": workName: want string, got array; leave the brackets out`,
	}},
	{name: "string for array", file: "[etcd]\nendpoints = \"http://127.0.0.1:1\"\n", want: []string{
		`app.toml:2:13: endpoints: want an array of strings, got string; write it as ["a", "b"]`,
	}},
	{name: "array of int", file: "[etcd]\nendpoints = [1]\n", want: []string{
		`app.toml:2:14: endpoints: want string, got integer; write it in quotes`,
	}},
	{name: "negative", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkerNum = -1\nmaxPerNode = -1\nweight = -2\nmaxUnavailable = -3\nmaxAttempts = -1\nkeepRuns = -1\n", want: []string{
		`app.toml:6:1: task "a": workerNum: -1 is not between 0 and 100000`,
		`app.toml:7:1: task "a": maxPerNode: -1 is not between 1 and 100000`,
		`app.toml:8:1: task "a": weight: -2 is not between 1 and 10000`,
		`app.toml:9:1: task "a": maxUnavailable: -3 is not between 1 and 100000`,
		`app.toml:10:1: task "a": maxAttempts: only tasks that run to their end have it; add mode = "once" or a schedule`,
		`app.toml:11:1: task "a": keepRuns: only tasks that run to their end have it; add mode = "once" or a schedule`,
	}},
	{name: "huge", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkerNum = 1000000\n", want: []string{
		`app.toml:6:1: task "a": workerNum: 1000000 is not between 0 and 100000`,
	}},
	{name: "overflow", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkerNum = 99999999999999999999\n", want: []string{
		`app.toml:6:13: task "a": workerNum: decimal number is too large to fit in a 64-bit signed integer`,
	}},
	{name: "float", file: etcdTable + "[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkerNum = 1.5\n", want: []string{
		`app.toml:6:13: task "a": workerNum: want integer, got float`,
	}},
	{name: "dup tasks", file: etcdTable + taskTable + "[[task]]\nname = \"a\"\nworkName = \"test01\"\nworkerNum = 1\n" + taskTable, want: []string{
		`app.toml:8:1: task "a": name: the same as that of task 1 in line 3`,
		`app.toml:12:1: task "a": name: the same as that of task 1 in line 3`,
	}},
	{name: "dup key", file: etcdTable + taskTable + "workerNum = 3\n", want: []string{
		`app.toml:7:1: task "a": workerNum: given again, after line 6; take one of them out`,
	}},
	{name: "dup table", file: etcdTable + "[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\n" + taskTable, want: []string{
		`app.toml:3:2: [etcd] is given again; put its keys below the first one`,
	}},
	{name: "space", file: etcdTable + "[[task]]\nname = \"a b\"\nworkName = \"test01\"\nworkerNum = 1\n", want: []string{
		`app.toml:4:1: task "a b": name: "a b": only letters, digits and . _ - are allowed`,
	}},
	{name: "emoji", file: etcdTable + "[[task]]\nname = \"a😀\"\nworkName = \"test01\"\nworkerNum = 1\n", want: []string{
		`app.toml:4:1: task "a😀": name: "a😀": only letters, digits and . _ - are allowed`,
	}},
	{name: "empty name", file: etcdTable + "[[task]]\nname = \"\"\nworkName = \"test01\"\nworkerNum = 1\n", want: []string{
		`app.toml:4:1: task 1: name: must not be empty`,
	}},
	{name: "no name", file: etcdTable + "[[task]]\nworkerNum = 1\n", want: []string{
		`app.toml:3:3: task 1: name: must not be empty`,
		`app.toml:3:3: task 1: workName: must not be empty`,
	}},
	{name: "zone", file: etcdTable + taskTable + "schedule = \"0 3 * * *\"\ntimeZone = \"Europe/Atlantis\"\n", want: []string{
		`app.toml:8:1: task "a": timeZone: invalid time zone "Europe/Atlantis"; name one as in "Europe/Berlin" or "UTC"`,
	}},
	{name: "zone alone", file: etcdTable + taskTable + "timeZone = \"Europe/Berlin\"\n", want: []string{
		`app.toml:7:1: task "a": timeZone: requires schedule, which the task does not have`,
	}},
	{name: "cron6", file: etcdTable + taskTable + "schedule = \"0 0 3 * * *\"\n", want: []string{
		`app.toml:7:1: task "a": schedule: "0 0 3 * * *": expected exactly 5 fields, found 6: [0 0 3 * * *]; write it as "minute hour day month weekday", as in "30 2 * * MON-FRI"`,
	}},
	{name: "cron4", file: etcdTable + taskTable + "schedule = \"0 3 * *\"\n", want: []string{
		`app.toml:7:1: task "a": schedule: "0 3 * *": expected exactly 5 fields, found 4: [0 3 * *]; write it as "minute hour day month weekday", as in "30 2 * * MON-FRI"`,
	}},
	{name: "both", file: etcdTable + taskTable + "schedule = \"0 3 * * *\"\nevery = \"1h\"\n", want: []string{
		`app.toml:8:1: task "a": every: a task has either this or a schedule`,
	}},
	{name: "dependsOn", file: etcdTable + taskTable + "dependsOn = [\"a\"]\n", want: []string{
		`app.toml:7:1: task "a": unknown key "dependsOn"`,
	}},
	{name: "command string", file: etcdTable + "[[work]]\nname = \"w\"\ncommand = \"sleep 5\"\n", want: []string{
		`app.toml:5:11: work "w": command: want an array of strings, got string; write it as ["a", "b"]`,
	}},
	{name: "command empty", file: etcdTable + "[[work]]\nname = \"w\"\ncommand = []\n", want: []string{
		`app.toml:5:1: work "w": command: name the program and its arguments, as in ["python3", "resize.py"]`,
	}},
	{name: "env int", file: etcdTable + "[[work]]\nname = \"w\"\ncommand = [\"true\"]\nenv = { A = 1 }\n", want: []string{
		`app.toml:6:13: work "w": A: want string, got integer; write it in quotes`,
	}},
	{name: "both services", file: etcdTable + "[zookeeper]\nhost = \"127.0.0.1:1\"\n" + taskTable, service: true, want: []string{
		`app.toml:1:2: etcd: both [zookeeper] and [etcd] are given: choose one of them`,
	}},
	{name: "env expansion", file: "[etcd]\nendpoints = [\"${ETCD}\"]\n" + taskTable, service: true, want: []string{
		`app.toml:2:1: etcd.endpoints: endpoint "${ETCD}": host "${ETCD}": '$' cannot be part of a host name; variables are not expanded in the file: leave the key out, and set XCONSUMER_ETCD_ENDPOINTS`,
	}},
	{name: "env expansion 2", file: "[zookeeper]\nhost = \"$ZK_HOST:2181\"\n" + taskTable, service: true, want: []string{
		`app.toml:2:1: zookeeper.host: "$ZK_HOST:2181": host "$ZK_HOST": '$' cannot be part of a host name; variables are not expanded in the file: leave the key out, and set XCONSUMER_ZOOKEEPER_HOST`,
	}},
	{name: "table for array", file: etcdTable + "[task]\nname = \"a\"\nworkName = \"test01\"\n", want: []string{
		`app.toml:3:2: [task]: write [[task]], since there may be several`,
	}},
	{name: "tasks", file: etcdTable + "[tasks]\nname = \"a\"\nworkName = \"test01\"\n", want: []string{
		`app.toml:3:2: unknown table [tasks], did you mean [[task]]?`,
	}},
	{name: "tasks named", file: etcdTable + "[tasks.a]\nworkName = \"test01\"\nworkerNum = 2\n", want: []string{
		`app.toml:3:2: [tasks.a]: write [[task]] with name = "a" below it`,
	}},
	{name: "task named", file: etcdTable + "[task.a]\nworkName = \"test01\"\nworkerNum = 2\n", want: []string{
		`app.toml:3:2: [task.a]: write [[task]] with name = "a" below it`,
	}},
	{name: "tasks dotted", file: "tasks.a.workName = \"test01\"\n[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\n", want: []string{
		`app.toml:1:1: unknown key "tasks", did you mean "task"?`,
	}},
	{name: "two tables", file: etcdTable + "[task]\nname = \"a\"\nworkName = \"test01\"\n[task]\nname = \"b\"\nworkName = \"test01\"\n", want: []string{
		`app.toml:3:2: [task]: write [[task]], since there may be several`,
		`app.toml:6:2: [task]: write [[task]], since there may be several`,
	}},
	{name: "task inline", file: "task = { name = \"a\", workName = \"test01\" }\n[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\n", want: []string{
		`app.toml:1:8: task: want tables, got inline table; write each below a header of its own, [[task]]`,
	}},
	{name: "tasks inline", file: "tasks = [{ name = \"a\", workName = \"test01\" }]\n[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\n", want: []string{
		`app.toml:1:1: unknown key "tasks", did you mean "task"?`,
	}},
	{name: "passwordfile", file: "[zookeeper]\nhost = \"127.0.0.1:1\"\nusername = \"u\"\npasswordFile = \"none\"\n", service: true, want: []string{
		`app.toml:4:1: zookeeper.passwordFile: open none: no such file or directory`,
	}},
	{name: "passwordfile both", file: "[zookeeper]\nhost = \"127.0.0.1:1\"\nusername = \"u\"\npassword = \"x\"\npasswordFile = \"none\"\n", service: true, want: []string{
		`app.toml:5:1: zookeeper.passwordFile: give either password or passwordFile`,
	}},
	{name: "etcd passwordfile", file: etcdTable + "username = \"u\"\npasswordFile = \"none\"\n", service: true, want: []string{
		`app.toml:4:1: etcd.passwordFile: open none: no such file or directory`,
	}},
	{name: "passwordfile type", file: etcdTable + "username = \"u\"\npasswordFile = 5\n", want: []string{
		`app.toml:4:16: passwordFile: want string, got integer; write it in quotes`,
	}},
	{name: "tls", file: etcdTable + "[etcd.tls]\nca = \"none\"\n", service: true, want: []string{
		`app.toml:3:2: etcd.tls: ca: open none: no such file or directory`,
	}},
	{name: "zk tls", file: "[zookeeper]\nhost = \"127.0.0.1:1\"\n[zookeeper.tls]\nca = \"none\"\n", service: true, want: []string{
		`app.toml:3:2: zookeeper.tls: ca: open none: no such file or directory`,
	}},
	{name: "noequals", file: etcdTable + "[[task]]\nname: a\n", want: []string{
		`app.toml:4:5: task 1: expected '=' after key; write = for the colon, as in name = "a"`,
	}},
	{name: "json", file: "{\"cluster\": \"x\"}\n", want: []string{
		`app.toml:1:1: invalid character at start of key: U+007B '{'; write TOML, not JSON: key = "value", one a line`,
	}},
	{name: "yaml", file: "cluster: x\ntasks:\n  - name: a\n", want: []string{
		`app.toml:1:8: expected '=' after key; write = for the colon, as in name = "a"`,
	}},
	{name: "colon", file: etcdTable + "[[task]]\nname : \"a\"\n", want: []string{
		`app.toml:4:6: task 1: expected '=' after key; write = for the colon, as in name = "a"`,
	}},
	{name: "ini", file: "; comment\n[etcd]\n", want: []string{
		`app.toml:1:1: invalid character at start of key: U+003B ';'; begin comments with #`,
	}},
	{name: "listen", file: etcdTable + "[http]\nlisten = \"8800\"\n", want: []string{
		`app.toml:4:1: http.listen: "8800": the host is missing: want host:port, as in "127.0.0.1:8800"`,
	}},
	{name: "listen int", file: etcdTable + "[http]\nlisten = 8800\n", want: []string{
		`app.toml:4:10: listen: want string, got integer; write it in quotes`,
	}},
	{name: "port", file: etcdTable + "[http]\nlisten = \"127.0.0.1:99999\"\n", want: []string{
		`app.toml:4:1: http.listen: "127.0.0.1:99999": port 99999 is not between 1 and 65535`,
	}},
	{name: "bool", file: etcdTable + taskTable + "paused = \"yes\"\n", want: []string{
		`app.toml:7:10: task "a": paused: want true or false, got string; write it without quotes`,
	}},
	{name: "bool 2", file: etcdTable + taskTable + "paused = yes\n", want: []string{
		`app.toml:7:10: task "a": yes is not a value of TOML; write true`,
	}},
	{name: "endpoint empty", file: "[etcd]\nendpoints = []\n", service: true, want: []string{
		`app.toml:2:1: etcd.endpoints: must be given: the client URLs of etcd, as in ["http://127.0.0.1:2379"]`,
	}},
	{name: "host url", file: "[zookeeper]\nhost = \"http://127.0.0.1:1\"\n", service: true, want: []string{
		`app.toml:2:1: zookeeper.host: "http://127.0.0.1:1": leave out "http://": write it as "127.0.0.1:1"`,
	}},
	{name: "host empty", file: "[zookeeper]\nhost = \"\"\n", service: true, want: []string{
		`app.toml:2:1: zookeeper.host: must be given: the servers of ZooKeeper, as in "127.0.0.1:2181"`,
	}},
	{name: "host list", file: "[zookeeper]\nhost = [\"127.0.0.1:1\"]\n", want: []string{
		`app.toml:2:8: host: want string, got array; leave the brackets out`,
	}},
	{name: "log", file: etcdTable + "[log]\nkeep = \"1GB\"\n", want: []string{
		`app.toml:4:1: log.keep: invalid size "1GB": write it as "256KB" or "1MB"`,
	}},
	{name: "log 2", file: etcdTable + "[log]\nkeep = \"lots\"\n", want: []string{
		`app.toml:4:1: log.keep: invalid size "lots": write it as "256KB" or "1MB"`,
	}},
	{name: "log 3", file: etcdTable + "[log]\nkeep = 5\n", want: []string{
		`app.toml:4:8: keep: want string, got integer; write it in quotes`,
	}},
	{name: "mode", file: etcdTable + taskTable + "mode = \"cron\"\n", want: []string{
		`app.toml:7:1: task "a": mode: invalid value "cron" (want "continuous" or "once")`,
	}},
	{name: "mode of a task with a schedule", file: etcdTable + taskTable + "mode = \"scheduled\"\nevery = \"5m\"\n", want: []string{
		`app.toml:7:1: task "a": mode: invalid value "scheduled" (want "continuous" or "once"); leave it out for a task with a schedule`,
	}},
	{name: "table for text", file: etcdTable + taskTable + "require = { disk = \"nvme\" }\n", want: []string{
		`app.toml:7:11: task "a": require: want string, got inline table; write it in quotes, as in "disk=ssd"`,
	}},
	{name: "enum", file: etcdTable + taskTable + "misfire = \"x\"\noverlap = \"y\"\nwhenDisconnected = \"z\"\nresize = \"w\"\nspread = \"v\"\n\n", want: []string{
		`app.toml:7:1: task "a": misfire: only tasks that run to their end have it; add mode = "once" or a schedule`,
		`app.toml:8:1: task "a": overlap: only tasks that run to their end have it; add mode = "once" or a schedule`,
		`app.toml:9:1: task "a": whenDisconnected: invalid value "z" (want "stop" or "continue")`,
		`app.toml:10:1: task "a": resize: invalid value "w" (want "restart" or "live")`,
	}},
	{name: "params", file: etcdTable + taskTable + "params = \"x\"\n", want: []string{
		`app.toml:7:10: task "a": params: want a table, got string; write it as params = { key = "value" }`,
	}},
	{name: "require", file: etcdTable + taskTable + "require = \"gpu ==\"\n", want: []string{
		`app.toml:7:1: task "a": require: term "gpu ==": "gpu ": only letters, digits and . _ - are allowed`,
	}},
	{name: "weight 0", file: etcdTable + taskTable + "weight = 0\nmaxPerNode = 0\nmaxUnavailable = 0\n", want: []string{
		`app.toml:7:1: task "a": weight: 0 would let nothing run or move; leave it out for 1`,
		`app.toml:8:1: task "a": maxPerNode: 0 would let nothing run or move; leave it out for no limit`,
		`app.toml:9:1: task "a": maxUnavailable: 0 would let nothing run or move; leave it out for no limit`,
	}},
	{name: "session", file: etcdTable + "sessionTimeout = \"1500ms\"\n", service: true, want: []string{
		`app.toml:3:1: etcd.sessionTimeout: 1.5s: etcd counts in whole seconds`,
	}},
	{name: "key and typo", file: etcdTable + "[node]\nwieght = 0\nweight = 0\n", want: []string{
		`app.toml:4:1: unknown key "wieght", did you mean "weight"?`,
		`app.toml:5:1: weight: 0 would let nothing run or move; leave it out for 1`,
	}},
	{name: "no quotes around an address", file: etcdTable + "[http]\nlisten = 127.0.0.1:8800\n", want: []string{
		`app.toml:4:15: the value stands without quotes; write it in quotes`,
	}},
	{name: "several tables for tasks", file: etcdTable + "[tasks.a]\nworkName = \"x\"\n[tasks.b]\nworkName = \"x\"\nworkerNum = -1\n[tasks.b.params]\nq = 1\n", want: []string{
		`app.toml:3:2: [tasks.a]: write [[task]] with name = "a" below it`,
		`app.toml:5:2: [tasks.b]: write [[task]] with name = "b" below it`,
		`app.toml:7:1: task 2: workerNum: -1 is not between 0 and 100000`,
	}},
	{name: "a table of no task", file: etcdTable + "[task.params]\nq = 1\n", want: []string{
		`app.toml:3:2: [task.params]: write the [[task]] that it belongs to above it`,
	}},
	{name: "a service that is not a table", file: "etcd = \"x\"\n", want: []string{
		`app.toml:1:8: etcd: want a table, got string; write it as etcd = { key = "value" }`,
	}},
	{name: "a key three times", file: "cluster = \"x\"\ncluster = \"y\"\ncluster = \"z\"\n" + etcdTable, want: []string{
		`app.toml:2:1: cluster: given again, after line 1; take one of them out`,
		`app.toml:3:1: cluster: given again, after line 1; take one of them out`,
	}},
	{name: "a dotted key that is near another", file: "zookeper.tickTime = \"2s\"\n" + etcdTable, want: []string{
		`app.toml:1:1: unknown key "zookeper", did you mean "zookeeper"?`,
	}},
}

// Every command that reads the file tells all of its mistakes, each cause once and with its place, in the same words and
// with the same exit code; the JSON of config check has the same in parts.
func TestBrokenFiles(t *testing.T) {
	env := map[string]string{"XCONSUMER_SERVER": "http://127.0.0.1:1"}
	for _, c := range brokenFiles {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"app.toml": c.file}
			want := "xconsumer: " + strings.Join(c.want, "\n") + "\n"
			for _, args := range [][]string{{"config", "check"}, {"run"}, {"doctor"}, {"dev"}} {
				if args[0] == "dev" && c.service {
					continue
				}
				if code, out, errs := run(t, files, env, args...); code != 78 || out != "" || errs != want {
					t.Errorf("%v: exit %d, %q, and it says\n%swant\n%s", args, code, out, errs, want)
				}
			}
			code, out, errs := run(t, files, env, "config", "check", "-o", "json")
			var got struct {
				File     string
				OK       *bool
				Problems []struct {
					Line, Column      int
					Key, Message, Fix string
				}
			}
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if code != 78 || errs != want || got.File != "app.toml" || got.OK == nil || *got.OK || len(got.Problems) != len(c.want) {
				t.Fatalf("exit %d, %s, %s", code, out, errs)
			}
			keys, places := map[string]bool{}, map[string]bool{}
			for i, p := range got.Problems {
				at := fmt.Sprintf("app.toml:%d:%d: ", p.Line, p.Column)
				if !strings.HasPrefix(c.want[i], at+p.Message) || !strings.HasSuffix(c.want[i], p.Fix) {
					t.Errorf("problem %d: %+v; want %s", i, p, c.want[i])
				}
				if p.Key != "" && keys[p.Key] && !strings.Contains(p.Message, "given again") {
					t.Errorf("%s is told of twice", p.Key)
				}
				if places[at] && c.name != "no name" { // where both a name and a work are missing
					t.Errorf("%s is told of twice", at)
				}
				keys[p.Key], places[at] = true, true
			}
		})
	}
}

// What is said of a broken file repeats nothing that may be a secret, however it is mistyped.
func TestBrokenFilesRepeatNoSecret(t *testing.T) {
	const secret = "hunter2-3f9c"
	for name, table := range map[string]string{
		"password": "[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\nusername = \"u\"\npassword", "ZooKeeper's": "[zookeeper]\nhost = \"127.0.0.1:1\"\nusername = \"u\"\npassword",
		"tokens": etcdTable + "[http]\ntokens", "a variable": etcdTable + "[[work]]\nname = \"w\"\ncommand = [\"true\"]\n[work.env]\nKEY",
		"a param": etcdTable + taskTable + "[task.params]\nkey", "a param inline": etcdTable + taskTable + "params = { key = \"a\" }\nname",
	} {
		for _, value := range []string{
			" = " + secret, " = $" + secret, " = '" + secret, " = \"" + secret, " : \"" + secret + "\"", " = [" + secret + "]", " = [\"" + secret + "\"", " = {" + secret + "}",
			" = “" + secret + "”", " \"" + secret + "\"", " = \"" + secret + "\" " + secret, " = [[\"" + secret + "\"]]", " = \"\\q" + secret + "\"",
		} {
			t.Run(name+value, func(t *testing.T) {
				for _, args := range [][]string{{"config", "check"}, {"config", "check", "-o", "json"}} {
					_, out, errs := run(t, map[string]string{"app.toml": table + value + "\n"}, nil, args...)
					if strings.Contains(out+errs, secret) {
						t.Errorf("%v says\n%s%s", args, out, errs)
					}
				}
			})
		}
	}
}
