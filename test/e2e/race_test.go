package e2e_test

import (
	"regexp"
	"strings"
	"testing"
)

// exitRace is how a process ends in which the race detector has found something.
const exitRace = 66

// raceBlock is one report of the race detector.
var raceBlock = regexp.MustCompile(`(?s)WARNING: DATA RACE\n(.*?)==================`)

// clientRacesOnly reports whether a log has races, and none but the known one of the ZooKeeper client
// (v1.0.4): after a reconnect it reads the last zxid for its watches while the first answer writes it. The
// adapter does not rely on what watches it has set then.
func clientRacesOnly(log string) bool {
	blocks := raceBlock.FindAllStringSubmatch(log, -1)
	for _, block := range blocks {
		var tops []string // the functions that read and write
		for part := range strings.SplitSeq(block[1], "\n\n") {
			head, rest, _ := strings.Cut(strings.TrimSpace(part), "\n")
			if strings.Contains(head, " at 0x") {
				top, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
				tops = append(tops, top)
			}
		}
		known := len(tops) == 2 && strings.Contains(strings.Join(tops, " "), "zk.(*Conn).sendSetWatches()") && strings.Contains(strings.Join(tops, " "), "zk.(*Conn).recvLoop()")
		if !known {
			return false
		}
	}
	return len(blocks) > 0
}

func TestClientRacesOnly(t *testing.T) {
	report := func(one, two string) string {
		return "==================\nWARNING: DATA RACE\nRead at 0x00c0001f8780 by goroutine 122:\n  " + one + "\n      /zk/conn.go:614 +0x49d\n\n" +
			"Previous write at 0x00c0001f8780 by goroutine 162:\n  " + two + "\n      /zk/conn.go:849 +0x68c\n\n" +
			"Goroutine 122 (running) created at:\n  github.com/go-zookeeper/zk.Connect()\n      /zk/conn.go:223 +0x8e6\n==================\n"
	}
	const watches, receives, ours = "github.com/go-zookeeper/zk.(*Conn).sendSetWatches()", "github.com/go-zookeeper/zk.(*Conn).recvLoop()", "gitee.com/ken.yang/xconsumer.(*Node).Run()"
	for name, c := range map[string]struct {
		log  string
		want bool
	}{
		"none":         {"starting\n", false},
		"the client's": {"x\n" + report(watches, receives) + "y\n", true},
		"ours":         {report(ours, receives), false},
		"both":         {report(watches, receives) + report(ours, ours), false},
	} {
		if got := clientRacesOnly(c.log); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
