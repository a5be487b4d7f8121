// Package etcdserver runs an etcd server inside this process: quiet, on loopback, for
// development and tests.
//
// # The model
//
// [Start] returns a server that answers, or an error in one line; nothing of etcd's own log
// reaches the terminal. The data directory belongs to one process at a time and says what wrote
// it, so that a directory of a newer version is refused instead of damaged.
package etcdserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Config tells what to start. Only Dir is needed.
type Config struct {
	// Dir is the data directory; it is created if it does not exist.
	Dir string
	// Forget says that the data need not outlive the process: nothing is synced to disk.
	Forget bool
	// Log receives etcd's errors, at debug level; nil discards them.
	Log *slog.Logger

	// Name, Client, Peer and Cluster are for servers of a cluster of several: the name of this
	// one, its addresses, and "name=http://peer" of all, separated by commas. Without Cluster
	// the server is alone; without Client it takes a free port.
	Name, Client, Peer, Cluster string
}

// Server is a running server.
type Server struct {
	etcd *embed.Etcd
	lock io.Closer
	once sync.Once
}

// readyLimit bounds the start; an idle machine needs a fraction of a second.
const readyLimit = 60 * time.Second

// Start starts a server and waits until it answers. Errors about the directory match ErrDir.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	lock, err := openDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, cfg)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	s.lock = lock
	return s, nil
}

func start(ctx context.Context, cfg Config) (*Server, error) {
	c, failure, err := embedConfig(cfg)
	if err != nil {
		return nil, err
	}
	e, err := embed.StartEtcd(c)
	if err != nil {
		return nil, errors.Join(err, failure.get())
	}
	limit := time.NewTimer(readyLimit)
	defer limit.Stop()
	select {
	case <-e.Server.ReadyNotify():
		return &Server{etcd: e}, nil
	case err = <-e.Err():
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-limit.C:
		err = fmt.Errorf("not ready within %v", readyLimit)
	}
	e.Server.Stop() // Close waits for a server that never became ready
	e.Close()
	return nil, errors.Join(err, failure.get())
}

func embedConfig(cfg Config) (*embed.Config, *lastError, error) {
	c := embed.NewConfig()
	c.Dir = filepath.Join(cfg.Dir, "etcd")
	c.UnsafeNoFsync = cfg.Forget
	c.AutoCompactionMode, c.AutoCompactionRetention = "revision", "10000"
	c.EnableGRPCGateway = false
	// One alone elects itself; waiting a second for others would only delay the first start.
	c.TickMs, c.ElectionMs = 10, 100
	anywhere := "http://127.0.0.1:0"
	client, peer := cfg.Client, cfg.Peer
	if client == "" {
		client = anywhere
	}
	if peer == "" {
		peer = anywhere
	}
	for _, u := range []struct {
		text           string
		listen, advert *[]url.URL
	}{
		{client, &c.ListenClientUrls, &c.AdvertiseClientUrls},
		{peer, &c.ListenPeerUrls, &c.AdvertisePeerUrls},
	} {
		parsed, err := url.Parse(u.text)
		if err != nil {
			return nil, nil, err
		}
		*u.listen, *u.advert = []url.URL{*parsed}, []url.URL{*parsed}
	}
	if cfg.Name != "" {
		c.Name = cfg.Name
	}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	if cfg.Cluster != "" {
		c.InitialCluster = cfg.Cluster
		c.TickMs, c.ElectionMs = 100, 1000
	}
	failure := &lastError{log: cfg.Log}
	logger := zap.New(failure.core(), zap.WithFatalHook(zapcore.WriteThenPanic))
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)
	return c, failure, nil
}

// URL returns the server's client URL.
func (s *Server) URL() string { return "http://" + s.etcd.Clients[0].Addr().String() }

// Err receives an error when the server fails while it runs.
func (s *Server) Err() <-chan error { return s.etcd.Err() }

// Close stops the server.
func (s *Server) Close() {
	s.once.Do(func() {
		s.etcd.Close()
		_ = s.lock.Close()
	})
}

// lastError keeps the last error that etcd logged, since it often says more than what is
// returned.
type lastError struct {
	log *slog.Logger
	mu  sync.Mutex
	err error
}

func (l *lastError) core() zapcore.Core {
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "msg", ConsoleSeparator: " "})
	return zapcore.NewCore(encoder, zapcore.AddSync(l), zapcore.ErrorLevel)
}

// Write implements io.Writer; each call is one line of the log.
func (l *lastError) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	l.mu.Lock()
	l.err = errors.New(text)
	l.mu.Unlock()
	if l.log != nil {
		l.log.Debug("embedded etcd", "message", text)
	}
	return len(line), nil
}

func (l *lastError) get() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// ErrDir: the data directory cannot be used; the error says why.
var ErrDir = errors.New("data directory cannot be used")

// stampName is the file that says what wrote a directory.
const stampName = "xconsumer.json"

// openDir makes the directory this process's own until the lock is closed.
func openDir(dir string) (io.Closer, error) {
	fail := func(err error) (io.Closer, error) { return nil, fmt.Errorf("%w: %s: %w", ErrDir, dir, err) }
	if dir == "" {
		return fail(errors.New("no directory given"))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return fail(err)
	}
	if err := checkStamp(dir); err != nil {
		_ = lock.Close()
		return fail(err)
	}
	return lock, nil
}
