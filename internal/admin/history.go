package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// KeepFresh is that of xconsumer.Admin.
func (a *Admin) KeepFresh() int64 { return a.Observer.KeepFresh() }

// Watch is that of xconsumer.Admin.
func (a *Admin) Watch(ctx context.Context, seen int64) (cluster.Snapshot, error) {
	snap, err := a.Observer.Next(ctx, seen)
	if err != nil {
		return cluster.Snapshot{}, fmt.Errorf("watch: %w", operation.Unanswered(err))
	}
	state := a.stateOf(snap)
	out := cluster.Snapshot{
		Number: snap.Number, WatchedSince: snap.WatchedSince, State: state, Tasks: report.Tasks(snap, &state), Marks: report.MarkRevisions(snap),
	}
	if snap.Epoch.Rec != nil {
		out.NextDecision = snap.Epoch.Rec.NextDecision
	}
	return out, nil
}

// Decisions is that of xconsumer.Admin. It does not read a decision again that it has read before.
func (a *Admin) Decisions(ctx context.Context) (cluster.Decisions, error) {
	list, _, err := a.decisions(ctx)
	return list, err
}

func (a *Admin) decisions(ctx context.Context) (cluster.Decisions, *view.Snapshot, error) {
	session := a.Presence.Session()
	if session == nil {
		return cluster.Decisions{}, nil, fmt.Errorf("decisions: %w", cluster.ErrNotMember)
	}
	snap, err := a.Observer.Snapshot(ctx)
	if err != nil || snap.Epoch.Rec == nil {
		return cluster.Decisions{Decisions: []cluster.Decision{}, Audit: []cluster.AuditLine{}}, snap, operation.Unanswered(err)
	}
	list, err := a.history.Read(ctx, session, a.Keys, snap.Epoch.Rec.NextDecision, snap.Number)
	if err != nil {
		return cluster.Decisions{}, nil, fmt.Errorf("decisions: %w", operation.Unanswered(err))
	}
	return list, snap, nil
}

// Past is that of xconsumer.Admin.
func (a *Admin) Past(ctx context.Context, decision int64) (cluster.Past, error) {
	list, snap, err := a.decisions(ctx)
	if err != nil {
		return cluster.Past{}, err
	}
	return report.Past(snap, a.stateOf(snap), list.Decisions, decision)
}

// Explain is that of xconsumer.Admin.
func (a *Admin) Explain(ctx context.Context, slot cluster.Slot) (cluster.Explanation, error) {
	session := a.Presence.Session()
	if session == nil {
		return cluster.Explanation{}, fmt.Errorf("explain: %w", cluster.ErrNotMember)
	}
	list, snap, err := a.decisions(ctx)
	if err != nil {
		return cluster.Explanation{}, err
	}
	out, err := explain.Slot(a.heard(snap), slot, session.Now(), session.Info())
	if err != nil {
		return out, fmt.Errorf("explain: %w", err)
	}
	state := a.stateOf(snap)
	for i := range state.Workers {
		if state.Workers[i].Slot() == slot {
			explain.Observe(&out, state.Workers[i])
		}
	}
	for _, d := range list.Decisions {
		var about []cluster.Decided
		for _, m := range d.Moves {
			if m.Task == slot.Task && (m.Slots.Contains(slot.Index) || len(m.Slots) == 0) {
				m.Slots = cluster.Indexes{slot.Index}
				about = append(about, m)
			}
		}
		d.Moves = about
		if len(about) > 0 {
			out.History = append(out.History, d)
		}
	}
	return out, nil
}

// answersWithin is how long a report waits for the first record. It bounds only the first one: to read a large cluster
// takes longer than people wait for a service that does not answer.
const answersWithin = 5 * time.Second

// Report is that of xconsumer.Admin.
func (a *Admin) Report(ctx context.Context) (cluster.BugReport, error) {
	out := cluster.BugReport{Cluster: a.Cluster, Node: a.Node, At: time.Now().UTC().Truncate(time.Second)}
	session := a.Presence.Session()
	if session == nil {
		return out, fmt.Errorf("report: %w", cluster.ErrNotMember)
	}
	first, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	_, err := session.Get(first, a.Keys.Meta())
	if err != nil && !errors.Is(err, coord.ErrNotFound) {
		return out, fmt.Errorf("report: %w", operation.Unanswered(err))
	}
	out.Records, err = report.Records(ctx, session, a.Keys)
	if err != nil {
		return out, fmt.Errorf("report: %w", operation.Unanswered(err))
	}
	return out, nil
}

// Stack is that of xconsumer.Admin.
func (a *Admin) Stack(slot cluster.Slot) (string, error) {
	if a.Logs.Of(slot) == nil {
		return "", fmt.Errorf("%w: %s has not run on %s", cluster.ErrNoSlot, slot, a.Node)
	}
	return worker.Stack(slot), nil
}
