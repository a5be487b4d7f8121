package zk_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/coord/zk"
)

// Inspect waits for hanging servers at the same time. Of a version it takes the number: builds add texts of their
// own.
func TestInspectAsksAllAtOnce(t *testing.T) {
	serve := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { _ = c.Close() })
				if answer != "" {
					_, _ = bufio.NewReader(c).Peek(len("srvr"))
					_, _ = io.WriteString(c, answer)
					_ = c.Close()
				}
			}
		}()
		return l.Addr().String()
	}
	servers := []string{serve("Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2022\nMode: standalone\ntickTime=2000\n")}
	const hang = 4
	for range hang {
		servers = append(servers, serve(""))
	}
	store, err := zk.New(zk.Config{Servers: servers})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	list := store.Inspect(t.Context())
	if took := time.Since(began); took > hang*2*time.Second { // two each
		t.Errorf("it took %v", took)
	}
	if list[0].Err != nil || list[0].Version != "3.8.0" || list[0].Mode != "standalone" {
		t.Errorf("%+v", list[0])
	}
	for _, server := range list[1:] {
		if server.Err == nil {
			t.Errorf("%+v", server)
		}
	}
}
