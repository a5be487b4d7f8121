package scale

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// batch is how many assignments a commit of the floor writes.
const batch = 50

// floor is how long the raw operations take that a change of so many nodes cannot do without: the leader writes their
// assignments, as many in a commit as it may, under its epoch; each node hears of it, reads its assignment, and writes its
// status under it; the leader hears of each, and reads it. By ZooKeeper's client alone, at the same concurrency.
func floor(tb testing.TB, addrs []string, touched, slots int) time.Duration {
	tb.Helper()
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

// coldFloor is how long the raw operations of a cold start take, until each slot has a goroutine: each node opens its session, as
// many at once as those of the fleet, and creates its keys in one commit; the leader hears of the nodes and reads what each says of
// itself; it writes their assignments; each node hears of its own, reads it and the specs, writes its status under it, and starts.
func coldFloor(tb testing.TB, addrs []string, nodes, slots int) time.Duration {
	tb.Helper()
	each := max(1, slots/nodes)
	lead := connect(tb, addrs)
	defer lead.Close()
	root := fmt.Sprintf("/floor-%d", time.Now().UnixNano())
	for _, path := range []string{"", "/epoch", "/specs", "/members", "/assignments", "/status", "/heartbeats", "/names", "/election"} {
		var value []byte
		if path == "/specs" {
			value = make([]byte, 160*tasks)
		}
		if _, err := lead.Create(root+path, value, 0, acl); err != nil {
			tb.Fatal(err)
		}
	}
	var running, ending sync.WaitGroup
	conns, end := make([]*zk.Conn, nodes), make(chan struct{})
	defer func() {
		close(end)
		ending.Wait()
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	began := time.Now()
	turn := make(chan struct{}, startsAtOnce)
	for i := range nodes {
		running.Go(func() {
			turn <- struct{}{}
			conns[i] = connect(tb, addrs)
			<-turn
			if err := joinAndClaim(conns[i], root, i, each); err != nil {
				tb.Error(err)
				return
			}
			for range each {
				ending.Go(func() { <-end })
			}
		})
	}
	if err := grantAll(lead, root, nodes, each); err != nil {
		tb.Fatal(err)
	}
	running.Wait()
	return time.Since(began)
}

// joinAndClaim is what a node of coldFloor does.
func joinAndClaim(conn *zk.Conn, root string, i, slots int) error {
	key := func(dir string) string { return fmt.Sprintf("%s/%s/%d", root, dir, i) }
	bound := func(path string, bytes int) *zk.CreateRequest {
		return &zk.CreateRequest{Path: path, Data: make([]byte, bytes), Acl: acl, Flags: zk.FlagEphemeral}
	}
	candidate := bound(key("election"), 2)
	candidate.Flags |= zk.FlagSequence
	if _, err := conn.Multi(
		bound(key("names"), 150), bound(key("members"), 300), bound(key("heartbeats"), 60), bound(key("status"), 60),
		&zk.CreateRequest{Path: key("assignments"), Data: make([]byte, 120), Acl: acl}, candidate,
	); err != nil {
		return err
	}
	_, at, granted, err := conn.GetW(key("assignments"))
	if err != nil {
		return err
	}
	if at.Version == 0 {
		<-granted
		_, at, err = conn.Get(key("assignments"))
	}
	if err == nil {
		_, _, err = conn.Get(root + "/specs")
	}
	if err == nil {
		_, err = conn.Multi(
			&zk.CheckVersionRequest{Path: key("assignments"), Version: at.Version},
			&zk.SetDataRequest{Path: key("status"), Data: make([]byte, 200+6*slots), Version: 0},
		)
	}
	return err
}

// grantAll is what the leader of coldFloor does.
func grantAll(lead *zk.Conn, root string, nodes, slots int) error {
	known := map[string]bool{}
	for len(known) < nodes {
		names, _, more, err := lead.ChildrenW(root + "/members")
		if err != nil {
			return err
		}
		var reads sync.WaitGroup
		failed := make(chan error, len(names))
		for _, name := range names {
			if !known[name] {
				known[name] = true
				reads.Go(func() {
					_, _, err := lead.Get(root + "/members/" + name)
					failed <- err
				})
			}
		}
		reads.Wait()
		close(failed)
		for f := range failed {
			err = errors.Join(err, f)
		}
		if err != nil {
			return err
		}
		if len(known) < nodes {
			<-more
		}
	}
	value := make([]byte, 200+8*slots)
	for from, version := 0, int32(0); from < nodes; from, version = from+batch, version+1 {
		ops := []any{&zk.SetDataRequest{Path: root + "/epoch", Version: version}}
		for i := from; i < min(from+batch, nodes); i++ {
			ops = append(ops, &zk.SetDataRequest{Path: fmt.Sprintf("%s/assignments/%d", root, i), Data: value, Version: 0})
		}
		if _, err := lead.Multi(ops...); err != nil {
			return err
		}
	}
	return nil
}
