package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/client"
)

// How many ports listen tries after the default one, and how long it waits for an explicit one.
const (
	PortsToTry   = 100
	PortPatience = 10 * time.Second
)

// listen opens the HTTP listener; it returns nil if the API is off. If an explicit port is in use, listen waits for it,
// because the process that has it may be about to leave.
func listen(ctx context.Context, s config.Settings, log *slog.Logger) (net.Listener, error) {
	if s.Listen == "off" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: http.listen: %w", config.ErrConfig, err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.Listen)
	if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
		return l, WrapListen(s.Listen, err)
	}
	if s.Explicit {
		log.Warn("the HTTP address is taken; waiting for it", "address", s.Listen, "atMost", PortPatience)
		for end := time.Now().Add(PortPatience); time.Now().Before(end); {
			select {
			case <-ctx.Done():
				return nil, WrapListen(s.Listen, err)
			case <-time.After(200 * time.Millisecond):
			}
			l, err = lc.Listen(ctx, "tcp", s.Listen)
			if err == nil {
				return l, nil
			}
		}
		return nil, WrapListen(s.Listen, err)
	}
	first, _ := strconv.Atoi(port)
	for next := first + 1; next <= min(first+PortsToTry, math.MaxUint16); next++ {
		addr := net.JoinHostPort(host, strconv.Itoa(next))
		l, err = lc.Listen(ctx, "tcp", addr)
		if err == nil {
			log.Info("the default HTTP port is taken; using the next free one", "address", addr)
			return l, nil
		}
	}
	return nil, WrapListen(s.Listen, err)
}

// WrapListen adds the fix to the error of an address that cannot be listened on. It returns nil for nil.
func WrapListen(addr string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: http: cannot listen on %s: %w; choose another address with --http", ErrUnavailable, addr, err)
}

// At returns the name of the node that answers at an address, "" if none answers without authentication. It sends no token,
// because another program may listen there.
func At(ctx context.Context, listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, scheme := range []string{"http://", "https://"} {
		// Whether the certificate is valid does not matter: the name is compared and shown, and nothing secret is sent.
		api, err := client.New(scheme+net.JoinHostPort(host, port), client.Options{TLS: &tls.Config{InsecureSkipVerify: true}}) //nolint:gosec // see above
		if err != nil {
			return ""
		}
		if health, err := api.Health(ctx, false); err == nil {
			return health.Node
		}
	}
	return ""
}

// Identity names a node and its cluster, and shows from which file and with which --join the node was started.
type Identity struct {
	Node                  string `json:"-"` // in the answer, config.node is the table [node]
	Cluster, File, Joined string
}

// Identify asks a node what it is.
func Identify(ctx context.Context, api *client.Client) (Identity, error) {
	var answer struct {
		Node   string
		Config Identity
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := api.Get(ctx, "/api/v1/config", nil, &answer)
	answer.Config.Node = answer.Node
	return answer.Config, err
}
