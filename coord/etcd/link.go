package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"gitee.com/ken.yang/xconsumer/coord"
)

// connect makes a client of the library. It does not wait for a server, except to log in.
func (s *Store) connect(ctx context.Context) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   s.cfg.Endpoints,
		DialTimeout: 5 * time.Second, // of the log-in
		// What gRPC allows at the least; requests have limits of their own.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		PermitWithoutStream:  true,
		TLS:                  s.cfg.TLS,
		Username:             s.cfg.Username,
		Password:             s.cfg.Password,
		Logger:               zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			// A fleet that lost its servers together must not come back in step, nor late.
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.4, MaxDelay: time.Second},
			MinConnectTimeout: min(3*time.Second, max(s.cfg.SessionTimeout/3, time.Second)),
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", answerError(ctx, err))
	}
	return client, nil
}

// reasons says why servers do not answer, which the library keeps to itself.
func (s *Store) reasons(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 300*time.Millisecond)
	defer cancel()
	var reasons []string
	for _, endpoint := range s.cfg.Endpoints {
		u, err := url.Parse(endpoint)
		if err == nil {
			var c net.Conn
			if c, err = new(net.Dialer).DialContext(ctx, "tcp", u.Host); err == nil {
				_ = c.Close()
				err = fmt.Errorf("%s accepts connections and does not answer as etcd does", endpoint)
			}
		}
		if err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	return errors.New(strings.Join(reasons, "; "))
}

// patience is how long a request is waited for. One that took longer may still happen; it is
// asked again, maybe of another server, while the lease holds.
func patience(timeout time.Duration) time.Duration {
	return min(max(timeout/5, time.Second), timeout/2, 5*time.Second)
}

// parseEndpoint completes and checks a client URL.
func parseEndpoint(text string) (string, error) {
	if text == "" {
		return "", errors.New("empty endpoint")
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return "", fmt.Errorf("endpoint %q: want a URL such as http://127.0.0.1:2379", text)
	}
	port := u.Port()
	if port == "" {
		port = "2379"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("endpoint %q: port %q is none", text, port)
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port), nil
}

// oldest are the first good releases of the lines that have bad ones: earlier ones ended leases
// that were renewed in time (etcd issues 12528 and 15247), renewed leases that were over
// (20590), and answered reads with the past after a pause (20418).
var oldest = map[[2]int]int{{3, 5}: 28, {3, 6}: 9}

// checkVersion refuses servers on which leases do not hold.
func checkVersion(endpoint, version string) error {
	plain, _, _ := strings.Cut(version, "-")
	var n [3]int
	parts := strings.Split(plain, ".")
	for i := range min(len(parts), 3) {
		n[i], _ = strconv.Atoi(parts[i]) // what is no number is no version that is known to be good
	}
	line := [2]int{n[0], n[1]}
	first, listed := oldest[line]
	switch {
	case n[0] < 3 || n[0] == 3 && n[1] < 5:
	case listed && n[2] < first:
	default:
		return nil
	}
	return fmt.Errorf("%w: etcd at %s is %s, whose leases can end although they were renewed or be renewed although they ended, so that work would run twice: use 3.5.28, 3.6.9, 3.7.0 or newer",
		coord.ErrUnsupported, endpoint, version)
}
