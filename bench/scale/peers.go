package scale

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
)

// What people write who have no such library, as short as it is done: the scheme of the project that xconsumer
// continues, a lock for each slot in ZooKeeper, and an election for each slot in etcd.

// tally counts what a peer asks of its store.
type tally struct{ writes, reads, hints, bytes atomic.Int64 }

func (t *tally) counts() counts {
	return counts{Writes: int(t.writes.Load()), Reads: int(t.reads.Load()), Hints: int(t.hints.Load()), Bytes: int(t.bytes.Load())}
}

// namesOf returns the nodes that there are now.
func namesOf[N any](mu *sync.Mutex, nodes map[string]N) []string {
	mu.Lock()
	defer mu.Unlock()
	return slices.Collect(maps.Keys(nodes))
}

// zkPeer is what the peers on ZooKeeper have in common: nodes with a session each.
type zkPeer struct {
	testing.TB
	addrs  []string
	slots  int
	record *recorder
	tally  tally

	mu    sync.Mutex
	conns map[string]*zkNode
}

type zkNode struct {
	conn *zk.Conn
	done chan struct{} // closed when it is to end
	ends sync.WaitGroup
}

var acl = zk.WorldACL(zk.PermAll)

func newZKPeer(tb testing.TB, s service, slots int) *zkPeer {
	p := &zkPeer{TB: tb, addrs: s.addrs, slots: slots, record: newRecorder(slots), conns: map[string]*zkNode{}}
	conn := connect(tb, s.addrs)
	defer conn.Close()
	for _, path := range []string{"/peer", "/peer/members", "/peer/assign", "/peer/slots"} {
		if _, err := conn.Create(path, nil, 0, acl); err != nil {
			tb.Fatal(err)
		}
	}
	return p
}

// connect opens a session.
func connect(tb testing.TB, addrs []string) *zk.Conn {
	tb.Helper()
	conn, events, err := zk.Connect(addrs, sessionTimeout, zk.WithLogInfo(false))
	if err != nil {
		tb.Fatal(err)
	}
	for e := range events {
		if e.State == zk.StateHasSession {
			break
		}
	}
	go func() { // until it is closed
		for range events {
		}
	}()
	return conn
}

// begin connects a node and runs it.
func (p *zkPeer) begin(name string, run func(n *zkNode)) {
	n := &zkNode{conn: connect(p.TB, p.addrs), done: make(chan struct{})}
	p.mu.Lock()
	p.conns[name] = n
	p.mu.Unlock()
	n.ends.Go(func() { run(n) })
}

func (p *zkPeer) end(name string) {
	p.mu.Lock()
	n := p.conns[name]
	delete(p.conns, name)
	p.mu.Unlock()
	close(n.done)
	n.conn.Close() // its ephemeral nodes go with its session
	n.ends.Wait()
}

// leave, crash and lose are the same: there is nothing that they do in order.
func (p *zkPeer) leave(name string) { p.lose(name) }
func (p *zkPeer) crash(name string) { p.lose(name) }

func (p *zkPeer) lose(name string) {
	p.record.lose(name)
	p.end(name)
}

func (p *zkPeer) scale(int)      {}
func (p *zkPeer) counts() counts { return p.tally.counts() }

func (p *zkPeer) close() {
	for _, name := range namesOf(&p.mu, p.conns) {
		p.end(name)
	}
}

func (p *zkPeer) create(conn *zk.Conn, path string, value []byte, flags int32) (string, error) {
	p.tally.writes.Add(1)
	p.tally.bytes.Add(int64(len(path) + len(value)))
	return conn.Create(path, value, flags, acl)
}

// original is the scheme of the project that xconsumer continues: every node watches the list of members, and the one
// with the lowest number writes to each which slots it has, distributed again by turns. A node starts and stops what is
// written at once; nobody waits for anybody.
type original struct{ *zkPeer }

func newOriginal(tb testing.TB, s service, slots int) *original {
	return &original{newZKPeer(tb, s, slots)}
}

func (o *original) start(name string) {
	o.begin(name, func(n *zkNode) {
		if _, err := o.create(n.conn, "/peer/assign/"+name, nil, 0); err != nil {
			o.Error(err)
			return
		}
		mine, err := o.create(n.conn, "/peer/members/"+name+"-", nil, zk.FlagEphemeral|zk.FlagSequence)
		if err != nil {
			o.Error(err)
			return
		}
		n.ends.Go(func() { o.apply(n, name) })
		o.follow(n, mine)
	})
}

// follow watches the members, and deals the slots out while this one is the first.
func (o *original) follow(n *zkNode, mine string) {
	for {
		o.tally.reads.Add(1)
		list, _, changed, err := n.conn.ChildrenW("/peer/members")
		if err != nil {
			return
		}
		slices.SortFunc(list, func(a, b string) int { return int(sequence(a) - sequence(b)) })
		if len(list) > 0 && "/peer/members/"+list[0] == mine {
			for i, member := range list {
				var slots []int
				for s := i; s < o.slots; s += len(list) {
					slots = append(slots, s)
				}
				value, _ := json.Marshal(slots)
				o.tally.writes.Add(1)
				o.tally.bytes.Add(int64(len(value)))
				if _, err := n.conn.Set("/peer/assign/"+member[:len(member)-11], value, -1); err != nil {
					break
				}
			}
		}
		select {
		case <-changed:
			o.tally.hints.Add(1)
		case <-n.done:
			return
		}
	}
}

func sequence(name string) (n int64) {
	_, _ = fmt.Sscanf(name[len(name)-10:], "%d", &n)
	return n
}

// apply runs what is assigned.
func (o *original) apply(n *zkNode, name string) {
	runs := map[int]bool{}
	for {
		o.tally.reads.Add(1)
		value, _, changed, err := n.conn.GetW("/peer/assign/" + name)
		if err != nil {
			return
		}
		o.tally.bytes.Add(int64(len(value)))
		var slots []int
		_ = json.Unmarshal(value, &slots) // nothing is assigned yet
		wanted := map[int]bool{}
		for _, s := range slots {
			wanted[s] = true
			if !runs[s] {
				o.record.start(s, name)
			}
		}
		for s := range runs {
			if !wanted[s] {
				o.record.stop(s, name)
			}
		}
		runs = wanted
		select {
		case <-changed:
			o.tally.hints.Add(1)
		case <-n.done:
			return
		}
	}
}

// locks is a lock for each slot: nodes race to create its key, and whoever has it runs it. A node takes no more than
// its fair share of what it can see, as else the first would have all.
type locks struct{ *zkPeer }

func newLocks(tb testing.TB, s service, slots int) *locks { return &locks{newZKPeer(tb, s, slots)} }

func (l *locks) start(name string) {
	l.begin(name, func(n *zkNode) {
		if _, err := l.create(n.conn, "/peer/members/"+name, nil, zk.FlagEphemeral); err != nil {
			l.Error(err)
			return
		}
		held := map[int]bool{}
		for {
			l.tally.reads.Add(2)
			members, _, joined, err := n.conn.ChildrenW("/peer/members")
			if err != nil {
				return
			}
			taken, _, changed, err := n.conn.ChildrenW("/peer/slots")
			if err != nil {
				return
			}
			l.tally.bytes.Add(int64(5 * len(taken)))
			share := (l.slots + len(members) - 1) / len(members)
			for s := range held { // somebody has come: give back what is too much
				if len(held) <= share {
					break
				}
				l.record.stop(s, name)
				delete(held, s)
				l.tally.writes.Add(1)
				if n.conn.Delete(fmt.Sprintf("/peer/slots/%d", s), -1) != nil {
					return
				}
			}
			is := make(map[string]bool, len(taken))
			for _, s := range taken {
				is[s] = true
			}
			for _, s := range rand.Perm(l.slots) {
				if len(held) >= share {
					break
				}
				if is[fmt.Sprint(s)] || held[s] {
					continue
				}
				switch _, err := l.create(n.conn, fmt.Sprintf("/peer/slots/%d", s), nil, zk.FlagEphemeral); err {
				case nil:
					held[s] = true
					l.record.start(s, name)
				case zk.ErrNodeExists:
				default:
					return
				}
			}
			select {
			case <-changed:
				l.tally.hints.Add(1)
			case <-joined:
				l.tally.hints.Add(1)
			case <-n.done:
				return
			}
		}
	})
}

// elections is an election of etcd's own for each slot: every node stands in all of them.
type elections struct {
	testing.TB
	addrs  []string
	slots  int
	record *recorder
	tally  tally

	mu    sync.Mutex
	nodes map[string]*etcdNode
}

type etcdNode struct {
	client  *clientv3.Client
	session *concurrency.Session
	stop    context.CancelFunc
	ends    sync.WaitGroup
}

func newElections(tb testing.TB, s service, slots int) *elections {
	return &elections{TB: tb, addrs: s.addrs, slots: slots, record: newRecorder(slots), nodes: map[string]*etcdNode{}}
}

func (e *elections) start(name string) {
	client, err := clientv3.New(clientv3.Config{Endpoints: e.addrs, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		e.Fatal(err)
	}
	session, err := concurrency.NewSession(client, concurrency.WithTTL(30))
	if err != nil {
		e.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &etcdNode{client: client, session: session, stop: cancel}
	e.mu.Lock()
	e.nodes[name] = n
	e.mu.Unlock()
	for _, s := range rand.Perm(e.slots) {
		n.ends.Go(func() {
			election := concurrency.NewElection(session, fmt.Sprintf("/peer/%d", s))
			e.tally.writes.Add(1)
			e.tally.reads.Add(2) // the key before one's own, and waiting for its end
			if election.Campaign(ctx, name) != nil {
				return
			}
			e.record.start(s, name)
			<-ctx.Done()
		})
	}
}

func (e *elections) lose(name string) {
	e.mu.Lock()
	n := e.nodes[name]
	delete(e.nodes, name)
	e.mu.Unlock()
	e.record.lose(name)
	_ = n.session.Close() // revokes the lease
	n.stop()
	n.ends.Wait()
	_ = n.client.Close()
}

func (e *elections) leave(name string) { e.lose(name) }
func (e *elections) crash(name string) { e.lose(name) }
func (e *elections) scale(int)         {}
func (e *elections) counts() counts    { return e.tally.counts() }

func (e *elections) close() {
	for _, name := range namesOf(&e.mu, e.nodes) {
		e.lose(name)
	}
}
