//go:build linux

// Package netns gives servers network namespaces of their own, so that a test can cut the link
// between two of them while everybody else still reaches both.
package netns

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Required is the variable that makes tests fail, instead of being skipped, where there can be no
// network namespaces.
const Required = "XCONSUMER_TEST_NETNS"

// Net is a bridge with one namespace for each host. The test itself reaches them all.
type Net struct {
	tb     testing.TB
	prefix string // of names
	subnet string // 10.x.y
	hosts  int
}

// New makes a network of n hosts and removes it when the test ends. It needs root and ip(8); without
// them the test is skipped, or fails if they are required.
func New(tb testing.TB, n int) *Net {
	tb.Helper()
	pid := os.Getpid()
	net := &Net{tb: tb, prefix: fmt.Sprintf("xc%d", pid%100000), subnet: fmt.Sprintf("10.%d.%d", 64+pid>>8&63, pid&255), hosts: n}
	bridge := net.prefix + "b"
	err := run("ip", "link", "add", bridge, "type", "bridge")
	if err != nil {
		if os.Getenv(Required) != "" {
			tb.Fatalf("network namespaces are required here: %v", err)
		}
		tb.Skipf("needs root and ip(8): %v", err)
	}
	tb.Cleanup(func() { _ = run("ip", "link", "del", bridge) })
	net.must("ip", "addr", "add", net.subnet+".1/24", "dev", bridge)
	net.must("ip", "link", "set", bridge, "up")
	for i := range n {
		name := net.name(i)
		outer, inner := name+"o", name+"i"
		net.must("ip", "netns", "add", name)
		tb.Cleanup(func() { _ = run("ip", "netns", "del", name) })
		net.must("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
		net.must("ip", "link", "set", inner, "netns", name)
		net.must("ip", "link", "set", outer, "master", bridge, "up")
		net.must("ip", "-n", name, "addr", "add", net.IP(i)+"/24", "dev", inner)
		net.must("ip", "-n", name, "link", "set", inner, "up")
		net.must("ip", "-n", name, "link", "set", "lo", "up")
	}
	return net
}

func (n *Net) name(i int) string { return fmt.Sprintf("%sn%d", n.prefix, i) }

// IP returns a host's address.
func (n *Net) IP(i int) string { return fmt.Sprintf("%s.%d", n.subnet, 10+i) }

// Wrap returns what to put before a command so that it runs on a host.
func (n *Net) Wrap(i int) []string { return []string{"ip", "netns", "exec", n.name(i)} }

// Cut lets one host's packets to another vanish, and so nothing pass between the two.
func (n *Net) Cut(from, to int) {
	n.tb.Helper()
	n.must("ip", "-n", n.name(from), "route", "add", "blackhole", n.IP(to)+"/32")
}

// Heal ends Cut.
func (n *Net) Heal(from, to int) {
	n.tb.Helper()
	n.must("ip", "-n", n.name(from), "route", "del", "blackhole", n.IP(to)+"/32")
}

func (n *Net) must(args ...string) {
	n.tb.Helper()
	if err := run(args...); err != nil {
		n.tb.Fatal(err)
	}
}

func run(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
