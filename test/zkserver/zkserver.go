//go:build unix

// Package zkserver starts real ZooKeeper servers for tests: one, or an ensemble, on free
// ports and temporary directories.
//
// The servers come from $ZOOKEEPER_HOME (an unpacked release) or from Debian's
// libzookeeper-java. Where there is neither, tests fail and say what to install.
package zkserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Tick is the servers' tick time: short, so that sessions of 0.4 to 4 s are possible.
const Tick = 200 * time.Millisecond

// startLimit bounds the start of a server; an idle machine needs 0.3 s for one and 3 s for
// three, a busy one ten times as much.
const startLimit = 60 * time.Second

// Ensemble is a set of servers that a test may kill, pause and start again.
type Ensemble struct {
	tb      testing.TB
	servers []*server
}

type server struct {
	id   int
	dir  string
	addr string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// Start starts n servers and stops them when the test ends. More lines may be added to
// each server's zoo.cfg.
func Start(tb testing.TB, n int, config ...string) *Ensemble {
	tb.Helper()
	classPath(tb)
	var err error
	for range 3 { // a free port may be taken before the server gets it
		var e *Ensemble
		if e, err = start(tb, n, config); err == nil {
			return e
		}
		tb.Logf("starting ZooKeeper: %v", err)
	}
	tb.Fatalf("ZooKeeper does not start: %v", err)
	return nil
}

func start(tb testing.TB, n int, config []string) (*Ensemble, error) {
	e := &Ensemble{tb: tb}
	var members []string
	for id := 1; id <= n; id++ {
		ports := freePorts(tb, 3)
		e.servers = append(e.servers, &server{id: id, dir: tb.TempDir(), addr: fmt.Sprintf("127.0.0.1:%d", ports[0])})
		members = append(members, fmt.Sprintf("server.%d=127.0.0.1:%d:%d", id, ports[1], ports[2]))
	}
	tb.Cleanup(func() {
		for i := range e.servers {
			e.Kill(i)
		}
	})
	for _, s := range e.servers {
		_, port, _ := net.SplitHostPort(s.addr)
		lines := []string{
			fmt.Sprintf("tickTime=%d", Tick.Milliseconds()), "initLimit=50", "syncLimit=25",
			"dataDir=" + filepath.Join(s.dir, "data"), "clientPort=" + port, "clientPortAddress=127.0.0.1",
			"admin.enableServer=false", "4lw.commands.whitelist=*", "maxClientCnxns=0",
		}
		if n > 1 {
			lines = append(lines, members...)
		}
		lines = append(lines, config...)
		if err := os.MkdirAll(filepath.Join(s.dir, "data"), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(s.dir, "data", "myid"), fmt.Appendf(nil, "%d\n", s.id), 0o644); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(s.dir, "zoo.cfg"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			return nil, err
		}
	}
	for i := range e.servers {
		if err := e.launch(i); err != nil {
			return nil, err
		}
	}
	for i := range e.servers {
		if err := e.ready(i); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Addrs returns the client addresses of all servers.
func (e *Ensemble) Addrs() []string {
	var addrs []string
	for _, s := range e.servers {
		addrs = append(addrs, s.addr)
	}
	return addrs
}

// Hosts returns the addresses as one connect string.
func (e *Ensemble) Hosts() string { return strings.Join(e.Addrs(), ",") }

// Kill kills a server with SIGKILL; its data stay.
func (e *Ensemble) Kill(i int) {
	s := e.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	s.cmd = nil
}

// Restart starts a killed server on its data and waits until it serves.
func (e *Ensemble) Restart(i int) {
	e.tb.Helper()
	if err := e.launch(i); err != nil {
		e.tb.Fatalf("starting ZooKeeper again: %v", err)
	}
	if err := e.ready(i); err != nil {
		e.tb.Fatalf("starting ZooKeeper again: %v", err)
	}
}

// Launch starts a killed server on its data without waiting for it, for an ensemble that
// serves only once several are up.
func (e *Ensemble) Launch(i int) {
	e.tb.Helper()
	if err := e.launch(i); err != nil {
		e.tb.Fatalf("starting ZooKeeper again: %v", err)
	}
}

// Pause stops a server with SIGSTOP; the kernel still accepts connections for it.
func (e *Ensemble) Pause(i int) { e.signal(i, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (e *Ensemble) Resume(i int) { e.signal(i, syscall.SIGCONT) }

func (e *Ensemble) signal(i int, sig syscall.Signal) {
	e.tb.Helper()
	s := e.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		e.tb.Fatalf("%v to ZooKeeper %d: %v", sig, s.id, err)
	}
}

// Leader returns the index of the ensemble's leader, waiting for one.
func (e *Ensemble) Leader() int {
	e.tb.Helper()
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for i, s := range e.servers {
			if strings.Contains(srvr(s.addr), "Mode: leader") {
				return i
			}
		}
	}
	e.tb.Fatal("the ensemble has no leader")
	return 0
}

func (e *Ensemble) launch(i int) error {
	s := e.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("java", "-Xms16m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dzookeeper.forceSync=no", "-cp", classPath(e.tb),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(s.dir, "zoo.cfg"))
	cmd.Stdout, cmd.Stderr = log, log
	// A process group of its own keeps a Ctrl-C at the test from reaching it first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	s.cmd, s.done = cmd, done
	return nil
}

// ready waits until a server answers srvr with its mode: ruok says imok without a quorum.
func (e *Ensemble) ready(i int) error {
	s := e.servers[i]
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(srvr(s.addr), "Mode: ") {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("server %d ended: %s", s.id, s.tail())
		default:
		}
	}
	return fmt.Errorf("server %d does not serve within %v: %s", s.id, startLimit, s.tail())
}

func (s *server) tail() []byte {
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return bytes.TrimSpace(log[max(0, len(log)-2000):])
}

func srvr(addr string) string {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(c, "srvr")
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// classPath finds the server, or fails the test with what to do.
func classPath(tb testing.TB) string {
	tb.Helper()
	if _, err := exec.LookPath("java"); err != nil {
		tb.Fatal("real ZooKeeper needed, no java found: run `make deps` (apt-get install libzookeeper-java default-jre-headless)")
	}
	if home := os.Getenv("ZOOKEEPER_HOME"); home != "" {
		if jars, _ := filepath.Glob(filepath.Join(home, "lib", "zookeeper-*.jar")); len(jars) == 0 {
			tb.Fatalf("ZOOKEEPER_HOME=%s has no lib/zookeeper-*.jar", home)
		}
		return strings.Join([]string{filepath.Join(home, "conf"), filepath.Join(home, "*"), filepath.Join(home, "lib", "*")}, ":")
	}
	const debian = "/usr/share/java/zookeeper.jar"
	if _, err := os.Stat(debian); err != nil {
		tb.Fatal("real ZooKeeper needed: run `make deps` (apt-get install libzookeeper-java default-jre-headless) or set ZOOKEEPER_HOME")
	}
	return debian + ":/usr/share/java/slf4j-simple.jar"
}

// freePorts returns ports that were free a moment ago.
func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		if ports[i], err = strconv.Atoi(port); err != nil {
			tb.Fatal(err)
		}
	}
	return ports
}
