package proc

import (
	"errors"
	"fmt"
	"io/fs"
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
	bore    bool // it has started another one
	born    int  // in which order
}

// machine is a kernel that goes on during a search: before every answer some processes start, become readable or end.
type machine struct {
	*rand.Rand
	processes map[int]*fake
	young     []int // those that end, in the order of their numbers
	number    int   // given out last
	steps     int
	others    int  // of 1000 steps, how many start a process outside the family
	family    int  // of 100 steps of a member of the family, in how many it starts another one
	slow      int  // in one of so many steps a fork comes to its end
	blind     bool // it does not show its last number
	most      int  // the highest number, after which they begin again; 0 for none
	short     bool // who has started another one ends
	births    int
	fails     func() bool // if set, whether a read fails
}

func (m *machine) fork(parent *fake, own bool) {
	m.number++
	for m.most > 0 && (m.number > m.most || m.processes[m.number] != nil) {
		m.number++
		if m.number > m.most {
			m.number = 1
		}
	}
	m.births++
	parent.forking, parent.bore = own, true
	m.processes[m.number] = &fake{state: forked, parent: parent, own: own, born: m.births}
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
		case p == nil: // its number was given out again in this step, and that one has ended, too
		case p.state == forked && m.IntN(m.slow) == 0:
			p.state, p.parent.forking = alive, false
		case p.state == dead && m.IntN(2) == 0:
			delete(m.processes, pid)
		case p.state != alive || p.forking:
		case p.own && len(m.young) < 10 && m.IntN(100) < m.family:
			m.fork(p, true)
		case m.IntN(4) == 0 || p.own && m.short && p.bore:
			p.state = dead
		}
	}
	m.young = slices.DeleteFunc(m.young, func(pid int) bool { return m.processes[pid] == nil })
}

var errNoFile = errors.New("too many open files")

func (m *machine) list() (pids []int, ok bool) {
	m.step()
	if m.fails != nil && m.fails() {
		return nil, false
	}
	for pid := 1; pid <= max(m.number, m.most); pid++ {
		if p := m.processes[pid]; p != nil && p.state != forked {
			pids = append(pids, pid)
		}
		if pid%4 == 0 {
			m.step()
		}
	}
	return pids, true
}

func (m *machine) now() time.Duration { return time.Duration(m.births) }

// turn is in births, the unit of time here: numbers in use are left out when the numbers come round.
func (m *machine) turn() time.Duration { return time.Duration(m.most - 40) }

func (m *machine) last() int {
	m.step()
	if m.blind || m.steps > 10_000 {
		return 0
	}
	return m.number
}

func (m *machine) read(pid int) (Process, error) {
	m.step()
	p := m.processes[pid]
	switch {
	case m.fails != nil && m.fails():
		return Process{}, errNoFile
	case p == nil || p.state == forked:
		return Process{}, fs.ErrNotExist
	}
	return Process{PID: pid, Zombie: p.state == dead, start: uint64(p.born)}, nil
}

// judge recognizes a process of the family, unless the process is just executing another program.
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

// A search never says that a family has died out one of which lives, no matter which processes start and end meanwhile, and
// also if its members are in the middle of fork or execve.
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

// A process that cannot be read because of a lack of file descriptors does not count as dead, and a list that cannot be
// read does not count as empty.
func TestSearchWhenLooksFail(t *testing.T) {
	for seed := range uint64(20_000) {
		m := newMachine(seed, int(seed%4)*20, 15+int(seed%10))
		if seed%2 > 0 {
			m = newBlind(seed, 0)
		}
		m.fails = func() bool { return m.IntN(4) > 0 }
		if !search(m, m.judge) {
			continue
		}
		for pid, p := range m.processes {
			if p.own && p.state != dead {
				t.Fatalf("seed %d: the family has died out, but %d is there: %+v", seed, pid, *p)
			}
		}
	}
}

// A process that cannot be identified, such as one that hangs while it exits, does not keep a search from ending, nor the
// family from being killed again. It does not count as a process of others.
func TestSearchEndsWithoutAVerdict(t *testing.T) {
	for _, blind := range []bool{false, true} {
		m := newMachine(1, 0, 0)
		m.blind = blind
		m.most = 200
		asked := 0
		none := search(m, func(p Process) Verdict {
			if p.PID != 5 {
				return Other
			}
			asked++
			if asked > 1000 {
				t.Fatalf("blind %t: no end", blind)
			}
			return Unknown
		})
		if none {
			t.Errorf("blind %t: the family has died out", blind)
		}
	}
}

// The environment of a process is whole if it is as long as it should be, or if it is there where no lengths are shown.
func TestWholeEnvironment(t *testing.T) {
	// Of a sandbox, whose kernel shows no addresses of processes, not even their own ones to themselves.
	sandboxed, err := parse(1<<30, []byte("7 (python3) S 1 7 7 0 0 0 0 0 0 0 3 1 0 0 20 0 1 0 4711 1000 10 9223372036854775807 "+
		"0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0"))
	if err != nil || sandboxed.Parent != 1 || sandboxed.start != 4711 {
		t.Fatalf("%+v, %v", sandboxed, err)
	}
	shown := func() (Process, error) { return Process{environ: 100}, nil }
	for name, c := range map[string]struct {
		text  string
		p     Process
		self  func() (Process, error)
		whole bool
	}{
		"whole":                            {"A=b\x00", Process{environ: 4}, shown, true},
		"cut off":                          {"A=b\x00", Process{environ: 8}, shown, false},
		"none":                             {"", Process{environ: 0}, shown, true},
		"of a thread of the kernel":        {"", Process{environ: -1, Kernel: true}, shown, true},
		"in the middle of execve":          {"A=b\x00", Process{environ: -1}, shown, false},
		"in a sandbox":                     {"A=b\x00", sandboxed, func() (Process, error) { return sandboxed, nil }, true},
		"in a sandbox, of a dying process": {"", sandboxed, func() (Process, error) { return sandboxed, nil }, false},
		"unknown":                          {"A=b\x00", Process{environ: -1}, func() (Process, error) { return Process{environ: -1}, errNoFile }, false},
	} {
		if whole := isWhole([]byte(c.text), c.p, c.self); whole != c.whole {
			t.Errorf("%s: whole %t", name, whole)
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

// A program that is started with an empty environment is known to lack the variable. For one that has ended, it is unknown.
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
