package sim

import (
	"encoding/json"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// fault is one thing that the nemesis does. What lasts goes on in the background.
type fault struct {
	name string
	// Hit does it to a machine; n distinguishes this hit from others.
	hit func(w *world, m *machine, n int64)
}

// harsh are the faults of safety and liveness.
var harsh = []fault{
	{"crash", func(_ *world, m *machine, _ int64) { m.crash("crash") }},
	{"leave", func(w *world, m *machine, n int64) {
		w.doing.Go(func() {
			m.leave()
			w.nap(w.dice.upTo(5*time.Second, "away", n))
			m.boot()
		})
	}},
	{"pause", func(w *world, m *machine, n int64) {
		m.pause(w.dice.upTo(2*timeout, "pause", n), w.dice.chance(0.5, "supervised", n))
	}},
	{"pause around the session's end", func(w *world, m *machine, n int64) {
		m.pause(timeout-time.Second+w.dice.upTo(tick+2*time.Second, "pause", n), false)
	}},
	{"nobody reads its log or listens", func(w *world, m *machine, n int64) { m.deafen(w.dice.upTo(timeout, "deaf", n)) }},
	{"nobody reads its log or listens any longer", func(_ *world, m *machine, _ int64) { m.deafen(0) }},
	{"cut", func(w *world, m *machine, n int64) { m.cut(w.dice.upTo(2*timeout, "cut", n), 0) }},
	{"cut of requests", func(w *world, m *machine, n int64) { m.cut(w.dice.upTo(2*timeout, "cut", n), 1) }},
	{"cut of answers", func(w *world, m *machine, n int64) { m.cut(w.dice.upTo(2*timeout, "cut", n), 2) }},
	{"server cut off from the store", func(w *world, _ *machine, n int64) { w.isolate(w.dice.upTo(timeout*3/2, "isolate", n), n) }},
	{"session ended by others", func(_ *world, m *machine, _ int64) { m.expire() }},
	{"storm", func(w *world, m *machine, n int64) {
		client := 0
		if p := m.present(); p != nil && w.dice.chance(0.5, "whose storm", n) {
			client = p.client.ID()
		}
		w.weather.begin(client, w.now()+w.dice.upTo(20*time.Second, "storm", n), 0.5, w.o.Mode == Safety)
	}},
	{"scale", func(w *world, _ *machine, n int64) { w.scale(n) }},
	{"drain", func(w *world, m *machine, n int64) {
		deadline := time.Duration(0)
		if w.dice.chance(0.5, "deadline", n) {
			deadline = time.Second + w.dice.upTo(20*time.Second, "deadline", n).Round(time.Second)
		}
		w.do(cluster.Drain(m.name, deadline))
		w.doing.Go(func() {
			w.nap(w.dice.upTo(time.Minute, "drain", n))
			w.do(cluster.Uncordon(m.name))
		})
	}},
	{"cordon", func(w *world, m *machine, n int64) {
		w.do(cluster.Cordon(m.name))
		w.doing.Go(func() {
			w.nap(w.dice.upTo(time.Minute, "cordon", n))
			w.do(cluster.Uncordon(m.name))
		})
	}},
	{"restart", func(w *world, m *machine, n int64) {
		op := []cluster.Operation{
			cluster.RestartNode(m.name), cluster.RestartTask("a"), cluster.RestartWorker(cluster.Slot{Task: "b"}),
			cluster.Evict(m.name), cluster.Move(cluster.Slot{Task: "a"}, m.name), cluster.Move(cluster.Slot{Task: "b", Index: 1}, m.name),
		}[w.dice.pick(6, "restart", n)]
		if op.Kind == cluster.OpEvict && w.o.Mode != Safety {
			return // as with a key that is deleted by hand, see tamper
		}
		w.do(op)
	}},
	{"step down", func(w *world, _ *machine, _ int64) { w.do(cluster.StepDown()) }},
	{"move now", func(w *world, _ *machine, _ int64) { w.do(cluster.MoveNow()) }},
	{"leaders die one after the other", func(w *world, _ *machine, n int64) { w.flap(n) }},
	{"key deleted by hand", func(_ *world, m *machine, n int64) { m.tamper(n) }},
	{"former assignment put back", func(_ *world, m *machine, n int64) { m.putBack(n) }},
	{"record written by hand", func(_ *world, m *machine, n int64) { m.scribble(n) }},
	{"leader hears nothing", func(w *world, _ *machine, n int64) { w.deafen(w.dice.upTo(4*timeout, "deaf", n)) }},
	{"decisions hang", func(w *world, m *machine, n int64) {
		if l := w.leader(); l != nil && w.dice.chance(0.7, "leader", n) {
			m = l
		}
		m.mislead("hang", w.dice.upTo(4*timeout, "hang", n))
	}},
	{"decisions panic", func(w *world, m *machine, n int64) {
		if l := w.leader(); l != nil && w.dice.chance(0.7, "leader", n) {
			m = l
		}
		m.mislead([]string{"panic", "nonsense"}[w.dice.pick(2, "how", n)], w.dice.upTo(4*timeout, "panic", n))
	}},
	{"other protocol", func(w *world, _ *machine, n int64) {
		w.doing.Go(func() {
			w.raise(schema.Protocol + 1)
			w.nap(w.dice.upTo(10*time.Second, "protocol", n))
			w.raise(schema.Protocol)
		})
	}},
	{"move to another server", func(_ *world, m *machine, n int64) { m.move(n) }},
}

// early are those of a service that ends sessions early, besides.
var early = []fault{
	{"server wakes and ends sessions", func(w *world, m *machine, n int64) { m.endEarly(w.dice.upTo(timeout, "stopped", n), n) }},
	{"history compacted", func(w *world, _ *machine, _ int64) { w.service.Compact() }},
}

// mild are those that a lease outlasts.
var mild = []fault{
	{"nobody reads its log or listens", func(w *world, m *machine, n int64) { m.deafen(w.dice.upTo(5*time.Second, "deaf", n)) }},
	{"short pause", func(w *world, m *machine, n int64) { m.pause(w.dice.upTo(5*time.Second, "pause", n), true) }},
	{"short cut", func(w *world, m *machine, n int64) {
		m.cut(w.dice.upTo(5*time.Second, "cut", n), w.dice.pick(3, "way", n))
	}},
	{"server cut off for a moment", func(w *world, _ *machine, n int64) { w.isolate(w.dice.upTo(5*time.Second, "isolate", n), n) }},
	{"short storm", func(w *world, _ *machine, n int64) {
		w.weather.begin(0, w.now()+w.dice.upTo(5*time.Second, "storm", n), 0.5, false)
	}},
	{"move to another server", func(_ *world, m *machine, n int64) { m.move(n) }},
}

// haunt does one fault after the other, some while others last.
func (w *world) haunt() {
	for n := int64(0); w.now() < w.o.Span; n++ {
		time.Sleep(time.Millisecond + w.dice.upTo(9*time.Second, "next", n))
		w.hit(harsh, n)
		if w.sudden && w.dice.chance(0.3, "early", n) {
			w.hit(early, 1_000_000+n)
		}
		time.Sleep(150 * time.Millisecond) // whoever is told of it hears it before the next
	}
}

// unsettle does the mild faults, each once the one before is over.
func (w *world) unsettle(time.Duration) {
	for n := int64(0); w.now() < w.o.Span; n++ {
		w.hit(mild, n)
		time.Sleep(12*time.Second + w.dice.upTo(3*time.Second, "next", n))
	}
}

func (w *world) hit(faults []fault, n int64) {
	f := faults[w.dice.pick(len(faults), "fault", n)]
	m := w.machines[w.dice.pick(len(w.machines), "victim", n)]
	w.add("nemesis: %s (%s)", f.name, m.name)
	w.count(f.name)
	f.hit(w, m, n)
}

// cut takes the link of the present process down: both ways, or one.
func (m *machine) cut(span time.Duration, way int) {
	p := m.present()
	if p == nil {
		return
	}
	[]func(){p.client.Cut, p.client.CutRequests, p.client.CutReplies}[way]()
	m.doing.Go(func() {
		m.nap(span)
		if p.alive() {
			p.client.Heal()
		}
	})
}

// isolate cuts a server off from the store; after a while its clients look for another, as their
// libraries do when a server gives up.
func (w *world) isolate(span time.Duration, n int64) {
	server := w.dice.pick(3, "server", n)
	w.service.Isolate(server)
	w.doing.Go(func() {
		w.nap(span)
		w.service.Rejoin(server)
	})
}

// expire ends the session of a node that can hear of it, or of any where the takeover delay covers
// that.
func (m *machine) expire() {
	p := m.present()
	if p == nil || !p.client.Reachable() && !m.sudden {
		return
	}
	// Who has lost its document as well is known to no leader that comes: see docs/internals/reliability.md.
	if v := p.report.Load(); v != nil && m.only("expire", v.Member) {
		m.touched(v.Member)
		m.service.Expire(v.Session)
	}
}

// endEarly stops the server of a node for a while. When it wakes, it ends that node's session, which was renewed at another server
// meanwhile; often the node is cut off at that moment, so that it does not hear of it.
func (m *machine) endEarly(span time.Duration, n int64) {
	p := m.present()
	if p == nil {
		return
	}
	server := p.client.Server()
	m.service.Isolate(server)
	p.client.Move((server + 1) % 3)
	m.doing.Go(func() {
		m.nap(span)
		m.service.Rejoin(server)
		if m.quiet.Load() {
			return
		}
		if m.dice.chance(0.7, "unheard", n) {
			m.cut(m.dice.upTo(2*timeout, "unheard", n), 0)
		}
		m.expire()
	})
}

// only reports whether a member may be done something to that must not come together with others.
func (w *world) only(what, member string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if done := w.done[member]; done != "" && done != what {
		return false
	}
	w.done[member] = what
	return true
}

// led reports whether the process of the member that leads is alive.
func (w *world) led() bool { return w.leader() != nil }

// hears reports whether answers reach the machine's process.
func (m *machine) hears() bool {
	p := m.present()
	return p != nil && p.client.Reachable()
}

func (w *world) touched(member string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tampered[member] = true
}

// tamper deletes one of a member's keys.
func (m *machine) tamper(n int64) {
	v := m.reported()
	if v == nil {
		return
	}
	m.touched(v.Member)
	keys := []string{m.keys.Heartbeat(v.Member), m.specChunk(n)}
	if m.o.Mode == Safety {
		keys = append(keys, m.keys.Status(v.Member), m.keys.Member(v.Member))
		for key := range m.service.Records() {
			if strings.HasPrefix(key, schema.CandidatePrefix(m.keys, v.Member)) {
				keys = append(keys, key) // a leader's term is over then; a follower notices within a minute
			}
		}
		// Its member is evicted then. If that dies, too, its slots wait for a session timeout by the
		// clock of each leader that comes, so that leaders who die put it off beyond D.
		keys = append(keys, m.keys.Assignment(v.Member))
	}
	key := keys[m.dice.pick(len(keys), "key", n)]
	if key == m.keys.Assignment(v.Member) && (!m.led() || !m.only("assignment", v.Member)) {
		return // not promised where nobody sees that it is missing before its session ends
	}
	m.edit(key, func(r coord.Record) (coord.Op, bool) { return coord.Delete(key, r.Version), true })
}

// putBack writes a former assignment of a member again, after a while, as somebody does who restores one record from a copy.
// One that says that the member was evicted or closed is never written over: that would not be a former assignment, but a
// former life.
func (m *machine) putBack(n int64) {
	v := m.reported()
	if v == nil {
		return
	}
	key := m.keys.Assignment(v.Member)
	var former []byte
	m.edit(key, func(r coord.Record) (coord.Op, bool) {
		former = r.Value
		return coord.Op{}, false
	})
	m.doing.Go(func() {
		m.nap(m.dice.upTo(20*time.Second, "put back", n))
		if m.quiet.Load() || former == nil {
			return
		}
		m.touched(v.Member)
		m.edit(key, func(r coord.Record) (coord.Op, bool) {
			was, is := new(schema.Assignment), new(schema.Assignment)
			if _, live := m.service.Records()[m.keys.Status(v.Member)]; !live {
				return coord.Op{}, false // what it holds cannot be seen any longer: see docs/internals/reliability.md, "Not covered"
			}
			if l := m.leader(); l == nil || !l.hears() {
				return coord.Op{}, false // nor a slot that is taken out of it, if the session ends before a leader has seen that
			}
			if json.Unmarshal(former, was) != nil || schema.Decode(key, r, is) != nil || is.Evicted || is.Closed != nil {
				return coord.Op{}, false
			}
			was.Evicted, was.Closed = false, nil
			return coord.Set(key, schema.Encode(was, r.Version+1), r.Version), true
		})
	})
}

// scale sets the number of workers of a task, or begins a run of one that has runs.
func (w *world) scale(n int64) {
	if len(w.declared) > 2 && w.dice.chance(0.5, "run now", n) {
		w.do(cluster.RunNow(w.declared[2].Name, ""))
		return
	}
	task := w.declared[w.dice.pick(2, "task", n)].Name
	workers := w.dice.pick(9, "workers", n)
	key := w.keys.Task(task)
	w.edit(key, func(r coord.Record) (coord.Op, bool) {
		rec := new(schema.Task)
		if schema.Decode(key, r, rec) != nil {
			return coord.Op{}, false // it was written by hand
		}
		rec.Override.WorkerNum = &workers
		if w.dice.chance(0.2, "resize", n) { // from now on they get their count, or no longer
			w.count("workers get their count from now on, or no longer")
			if rec.Spec.Resize == cluster.ResizeLive {
				rec.Spec.Resize = cluster.ResizeRestart
			} else {
				rec.Spec.Resize = cluster.ResizeLive
			}
		}
		w.mu.Lock()
		w.want[task] = workers
		w.mu.Unlock()
		return coord.Set(key, schema.Encode(rec, r.Version+1), r.Version), true
	})
}

// flap kills whoever leads, again and again.
func (w *world) flap(n int64) {
	w.doing.Go(func() {
		for i := range int64(2 + w.dice.pick(4, "flaps", n)) {
			leader := w.store.Leader()
			for _, m := range w.machines {
				if p := m.present(); p != nil {
					if v := p.report.Load(); v != nil && strings.HasPrefix(v.Member, leader) {
						m.crash("it leads")
					}
				}
			}
			w.nap(w.dice.upTo(4*time.Second, "flap", n, i))
			if w.quiet.Load() {
				return
			}
		}
	})
}

// move lets the present process use another server.
func (m *machine) move(n int64) {
	if p := m.present(); p != nil {
		p.client.Move(m.dice.pick(3, "to", n))
	}
}
