package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// How logs are followed from one node to the next.
const (
	logLinger    = 500 * time.Millisecond // for the last lines of a worker that has left a node
	logAgain     = time.Second            // after a log has ended or could not be read
	logPatience  = 2 * time.Second        // before a worker without a node is spoken of
	logCatchUp   = 1000                   // lines that are asked for where a worker continues
	logFarBehind = 1 << 62                // above every number of a line
)

// logGone says that there is no such worker, and why.
const logGone = "worker %s is gone: %s"

// errLogOver ends the stream when nothing more can come.
var errLogOver = errors.New("the task is gone")

// whereabouts is what a slot's follower is told.
type whereabouts struct {
	worker cluster.WorkerInfo
	gone   string // why there is no such slot any longer, "" if there is
	end    bool   // it does not come back
}

// logFollower follows the logs of several slots:
//
//	stream of the state ─▶ see ─▶ slotLog: one goroutine a slot ─▶ log of the node that has it now
//
// The stream says where each slot is, and which there are.
type logFollower struct {
	*logs
	target logTarget
	began  bool // the first state was seen
	width  int
	slots  map[cluster.Slot]*slotLog
	fail   context.CancelCauseFunc
	wait   sync.WaitGroup
}

// follow writes what there is of the logs and what comes, until ctx ends, the task is gone, or nothing may be read.
func (l *logs) follow(ctx context.Context, target logTarget) error {
	following, fail := context.WithCancelCause(ctx)
	f := &logFollower{logs: l, target: target, slots: map[cluster.Slot]*slotLog{}, fail: fail}
	said := ""
	lost := func(err error) {
		if text := err.Error(); text != said {
			said = text
			l.complain(err)
		}
	}
	err := l.client.Follow(following, lost, func(n httpapi.News) error {
		if n.Event != nil || n.Health != nil || n.Resumed {
			return nil
		}
		said = ""
		return f.see(following, n.State)
	})
	if !errors.Is(err, errLogOver) {
		fail(err)
	}
	f.wait.Wait()
	cause := context.Cause(following)
	fail(nil)
	switch {
	case ctx.Err() != nil, errors.Is(err, errLogOver):
		return nil //nolint:nilerr // whoever followed has seen enough
	case err != nil:
		return err
	}
	return cause
}

// complain says on the error output what keeps logs from being shown.
func (l *logs) complain(err error) {
	fmt.Fprintln(l.errs, "xconsumer: cut off, trying again:", printable(err.Error()))
}

// see tells the slots where they are, and follows those that are new.
func (f *logFollower) see(ctx context.Context, state *cluster.State) error {
	info := f.target.info(state)
	present := map[cluster.Slot]bool{}
	for _, w := range f.target.of(state.Workers) {
		slot := w.Slot()
		present[slot] = true
		s := f.slots[slot]
		if s == nil {
			s = f.add(ctx, slot, &w)
		}
		s.tell(whereabouts{worker: w})
	}
	for slot, s := range f.slots {
		if present[slot] {
			continue
		}
		_, run := cluster.SplitRun(slot.Task)
		switch {
		case run != "":
			s.tell(whereabouts{gone: "its run is over", end: true})
			delete(f.slots, slot)
		case info == nil:
			s.tell(whereabouts{gone: "there is no task " + f.target.task + " any longer", end: true})
			delete(f.slots, slot)
		default:
			s.tell(whereabouts{gone: fmt.Sprintf("%s has %s now", f.target.task, plural.Of(info.WorkerNum, "worker"))})
		}
	}
	if !f.began && len(f.slots) == 0 && info != nil {
		if err := f.remark("no run of %s is under way; waiting for the next", f.target.task); err != nil {
			return err
		}
	}
	f.began = true
	if len(present) == 0 && (info == nil || f.target.run != "") { // while there is a worker, it may write its last lines
		return errLogOver
	}
	return nil
}

// add begins to follow a slot.
func (f *logFollower) add(ctx context.Context, slot cluster.Slot, w *cluster.WorkerInfo) *slotLog {
	s := &slotLog{logs: f.logs, slot: slot, news: make(chan whereabouts, 1)}
	f.width = max(f.width, len(slot.String()))
	s.prefix = f.prefix(slot, f.width, !f.target.one)
	if f.began { // it comes later: all of it is new, and nothing that an earlier worker of the slot has written
		s.new, s.shown, s.token, s.n = true, true, w.Token-1, logFarBehind
	}
	f.slots[slot] = s
	f.wait.Go(func() {
		if err := s.run(ctx); err != nil {
			f.fail(err)
		}
	})
	return s
}

// slotLog follows the log of one slot. Its fields but news are those of its goroutine.
type slotLog struct {
	*logs
	slot   cluster.Slot
	prefix string
	news   chan whereabouts // the newest

	new   bool  // it came after the beginning, and that was not said yet
	shown bool  // its lines were asked for before: only those after token and n are new
	token int64 // of the line that was shown last
	n     int64 // its number
	said  int64 // the token of the worker that was spoken of last
	told  string
}

// tell tells the goroutine where the slot is; what it was told before is forgotten. One goroutine calls it.
func (s *slotLog) tell(at whereabouts) {
	select {
	case <-s.news:
	default:
	}
	s.news <- at
}

// run shows the log until ctx ends, or the slot is gone for good.
func (s *slotLog) run(ctx context.Context) error {
	at := whereabouts{}
	for {
		var err error
		if at.worker.Member == "" {
			at, err = s.await(ctx, at)
		} else {
			at, err = s.read(ctx, at)
		}
		switch {
		case err != nil || ctx.Err() != nil:
			return err
		case at.end:
			return s.remark(logGone, s.slot, at.gone)
		}
	}
}

// await waits until a node has the slot.
func (s *slotLog) await(ctx context.Context, at whereabouts) (whereabouts, error) {
	late := time.NewTimer(logPatience)
	defer late.Stop()
	for at.worker.Member == "" && !at.end {
		select {
		case <-ctx.Done():
			return at, nil
		case at = <-s.news:
			s.new = s.new || s.said == 0 && at.worker.Member == ""
		case <-late.C:
			text := "worker %s runs nowhere at the moment"
			args := []any{s.slot}
			if at.gone != "" {
				text, args = logGone, append(args, at.gone)
			}
			if err := s.remark(text, args...); err != nil {
				return at, err
			}
		}
	}
	return at, nil
}

// read shows the log at one node, until the slot is elsewhere. It returns where it is then.
func (s *slotLog) read(ctx context.Context, at whereabouts) (whereabouts, error) {
	if err := s.announce(at.worker.Node, at.worker.Token); err != nil {
		return at, err
	}
	reading, stop := context.WithCancel(ctx)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer stop()
	query := httpapi.LogQuery{Lines: s.lines, Follow: true}
	if s.shown {
		query.Lines = logCatchUp
	}
	lines, ended := make(chan cluster.LogLine), make(chan error, 1)
	reader.Go(func() {
		ended <- s.client.Log(reading, s.slot, query, func(line cluster.LogLine) error {
			select {
			case lines <- line:
				return nil
			case <-reading.Done():
				return reading.Err()
			}
		})
	})
	defer func() { s.shown, s.token = true, max(s.token, at.worker.Token-1) }()
	next := at
	var leave <-chan time.Time
	for {
		select {
		case line := <-lines:
			if err := s.show(line, at.worker.Node); err != nil {
				return next, err
			}
		case next = <-s.news:
			if other := next.gone != "" || next.worker.Member != at.worker.Member || next.worker.Token != at.worker.Token; other && leave == nil {
				leave = time.After(logLinger)
			}
		case <-leave:
			return next, nil
		case err := <-ended:
			if refused, ok := errors.AsType[*httpapi.RefusedError](err); ok && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden) {
				return next, err
			}
			return s.pause(ctx, next, err)
		}
	}
}

// pause waits before a log is asked for again that has ended. What was wrong is said once: of all that is wrong with the
// node that is asked, the stream tells.
func (s *slotLog) pause(ctx context.Context, at whereabouts, err error) (whereabouts, error) {
	if refused, ok := errors.AsType[*httpapi.RefusedError](err); ok && refused.Status != http.StatusNotFound && s.told != err.Error() {
		s.told = err.Error()
		s.complain(fmt.Errorf("%s: %w", s.slot, err))
	}
	again := time.After(logAgain)
	for {
		select {
		case <-ctx.Done():
			return at, nil
		case <-again:
			return at, nil
		case next := <-s.news:
			if next.worker.Member != at.worker.Member || next.gone != "" {
				return next, nil
			}
			at = next
		}
	}
}

// show writes a line that was not written yet.
func (s *slotLog) show(line cluster.LogLine, node string) error {
	if s.shown && (line.Token < s.token || line.Token == s.token && line.N <= s.n) {
		return nil
	}
	if err := s.announce(node, line.Token); err != nil {
		return err
	}
	s.token, s.n, s.told = line.Token, line.N, ""
	return s.write(s.prefix, line)
}

// announce says once of each worker after the first where it runs.
func (s *slotLog) announce(node string, token int64) error {
	before := s.said
	s.said = max(s.said, token)
	switch {
	case token <= before:
		return nil
	case s.new:
		s.new = false
		return s.remark("worker %s begins on %s", s.slot, node)
	case before == 0:
		return nil
	}
	return s.remark("worker %s continues on %s", s.slot, node)
}
