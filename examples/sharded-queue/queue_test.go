//go:build unix

package main

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/examples/fleet"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// startRedis starts a Redis server and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("real Redis needed, no redis-server found: run `make deps` (apt-get install redis-server)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	_ = l.Close()
	cmd := exec.Command(bin, "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return addr
}

// Nodes are killed and the task is scaled while it works through the queue: nothing is lost, and each
// order has one result.
func TestNothingIsLost(t *testing.T) {
	addr := startRedis(t)
	client := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	const orders = 20_000
	done := func() int {
		n, err := client.HLen(t.Context(), "orders:done").Result()
		if err != nil {
			t.Logf("redis: %v", err)
		}
		return int(n)
	}
	for deadline := time.Now().Add(time.Minute); client.Ping(t.Context()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("redis does not answer")
		}
	}

	t.Setenv("REDIS_ADDR", addr)
	f := fleet.Start(t, fleet.Build(t, "."), fleet.Dir(t, "app.toml"))
	f.Await("four workers", func(s cluster.State) bool { return fleet.Running(s, "orders") })
	if err := fill(t.Context(), client, "20000"); err != nil {
		t.Fatal(err)
	}
	f.Kill()
	f.Await("a quarter", func(cluster.State) bool { return done() > orders/4 })
	f.Kill()
	c, _ := f.Client()
	if _, err := c.Do(t.Context(), httpapi.Wish{Path: "/api/v1/tasks/orders/scale", Body: map[string]int{"workers": 7}}); err != nil {
		t.Fatal(err)
	}
	f.Await("half", func(cluster.State) bool { return done() > orders/2 })
	f.Kill()
	f.Await("all", func(cluster.State) bool { return done() == orders })

	f.Await("all is acknowledged", func(cluster.State) bool {
		for p := range partitions {
			pending, err := client.XPending(t.Context(), stream(p), group).Result()
			if err != nil || pending.Count > 0 {
				return false
			}
		}
		return true
	})
	executed, err := client.HVals(t.Context(), "orders:executed").Result()
	if err != nil || len(executed) != orders {
		t.Fatalf("%d orders were executed: %v", len(executed), err)
	}
	again := 0
	for _, n := range executed {
		if n != "1" {
			again++
		}
	}
	results, err := client.HVals(t.Context(), "orders:done").Result()
	if err != nil || len(results) != orders || !strings.HasPrefix(results[0], "by orders#") {
		t.Fatalf("%d results: %v", len(results), err)
	}
	t.Logf("%d orders, %d of them executed again after a crash or another owner", len(executed), again)
}
