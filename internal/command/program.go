package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// program is the state of the program of a slot. It is guarded by the keeper's lock.
type program struct {
	name    string // the program as its work names it
	pid     int    // 0 while it is unknown, or between two executions
	shim    int    // PID of the ancestor of the program and of all processes that it starts
	running bool
	since   time.Time // of the execution, or of its end
	asked   time.Time // when it was asked to end, zero if it was not
	unwatch func() bool
}

// began records that an execution for a slot begins. The record stays until the context of the slot's worker has ended,
// and the execution as well.
func (k *Keeper) began(ctx context.Context, slot cluster.Slot, name string) *program {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.programs == nil {
		k.programs = map[cluster.Slot]*program{}
	}
	if old := k.programs[slot]; old != nil {
		old.unwatch()
	}
	p := &program{name: name, running: true, since: time.Now()}
	p.unwatch = context.AfterFunc(ctx, func() { k.forget(slot, p) })
	k.programs[slot] = p
	return p
}

// update changes the state of a program.
func (k *Keeper) update(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// over records that an execution has ended.
func (k *Keeper) over(ctx context.Context, slot cluster.Slot, p *program) {
	k.update(func() { p.running, p.pid, p.since = false, 0, time.Now() })
	if ctx.Err() != nil {
		k.forget(slot, p)
	}
}

func (k *Keeper) forget(slot cluster.Slot, p *program) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !p.running && k.programs[slot] == p {
		delete(k.programs, slot)
	}
}

// Describe describes the activity of a slot's program, as far as this machine shows it; a program has no goroutines. It
// returns "" for a slot whose work is not a program, or that does not run here.
func (k *Keeper) Describe(slot cluster.Slot) string {
	k.mu.Lock()
	known := k.programs[slot]
	var p program
	if known != nil {
		p = *known
	}
	k.mu.Unlock()
	if known == nil {
		return ""
	}
	ago := func(t time.Time) string { return time.Since(t).Truncate(time.Second).String() }
	var b strings.Builder
	fmt.Fprintf(&b, "%s is the program %s, which has no goroutines.\n", slot, p.name)
	switch {
	case !p.running:
		fmt.Fprintf(&b, "It is between two executions: the last one ended %s ago.\n", ago(p.since))
		return b.String()
	case p.pid == 0:
		b.WriteString("It is being started.\n")
		return b.String()
	}
	fmt.Fprintf(&b, "It has run for %s.\n", ago(p.since))
	if !p.asked.IsZero() {
		fmt.Fprintf(&b, "It was asked to end (SIGTERM) %s ago, and has not yet.\n", ago(p.asked))
	}
	b.WriteString(processes(p.shim))
	fmt.Fprintf(
		&b,
		"\nTo see its own stacks, use the tools of its language, for example: py-spy dump --pid %d, jstack %[1]d, gdb -p %[1]d\n",
		p.pid,
	)
	return b.String()
}
