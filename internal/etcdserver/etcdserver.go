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
	"log/slog"
	"net/url"
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
	// the server is alone; without Client it takes the port that it had the last time on this
	// directory, or a free one.
	Name, Client, Peer, Cluster string
}

// Server is a running server.
type Server struct {
	etcd *embed.Etcd
	dir  *directory
	once sync.Once
}

// readyLimit bounds the start; an idle machine needs a fraction of a second.
const readyLimit = 60 * time.Second

// Start starts a server and waits until it answers. Errors about the directory match ErrDir.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	dir, err := openDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s, err := startAgain(ctx, cfg, dir)
	if err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	s.dir = dir
	return s, nil
}

// startAgain starts a server at the address that it had before, if nothing else is asked for, since
// its clients may still wait there.
func startAgain(ctx context.Context, cfg Config, dir *directory) (*Server, error) {
	if cfg.Client != "" {
		return start(ctx, cfg)
	}
	if cfg.Client = dir.stamp.Client; cfg.Client != "" {
		if s, err := start(ctx, cfg); err == nil || !strings.Contains(err.Error(), "address already in use") {
			return s, err
		}
		cfg.Client = ""
	}
	s, err := start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	dir.stamp.Client = s.URL()
	if err := dir.write(); err != nil {
		s.Close()
		return nil, err
	}
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
		if s.dir != nil {
			_ = s.dir.Close()
		}
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
