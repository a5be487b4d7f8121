package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/leader"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

// machine runs one node process after the other, under one node name.
type machine struct {
	*world
	name string
	id   int64

	mu    sync.Mutex
	lives int
	proc  *process   // nil while none runs
	all   []*process // that ever ran
}

// process is one life of a node.
type process struct {
	*machine
	name   string // n1/3
	n      int64
	client *mem.Client
	report atomic.Pointer[cluster.SupervisorReport]
	cancel context.CancelFunc
	dead   chan struct{} // closed when the process has ended, however
	ended  chan struct{} // closed when Run has returned
	awake  gate
	heard  gate        // open while somebody reads its log, listens to its reports and takes its spans
	deaf   atomic.Bool // it was closed once: what reports say may be old
	faulty faulty
}

// gate is open while a process is not paused.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while open; nil: open
}

func (g *gate) pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = make(chan struct{})
	}
}

func (g *gate) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}

func (g *gate) wait() {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open != nil {
		<-open
	}
}

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open == nil
}

// boot starts a process unless one runs.
func (m *machine) boot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.proc != nil {
		return
	}
	m.lives++
	p := &process{
		machine: m, name: fmt.Sprintf("%s/%d", m.name, m.lives), n: m.id*1000 + int64(m.lives),
		dead: make(chan struct{}), ended: make(chan struct{}),
	}
	nodes := testcluster.Cluster{Service: m.service, Tasks: m.declared, Rebalance: m.rebalance, Store: p.link, Config: p.wire}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(leader.WithDecide(leader.WithPlanner(m.t.Context(), p.faulty.plan), p.decide))
	m.proc = p
	node, err := nodes.Start(ctx, m.name, func(node *xconsumer.Node) {
		for _, spec := range m.declared {
			node.Handle(spec.WorkName, p.work)
		}
		m.add("%s boots as client %d", p.name, p.client.ID())
	})
	if err != nil {
		m.proc = nil
		m.t.Error(err)
		return
	}
	m.all = append(m.all, p)
	if m.dice.chance(0.25, "asked", p.n) {
		go p.ask(ctx, node.Node)
	}
	go func() {
		p.exit(node.Wait())
		close(p.ended)
	}()
}

// link is the process's link to the service, whose clock is not quite that of the others.
func (p *process) link(_ string, link *mem.Client) coord.Store {
	p.client = link
	if p.mixed && p.dice.chance(0.5, "timeout", p.n) {
		link.SetTimeout(timeout / 2)
	}
	link.Drift(1 + 0.02*(float64(p.dice.pick(1000, "drift", p.n))/999-0.5))
	return link
}

// wire has the process receive what the node reports.
func (p *process) wire(c *xconsumer.Config) {
	c.Cluster, c.Log, c.RestartGrace = clusterName, slog.New(unread{p}), p.grace
	c.Trace = func(cluster.Span) { p.heard.wait() }
	c.SupervisorReport = func(v cluster.SupervisorReport) {
		if p.heard.wait(); p.alive() {
			p.report.Store(&v)
		}
	}
}

// unread is the log of a process, which nobody keeps, and now and then nobody reads.
type unread struct{ p *process }

func (unread) Enabled(context.Context, slog.Level) bool { return true }

func (u unread) Handle(context.Context, slog.Record) error {
	u.p.heard.wait()
	return nil
}

func (u unread) WithAttrs([]slog.Attr) slog.Handler { return u }

func (u unread) WithGroup(string) slog.Handler { return u }

// deafen blocks whatever the process logs or reports, for a while, or until it ends: nothing may come of that.
func (m *machine) deafen(span time.Duration) {
	p := m.present()
	if p == nil {
		return
	}
	p.deaf.Store(true)
	p.heard.pause()
	if span == 0 {
		return
	}
	m.doing.Go(func() {
		m.nap(span)
		p.heard.resume()
	})
}

// ask is a client who wants to know the cluster's state now and then. Whatever goes on, it is answered
// or told that nothing is known, and in time.
func (p *process) ask(ctx context.Context, node *xconsumer.Node) {
	const patience = 5 * time.Second
	for n := int64(0); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second + p.dice.upTo(30*time.Second, "ask", p.n, n)):
		}
		asked := p.now()
		asking, cancel := context.WithTimeout(ctx, patience)
		_, err := node.State(asking)
		cancel()
		if took := p.now() - asked; took > patience || err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			p.fail("%s: asked for its state at %v: %v after %v", p.name, asked, err, took)
		}
	}
}

// exit is the end of a process by itself.
func (p *process) exit(err error) {
	switch {
	case err == nil:
	case errors.Is(err, xconsumer.ErrStuck), errors.Is(err, xconsumer.ErrProtocol):
		p.count("exit: " + map[bool]string{true: "stuck", false: "protocol"}[errors.Is(err, xconsumer.ErrStuck)])
	default:
		p.fail("%s ends: %v", p.name, err)
	}
	if p.die(fmt.Sprintf("ends: %v", err)) && err != nil {
		p.parent(err.Error())
	}
}

// die ends the process at once; it reports whether it was alive.
func (p *process) die(why string) bool {
	p.mu.Lock()
	was := p.proc == p
	if was {
		p.proc = nil
	}
	p.mu.Unlock()
	if !was {
		return false
	}
	close(p.dead)
	p.client.Kill()
	p.note(invariant.Died, p.name, "", 0, 0)
	p.add("%s dies: %s", p.name, why)
	p.awake.resume()
	p.heard.resume()
	p.faulty.set("")
	p.cancel()
	return true
}

// present returns the process that runs, nil if none does.
func (m *machine) present() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proc
}

// reported returns what the process that runs has reported to its parent last, nil for nothing.
func (m *machine) reported() *cluster.SupervisorReport {
	if p := m.present(); p != nil {
		return p.report.Load()
	}
	return nil
}

// crash kills the process, as a signal or the loss of power does.
func (m *machine) crash(why string) {
	if p := m.present(); p != nil && p.die(why) && why != "the end" {
		p.parent(why)
	}
}

// parent cleans up after the process and starts the next one; or the machine was lost, and only the
// end of its session shows.
func (p *process) parent(cause string) {
	if p.quiet.Load() && p.o.Mode == Safety {
		return // it is over
	}
	lost := p.dice.chance(0.4, "lost", p.n)
	p.doing.Go(func() {
		if v := p.report.Load(); !lost && v != nil && !v.Closed {
			time.Sleep(p.dice.upTo(1500*time.Millisecond, "tree", p.n))
			p.closeDead(v, cause)
		}
		p.nap(p.dice.upTo(20*time.Second, "restart", p.n))
		p.boot()
	})
}

// closeDead closes the member over a session of the parent's.
func (p *process) closeDead(v *cluster.SupervisorReport, cause string) {
	client := p.service.Client()
	defer client.Kill()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	s, err := client.Open(ctx)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	err = membership.CloseDead(
		ctx,
		s,
		p.keys,
		membership.FormerMember{Member: v.Member, Node: v.Node, Session: v.Session, By: "parent", Cause: cause},
	)
	p.add("the parent of %s closes its member: %v", p.name, err == nil)
}

// nap sleeps unless the faults are over.
func (w *world) nap(d time.Duration) {
	for end := w.now() + d; w.now() < end && !w.quiet.Load(); {
		time.Sleep(min(time.Second, end-w.now()))
	}
}

// pause stops the process for a while. A parent that sees its lease lapse kills it.
func (m *machine) pause(span time.Duration, supervised bool) {
	p := m.present()
	if p == nil {
		return
	}
	p.awake.pause()
	p.client.Pause()
	p.note(invariant.Paused, p.name, "", 0, 0)
	m.doing.Go(func() {
		for end := m.now() + span; m.now() < end && !m.quiet.Load(); time.Sleep(min(500*time.Millisecond, end-m.now())) {
			if v := p.report.Load(); supervised && v != nil && !v.Idle && p.client.Now() > v.StopBy {
				if p.die("hangs beyond its lease") {
					p.parent("hung")
				}
				return
			}
		}
		p.resume()
	})
}

func (p *process) resume() {
	if p.awake.isOpen() {
		return
	}
	p.note(invariant.Resumed, p.name, "", 0, 0)
	p.awake.resume()
	p.client.Resume()
}

// heal ends what was done to the machine's present process.
func (m *machine) heal() {
	if p := m.present(); p != nil {
		p.client.Heal()
		p.faulty.set("")
		p.resume()
	}
}

// leave asks the process to leave and waits until it has.
func (m *machine) leave() {
	if p := m.present(); p != nil {
		p.add("%s is asked to leave", p.name)
		p.cancel()
		<-p.dead
	}
}

// await waits for the ends of all processes: I6.
func (m *machine) await() {
	m.mu.Lock()
	all := m.all
	m.mu.Unlock()
	for _, p := range all {
		<-p.ended
	}
}
