// Package link puts a network link that can fail between a client and a real server, by
// toxiproxy.
package link

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/rs/zerolog"
)

// Link is a set of proxied servers that fail together.
type Link struct {
	tb      testing.TB
	proxies []*toxiproxy.Proxy
}

// New starts a proxy before each of the servers and stops it when the test ends.
func New(tb testing.TB, servers ...string) *Link {
	tb.Helper()
	l := &Link{tb: tb}
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.New(io.Discard))
	for _, upstream := range servers {
		p := toxiproxy.NewProxy(api, "link", "127.0.0.1:0", upstream)
		if err := p.Start(); err != nil {
			tb.Fatalf("proxy: %v", err)
		}
		l.proxies = append(l.proxies, p)
	}
	tb.Cleanup(func() {
		for _, p := range l.proxies {
			p.Stop()
		}
	})
	return l
}

// Addrs returns the addresses to connect to instead of the servers'.
func (l *Link) Addrs() []string {
	var addrs []string
	for _, p := range l.proxies {
		addrs = append(addrs, p.Listen)
	}
	return addrs
}

// Hosts returns the addresses as one connect string.
func (l *Link) Hosts() string { return strings.Join(l.Addrs(), ",") }

// Cut swallows everything both ways; connections stay open.
func (l *Link) Cut() { l.blackHole(stream.Upstream); l.blackHole(stream.Downstream) }

// LoseRequests swallows what clients send.
func (l *Link) LoseRequests() { l.blackHole(stream.Upstream) }

// Delay holds everything back, both ways, for as long.
func (l *Link) Delay(d time.Duration) {
	l.tb.Helper()
	for _, direction := range []stream.Direction{stream.Upstream, stream.Downstream} {
		l.toxic(
			"delay-"+direction.String(),
			fmt.Sprintf(`"type": "latency", "stream": %q, "attributes": {"latency": %d}`, direction, d.Milliseconds()),
		)
	}
}

// LoseReplies swallows what the servers answer.
func (l *Link) LoseReplies() { l.blackHole(stream.Downstream) }

// Heal lets traffic pass again. Connections that lost data are cut by it.
func (l *Link) Heal() {
	for _, p := range l.proxies {
		p.Toxics.ResetToxics(l.tb.Context())
	}
}

// Drop closes all connections; new ones are accepted.
func (l *Link) Drop() {
	l.Cut()
	l.Heal()
}

func (l *Link) blackHole(direction stream.Direction) {
	l.tb.Helper()
	l.toxic("black-hole-"+direction.String(), fmt.Sprintf(`"type": "timeout", "stream": %q, "attributes": {"timeout": 0}`, direction))
}

func (l *Link) toxic(name, rest string) {
	l.tb.Helper()
	for _, p := range l.proxies {
		if p.Toxics.GetToxic(name) != nil {
			continue
		}
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name": %q, %s}`, name, rest))); err != nil {
			l.tb.Fatalf("proxy: %v", err)
		}
	}
}
