// Package etcdserver runs an etcd server inside this process: quiet, on loopback, for
// development and tests.
//
// # The model
//
// [Start] returns a server that answers, or an error of one line. Nothing of etcd's own log reaches the terminal.
//
// Where etcd would panic or end the process, as on a full disk, the server has failed instead: Start returns the failure, or
// [Server.Err] receives it. A failed server cannot be closed, and the process should end soon.
//
// The data directory belongs to one process at a time. It records the version that wrote it, so that a directory of a
// newer version is refused instead of damaged.
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
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// Config describes the server to start. Only Dir is required.
type Config struct {
	// Dir is the data directory; it is created if it does not exist.
	Dir string
	// Forget means that the data need not outlive the process: nothing is synced to disk.
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
	etcd   *embed.Etcd
	path   string
	dir    *directory
	once   sync.Once
	failed chan error
	stuck  atomic.Bool // a goroutine of it has failed, and keeps its locks
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
		if errors.Is(err, ErrDir) {
			return nil, err
		}
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	s.dir = dir
	return s, nil
}

// startAgain starts a server at the address that it had before, unless the configuration has another one, since its clients
// may still wait there.
func startAgain(ctx context.Context, cfg Config, dir *directory) (*Server, error) {
	if cfg.Client != "" {
		return start(ctx, cfg)
	}
	cfg.Client = dir.stamp.Client
	if cfg.Client != "" {
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
		return nil, DirError(dir.path, err)
	}
	return s, nil
}

func start(ctx context.Context, cfg Config) (*Server, error) {
	c, failure, err := embedConfig(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{path: cfg.Dir, failed: make(chan error, 1)}
	type started struct {
		etcd *embed.Etcd
		err  error
	}
	starting := make(chan started, 1)
	go func() {
		e, err := embed.StartEtcd(c)
		starting <- started{e, err}
	}()
	select {
	case now := <-starting:
		s.etcd, err = now.etcd, now.err
	case err := <-failure.fatal:
		return nil, s.broken(err)
	}
	if err != nil {
		return nil, errors.Join(err, failure.get())
	}
	limit := time.NewTimer(readyLimit)
	defer limit.Stop()
	select {
	case <-s.etcd.Server.ReadyNotify():
		go s.watch(failure)
		return s, nil
	case err := <-failure.fatal:
		return nil, s.broken(err)
	case err = <-s.etcd.Err():
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-limit.C:
		err = fmt.Errorf("not ready within %v", readyLimit)
	}
	s.etcd.Server.Stop() // Close waits for a server that never became ready
	s.etcd.Close()
	return nil, errors.Join(err, failure.get())
}

// watch waits for the server's failure, until it is closed.
func (s *Server) watch(failure *failure) {
	select {
	case err, ok := <-s.etcd.Err():
		if ok {
			s.failed <- err
		}
	case err := <-failure.fatal:
		s.stuck.Store(true)
		s.failed <- s.broken(err)
	}
}

// broken returns why etcd cannot go on.
func (s *Server) broken(err error) error {
	if full(err) {
		return DirError(s.path, err)
	}
	return err
}

func embedConfig(cfg Config) (*embed.Config, *failure, error) {
	c := embed.NewConfig()
	c.Dir = filepath.Join(cfg.Dir, "etcd")
	c.UnsafeNoFsync = cfg.Forget
	c.AutoCompactionMode, c.AutoCompactionRetention = "revision", "10000"
	c.EnableGRPCGateway = false
	// A single server elects itself; waiting a second for others would only delay the first start.
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
	failure := newFailure(cfg.Log)
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(failure.logger())
	return c, failure, nil
}

// URL returns the server's client URL.
func (s *Server) URL() string { return "http://" + s.etcd.Clients[0].Addr().String() }

// Err receives an error when the server fails while it runs. It matches ErrDir if that is because of the directory.
func (s *Server) Err() <-chan error { return s.failed }

// Close stops the server, as far as that can be done with one that has failed.
func (s *Server) Close() {
	s.once.Do(func() {
		if !s.stuck.Load() {
			s.etcd.Close()
		}
		if s.dir != nil {
			_ = s.dir.Close()
		}
	})
}
