package app_test

// mistakeCases are mistakes in app.toml that are easily made: each is named as it was written, with what was meant, before
// what would follow from it.
var mistakeCases = []checkCase{
	{name: "a header that is not closed", file: "[[task]]\nname = \"a\"\nworkName = \"a\"\n\n[zookeeper\nhost = \"h\"\n", want: []string{`xconsumer: app.toml:5:11: expected ']' to close table name`}},
	{name: "a byte order mark", file: "\ufeff[zookeeper]\nhost = \"h\"\nhots = 1\n", want: []string{`xconsumer: app.toml:3:1: unknown key "hots", did you mean "host"?`}},
	{name: "a byte order mark alone", file: "\ufeffcluster = \"x\"\n[zookeeper]\nhost = \"h\"\n"},
	{name: "a key within a table on one line", file: here + `[[task]]
name = "a"
workName = "a"
restart = { bakoff = "1s", max = "x", elsewhere = -1 }
restart.maxbackof = "1s"
`, want: []string{
		`xconsumer: app.toml:6:13: task "a": unknown key "bakoff", did you mean "backoff"?`,
		`app.toml:6:34: task "a": max: want integer, got string`,
		`app.toml:7:1: task "a": unknown key "maxbackof", did you mean "maxBackoff"?`,
	}},
	{name: "one table for many", file: here + "[task]\nname = \"a\"\nworkName = \"a\"\nworkerNum = -1\n", want: []string{
		`xconsumer: app.toml:3:2: [task]: write [[task]], since there may be several`,
		`app.toml:6:1: task "a": workerNum: -1 is not between`,
	}},
	{name: "many tables for one", file: "[[zookeeper]]\nhost = \"h\"\ntickTime = \"2\"\n", want: []string{
		`xconsumer: app.toml:1:3: [[zookeeper]]: write [zookeeper], since there is only one`,
		`app.toml:3:1: zookeeper.tickTime: invalid duration "2"`,
	}},
	{name: "tables of other names", file: "[zookeper]\nhost = \"h\"\n[[tasks]]\nname = \"a\"\nworkName = \"a\"\n[tasks.restrat]\nmax = -1\n[rebalence]\n[nonsense]\nx = 1\n[[nothing]]\ny = 1\n", want: []string{
		`xconsumer: app.toml:1:2: unknown table [zookeper], did you mean [zookeeper]?`,
		`app.toml:3:3: unknown table [[tasks]], did you mean [[task]]?`,
		`app.toml:6:2: task "a": unknown table [tasks.restrat], did you mean [task.restart]?`,
		`app.toml:6:2: task "a": restart: max and elsewhere are numbers of failures`,
		`app.toml:8:2: unknown table [rebalence], did you mean [rebalance]?`,
		`app.toml:9:2: unknown table [nonsense]`,
		`app.toml:11:3: unknown table [[nothing]]`,
	}},
	{name: "no service, by a name that means none", file: "[zk]\nhost = \"h\"\n", want: []string{
		`xconsumer: app.toml:1:2: unknown table [zk]`,
		`no coordination service is chosen`,
	}},
	{name: "keys that are near others", file: here + "[rebalance]\nmaxFlight = 3\n[[task]]\nname = \"a\"\nworknum = 2\nworkNam = \"a\"\n", want: []string{
		`xconsumer: app.toml:4:1: unknown key "maxFlight", did you mean "maxInFlight"?`,
		`app.toml:7:1: task "a": unknown key "worknum", did you mean "workerNum"?`,
		`app.toml:8:1: task "a": unknown key "workNam", did you mean "workName"?`,
	}},
	{name: "tables on one line", file: "zookeeper = { hots = \"h\" }\ntask = [{ name = \"a\", workNam = \"b\" }]\nnode = { labels = { zone = \"x\" }, wieght = 3 }\n", want: []string{
		`xconsumer: app.toml:1:15: unknown key "hots", did you mean "host"?`,
		`app.toml:2:23: task "a": unknown key "workNam", did you mean "workName"?`,
		`app.toml:3:35: unknown key "wieght", did you mean "weight"?`,
	}},
	{name: "a zone beside a schedule", file: here + "[[task]]\nname = \"a\"\nworkName = \"a\"\nschedule = \"61 * * * *\"\ntimeZone = \"Mars/Olympus\"\n", want: []string{
		`xconsumer: app.toml:6:1: task "a": schedule: "61 * * * *": end of range (61) above maximum (59)`,
		`app.toml:7:1: task "a": timeZone: invalid time zone "Mars/Olympus"`,
	}},
	{name: "what only follows from another mistake", file: here + "[[task]]\nname = \"a\"\nworkName = \"a\"\nevery = \"1d\"\nmisfire = \"once\"\nmaxAttempts = 3\n[[task]]\nname = \"b\"\nworkName = \"b\"\nmode = \"twice\"\nkeepRuns = 3\n[[task]]\nname = \"c\"\nworkName = \"c\"\nschedule = 5\ntimeZone = \"UTC\"\n", want: []string{
		`xconsumer: app.toml:6:1: task "a": every: invalid duration "1d"`,
		`app.toml:12:1: task "b": mode: invalid value "twice" (want`,
		`app.toml:17:12: task "c": schedule: want string, got integer`,
	}},
	{name: "a name like a flag", file: here + "[node]\nname = \"-n1\"\n[[task]]\nname = \"--all\"\nworkName = \"-w\"\n", want: []string{
		`xconsumer: app.toml:4:1: node.name: "-n1": a name does not begin with -, as flags do`,
		`app.toml:6:1: task "--all": name: "--all": a name does not begin with -`,
		`app.toml:7:1: task "--all": workName: "-w": a name does not begin with -`,
	}},
	{name: "a cluster by flag", file: goodFile, args: []string{"--cluster", "a b"}, want: []string{`xconsumer: --cluster: "a b"`}},
	{name: "a name by flag over environment", file: goodFile, env: map[string]string{"XCONSUMER_NODE_NAME": "x"}, args: []string{"--name", "a b"}, want: []string{`xconsumer: --name: "a b"`}},
	{name: "a policy by environment", file: goodFile, env: map[string]string{"XCONSUMER_LEADER_WORKERS": "some"}, want: []string{`xconsumer: XCONSUMER_LEADER_WORKERS: `}},
	{name: "a file by environment that is not there", env: map[string]string{"XCONSUMER_CONFIG": "none.toml"}, want: []string{`xconsumer: configuration refused: XCONSUMER_CONFIG: stat none.toml: no such file`}},
	{name: "a file in UTF-16", file: "\xff\xfec\x00l\x00", want: []string{`xconsumer: configuration refused: app.toml is not UTF-8 text; save it as UTF-8`}},
	{name: "a file that is not text", file: "\x7fELF\x00\x00", want: []string{`xconsumer: configuration refused: app.toml is not UTF-8 text; save it as UTF-8`}},
	{name: "no service beside another mistake", file: "cluster = \"a b\"\n", want: []string{`xconsumer: app.toml:1:1: cluster: "a b"`, "no coordination service is chosen, which `xconsumer run` needs and `xconsumer dev` brings: give"}},
}
