package logview

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// How the log of a slot is followed from one node to the next.
const (
	logLinger   = 500 * time.Millisecond // without a line of a worker that has left a node
	logAgain    = time.Second            // after a log has ended or could not be read
	logPatience = 2 * time.Second        // before a worker without a node is spoken of
	logCatchUp  = 1000                   // lines that are asked for where a worker continues, or has left
	logTries    = 3                      // at the rest of a log, if the node that is asked does not answer
	logSilence  = 5 * time.Second        // without a line of the rest of a log, after which there is none to come
)

// logGone says that a worker no longer exists, and why.
const logGone = "worker %s is gone: %s"

// slotLog follows the log of one slot. The fields from new on are those of its goroutine.
type slotLog struct {
	*View
	slot   cluster.Slot
	prefix string
	alone  bool          // it was asked for by its index
	news   chan struct{} // there is more in the queue

	mu    sync.Mutex
	queue []place // where it has been since its goroutine has looked, and is now
	last  place   // the last one that was queued

	at string // the last node that had it, for the goroutine of the stream

	new       bool   // it came after the beginning, and that was not said yet
	shown     bool   // its lines were asked for before: all those after token and n are new
	token     int64  // of the line that was shown last
	n         int64  // its number
	announced int64  // the token of the worker that was announced last
	reported  string // the last error that was reported
}

// moved passes on where the slot is. If it has left a node that is gone, what that node kept of the log is gone, too. up
// are the nodes that there are. The goroutine of the stream calls it.
func (s *slotLog) moved(to place, up map[string]bool) {
	if s.at != "" && s.at != to.node && !up[s.at] {
		to.lost, s.at = s.at, ""
	}
	if to.node != "" {
		s.at = to.node
	}
	s.update(to)
}

// update passes on to the slot's goroutine where the slot is, without waiting for it. The goroutine of the stream calls it.
func (s *slotLog) update(at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lasting := at
	lasting.lost = "" // is said once
	if lasting == s.last {
		return
	}
	s.last = lasting
	s.queue = append(s.queue, at)
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// next returns where the slot was after that, or is now; false if it is where it was.
func (s *slotLog) next() (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return place{}, false
	}
	at := s.queue[0]
	s.queue = s.queue[1:]
	return at, true
}

// left reports whether the slot is elsewhere.
func (s *slotLog) left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) > 0
}

// upTo returns the token of the worker that the slot has next, above which nothing is to be shown before: a node may have
// it twice, and another in between.
func (s *slotLog) upTo() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.queue {
		if at.member != "" {
			return at.token
		}
	}
	return math.MaxInt64
}

// run shows the log until ctx ends, or the slot is gone for good.
func (s *slotLog) run(ctx context.Context) error {
	for {
		at, err := s.await(ctx)
		switch {
		case err != nil || ctx.Err() != nil:
			return err
		case at.end:
			return s.remark(logGone, s.slot, at.gone)
		}
		if err := s.read(ctx, at); err != nil {
			return err
		}
	}
}

// await waits until a node has the slot, or it is gone for good.
func (s *slotLog) await(ctx context.Context) (at place, err error) {
	late := time.NewTimer(logPatience)
	defer late.Stop()
	for {
		if next, ok := s.next(); ok {
			at = next
			if err := s.remarkLost(at.lost); err != nil {
				return at, err
			}
			if at.member != "" || at.end {
				return at, nil
			}
			s.new = s.new || s.announced == 0
			late.Reset(logPatience)
			continue
		}
		select {
		case <-ctx.Done():
			return at, nil
		case <-s.news:
		case <-late.C:
			if err := s.remarkNowhere(ctx, at); err != nil {
				return at, err
			}
		}
	}
}

// remarkLost says that a node which had the slot is gone, and its log with it; nothing for "".
func (s *slotLog) remarkLost(node string) error {
	if node == "" {
		return nil
	}
	return s.remark("the last lines of worker %s on %s may be missing: the node is gone", s.slot, node)
}

// remarkNowhere says that no node has the slot, and why. If the task is paused, that was said already.
func (s *slotLog) remarkNowhere(ctx context.Context, at place) error {
	switch {
	case at.gone != "":
		return s.remark(logGone, s.slot, at.gone)
	case at.paused:
		return nil
	}
	if why := s.reason(ctx); why != "" {
		return s.remark("worker %s runs nowhere at the moment: %s", s.slot, why)
	}
	return s.remark("worker %s runs nowhere at the moment", s.slot)
}

// reason says why no node has the slot, "" if that is not to be had. Of the slots of a whole task it does not ask: all of
// them may be without a node at once.
func (s *slotLog) reason(ctx context.Context) string {
	if !s.alone {
		return ""
	}
	why, err := s.whyNowhere(ctx, s.slot)
	if err != nil {
		return "" // the next answer of the stream says what is wrong
	}
	return why
}

// read shows the log at one place until the slot is elsewhere, and what had not come by then.
func (s *slotLog) read(ctx context.Context, at place) error {
	if err := s.announce(at.node, at.token); err != nil {
		return err
	}
	for ctx.Err() == nil && !s.left() {
		if err := s.tail(ctx, at); err != nil {
			return err
		}
	}
	// That nothing came for a moment does not prove that nothing is left: the stream of the log may be slow, or hang.
	if err := s.rest(ctx, at); err != nil {
		return err
	}
	s.shown = true
	if s.token < at.token-1 {
		s.token, s.n = at.token-1, logFarBehind
	}
	return nil
}

// tail shows what there is of the log at one place, and what comes, until the slot is elsewhere and nothing has come for a
// moment. If the log ends before, it waits before it is asked for again.
func (s *slotLog) tail(ctx context.Context, at place) error {
	reading, stop := context.WithCancel(ctx)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer stop()
	lines, ended := make(chan cluster.LogLine), make(chan error, 1)
	reader.Go(func() {
		ended <- s.API.Log(reading, s.slot, s.query(at.node, true), func(line cluster.LogLine) error {
			select {
			case lines <- line:
				return nil
			case <-reading.Done():
				return reading.Err()
			}
		})
	})
	quiet := time.NewTimer(logLinger)
	defer quiet.Stop()
	some, held := false, false
	for {
		var from <-chan cluster.LogLine // nil, if what comes is of a worker that the stream has not shown yet
		if !held {
			from = lines
		}
		select {
		case line := <-from:
			held = line.Token > at.token
			if held {
				break
			}
			if err := s.show(line, at.node); err != nil {
				return err
			}
			some = true
			quiet.Reset(logLinger) // however long it took to write it
		case <-s.news:
			quiet.Reset(logLinger)
		case <-quiet.C:
			if s.left() {
				return nil
			}
			quiet.Reset(logLinger)
		case err := <-ended:
			refused, _ := errors.AsType[*client.RefusedError](err)
			nothing := refused != nil && refused.Status == http.StatusNotFound || err == nil && s.Lines > 0
			s.shown = s.shown || some || nothing
			return s.pause(ctx, err)
		}
	}
}

// query returns what is asked of the log that a node has.
func (s *slotLog) query(node string, follow bool) client.LogQuery {
	q := client.LogQuery{Lines: s.Lines, Follow: follow, Node: node}
	if s.shown {
		q.Lines = logCatchUp
	}
	return q
}

// pause waits before a log is asked for again that has ended, or until the slot is elsewhere. What was wrong is said once:
// what is wrong with the node that is asked, the stream reports. The error is one that does not pass.
func (s *slotLog) pause(ctx context.Context, err error) error {
	if final(err) {
		return err
	}
	if refused, ok := errors.AsType[*client.RefusedError](err); ok && refused.Status != http.StatusNotFound && s.reported != err.Error() {
		s.reported = err.Error()
		s.complain(fmt.Errorf("%s: %w", s.slot, err))
	}
	again := time.NewTimer(logAgain)
	defer again.Stop()
	for !s.left() {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			return nil
		case <-s.news:
		}
	}
	return nil
}

// final reports whether a node refuses to show the log, and will the next time.
func final(err error) bool {
	refused, ok := errors.AsType[*client.RefusedError](err)
	return ok && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden)
}

// rest shows what a node that the slot has left keeps of its log.
func (s *slotLog) rest(ctx context.Context, at place) error {
	var list []cluster.LogLine // so that a slow reader of the lines does not hold up the node
	for try := 1; ; try++ {
		var err error
		list, err = s.kept(ctx, at.node)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the reader has seen enough
		case final(err):
			return err
		case errors.Is(err, client.ErrUnreachable) && try < logTries:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(logAgain):
			}
			continue
		case err != nil && !errors.Is(err, client.ErrNotFound):
			if err := s.remark("the last lines of worker %s on %s cannot be read: %v", s.slot, at.node, err); err != nil {
				return err
			}
		}
		break
	}
	for upTo := max(s.upTo(), at.token+1); len(list) > 0; list = list[1:] {
		if list[0].Token >= upTo {
			return nil
		}
		if err := s.show(list[0], at.node); err != nil {
			return err
		}
	}
	return nil
}

// kept returns what a node keeps of the log.
func (s *slotLog) kept(ctx context.Context, node string) (list []cluster.LogLine, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silent := time.AfterFunc(logSilence, func() { stop(fmt.Errorf("no answer within %v", logSilence)) })
	defer silent.Stop()
	err = s.API.Log(ctx, s.slot, s.query(node, false), func(line cluster.LogLine) error {
		silent.Reset(logSilence)
		list = append(list, line)
		return nil
	})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return list, err
}

// show writes a line that was not written yet.
func (s *slotLog) show(line cluster.LogLine, node string) error {
	if line.Token < s.token || line.Token == s.token && line.Number <= s.n {
		return nil
	}
	if err := s.announce(node, line.Token); err != nil {
		return err
	}
	s.token, s.n, s.reported = line.Token, line.Number, ""
	return s.write(s.prefix, line)
}

// announce says once of each worker after the first where it runs.
func (s *slotLog) announce(node string, token int64) error {
	before := s.announced
	s.announced = max(s.announced, token)
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
