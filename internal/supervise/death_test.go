//go:build unix

package supervise

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"

	"go.uber.org/goleak"
)

// chainVariable makes the test binary a node whose worker has started a program that forks and ends, again and
// again, in a session of its own, with the lock of the file that it names.
const chainVariable = "SUPERVISE_TEST_CHAIN"

func runChain(file string) {
	child := NewChild()
	script := filepath.Join(filepath.Dir(file), "chain")
	_ = exec.Command(script, file).Start()
	for {
		if _, err := os.Stat(file + ".up"); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	child.Report(cluster.SupervisorReport{Member: "m", StopBy: 1 << 62})
	select {}
}

func TestMain(m *testing.M) {
	if file := os.Getenv(chainVariable); file != "" {
		runChain(file)
	}
	if c := NewChild(); c != nil { // TestAHungChildIsKilledBeforeThatIsLogged starts it
		c.Report(cluster.SupervisorReport{Member: "m", StopBy: 1})
		select {}
	}
	goleak.VerifyTestMain(m)
}

// The meaning of a process's end to its parent, with real processes.
func TestDeaths(t *testing.T) {
	for _, c := range []struct {
		name, script string
		oom, joined  bool
		cause        string
		blame, final bool
		code         int
	}{
		{name: "in order", script: "exit 0", joined: true, cause: "ended by itself", final: true},
		{name: "usage", script: "exit 2", cause: "exit code 2", blame: true, final: true, code: 2},
		{name: "panic", script: "exit 2", joined: true, cause: "exit code 2: panic", blame: true, code: 2},
		{name: "os.Exit of a work", script: "exit 1", joined: true, cause: "exit code 1", blame: true, code: 1},
		{name: "unavailable", script: "exit 69", cause: "exit code 69", blame: true, final: true, code: 69},
		{name: "stuck", script: "exit 70", joined: true, cause: "a worker did not stop", code: 70},
		{name: "configuration", script: "exit 78", cause: "exit code 78", blame: true, final: true, code: 78},
		{name: "none of these", script: "exit 79", joined: true, cause: "exit code 79", blame: true, code: 79},
		{name: "killed from outside", script: "kill -KILL $$", joined: true, cause: "killed by signal 9", code: 137},
		{name: "killed for memory", script: "kill -KILL $$", oom: true, joined: true, cause: "out of memory", blame: true, code: 137},
		{name: "crash", script: "kill -SEGV $$", joined: true, cause: "killed by signal 11", blame: true, code: 139},
		{name: "asked to end", script: "kill -TERM $$", joined: true, cause: "killed by signal 15", code: 143},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", c.script)
			_ = cmd.Run()
			d := death(cmd.ProcessState, c.oom)
			if c.joined {
				d.report = cluster.SupervisorReport{Member: "m"}
			}
			if !strings.Contains(d.Cause, c.cause) || d.Blame != c.blame || d.final(false) != c.final || d.code(false) != c.code {
				t.Errorf("cause %q, blame %v, final %v, code %d; want %+v", d.Cause, d.Blame, d.final(false), d.code(false), c)
			}
			if !d.final(true) {
				t.Error("a parent that is to leave stays")
			}
			if d.member() != c.joined {
				t.Errorf("member to close: %v", d.member())
			}
		})
	}
	forced := Death{exit: -1, signal: syscall.SIGKILL, forced: os.Interrupt}
	if !forced.final(false) || forced.code(true) != 130 {
		t.Errorf("a second signal: %v, %d", forced.final(false), forced.code(true))
	}
}

// A parent that is asked to leave while its child is still starting has left regularly.
func TestLeaveBeforeItIsUp(t *testing.T) {
	cmd := exec.Command("sh", "-c", "kill -TERM $$")
	_ = cmd.Run()
	for _, c := range []struct {
		name    string
		leaving bool
		member  string
		code    int
	}{
		{"asked to leave, not up yet", true, "", 0},
		{"asked to leave, a member", true, "m", 143},
		{"ended by another process", false, "", 143},
	} {
		d := death(cmd.ProcessState, false)
		d.report.Member = c.member
		if got := d.code(c.leaving); got != c.code {
			t.Errorf("%s: code %d, want %d", c.name, got, c.code)
		}
	}
}

func TestLapsed(t *testing.T) {
	if !clocksCompare {
		t.Log("clocks of processes cannot be compared on this system: a hung child is not noticed")
		return
	}
	member := cluster.SupervisorReport{Member: "m", StopBy: 10}
	for name, c := range map[string]struct {
		change func(*cluster.SupervisorReport)
		now    int
		want   bool
	}{
		"in time":     {nil, 9, false},
		"late":        {nil, 10, true},
		"nothing run": {func(v *cluster.SupervisorReport) { v.Idle = true }, 20, false},
		"closed":      {func(v *cluster.SupervisorReport) { v.Closed = true }, 20, false},
		"no member":   {func(v *cluster.SupervisorReport) { v.Member = "" }, 20, false},
	} {
		v := member
		if c.change != nil {
			c.change(&v)
		}
		ch := &child{report: v, heard: time.Now()}
		if got := ch.lapsed(time.Duration(c.now)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	silent := &child{report: cluster.SupervisorReport{Member: "m", StopBy: 10, Idle: true}}
	if !silent.lapsed(20) {
		t.Error("a child that runs nothing and reports nothing is not noticed")
	}
}

// A counter that rose long ago explains nothing; one that rose a moment ago does, also when it was
// sampled since.
func TestTally(t *testing.T) {
	count := 5
	began := time.Now()
	tally := newTally(func() int { return count })
	at := func(d time.Duration) { tally.sample(began.Add(d)) }
	at(2 * time.Second)
	if tally.rose() {
		t.Error("it rose from the start")
	}
	count++
	if !tally.rose() {
		t.Error("a rise is not noticed")
	}
	at(4 * time.Second) // sampled, and still recent
	if !tally.rose() {
		t.Error("a rise that was sampled is not noticed")
	}
	at(6 * time.Second)
	if tally.rose() {
		t.Error("an old rise is noticed")
	}
}

// A member whose processes may still run is not closed: its slots wait for the session timeout.
func TestUnkillableTreeIsNotClosed(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for name, left := range map[string]int{"empty": 0, "not empty": 1} {
		p := &parent{Config: Config{Log: slog.New(slog.DiscardHandler)}, killTree: func(int) int { return left }}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // else it waits for ever
		d := p.died(ctx, &child{cmd: cmd, pid: cmd.Process.Pid, report: cluster.SupervisorReport{Member: "m"}}, false)
		if d.member() != (left == 0) {
			t.Errorf("%s: its member is closed: %v", name, d.member())
		}
	}
}

// Pauses grow with the deaths of one kind in a row: up to two seconds for a child that is killed from outside, up to thirty for one
// that dies by itself.
func TestPausesCountOneKindOfDeath(t *testing.T) {
	var d deaths
	pauses := func(n int, blamed bool) (last time.Duration) {
		for i := range n {
			last = d.pause(blamed, time.Second, i)
		}
		return last
	}
	if got := pauses(12, false); got < time.Second || got > 3*time.Second {
		t.Errorf("killed 12 times: %v", got)
	}
	if got := pauses(2, true); got > time.Second {
		t.Errorf("died twice after that: %v", got)
	}
	if got := pauses(12, true); got < 20*time.Second || got > 40*time.Second {
		t.Errorf("died 14 times: %v", got)
	}
	if got := d.pause(true, time.Minute); got != 0 {
		t.Errorf("died after a minute: %v", got)
	}
}

// A child that dies in both ways in turn, as on a machine without memory, is not started again without a pause.
func TestPausesOfDeathsInTurn(t *testing.T) {
	var d deaths
	for i := range 20 {
		if got := d.pause(i%2 == 0, time.Second, i); i > 0 && got < 150*time.Millisecond {
			t.Errorf("death %d: %v", i+1, got)
		}
	}
	if got := d.pause(true, time.Minute); got != 0 {
		t.Errorf("died after a minute: %v", got)
	}
}
