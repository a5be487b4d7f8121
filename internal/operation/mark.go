package operation

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// changeMark changes the mark of a node. A mark without content stays, for a leader to remove. Uncordon replaces one that cannot be
// used.
func (e editor) changeMark(op cluster.Operation) error {
	if err := known(e.Snapshot, op.Node); err != nil {
		return err
	}
	entry, rec := e.Marks[op.Node], schema.Mark{}
	switch {
	case entry.Good():
		rec = *entry.Rec
	case entry.Err != nil && op.Kind != cluster.OpUncordon:
		return unusable(entry.Err, markRemedy)
	}
	before := rec
	switch op.Kind {
	case cluster.OpCordon:
		rec.Cordoned = true
	case cluster.OpUncordon:
		rec.Cordoned, rec.Drain, rec.Quarantine = false, nil, nil
	case cluster.OpDrain:
		slots := slotsOf(e.Snapshot, op.Node)
		if rec.Drain != nil {
			slots = rec.Drain.Slots
		}
		rec.Drain = &schema.Drain{Slots: slots, Deadline: op.Deadline}
	case cluster.OpLabel:
		rec.Labels = labeled(rec.Labels, op.Labels)
	}
	if rec.Cordoned != before.Cordoned || (rec.Drain == nil) != (before.Drain == nil) {
		rec.By, rec.Since = e.stamp.By, e.stamp.At.UTC().Truncate(time.Second)
	}
	e.Marks[op.Node] = view.Entry[schema.Mark]{Rec: &rec, Version: entry.Version}
	return nil
}

// labeled returns labels with changes applied.
func labeled(labels cluster.Labels, changes map[string]*string) cluster.Labels {
	next := cluster.Labels{}
	maps.Copy(next, labels)
	for key, value := range changes {
		if value == nil {
			delete(next, key)
		} else {
			next[key] = *value
		}
	}
	return next
}

// validateLabels refuses labels that nodes cannot have.
func validateLabels(changes map[string]*string) error {
	next := cluster.Labels{}
	for key, value := range changes {
		next[key] = "-"
		if value != nil && *value != "" {
			next[key] = *value
		}
	}
	switch err := next.Validate(); {
	case len(next) == 0:
		return wrong("labels", errors.New("no label given"))
	case err != nil:
		return wrong("labels", err)
	}
	return nil
}

// damaged reports whether a node's mark cannot be used. An operation may replace it.
func damaged(s *view.Snapshot, node string) bool { return s.Marks[node].Err != nil }

// known refuses a node that has neither a member nor a mark.
func known(s *view.Snapshot, node string) error {
	mark := s.Mark(node)
	if mark.Wanted() || damaged(s, node) {
		return nil
	}
	for _, p := range s.Peers {
		if p.Assignment.Rec != nil && p.Assignment.Rec.Node == node || p.Member.Rec != nil && p.Member.Rec.Node == node {
			return nil
		}
	}
	return fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
}

// slotsOf counts the slots that a node has.
func slotsOf(s *view.Snapshot, node string) (n int) {
	for _, p := range s.Peers {
		if p.Assignment.Rec != nil && p.Assignment.Rec.Node == node && p.Live() {
			n += schema.Count(p.Assignment.Rec.Granted) + schema.Count(p.Assignment.Rec.Releasing)
		}
	}
	return n
}
