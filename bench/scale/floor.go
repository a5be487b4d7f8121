package scale

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// floor is how long the raw operations take that a change of so many nodes cannot do without: the leader writes their
// assignments, as many in a commit as it may, under its epoch; each node hears of it, reads its assignment, and writes its
// status under it; the leader hears of each, and reads it. By ZooKeeper's client alone, at the same concurrency.
func floor(tb testing.TB, addrs []string, touched, slots int) time.Duration {
	tb.Helper()
	const batch = 50 // assignments of a commit
	connections := min(touched, 100)
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	lead := connect(tb, addrs)
	defer lead.Close()
	root := fmt.Sprintf("/floor-%d", time.Now().UnixNano())
	assignment, status := make([]byte, 200+8*slots), make([]byte, 200+6*slots) // about what records of so many slots take
	for _, path := range []string{"", "/epoch", "/assignments", "/status"} {
		_, err := lead.Create(root+path, nil, 0, acl)
		must(err)
	}
	var conns []*zk.Conn
	for range connections {
		conns = append(conns, connect(tb, addrs))
	}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	grant := func(i int) string { return fmt.Sprintf("%s/assignments/%d", root, i) }
	stat := func(i int) string { return fmt.Sprintf("%s/status/%d", root, i) }
	for i := range touched {
		_, err := lead.Create(grant(i), nil, 0, acl)
		must(err)
		_, err = conns[i%connections].Create(stat(i), nil, 0, acl)
		must(err)
	}
	var nodes, heard sync.WaitGroup
	for i := range touched {
		conn := conns[i%connections]
		_, _, granted, err := conn.GetW(grant(i))
		must(err)
		_, _, claimed, err := lead.GetW(stat(i))
		must(err)
		nodes.Go(func() {
			<-granted
			_, at, err := conn.Get(grant(i))
			if err == nil {
				_, err = conn.Multi(
					&zk.CheckVersionRequest{Path: grant(i), Version: at.Version},
					&zk.SetDataRequest{Path: stat(i), Data: status, Version: 0},
				)
			}
			if err != nil {
				tb.Error(err)
			}
		})
		heard.Go(func() {
			<-claimed
			if _, _, err := lead.Get(stat(i)); err != nil {
				tb.Error(err)
			}
		})
	}
	began := time.Now()
	for from, version := 0, int32(0); from < touched; from, version = from+batch, version+1 {
		ops := []any{&zk.SetDataRequest{Path: root + "/epoch", Version: version}}
		for i := from; i < min(from+batch, touched); i++ {
			ops = append(ops, &zk.SetDataRequest{Path: grant(i), Data: assignment, Version: 0})
		}
		_, err := lead.Multi(ops...)
		must(err)
	}
	nodes.Wait()
	heard.Wait()
	return time.Since(began)
}
