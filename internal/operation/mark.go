package operation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// setMark changes what is wanted of a node. One that wants nothing any longer stays, for a leader to remove.
func (o Operator) setMark(ctx context.Context, s *view.Snapshot, node string, change func(*schema.Mark)) (revision string, err error) {
	if err := known(s, node); err != nil {
		return "", err
	}
	return edit(ctx, o, o.Keys.Mark(node), func(rec *schema.Mark, _ bool, _ int64) (bool, error) { return o.mark(rec, change), nil })
}

// mark changes a mark, and reports whether it wants anything.
func (o Operator) mark(rec *schema.Mark, change func(*schema.Mark)) bool {
	before := *rec
	change(rec)
	if rec.Cordoned != before.Cordoned || (rec.Drain == nil) != (before.Drain == nil) {
		rec.By, rec.Since = o.By, time.Now().UTC().Truncate(time.Second)
	}
	return rec.Wanted()
}

// label changes the labels of a node.
func (o Operator) label(ctx context.Context, s *view.Snapshot, op cluster.Operation) (revision string, err error) {
	next := cluster.Labels{}
	for key, value := range op.Labels {
		if next[key] = "-"; value != nil && *value != "" {
			next[key] = *value
		}
	}
	switch err := next.Validate(); {
	case len(next) == 0:
		return "", wrong("labels", errors.New("none is named"))
	case err != nil:
		return "", wrong("labels", err)
	}
	return o.setMark(ctx, s, op.Node, func(m *schema.Mark) {
		labels := cluster.Labels{}
		maps.Copy(labels, m.Labels)
		for key, value := range op.Labels {
			if value == nil {
				delete(labels, key)
			} else {
				labels[key] = *value
			}
		}
		m.Labels = labels
	})
}

// damaged reports whether there is a mark that cannot be used: an operation may mend it.
func damaged(s *view.Snapshot, node string) bool { return s.Marks[node].Err != nil }

// known refuses a node of which there is neither a member nor a mark.
func known(s *view.Snapshot, node string) error {
	mark := s.Mark(node)
	if mark.Wanted() || damaged(s, node) {
		return nil
	}
	for _, p := range s.Peers {
		if p.Doc.Rec != nil && p.Doc.Rec.Node == node || p.Member.Rec != nil && p.Member.Rec.Node == node {
			return nil
		}
	}
	return fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
}

func cordon(m *schema.Mark) { m.Cordoned = true }

func uncordon(m *schema.Mark) { m.Cordoned, m.Drain, m.Quarantine = false, nil, nil }

// drain marks a node to be drained, which has that many slots now.
func drain(slots int, deadline cluster.Duration) func(*schema.Mark) {
	return func(m *schema.Mark) {
		if m.Drain != nil {
			slots = m.Drain.Slots
		}
		m.Drain = &schema.Drain{Slots: slots, Deadline: deadline}
	}
}

// slotsOf counts the slots that a node has.
func slotsOf(s *view.Snapshot, node string) (n int) {
	for _, p := range s.Peers {
		if p.Doc.Rec != nil && p.Doc.Rec.Node == node && p.Live() {
			n += schema.Count(p.Doc.Rec.Slots) + schema.Count(p.Doc.Rec.Releasing)
		}
	}
	return n
}
