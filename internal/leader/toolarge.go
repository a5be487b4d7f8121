package leader

import (
	"fmt"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// leftOutFor is how long a part of commits that are too large is left out before it is tried again.
const leftOutFor = time.Minute

// tooLarge is a commit that is too large.
type tooLarge struct {
	ops []coord.Op
	err error
}

func (e *tooLarge) Error() string { return e.err.Error() }
func (e *tooLarge) Unwrap() error { return e.err }

// partOf returns the part that a key is of.
func (l *leading) partOf(key string) (p round.Part, ok bool) {
	switch {
	case key == l.Keys.Suspects():
		return round.Part{Kind: round.PartSuspects}, true
	case key == l.Keys.Requests():
		return round.Part{Kind: round.PartRequests}, true
	case strings.HasPrefix(key, l.Keys.Assignments()+"/"):
		return round.Part{Kind: round.PartAssignment, Name: schema.Base(key)}, true
	case strings.HasPrefix(key, l.Keys.TaskRuns()+"/"):
		return round.Part{Kind: round.PartAgenda, Name: schema.Base(key)}, true
	case strings.HasPrefix(key, l.Keys.Marks()+"/"):
		return round.Part{Kind: round.PartMark, Name: schema.Base(key)}, true
	case strings.HasPrefix(key, schema.Dir(schema.Dir(l.Keys.FinishedRun("", "")))+"/"):
		return round.Part{Kind: round.PartAgenda, Name: schema.Base(schema.Dir(key))}, true
	}
	return round.Part{}, false
}

// leaveOut leaves the largest part out of a commit that is too large although there is one assignment in it at most, and
// says so once. It returns false if there is nothing to leave out.
func (l *leading) leaveOut(e *tooLarge) bool {
	var largest coord.Op
	var part round.Part
	for _, op := range e.ops {
		if p, ok := l.partOf(op.Key); ok && len(op.Value) > len(largest.Value) {
			largest, part = op, p
		}
	}
	if largest.Key == "" {
		return false
	}
	_, known := l.leftOut[part]
	l.leftOut[part] = l.Session.Now() + leftOutFor
	if known {
		return true
	}
	detail := fmt.Sprintf("%s has %d bytes: %v", largest.Key, len(largest.Value), e.err)
	l.Log.Error(
		"a record is too large to be written; everything else goes on without it",
		"key",
		largest.Key,
		"bytes",
		len(largest.Value),
		"error",
		e.err,
	)
	l.Emit(cluster.Event{Kind: cluster.RecordTooLarge, Detail: detail})
	move := cluster.Decided{Step: cluster.StepSkip}.Because(cluster.Reason{Code: cluster.WhyTooLarge, Detail: detail})
	switch part.Kind {
	case round.PartAgenda:
		move.Task = part.Name
	case round.PartMark:
		move.Node = part.Name
	case round.PartAssignment:
		if p := l.view.Snapshot().Peers[part.Name]; p != nil && p.Assignment.Rec != nil {
			move.Node = p.Assignment.Rec.Node
		}
	}
	l.pendingSteps = append(l.pendingSteps, move)
	return true
}
