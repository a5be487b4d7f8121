package leader

import (
	"fmt"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// leftOutFor is how long a part that made a commit too large is left out before it is tried again.
const leftOutFor = time.Minute

// tooLarge is a commit that is too large.
type tooLarge struct {
	ops []coord.Op
	err error
}

func (e *tooLarge) Error() string { return e.err.Error() }
func (e *tooLarge) Unwrap() error { return e.err }

// omissions are the parts that are left out of commits for a while because they are too large.
type omissions struct {
	*Leader
	until map[round.Part]time.Duration // until when each part is left out
	steps []cluster.Decided            // to be recorded with the next commit
}

// partOf returns the part of a decision that a key belongs to.
func partOf(keys schema.Keys, key string) (p round.Part, ok bool) {
	switch {
	case key == keys.Suspects():
		return round.Part{Kind: round.PartSuspects}, true
	case key == keys.Requests():
		return round.Part{Kind: round.PartRequests}, true
	case strings.HasPrefix(key, keys.Assignments()+"/"):
		return round.Part{Kind: round.PartAssignment, Name: schema.Base(key)}, true
	case strings.HasPrefix(key, keys.TaskRuns()+"/"):
		return round.Part{Kind: round.PartAgenda, Name: schema.Base(key)}, true
	case strings.HasPrefix(key, keys.Marks()+"/"):
		return round.Part{Kind: round.PartMark, Name: schema.Base(key)}, true
	case strings.HasPrefix(key, schema.Dir(schema.Dir(keys.FinishedRun("", "")))+"/"):
		return round.Part{Kind: round.PartAgenda, Name: schema.Base(schema.Dir(key))}, true
	}
	return round.Part{}, false
}

// leaveOut leaves out the largest part of a commit that is too large although it has at most one assignment. It reports whether
// there is such a part. A part that is left out again is not logged again.
func (o *omissions) leaveOut(e *tooLarge, snap *view.Snapshot) bool {
	var largest coord.Op
	var part round.Part
	for _, op := range e.ops {
		if p, ok := partOf(o.Keys, op.Key); ok && len(op.Value) > len(largest.Value) {
			largest, part = op, p
		}
	}
	if largest.Key == "" {
		return false
	}
	_, known := o.until[part]
	o.until[part] = o.Session.Now() + leftOutFor
	if known {
		return true
	}
	detail := fmt.Sprintf("%s has %d bytes: %v", largest.Key, len(largest.Value), e.err)
	o.Log.Error(
		"a record is too large to be written; everything else continues without it",
		"key",
		largest.Key,
		"bytes",
		len(largest.Value),
		"error",
		e.err,
	)
	o.Emit(cluster.Event{Kind: cluster.RecordTooLarge, Detail: detail})
	move := cluster.Decided{Step: cluster.StepSkip}.Because(cluster.Reason{Code: cluster.WhyTooLarge, Detail: detail})
	switch part.Kind {
	case round.PartAgenda:
		move.Task = part.Name
	case round.PartMark:
		move.Node = part.Name
	case round.PartAssignment:
		if p := snap.Peers[part.Name]; p != nil && p.Assignment.Rec != nil {
			move.Node = p.Assignment.Rec.Node
		}
	}
	o.steps = append(o.steps, move)
	return true
}
