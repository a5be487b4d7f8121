package scale

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// handoffs are how many are measured; the first warms up.
const handoffs = 30

// pass is a fleet whose slots are handed from one node to another by an operator's word.
type pass struct {
	nodes, slots, moved int
	change              string
	ask                 func(from, to string) cluster.Operation
	undo                func(from string) cluster.Operation // what has to follow before the next one
}

var (
	// one slot goes from node to node of ten.
	one = pass{nodes: 10, slots: 1, moved: 1, change: "handoff1", ask: func(_, to string) cluster.Operation {
		return cluster.Move(cluster.Slot{Task: "t000"}, to)
	}}
	// a thousand go from one node of two to the other, which has as many.
	thousand = pass{
		nodes: 2, slots: 2000, moved: 1000, change: "handoff1000",
		ask:  func(from, _ string) cluster.Operation { return cluster.Drain(from, 0) },
		undo: cluster.Uncordon,
	}
)

// handoff measures how long slots are on their way: from when it was asked for until the last of them runs elsewhere.
func handoff(tb testing.TB, s service, p pass) row {
	tb.Helper()
	specs := tasksOf(p.slots)
	if p.slots < len(specs) {
		specs = specs[:p.slots]
	}
	f := newFleet(tb, s, p.slots, specs, 0)
	defer f.close()
	w := &world{TB: tb, service: s, system: f, record: f.record, name: "xconsumer", slots: p.slots, even: true}
	for range p.nodes {
		name := w.fresh()
		w.names = append(w.names, name)
		f.start(name)
	}
	r := row{System: w.name, Store: s.name, Nodes: p.nodes, Slots: p.slots, Change: p.change, Moves: p.moved, Bound: p.moved}
	var chain *chain
	if s.name == "zookeeper" {
		chain = newChain(tb, s.addrs, p.moved)
		defer chain.close()
	}
	var took, floors []time.Duration
	for i := range handoffs + 1 {
		if !w.wait(p.slots) {
			tb.Errorf("%s: not settled", p.change)
			return r
		}
		time.Sleep(400 * time.Millisecond) // an idle cluster is measured, and no burst of changes
		from := f.record.holderOf(0)
		to := w.names[(slices.Index(w.names, from)+1)%len(w.names)]
		if i == 1 {
			endProfile := w.profile(p.change) // of all handoffs that are counted, and the rests between them
			defer endProfile()
		}
		before := f.counts()
		f.record.mark()
		f.do(p.ask(from, to))
		began := time.Now() // the word is there
		for end := time.Now().Add(patience); f.record.count(to) < p.slots && time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		}
		t, _, duplicates := f.record.took(began)
		time.Sleep(300 * time.Millisecond)
		c := f.counts().less(before)
		r.Writes, r.Books, r.Reads, r.Hints, r.Bytes, r.Duplicates = c.Writes, c.Books, c.Reads, c.Hints, c.Bytes, r.Duplicates+duplicates
		if i > 0 {
			took = append(took, t.last)
		}
		if chain != nil {
			if d := chain.run(); i > 0 {
				floors = append(floors, d)
			}
		}
		if p.undo != nil {
			f.do(p.undo(from))
		}
	}
	slices.Sort(took)
	slices.Sort(floors)
	r.SettledMs = ms(took[len(took)/2]) // of the median handoff
	r.FirstMs, r.P50Ms, r.P99Ms = ms(took[0]), r.SettledMs, ms(took[(len(took)-1)*99/100])
	if len(floors) > 0 {
		r.FloorMs = ms(floors[len(floors)/2])
	}
	return r
}

// do has a node carry out what an operator wants, always the same.
func (f *fleet) do(op cluster.Operation) {
	node := f.first()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_, err := node.Admin().Do(context.Background(), op)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			f.Fatal(op, ": ", err)
		}
	}
}

// chain is what a handoff by an operator's word cannot do without, once it is written: the leader sees it, reads it, and
// asks the slots back; their node sees that, reads it, and says that they have stopped; the leader sees that, reads it, and
// grants them to the other node; that sees it, reads it, and claims them. Three sessions and an operator's, nothing else.
type chain struct {
	testing.TB
	root               string
	hand, lead, a, b   *zk.Conn
	assignment, status []byte
	version            map[string]int32
}

func newChain(tb testing.TB, addrs []string, slots int) *chain {
	tb.Helper()
	c := &chain{TB: tb, root: fmt.Sprintf("/chain-%d", time.Now().UnixNano()), version: map[string]int32{}}
	c.hand, c.lead, c.a, c.b = connect(tb, addrs), connect(tb, addrs), connect(tb, addrs), connect(tb, addrs)
	c.assignment, c.status = make([]byte, 300+3*slots), make([]byte, 300+2*slots) // ranges, not a list of numbers
	for _, path := range []string{"", "/word", "/epoch", "/docA", "/docB", "/statusA", "/statusB"} {
		if _, err := c.hand.Create(c.root+path, nil, 0, acl); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

func (c *chain) close() {
	for _, conn := range []*zk.Conn{c.hand, c.lead, c.a, c.b} {
		conn.Close()
	}
}

// await returns a function that waits for the next change of a key and reads it.
func (c *chain) await(conn *zk.Conn, key string) func() {
	_, _, changed, err := conn.GetW(c.root + key)
	if err != nil {
		c.Fatal(err)
	}
	return func() {
		<-changed
		if _, _, err := conn.Get(c.root + key); err != nil {
			c.Error(err)
		}
	}
}

// commit writes keys at once, each at its version.
func (c *chain) commit(conn *zk.Conn, check string, keys ...string) {
	var ops []any
	if check != "" {
		ops = append(ops, &zk.CheckVersionRequest{Path: c.root + check, Version: c.version[check]})
	}
	for _, key := range keys {
		value := c.assignment
		if key == "/statusA" || key == "/statusB" {
			value = c.status
		}
		ops = append(ops, &zk.SetDataRequest{Path: c.root + key, Data: value, Version: c.version[key]})
		c.version[key]++
	}
	if _, err := conn.Multi(ops...); err != nil {
		c.Error(err)
	}
}

// run is one handoff.
func (c *chain) run() time.Duration {
	word, asked, stopped, granted := c.await(c.lead, "/word"), c.await(c.a, "/docA"), c.await(c.lead, "/statusA"), c.await(c.b, "/docB")
	c.commit(c.hand, "", "/word")
	began := time.Now()
	word()
	c.commit(c.lead, "", "/epoch", "/docA")
	asked()
	c.commit(c.a, "/docA", "/statusA")
	stopped()
	c.commit(c.lead, "", "/epoch", "/docA", "/docB")
	granted()
	c.commit(c.b, "/docB", "/statusB")
	return time.Since(began)
}
