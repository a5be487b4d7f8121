package failover

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// zkChain does by ZooKeeper's client library alone what a handoff does to the store: three
// sessions, the same number of commits, notifications and reads, nothing else.
type zkChain struct {
	b             *testing.B
	old, lead, to *zk.Conn
}

func newZKChain(b *testing.B, servers []string) chain {
	connect := func() *zk.Conn {
		conn, events, err := zk.Connect(servers, 4*time.Second, zk.WithLogInfo(false))
		if err != nil {
			b.Fatal(err)
		}
		for e := range events {
			if e.State == zk.StateHasSession {
				break
			}
		}
		b.Cleanup(conn.Close)
		return conn
	}
	c := &zkChain{b: b, old: connect(), lead: connect(), to: connect()}
	c.must(c.lead.Create("/chain", nil, 0, zk.WorldACL(zk.PermAll)))
	c.must(c.lead.Create("/chain/epoch", nil, 0, zk.WorldACL(zk.PermAll)))
	return c
}

func (c *zkChain) must(_ any, err error) {
	if err != nil {
		c.b.Fatal(err)
	}
}

// run measures one chain: the leaving node closes its document, the leader sees it, reads it,
// deletes it and grants; the next node sees its document, reads it and claims.
func (c *zkChain) run(n int) time.Duration {
	acl := zk.WorldACL(zk.PermAll)
	oldDoc, toDoc := fmt.Sprintf("/chain/old-%d", n), fmt.Sprintf("/chain/to-%d", n)
	member, status := fmt.Sprintf("/chain/member-%d", n), fmt.Sprintf("/chain/status-%d", n)
	value := make([]byte, 300) // about what a document of one slot takes
	c.must(c.lead.Create(oldDoc, value, 0, acl))
	c.must(c.lead.Create(toDoc, value, 0, acl))
	c.must(c.old.Create(member, value, zk.FlagEphemeral, acl))
	c.must(c.to.Create(status, value, zk.FlagEphemeral, acl))
	_, epoch, err := c.lead.Get("/chain/epoch")
	c.must(nil, err)
	_, _, closed, err := c.lead.GetW(oldDoc)
	c.must(nil, err)
	_, _, granted, err := c.to.GetW(toDoc)
	c.must(nil, err)

	done := make(chan error, 2)
	go func() { // the leader
		<-closed
		_, stat, err := c.lead.Get(oldDoc)
		if err == nil {
			_, err = c.lead.Multi(
				&zk.SetDataRequest{Path: "/chain/epoch", Data: value, Version: epoch.Version},
				&zk.DeleteRequest{Path: oldDoc, Version: stat.Version},
				&zk.SetDataRequest{Path: toDoc, Data: value, Version: 0})
		}
		done <- err
	}()
	var claimed time.Time
	go func() { // the next node
		<-granted
		_, stat, err := c.to.Get(toDoc)
		if err == nil {
			_, err = c.to.Multi(
				&zk.CheckVersionRequest{Path: toDoc, Version: stat.Version},
				&zk.SetDataRequest{Path: status, Data: value, Version: 0})
		}
		claimed = time.Now()
		done <- err
	}()
	began := time.Now()
	c.must(c.old.Multi(
		&zk.SetDataRequest{Path: oldDoc, Data: value, Version: 0},
		&zk.DeleteRequest{Path: member, Version: 0}))
	for range 2 {
		c.must(nil, <-done)
	}
	return claimed.Sub(began)
}
