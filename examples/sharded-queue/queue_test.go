//go:build unix

package main

import (
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/examples/fleet"
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

const orders = 20_000

// shop is a queue full of orders, and the fleet that works through it.
type shop struct {
	*fleet.Fleet
	client *redis.Client
}

func newShop(t *testing.T) shop {
	t.Helper()
	addr := startRedis(t)
	client := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	for deadline := time.Now().Add(time.Minute); client.Ping(t.Context()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("redis does not answer")
		}
	}
	t.Setenv("REDIS_ADDR", addr)
	s := shop{fleet.Start(t, fleet.Build(t, "."), fleet.Dir(t, "app.toml")), client}
	s.Await("four workers", func(s cluster.State) bool { return fleet.Running(s, "orders") })
	if err := fill(t.Context(), client, strconv.Itoa(orders)); err != nil {
		t.Fatal(err)
	}
	return s
}

// until waits until so many orders are done.
func (s shop) until(what string, number int) {
	s.Helper()
	s.Await(what, func(cluster.State) bool {
		n, err := s.client.HLen(s.Context(), "orders:done").Result()
		if err != nil {
			s.Logf("redis: %v", err)
		}
		return int(n) >= number
	})
}

func (s shop) scale(workers int) {
	s.Helper()
	c, _ := s.Client()
	if _, err := c.Do(s.Context(), client.Request{Path: "/api/v1/tasks/orders/scale", Body: map[string]int{"workers": workers}}); err != nil {
		s.Fatal(err)
	}
}

// finish waits until all is done and acknowledged, wants one result of each order, and returns how many were
// executed more than once.
func (s shop) finish() (again int) {
	s.Helper()
	s.until("all", orders)
	s.Await("all is acknowledged", func(cluster.State) bool {
		for p := range partitions {
			pending, err := s.client.XPending(s.Context(), stream(p), group).Result()
			if err != nil || pending.Count > 0 {
				return false
			}
		}
		return true
	})
	executed, err := s.client.HVals(s.Context(), "orders:executed").Result()
	if err != nil || len(executed) != orders {
		s.Fatalf("%d orders were executed: %v", len(executed), err)
	}
	for _, n := range executed {
		if n != "1" {
			again++
		}
	}
	results, err := s.client.HVals(s.Context(), "orders:done").Result()
	if err != nil || len(results) != orders || !strings.HasPrefix(results[0], "by orders#") {
		s.Fatalf("%d results: %v", len(results), err)
	}
	return again
}

// Nodes are killed and the task is scaled while it works through the queue: nothing is lost, and each
// order has one result.
func TestNothingIsLost(t *testing.T) {
	s := newShop(t)
	s.Kill()
	s.until("a quarter", orders/4)
	s.Kill()
	s.scale(7)
	s.until("half", orders/2)
	s.Kill()
	t.Logf("%d orders, %d of them executed again after a crash", orders, s.finish())
}

// The task is resized six times while it works through the queue: no order is executed twice.
func TestResizesExecuteNothingTwice(t *testing.T) {
	s := newShop(t)
	for i, workers := range []int{5, 3, 7, 2, 6, 4} {
		s.until("the next part", (i+1)*orders/8)
		s.scale(workers)
	}
	if again := s.finish(); again > 0 {
		t.Errorf("%d of %d orders were executed twice", again, orders)
	}
}
