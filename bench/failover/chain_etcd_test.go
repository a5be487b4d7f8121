package failover

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdChain does by etcd's client library alone what a handoff does to the store: three clients,
// the same number of commits, notifications and reads, nothing else.
type etcdChain struct {
	b             *testing.B
	old, lead, to *clientv3.Client
}

func newEtcdChain(b *testing.B, servers []string) chain {
	connect := func() *clientv3.Client {
		c, err := clientv3.New(clientv3.Config{Endpoints: servers, Logger: zap.NewNop()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		return c
	}
	c := &etcdChain{b: b, old: connect(), lead: connect(), to: connect()}
	c.put(c.lead, "/chain/epoch")
	return c
}

// value is about what a document of one slot takes.
var value = string(make([]byte, 300))

func (c *etcdChain) put(client *clientv3.Client, key string) {
	if _, err := client.Put(c.b.Context(), key, value); err != nil {
		c.b.Fatal(err)
	}
}

// set is the check of a key's version and the put of a new value.
func set(key string, version int64) (clientv3.Cmp, clientv3.Op) {
	return clientv3.Compare(clientv3.Version(key), "=", version), clientv3.OpPut(key, value)
}

// run measures one chain: the leaving node closes its document, the leader sees it, reads it,
// deletes it and grants; the next node sees its document, reads it and claims.
func (c *etcdChain) run(n int) time.Duration {
	ctx := c.b.Context()
	key := func(name string) string { return fmt.Sprintf("/chain/%s-%d", name, n) }
	for _, name := range []string{"old", "to", "member", "status"} {
		c.put(c.lead, key(name))
	}
	epoch, err := c.lead.Get(ctx, "/chain/epoch")
	if err != nil {
		c.b.Fatal(err)
	}
	closed, granted := c.lead.Watch(ctx, key("old")), c.to.Watch(ctx, key("to"))
	commit := func(client *clientv3.Client, compares []clientv3.Cmp, ops []clientv3.Op) error {
		resp, err := client.Txn(ctx).If(compares...).Then(ops...).Commit()
		if err == nil && !resp.Succeeded {
			err = fmt.Errorf("a check failed")
		}
		return err
	}
	done := make(chan error, 2)
	go func() { // the leader
		<-closed
		_, err := c.lead.Get(ctx, key("old"))
		if err == nil {
			e, setEpoch := set("/chain/epoch", epoch.Kvs[0].Version)
			t, setTo := set(key("to"), 1)
			old := clientv3.Compare(clientv3.Version(key("old")), "=", 2)
			err = commit(c.lead, []clientv3.Cmp{e, t, old}, []clientv3.Op{setEpoch, setTo, clientv3.OpDelete(key("old"))})
		}
		done <- err
	}()
	var claimed time.Time
	go func() { // the next node
		<-granted
		_, err := c.to.Get(ctx, key("to"))
		if err == nil {
			s, setStatus := set(key("status"), 1)
			err = commit(c.to, []clientv3.Cmp{clientv3.Compare(clientv3.Version(key("to")), "=", 2), s}, []clientv3.Op{setStatus})
		}
		claimed = time.Now()
		done <- err
	}()
	began := time.Now()
	o, setOld := set(key("old"), 1)
	if err := commit(c.old, []clientv3.Cmp{o}, []clientv3.Op{setOld, clientv3.OpDelete(key("member"))}); err != nil {
		c.b.Fatal(err)
	}
	for range 2 {
		if err := <-done; err != nil {
			c.b.Fatal(err)
		}
	}
	return claimed.Sub(began)
}
