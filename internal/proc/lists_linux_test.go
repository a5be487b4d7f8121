package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newBlind returns a machine that does not show its last number, whose numbers begin again after some births, with processes that
// stay, one of which is dead and not waited for, and a family of one, which lasts by forking: its number is anywhere.
func newBlind(seed uint64, others int) *machine {
	m := &machine{
		Rand: rand.New(rand.NewPCG(seed, 2)), processes: map[int]*fake{}, others: others, family: 5 + int(seed%90),
		slow: 1 + int(seed/10%20), blind: true, most: 80 + int(seed%3)*60, short: seed%2 == 0,
	}
	for m.births < 20 {
		m.number = m.IntN(m.most)
		m.fork(&fake{}, false)
		m.processes[m.number].state = alive
	}
	m.processes[m.number].state = dead
	m.young = nil
	m.number = m.IntN(m.most)
	m.fork(&fake{}, true)
	m.processes[m.number].state = alive
	m.number = m.IntN(m.most)
	return m
}

// Without the last number a search never says that a family has died out one of which lives, also if none of it lives long, if
// its numbers begin again while it is looked for, and if it was there before with the highest number of all.
func TestListsMissNobody(t *testing.T) {
	out, lived := 0, 0
	for seed := range uint64(30_000) {
		m := newBlind(seed, int(seed%4)*5)
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
	t.Logf("died out in %d of the runs, found in %d", out, lived)
}

// evader is a kernel without a last number on which a family does its best not to be read: its only process is gone when it
// is read. The family sees the position of a list, and the process that is about to be read.
type evader struct {
	stay   []int // processes of others
	most   int   // the highest number
	cursor int   // given out last
	own    int
	births int
	trick  string // its reaction to being read; it avoids being listed if it can
}

// hop lets the process start another one, and end.
func (e *evader) hop() {
	for taken := true; taken; taken = slices.Contains(e.stay, e.cursor) {
		e.cursor = e.cursor%e.most + 1
	}
	e.own = e.cursor
	e.births++
}

func (e *evader) last() int           { return 0 }
func (e *evader) now() time.Duration  { return time.Duration(e.births) }
func (e *evader) turn() time.Duration { return time.Duration(e.most - len(e.stay)) }

func (e *evader) list() (pids []int, ok bool) {
	for pid := 1; pid <= e.most; pid++ {
		if pid == e.own && e.trick == "" {
			e.hop()
		}
		if pid == e.own || slices.Contains(e.stay, pid) {
			pids = append(pids, pid)
		}
	}
	return pids, true
}

func (e *evader) read(pid int) (Process, error) {
	p := Process{PID: pid}
	if pid != e.own {
		return p, nil
	}
	switch e.trick {
	case "it has ended":
		e.hop()
		return p, fs.ErrNotExist
	case "it is dead":
		e.hop()
		p.Zombie, p.start = true, uint64(e.births)
	case "it cannot be read":
		return p, errNoFile
	}
	return p, nil
}

// A family that forks and ends all the time, exactly when that hides it best, is never taken for one that has died out.
func TestNoEvaderGetsPastTheLists(t *testing.T) {
	for _, trick := range []string{"", "it has ended", "it is dead", "it cannot be read", "it executes another program"} {
		for own := 6; own <= 100; own++ {
			for cursor := 1; cursor <= 100; cursor++ {
				e := &evader{stay: []int{1, 2, 3, 4, 5}, most: 100, own: own, cursor: cursor, trick: trick}
				none := search(e, func(p Process) Verdict {
					switch {
					case p.PID != e.own:
						return Other
					case trick == "it executes another program":
						return Unknown
					}
					return Own
				})
				if none {
					t.Fatalf("trick %q, first process %d, last number %d: the family has died out, but %d is there", trick, own, cursor, e.own)
				}
			}
		}
	}
}

// Three lists suffice if no process belongs to the family; one that has been dead all the time, and is not waited for, does
// not count.
func TestListsEnd(t *testing.T) {
	for _, others := range []int{0, 5, 20} {
		ends := 0
		for seed := range uint64(300) {
			m := newBlind(seed, others)
			for _, p := range m.processes {
				p.own = false
			}
			if search(m, m.judge) {
				ends++
			}
		}
		if ends < 100 || others == 0 && ends < 300 {
			t.Errorf("while others start processes in %d of 1000 steps, %d of 300 searches come to an end", others, ends)
		}
	}
}

// chain is a program none of whose processes lives long: each starts the next one, in a session of its own, and ends. All of them
// hold a kernel lock. It ends with the test's process, TEST.
const chain = `
exec 9>>lock
flock -n 9 || exit 1
printf '#!/bin/sh\nkill -0 $TEST || exit 0\nsetsid ./chain.sh &\n' > chain.sh
chmod +x chain.sh
./chain.sh
`

// The same on this machine: when lists alone say that a family of forks without end has died out, the kernel has its lock back.
func TestListsOfThisMachine(t *testing.T) {
	if _, err := exec.LookPath("flock"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no flock, which is of util-linux; CI requires this test")
	}
	for round := range 10 {
		dir := t.TempDir()
		mark := fmt.Sprintf("PROC_TEST_CHAIN=%d-%d", os.Getpid(), round)
		cmd := exec.Command("sh", "-c", chain)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), mark, fmt.Sprintf("TEST=%d", os.Getpid()))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Run(); err != nil { // its output would be waited for
			t.Fatal(err)
		}
		judge := func(p Process) Verdict {
			has, known := Environ(p.PID, mark)
			switch {
			case has:
				_ = syscall.Kill(-p.Group, syscall.SIGKILL)
				return Own
			case known || p.Kernel:
				return Other
			}
			return Unknown
		}
		began, searches := time.Now(), 1
		for ; !searchLists(newProcfs(), judge); searches++ {
			if time.Since(began) > time.Minute {
				t.Fatal("no search of a minute comes to an end")
			}
			time.Sleep(time.Millisecond)
		}
		lock, err := os.Open(filepath.Join(dir, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			t.Errorf("round %d: something still holds the lock after %d searches: %v", round, searches, err)
		}
		_ = lock.Close()
		t.Logf("died out after %d searches, %v", searches, time.Since(began))
	}
}

// asStranger makes the test binary a process of a PID namespace whose /proc is of another one.
const asStranger = "PROC_TEST_STRANGER"

// If /proc is that of another PID namespace, its numbers mean other processes: none is judged, and none is killed.
func TestTableOfAnotherNamespace(t *testing.T) {
	if os.Getenv(asStranger) != "" {
		none := Search(func(p Process) Verdict {
			t.Errorf("process %d of another namespace is judged", p.PID)
			return Other
		})
		if none || OwnTable() {
			t.Errorf("it is all known: none %t, own table %t", none, OwnTable())
		}
		if left := KillBelow(os.Getpid()); left > 0 { // 1, whose number there is the machine's first process
			t.Errorf("%d processes are killed", left)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestTableOfAnotherNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), asStranger+"=1")
	// The namespace is new for its child alone. The child is its first process, so all processes in it end with the child.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	text, err := cmd.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no right to a PID namespace; CI requires this test")
	}
	if err != nil || !strings.Contains(string(text), "--- PASS") {
		t.Errorf("%v: %s", err, text)
	}
}
