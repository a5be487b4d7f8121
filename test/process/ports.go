//go:build unix

package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports from which FreeAddrs takes are below those that systems give to whoever connects or asks for any.
const (
	firstPort = 20000
	ports     = 10000
)

// FreeAddrs returns n loopback addresses on which nobody listens. Nobody gets them before the test does, or in the time
// between two processes of the test that listen there: by default no system that the tests run on gives such ports out by itself, and tests that run at
// the same time, in whatever process, hold the UDP port of the same number until they end. A program that is told to
// listen on a port of this range may still take one.
func FreeAddrs(tb testing.TB, n int) []string {
	tb.Helper()
	var addrs []string
	for range 100 * n {
		if len(addrs) == n {
			return addrs
		}
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(ports))
		held, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			_ = held.Close()
			continue
		}
		_ = l.Close()
		tb.Cleanup(func() { _ = held.Close() })
		addrs = append(addrs, addr)
	}
	if len(addrs) < n {
		tb.Fatalf("%d of %d ports from %d to %d are free", len(addrs), n, firstPort, firstPort+ports-1)
	}
	return addrs
}
