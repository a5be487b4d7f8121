package logview

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// logFarBehind is above every number of a line.
const logFarBehind = 1 << 62

// errLogOver ends the stream when nothing more can come.
var errLogOver = errors.New("the task is gone")

// place is where a slot is, as the stream of the state shows it.
type place struct {
	node, member string // "" while no node has it
	token        int64
	paused       bool   // its task is paused, which the follower has said
	lost         string // the node where it was before, if that node is gone
	gone         string // why the slot no longer exists, "" if it exists
	end          bool   // it does not come back
}

// logFollower follows the logs of several slots:
//
//	stream of the state ─▶ observe ─▶ slotLog: one goroutine a slot ─▶ log of the node that has it now
//
// The stream says which slots there are, and where each of them is. A goroutine that is slow finds all places in its queue,
// and reads the log at one after the other.
type logFollower struct {
	*View
	target Target
	began  bool  // the first state was seen
	paused bool  // the task is paused, and that was said
	newest int64 // the greatest token that was seen
	width  int
	slots  map[cluster.Slot]*slotLog
	fail   context.CancelCauseFunc
	wait   sync.WaitGroup
}

// follow writes what there is of the logs and what comes, until ctx ends, the task is gone, or nothing may be read.
func (v *View) follow(ctx context.Context, target Target) error {
	following, fail := context.WithCancelCause(ctx)
	f := &logFollower{View: v, target: target, slots: map[cluster.Slot]*slotLog{}, fail: fail}
	reported := ""
	lost := func(err error) {
		text := err.Error()
		if errors.Is(err, client.ErrUnreachable) { // the stream is cut off first, and then no node answers: that is the same
			text = client.ErrUnreachable.Error()
		}
		if text != reported {
			reported = text
			v.complain(err)
		}
	}
	err := v.API.Follow(following, lost, func(n client.News) error {
		if n.Event != nil || n.Health != nil || n.Resumed {
			return nil
		}
		reported = ""
		return f.observe(following, n.State)
	})
	if !errors.Is(err, errLogOver) {
		fail(err)
	}
	f.wait.Wait()
	cause := context.Cause(following)
	fail(nil)
	switch {
	case ctx.Err() != nil, errors.Is(err, errLogOver):
		return nil //nolint:nilerr // the reader has seen enough
	case err != nil:
		return err
	}
	return cause
}

// observe passes on to the goroutines of the slots where these are, and follows slots that are new.
func (f *logFollower) observe(ctx context.Context, state *cluster.State) error {
	info := f.target.info(state)
	if err := f.observePause(info); err != nil {
		return err
	}
	up := map[string]bool{}
	for i := range state.Nodes {
		up[state.Nodes[i].Name] = true
	}
	for i := range state.Workers {
		f.newest = max(f.newest, state.Workers[i].Token)
	}
	present := map[cluster.Slot]bool{}
	for _, w := range f.target.Of(state.Workers) {
		slot := w.Slot()
		present[slot] = true
		s := f.slots[slot]
		if s == nil {
			s = f.add(ctx, slot, &w)
		}
		s.moved(place{node: w.Node, member: w.Member, token: w.Token, paused: f.paused && w.Member == ""}, up)
	}
	for slot, s := range f.slots {
		if present[slot] {
			continue
		}
		_, run := cluster.SplitRun(slot.Task)
		switch {
		case run != "":
			s.update(place{gone: runOver, end: true})
			delete(f.slots, slot)
		case info == nil:
			s.update(place{gone: "task " + f.target.Task + " no longer exists", end: true})
			delete(f.slots, slot)
		default:
			s.update(place{gone: fmt.Sprintf("%s has %s now", f.target.Task, plural.Of(info.WorkerNum, "worker"))})
		}
	}
	if !f.began && len(f.slots) == 0 && info != nil {
		if err := f.remark("no run of %s is under way; waiting for the next", f.target.Task); err != nil {
			return err
		}
	}
	f.began = true
	if len(present) == 0 && (info == nil || f.target.run != "") { // while there is a worker, it may write its last lines
		return errLogOver
	}
	return nil
}

// observePause says once that the task is paused, since then nothing comes until it is resumed.
func (f *logFollower) observePause(info *cluster.TaskInfo) error {
	was := f.paused
	f.paused = info != nil && info.Paused
	if was || !f.paused {
		return nil
	}
	return f.remark("task %s is paused; its workers run again when it is resumed", f.target.Task)
}

// add begins to follow a slot.
func (f *logFollower) add(ctx context.Context, slot cluster.Slot, w *cluster.WorkerInfo) *slotLog {
	s := &slotLog{View: f.View, slot: slot, alone: f.target.One, news: make(chan struct{}, 1), n: -1}
	f.width = max(f.width, len(slot.String()))
	s.prefix = f.prefix(slot, f.width, !f.target.One)
	if f.began { // it comes later: all of it is new, and nothing that an earlier worker of the slot has written
		s.new, s.shown, s.token, s.n = true, true, f.newest, logFarBehind
		if w.Token > 0 {
			s.token = w.Token - 1
		}
	}
	f.slots[slot] = s
	f.wait.Go(func() {
		if err := s.run(ctx); err != nil {
			f.fail(err)
		}
	})
	return s
}
