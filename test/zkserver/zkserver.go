//go:build unix

// Package zkserver starts real ZooKeeper servers for tests: one, or an ensemble, on free
// ports and temporary directories.
//
// The servers come from $ZOOKEEPER_HOME (an unpacked release) or from Debian's
// libzookeeper-java. Where there is neither, tests fail and say what to install.
package zkserver

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/process"
)

// Tick is the servers' tick time: short, so that sessions of 0.4 to 4 s are possible.
const Tick = 200 * time.Millisecond

// Ensemble is a set of servers.
type Ensemble struct{ *process.Group }

// small is the Java of servers of which many run beside each other: they start fast and take little.
// Empty containers are looked for more often than once a minute, too.
var small = []string{"-Xms16m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dznode.container.checkIntervalMs=500"}

// Start starts n servers and stops them when the test ends. More lines may be added to each
// server's zoo.cfg.
func Start(tb testing.TB, n int, config ...string) *Ensemble {
	tb.Helper()
	return startWith(tb, n, small, config)
}

// StartBig is Start with a heap of 2 GB and Java's own choice of compiler and collector, for measurements.
func StartBig(tb testing.TB, n int, config ...string) *Ensemble {
	tb.Helper()
	return startWith(tb, n, []string{"-Xmx2g"}, config)
}

func startWith(tb testing.TB, n int, java, config []string) *Ensemble {
	tb.Helper()
	classPath(tb)
	var hosts []host
	for range n {
		hosts = append(hosts, host{addrs: process.FreeAddrs(tb, 3)})
	}
	return start(tb, hosts, java, config)
}

// Network is where servers may run instead of on the loopback address.
type Network interface {
	IP(i int) string
	Wrap(i int) []string // what to put before a command
}

// StartIn starts n servers, each on a host of a network.
func StartIn(tb testing.TB, network Network, n int) *Ensemble {
	tb.Helper()
	classPath(tb)
	var hosts []host
	for i := range n {
		ip := network.IP(i)
		hosts = append(hosts, host{addrs: []string{ip + ":2181", ip + ":2888", ip + ":3888"}, wrap: network.Wrap(i)})
	}
	return start(tb, hosts, small, nil)
}

// host is where a server runs: for clients, for its peers, and for their election.
type host struct {
	addrs []string
	wrap  []string
}

func start(tb testing.TB, hosts []host, java, config []string) *Ensemble {
	tb.Helper()
	e := &Ensemble{&process.Group{TB: tb}}
	var dirs, members []string
	for i, h := range hosts {
		id, addrs := i+1, h.addrs
		dirs = append(dirs, tb.TempDir())
		e.Addresses = append(e.Addresses, addrs[0])
		_, electionPort, _ := net.SplitHostPort(addrs[2])
		members = append(members, fmt.Sprintf("server.%d=%s:%s", id, addrs[1], electionPort))
	}
	for i, dir := range dirs {
		ip, port, _ := net.SplitHostPort(e.Addresses[i])
		lines := []string{
			fmt.Sprintf("tickTime=%d", Tick.Milliseconds()), "initLimit=50", "syncLimit=25",
			"dataDir=" + filepath.Join(dir, "data"), "clientPort=" + port, "clientPortAddress=" + ip,
			"admin.enableServer=false", "4lw.commands.whitelist=*", "maxClientCnxns=0",
		}
		if len(hosts) > 1 {
			lines = append(lines, members...)
		}
		lines = append(lines, config...)
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "data", "myid"), fmt.Appendf(nil, "%d\n", i+1), 0o644); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "zoo.cfg"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	e.Command = func(i int) (*exec.Cmd, error) {
		args := slices.Concat(hosts[i].wrap, []string{"java"}, java, []string{
			"-Dzookeeper.forceSync=no", "-cp", classPath(tb),
			"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(dirs[i], "zoo.cfg"),
		})
		return exec.Command(args[0], args[1:]...), nil
	}
	e.Wipe = func(i int) error { return os.RemoveAll(filepath.Join(dirs[i], "data", "version-2")) }
	// ruok says imok without a quorum; srvr returns the mode.
	e.Serves = func(i int) bool { return strings.Contains(srvr(e.Addresses[i]), "Mode: ") }
	if err := e.Start(); err != nil {
		tb.Fatal(err)
	}
	return e
}

// Leader returns the index of the ensemble's leader, waiting for one.
func (e *Ensemble) Leader() int {
	e.TB.Helper()
	return e.Find("leader", e.Leads)
}

// Leads asks a server whether it is the leader.
func (e *Ensemble) Leads(i int) bool { return strings.Contains(srvr(e.Addresses[i]), "Mode: leader") }

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
