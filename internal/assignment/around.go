package assignment

import (
	"fmt"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Every record has a bound that its writer keeps (see package schema), so a commit of one document or one agenda is
// never too large. Should one be nevertheless, since somebody else wrote a record or a server takes less, it must not
// stop everything else: the largest part of it is left out of decisions for a while, and that is said.

// Part is a part of a leader's commit that can be left out while the rest goes on.
type Part struct{ Kind, Name string }

// The kinds of parts: a member's document, a task's agenda with its runs, the mark of a node, and two that have no names.
const (
	partDoc      = "document"
	partAgenda   = "agenda"
	partMark     = "mark"
	partSuspects = "suspects"
	partOrders   = "orders"
)

// aroundFor is how long a part is left out before it is tried again.
const aroundFor = time.Minute

// around reports whether a part is to be left out, and sees to it that it is tried again.
func (d *decider) around(kind, name string) bool {
	until := d.Around[Part{kind, name}]
	if d.Now >= until {
		return false
	}
	d.wake(until)
	return true
}

// tooLarge is a commit that is too large.
type tooLarge struct {
	ops []coord.Op
	err error
}

func (e *tooLarge) Error() string { return e.err.Error() }
func (e *tooLarge) Unwrap() error { return e.err }

// partOf returns the part that a key is of.
func (l *leading) partOf(key string) (p Part, ok bool) {
	switch {
	case key == l.Keys.Suspects():
		return Part{Kind: partSuspects}, true
	case key == l.Keys.Orders():
		return Part{Kind: partOrders}, true
	case strings.HasPrefix(key, l.Keys.Docs()+"/"):
		return Part{partDoc, schema.Base(key)}, true
	case strings.HasPrefix(key, l.Keys.Agendas()+"/"):
		return Part{partAgenda, schema.Base(key)}, true
	case strings.HasPrefix(key, l.Keys.Marks()+"/"):
		return Part{partMark, schema.Base(key)}, true
	case strings.HasPrefix(key, schema.Dir(schema.Dir(l.Keys.Ran("", "")))+"/"):
		return Part{partAgenda, schema.Base(schema.Dir(key))}, true
	}
	return Part{}, false
}

// goAround leaves the largest part out of a commit that is too large although there is one document in it at most, and
// says so once. It returns false if there is nothing to leave out.
func (l *leading) goAround(e *tooLarge) bool {
	var largest coord.Op
	var part Part
	for _, op := range e.ops {
		if p, ok := l.partOf(op.Key); ok && len(op.Value) > len(largest.Value) {
			largest, part = op, p
		}
	}
	if largest.Key == "" {
		return false
	}
	_, known := l.around[part]
	if l.around[part] = l.Session.Now() + aroundFor; known {
		return true
	}
	detail := fmt.Sprintf("%s has %d bytes: %v", largest.Key, len(largest.Value), e.err)
	l.Log.Error("a record is too large to be written; everything else goes on without it", "key", largest.Key, "bytes", len(largest.Value), "error", e.err)
	l.Emit(cluster.Event{Kind: cluster.RecordTooLarge, Detail: detail})
	move := schema.Move{Step: "skip", Why: cluster.Reason{Code: cluster.WhyTooLarge, Detail: detail}}
	switch part.Kind {
	case partAgenda:
		move.Task = part.Name
	case partMark:
		move.Node = part.Name
	case partDoc:
		if p := l.view.Snapshot().Peers[part.Name]; p != nil && p.Doc.Rec != nil {
			move.Node = p.Doc.Rec.Node
		}
	}
	l.notes = append(l.notes, move)
	return true
}
