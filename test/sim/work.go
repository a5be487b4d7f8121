package sim

import (
	"context"
	"errors"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

// stopWithin is what the tasks allow for stopping, and what it may take to hear of it.
const stopWithin = 10*time.Second + time.Second

// work is the work of every task: it writes to the register now and then, and stops when it is told
// to, mostly soon.
func (p *process) work(ctx context.Context, wk *xconsumer.Worker) error {
	slot := cluster.Slot{Task: wk.Task(), Index: wk.Index()}
	span := time.Duration(0) // of an execution that comes to its end
	if run := wk.Run(); run != "" {
		slot.Task = cluster.RunTask(slot.Task, run)
		span = 100*time.Millisecond + p.dice.upTo(6*time.Second, "run "+slot.Task, wk.Token(), int64(wk.Index()))
	}
	began := p.now()
	name, token := slot.String(), wk.Token()
	if !p.alive() {
		<-ctx.Done() // nothing runs in a dead process
		return nil
	}
	p.judgeStart(slot, token)
	p.note(invariant.Start, p.name, name, token, wk.Count())
	defer func() {
		if p.alive() {
			p.note(invariant.Stop, p.name, name, token, wk.Count())
			p.judgeStop(slot, token)
		}
	}()
	for n := int64(0); ; n++ {
		pause := time.Second + p.dice.upTo(time.Second, "effect "+slot.Task, token, int64(wk.Index()), n)
		select {
		case <-ctx.Done():
			p.linger(wk)
			return nil
		case <-p.dead:
			<-ctx.Done()
			return nil
		case <-time.After(pause):
		}
		p.wake(slot.Task, token, int64(wk.Index()), n) // it writes before it hears of anything
		if !p.alive() {
			<-ctx.Done()
			return nil
		}
		if p.check.Careful(token) && !wk.Valid() {
			continue // it asks before it writes, and is never refused
		}
		p.note(invariant.Effect, p.name, name, token, wk.Count())
		if span > 0 && p.now()-began > span {
			return nil
		}
		if !p.quiet.Load() && p.o.Mode != Calm && p.dice.chance(0.004, "fails "+slot.Task, token, int64(wk.Index()), int64(p.now())) {
			return errors.New(p.name + " had " + strings.Repeat("bad luck ", 300))
		}
	}
}

// linger is how the worker stops: at once, after a while, or not before it has to.
func (p *process) linger(wk *xconsumer.Worker) {
	token, index, task := wk.Token(), int64(wk.Index()), wk.Task()
	span := p.dice.upTo(50*time.Millisecond, "stop "+task, token, index)
	if !p.quiet.Load() && p.o.Mode != Calm {
		switch kind := p.dice.pick(100, "manner "+task, token, index); {
		case kind < 3:
			span = 15*time.Second + p.dice.upTo(45*time.Second, "ignores "+task, token, index)
			p.count("worker ignores its context")
		case kind < 13:
			span = p.dice.upTo(9*time.Second, "slow "+task, token, index)
			p.count("slow worker")
		}
	}
	for end := p.now() + span; p.now() < end; {
		if span > 9*time.Second && p.quiet.Load() {
			break // in the end all behave
		}
		select {
		case <-p.dead:
			return
		case <-time.After(min(time.Second, end-p.now())):
		}
	}
	p.wake(task, token, index, -1)
}

// wake waits while the process is paused, and then a moment. Workers of two tasks may have one token and one index.
func (p *process) wake(task string, about ...int64) {
	if !p.awake.isOpen() {
		p.awake.wait()
		time.Sleep(p.dice.upTo(time.Millisecond, "wake "+task, about...))
	}
}

func (p *process) alive() bool {
	select {
	case <-p.dead:
		return false
	default:
		return true
	}
}

// judgeStart wants what runs to be held: I5.
func (p *process) judgeStart(slot cluster.Slot, token int64) {
	v := p.report.Load()
	p.world.mu.Lock()
	tampered := v == nil || p.tampered[v.Member]
	p.world.mu.Unlock()
	if tampered || p.deaf.Load() || !p.awake.isOpen() {
		return // or it is not known which member it is
	}
	if !p.store.Holds(v.Member, slot, token) {
		p.fail("I5: at %v %s starts %s with token %d, and its status does not hold it", p.now(), p.name, slot, token)
	}
	if who := p.store.Ended(slot); who != "" {
		p.fail("I9: at %v %s starts %s with token %d, and its end was noted by %s", p.now(), p.name, slot, token, who)
	}
}

// judgeStop wants releases to end in time, where no fault is in the way: I8.
func (p *process) judgeStop(slot cluster.Slot, token int64) {
	v := p.report.Load()
	if v == nil {
		return
	}
	at, released := p.store.ReleasedAt(invariant.Release{Member: v.Member, Slot: slot, Token: token})
	healed := time.Duration(p.quietAt.Load())
	calm := p.o.Mode == Calm || healed > 0 && at > healed
	if took := p.now() - at; released && calm && took > stopWithin {
		p.fail("I8: %s was released by %s after %v", slot, p.name, took)
	}
}
