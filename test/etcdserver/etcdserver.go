//go:build unix

// Package etcdserver starts real etcd servers for tests: one, or a cluster of three, each a
// process of its own, on free ports and temporary directories. The processes are the test binary
// itself: its TestMain must begin with [Serve].
package etcdserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"gitee.com/ken.yang/xconsumer/internal/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/process"
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
	err := json.Unmarshal([]byte(text), &cfg)
	if err == nil {
		var s *etcdserver.Server
		s, err = etcdserver.Start(context.Background(), cfg)
		if err == nil {
			_, _ = io.Copy(io.Discard, os.Stdin) // until the test has gone
			s.Close()
			os.Exit(0)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Cluster is a set of servers.
type Cluster struct{ *process.Group }

// Start starts n servers and stops them when the test ends.
func Start(tb testing.TB, n int) *Cluster {
	tb.Helper()
	c := &Cluster{&process.Group{TB: tb}}
	var configs []etcdserver.Config
	var members []string
	for i := range n {
		addrs := process.FreeAddrs(tb, 2)
		c.Addresses = append(c.Addresses, addrs[0])
		cfg := etcdserver.Config{
			Dir:    filepath.Join(tb.TempDir(), "data"),
			Forget: true,
			Name:   fmt.Sprintf("e%d", i),
			Client: "http://" + addrs[0],
		}
		if n > 1 {
			cfg.Peer = "http://" + addrs[1]
			members = append(members, cfg.Name+"="+cfg.Peer)
		}
		configs = append(configs, cfg)
	}
	c.Command = func(i int) (*exec.Cmd, error) {
		cfg := configs[i]
		cfg.Cluster = strings.Join(members, ",")
		text, err := json.Marshal(cfg)
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asServer+"="+string(text))
		_, err = cmd.StdinPipe() // which ends with the test
		return cmd, err
	}
	c.Serves = func(i int) bool { s := c.status(i); return s != nil && s.Leader != 0 }
	if err := c.Start(); err != nil {
		tb.Fatal(err)
	}
	return c
}

// Leader returns the index of the cluster's leader, waiting for one.
func (c *Cluster) Leader() int {
	c.TB.Helper()
	return c.Find("leader", c.Leads)
}

// Leads asks a server whether it is the leader.
func (c *Cluster) Leads(i int) bool {
	s := c.status(i)
	return s != nil && s.Leader != 0 && s.Leader == s.Header.MemberId
}

// status asks a server; nil if it does not answer.
func (c *Cluster) status(i int) *clientv3.StatusResponse {
	endpoint := "http://" + c.Addresses[i]
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		return nil
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.TB.Context()), time.Second)
	defer cancel()
	status, err := client.Status(ctx, endpoint)
	if err != nil {
		return nil
	}
	return status
}
