//go:build unix

// Package etcdserver starts real etcd servers for tests: one, or a cluster of three, each a
// process of its own, on free ports and temporary directories. The processes are the test binary
// itself: its TestMain must begin with [Serve].
package etcdserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"gitee.com/ken.yang/xconsumer/internal/etcdserver"
)

// asServer makes the test binary run as a server with the configuration that it holds.
const asServer = "ETCDSERVER_CONFIG"

// Serve runs a server and ends the process, if this process was started to be one.
func Serve() {
	text := os.Getenv(asServer)
	if text == "" {
		return
	}
	var cfg etcdserver.Config
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, err := etcdserver.Start(context.Background(), cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test has gone
	s.Close()
	os.Exit(0)
}

// startLimit bounds the start of a server.
const startLimit = 60 * time.Second

// Cluster is a set of servers that a test may kill, pause and start again.
type Cluster struct {
	tb      testing.TB
	servers []*server
}

type server struct {
	cfg  etcdserver.Config
	addr string

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{} // closed when the process has ended
	log   bytes.Buffer  // to be read after done
}

// Start starts n servers and stops them when the test ends.
func Start(tb testing.TB, n int) *Cluster {
	tb.Helper()
	var err error
	for range 3 { // a free port may be taken before the server gets it
		var c *Cluster
		if c, err = start(tb, n); err == nil {
			return c
		}
		tb.Logf("starting etcd: %v", err)
	}
	tb.Fatalf("etcd does not start: %v", err)
	return nil
}

func start(tb testing.TB, n int) (*Cluster, error) {
	c := &Cluster{tb: tb}
	var members []string
	for i := range n {
		ports := freeAddrs(tb, 2)
		s := &server{addr: ports[0]}
		s.cfg = etcdserver.Config{
			Dir: filepath.Join(tb.TempDir(), "data"), Forget: true,
			Name: fmt.Sprintf("e%d", i), Client: "http://" + ports[0], Peer: "http://" + ports[1],
		}
		c.servers = append(c.servers, s)
		members = append(members, s.cfg.Name+"="+s.cfg.Peer)
	}
	if n > 1 {
		for _, s := range c.servers {
			s.cfg.Cluster = strings.Join(members, ",")
		}
	} else {
		c.servers[0].cfg.Peer = ""
	}
	tb.Cleanup(func() {
		for i := range c.servers {
			c.Kill(i)
		}
	})
	for i := range c.servers {
		if err := c.launch(i); err != nil {
			return nil, err
		}
	}
	for i := range c.servers {
		if err := c.ready(i); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Addrs returns the client addresses of all servers, host:port.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, s := range c.servers {
		addrs = append(addrs, s.addr)
	}
	return addrs
}

// Hosts returns the addresses as one list.
func (c *Cluster) Hosts() string { return strings.Join(c.Addrs(), ",") }

// Kill kills a server with SIGKILL; its data stay.
func (c *Cluster) Kill(i int) {
	s := c.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	_ = s.stdin.Close()
	s.cmd = nil
}

// Restart starts a killed server on its data and waits until it serves.
func (c *Cluster) Restart(i int) {
	c.tb.Helper()
	c.Launch(i)
	if err := c.ready(i); err != nil {
		c.tb.Fatalf("starting etcd again: %v", err)
	}
}

// Launch starts a killed server on its data without waiting for it, for a cluster that serves
// only once several are up.
func (c *Cluster) Launch(i int) {
	c.tb.Helper()
	if err := c.launch(i); err != nil {
		c.tb.Fatalf("starting etcd again: %v", err)
	}
}

// Pause stops a server with SIGSTOP; the kernel still accepts connections for it.
func (c *Cluster) Pause(i int) { c.signal(i, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (c *Cluster) Resume(i int) { c.signal(i, syscall.SIGCONT) }

func (c *Cluster) signal(i int, sig syscall.Signal) {
	c.tb.Helper()
	s := c.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		c.tb.Fatalf("%v to etcd %d: %v", sig, i, err)
	}
}

// Leader returns the index of the cluster's leader, waiting for one.
func (c *Cluster) Leader() int {
	c.tb.Helper()
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for i, s := range c.servers {
			if status := s.status(c.tb); status != nil && status.Leader != 0 && status.Leader == status.Header.MemberId {
				return i
			}
		}
	}
	c.tb.Fatal("the cluster has no leader")
	return 0
}

// status asks a server; nil if it does not answer.
func (s *server) status(tb testing.TB) *clientv3.StatusResponse {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + s.addr}, Logger: zap.NewNop()})
	if err != nil {
		return nil
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), time.Second)
	defer cancel()
	status, err := client.Status(ctx, "http://"+s.addr)
	if err != nil {
		return nil
	}
	return status
}

func (c *Cluster) launch(i int) error {
	s := c.servers[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	config, err := json.Marshal(struct {
		Dir, Name, Client, Peer, Cluster string
		Forget                           bool
	}{s.cfg.Dir, s.cfg.Name, s.cfg.Client, s.cfg.Peer, s.cfg.Cluster, s.cfg.Forget})
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asServer+"="+string(config))
	s.log.Reset()
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
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

// ready waits until a server answers and knows a leader.
func (c *Cluster) ready(i int) error {
	s := c.servers[i]
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if status := s.status(c.tb); status != nil && status.Leader != 0 {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("server %d ended: %s", i, bytes.TrimSpace(s.log.Bytes()))
		default:
		}
	}
	return fmt.Errorf("server %d does not serve within %v", i, startLimit)
}

// freeAddrs returns addresses that were free a moment ago.
func freeAddrs(tb testing.TB, n int) []string {
	tb.Helper()
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		addrs[i] = l.Addr().String()
	}
	return addrs
}
