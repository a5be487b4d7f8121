//go:build unix

// Package process runs processes for tests, which end with the test, and groups of them that are servers, which a test
// may kill, pause and start again. Addresses for them stay theirs until the test ends.
package process

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// StartLimit bounds the start of a server; an idle machine needs seconds at most, a busy one ten
// times as much.
const StartLimit = 60 * time.Second

// Group is a set of servers. What they are is said by its functions, which are set before Start.
type Group struct {
	TB        testing.TB
	Addresses []string // one for each server, where clients reach it
	// Command returns the command of a server, which may be started more than once.
	Command func(i int) (*exec.Cmd, error)
	// Serves asks once whether a server does its work.
	Serves func(i int) bool
	// Wipe, if set, removes the data of a server, whose peers have them all.
	Wipe func(i int) error

	servers []*server
}

type server struct {
	mu    sync.Mutex
	child *Child // nil once it was killed
	log   Log    // of all of its lives
}

// ended reports whether its process has ended, or was killed.
func (s *server) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child == nil || s.child.Ended()
}

// Start starts all servers, waits until they serve, and kills them when the test ends.
func (g *Group) Start() error {
	for range g.Addresses {
		g.servers = append(g.servers, &server{})
	}
	g.TB.Cleanup(func() {
		for i := range g.servers {
			g.Kill(i)
		}
	})
	for i := range g.servers {
		if err := g.launch(i); err != nil {
			return err
		}
	}
	for i := range g.servers {
		if err := g.ready(i); err != nil {
			return err
		}
	}
	return nil
}

// Addrs returns the client addresses of all servers.
func (g *Group) Addrs() []string { return g.Addresses }

// Hosts returns the addresses as one list.
func (g *Group) Hosts() string { return strings.Join(g.Addresses, ",") }

// Kill kills a server with SIGKILL; its data stay.
func (g *Group) Kill(i int) {
	s := g.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child != nil {
		s.child.Kill()
		s.child = nil
	}
}

// Restart starts a killed server on its data and waits until it serves.
func (g *Group) Restart(i int) {
	g.TB.Helper()
	g.Launch(i)
	if err := g.ready(i); err != nil {
		g.TB.Fatalf("starting a server again: %v", err)
	}
}

// Launch starts a killed server on its data without waiting for it, for servers that serve only
// once several are up.
func (g *Group) Launch(i int) {
	g.TB.Helper()
	if err := g.launch(i); err != nil {
		g.TB.Fatalf("starting a server again: %v", err)
	}
}

// othersServe reports whether all servers but one serve. Only then may that one begin from nothing: a
// quorum of it and one that lags would know nothing of what was committed before.
func (g *Group) othersServe(i int) bool {
	for other := range g.servers {
		if other != i && !g.Serves(other) {
			return false
		}
	}
	return true
}

// Revive waits until a server serves that was launched. One whose process ends is launched again; one
// that has not survived its own death, as servers that do not sync their logs may not, begins from nothing.
func (g *Group) Revive(i int) {
	g.TB.Helper()
	s := g.servers[i]
	failures := 0
	for end := time.Now().Add(2 * StartLimit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if g.Serves(i) {
			return
		}
		if !s.ended() {
			continue
		}
		failures++
		if failures >= 3 && g.Wipe != nil && g.othersServe(i) {
			failures = 0
			g.TB.Logf("server %d does not start; its data are removed: %s", i, s.log.Tail(20))
			if err := g.Wipe(i); err != nil {
				g.TB.Fatal(err)
			}
		}
		g.Launch(i)
	}
	g.TB.Fatalf("server %d does not come back: %s", i, s.log.Tail(20))
}

// Pause stops a server with SIGSTOP; the kernel still accepts connections for it.
func (g *Group) Pause(i int) { g.signal(i, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (g *Group) Resume(i int) { g.signal(i, syscall.SIGCONT) }

func (g *Group) signal(i int, sig syscall.Signal) {
	g.TB.Helper()
	s := g.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.child.Cmd.Process.Signal(sig); err != nil {
		g.TB.Fatalf("%v to server %d: %v", sig, i, err)
	}
}

// PID returns the process of a server.
func (g *Group) PID(i int) int {
	s := g.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child.PID()
}

// Find returns the first server for which a condition holds, waiting for one.
func (g *Group) Find(what string, condition func(i int) bool) int {
	g.TB.Helper()
	for end := time.Now().Add(StartLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for i := range g.servers {
			if condition(i) {
				return i
			}
		}
	}
	g.TB.Fatalf("no server is %s", what)
	return 0
}

func (g *Group) launch(i int) error {
	s := g.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd, err := g.Command(i)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	s.child, err = Begin(cmd)
	return err
}

func (g *Group) ready(i int) error {
	s := g.servers[i]
	for end := time.Now().Add(StartLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if g.Serves(i) {
			return nil
		}
		if s.ended() {
			return fmt.Errorf("server %d ended: %s", i, s.log.Tail(20))
		}
	}
	return fmt.Errorf("server %d does not serve within %v: %s", i, StartLimit, s.log.Tail(20))
}
