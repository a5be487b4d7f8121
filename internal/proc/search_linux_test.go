package proc

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The states of a fake process.
const (
	forked = iota // it has a number, and cannot be read yet
	alive
	dead // and not waited for
)

type fake struct {
	state   int
	parent  *fake
	forking bool // it is in the middle of fork
	own     bool
}

// machine is a kernel that goes on while it is looked at: before every answer some processes start, become readable or end.
type machine struct {
	*rand.Rand
	processes map[int]*fake
	young     []int // those that do not stay, in the order of their numbers
	number    int   // given out last
	steps     int
	others    int // of 1000 steps, how many start a process of somebody else
	family    int // of 100 steps of a member of the family, in how many it starts another one
	slow      int // in one of so many steps a fork comes to its end
}

func (m *machine) fork(parent *fake, own bool) {
	m.number++
	parent.forking = own
	m.processes[m.number] = &fake{state: forked, parent: parent, own: own}
	m.young = append(m.young, m.number)
}

func (m *machine) step() {
	m.steps++
	if m.IntN(1000) < m.others {
		m.fork(&fake{}, false)
	}
	for _, pid := range m.young {
		p := m.processes[pid]
		switch {
		case p.state == forked && m.IntN(m.slow) == 0:
			p.state, p.parent.forking = alive, false
		case p.state == dead && m.IntN(2) == 0:
			delete(m.processes, pid)
		case p.state != alive || p.forking:
		case p.own && len(m.young) < 10 && m.IntN(100) < m.family:
			m.fork(p, true)
		case m.IntN(4) == 0:
			p.state = dead
		}
	}
	m.young = slices.DeleteFunc(m.young, func(pid int) bool { return m.processes[pid] == nil })
}

func (m *machine) list() (pids []int) {
	m.step()
	for pid := 1; pid <= m.number; pid++ {
		if p := m.processes[pid]; p != nil && p.state != forked {
			pids = append(pids, pid)
		}
		if pid%4 == 0 {
			m.step()
		}
	}
	return pids
}

func (m *machine) last() int {
	m.step()
	if m.steps > 10_000 {
		return 0
	}
	return m.number
}

func (m *machine) read(pid int) (Process, bool) {
	m.step()
	p := m.processes[pid]
	if p == nil || p.state == forked {
		return Process{}, false
	}
	return Process{PID: pid, Zombie: p.state == dead}, true
}

// judge knows a process of the family, unless it is just being something else.
func (m *machine) judge(p Process) Verdict {
	m.step()
	f := m.processes[p.PID]
	switch {
	case f == nil || f.state != alive || m.IntN(8) == 0:
		return Unknown
	case f.own:
		return Own
	}
	return Other
}

// newMachine returns a machine with some processes that stay, and perhaps the first one of the family.
func newMachine(seed uint64, others, family int) *machine {
	m := &machine{Rand: rand.New(rand.NewPCG(seed, 1)), processes: map[int]*fake{}, others: others, family: family, slow: 1 + int(seed/10%20)}
	for range 20 {
		m.number++
		m.processes[m.number] = &fake{state: alive}
	}
	if family > 0 {
		m.fork(&fake{}, true)
		m.processes[m.number].state = alive
	}
	return m
}

// A search never says that a family has died out one of which lives, whatever starts and ends meanwhile, and also if its members
// are in the middle of fork or execve.
func TestSearchMissesNobody(t *testing.T) {
	out, lived := 0, 0
	for seed := range uint64(20_000) {
		m := newMachine(seed, int(seed%4)*20, 15+int(seed%10))
		if !search(m, m.judge) {
			lived++
			continue
		}
		out++
		for pid, p := range m.processes {
			if p.own && p.state != dead {
				t.Fatalf("seed %d: the family has died out, but %d is there: %+v", seed, pid, *p)
			}
		}
	}
	if out < 500 || lived < 500 {
		t.Errorf("families died out in %d of the runs, and were found in %d: too few to show something", out, lived)
	}
}

// A search comes to an end while others start processes all the time, which no list of them all shows.
func TestSearchEndsWhileOthersStart(t *testing.T) {
	for seed := range uint64(300) {
		m := newMachine(seed, 60, 0)
		if !search(m, m.judge) {
			t.Fatalf("seed %d: no end", seed)
		}
	}
}

// The same on this machine.
func TestSearchEndsInAForkStorm(t *testing.T) {
	storm := exec.Command("sh", "-c", fmt.Sprintf("while kill -0 %d 2>/dev/null; do for i in 1 2 3 4 5 6; do (sleep 0.00$i; sleep 0.00$i) & done; wait $!; done", os.Getpid()))
	storm.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := storm.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-storm.Process.Pid, syscall.SIGKILL)
		_ = storm.Wait()
	}()
	before, began := lastPID(), time.Now()
	searches := 0
	for ends := 0; ends < 20; searches++ {
		if Search(func(Process) Verdict { return Other }) {
			ends++
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%d of %d searches came to an end", ends, searches)
		}
	}
	t.Logf("20 of %d searches came to an end in %v; the last process number rose from %d to %d meanwhile",
		searches, time.Since(began), before, lastPID())

	own := exec.Command("sleep", "1000")
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own.Wait() }()
	defer func() { _ = own.Process.Kill() }()
	for range 20 {
		if Search(func(p Process) Verdict {
			if p.PID == own.Process.Pid {
				return Own
			}
			return Other
		}) {
			t.Fatal("the only one of its family is missed")
		}
	}
}

// A program that is started with nothing has no variable, which is known; one that has ended is not known.
func TestEnviron(t *testing.T) {
	const variable = "PROC_TEST=1"
	for name, c := range map[string]struct {
		env        []string
		has, known bool
	}{
		"with it":    {[]string{"A=" + strings.Repeat("x", 5000), variable}, true, true},
		"without it": {[]string{"A=b"}, false, true},
		"bare":       {[]string{}, false, true},
	} {
		cmd := exec.Command("sleep", "1000")
		cmd.Env = c.env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		has, known := Environ(cmd.Process.Pid, variable)
		for end := time.Now().Add(time.Minute); !known && time.Now().Before(end); { // Start returns in the middle of execve
			has, known = Environ(cmd.Process.Pid, variable)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if has != c.has || known != c.known {
			t.Errorf("%s: has %t, known %t", name, has, known)
		}
		has, known = Environ(cmd.Process.Pid, variable)
		if has || known {
			t.Errorf("%s, ended: has %t, known %t", name, has, known)
		}
	}
}
