package leader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// maxRefused is the number of commits that fail in a row after which a leader lets another member lead.
const maxRefused = 10

// act carries out a decision, in one commit or, for a sweep, several. It reports whether to decide again at once, also after a
// commit that failed.
func (l *leading) act(ctx context.Context, d round.Decision) (acted bool, err error) {
	switch {
	case d.Evict != "":
		err = l.evict(ctx, d.Evict)
	case d.Writes() || len(l.omissions.steps) > 0:
		var swept bool
		swept, err = l.sweeper.runs(ctx, d)
		if !swept && err == nil {
			err = l.write(ctx, d)
		}
	case !d.Remove.Empty():
		err = l.remove(ctx, d.Remove)
	default:
		return false, nil
	}
	var large *tooLarge
	switch failed, checked := coord.FailedCheck(err); {
	case err == nil:
		l.maxAssignments, l.failures = min(2*l.maxAssignments, round.MaxAssignments), 0
		l.failing(0, nil)
		return true, nil
	case ctx.Err() != nil, errors.Is(err, coord.ErrSessionEnded):
		return false, err
	case checked && (failed.Op.Key == l.term.Candidate || failed.Op.Key == l.Keys.Epoch()):
		return false, fmt.Errorf("term %d: %w: %w", l.term.Number, election.ErrDeposed, err)
	case checked && strings.HasPrefix(failed.Op.Key, schema.Dir(l.Keys.FinishedRun("", ""))):
		l.oddRuns[failed.Op.Key], l.failures = true, 0 // this happens once for each
	case checked && failed.Op.Kind == coord.KindDelete && errors.Is(err, coord.ErrInvalid) && !l.sweeper.mustGo(failed.Op.Key):
		l.sweeper.unremovable[l.sweeper.below(failed.Op.Key)], l.failures = true, 0
	case checked && failed.Op.Kind == coord.KindDelete && errors.Is(err, coord.ErrInvalid):
		if err := l.sweeper.clearBelow(ctx, failed.Op.Key); err != nil {
			l.Log.Warn("record not deleted: keys below it were created manually", "key", failed.Op.Key, "error", err)
		}
	case checked && schema.Dir(failed.Op.Key) == schema.Dir(l.Keys.Decision(0)):
		if err := l.commits.ring.read(ctx, failed.Op.Key); err != nil {
			return false, err
		}
	case errors.As(err, &large) && l.maxAssignments > 1:
		l.maxAssignments /= 2
		return true, nil
	case errors.As(err, &large):
		if l.omissions.leaveOut(large, l.view.Snapshot()) {
			return true, nil
		}
		l.Log.Error("a commit is too large, and nothing in it can be left out", "error", err)
		return false, backoff.Sleep(ctx, 10*failurePause)
	default:
		l.Log.Debug("commit failed; reading again", "error", err)
	}
	// One failure is usual, when something changed in between; repeated failures are not.
	l.failures++
	l.Meter.Add(meter.Refused, 1)
	l.failing(l.failures, err)
	if l.failures >= maxRefused {
		return false, &election.GiveUp{Err: fmt.Errorf("%d commits in a row have failed, the last one: %w", l.failures, err)}
	}
	if err := backoff.Conflicts.Wait(ctx, l.failures); err != nil {
		return false, err
	}
	return true, l.reread(ctx)
}

// reread follows a commit that was refused or has an unknown outcome. It reads the epoch first, which shows whether this term
// continues, then all assignments, then the rest.
func (l *leading) reread(ctx context.Context) error {
	epoch, err := l.view.ReadEpoch(ctx)
	if err != nil {
		return err
	}
	if !epoch.Good() {
		l.Log.Error("the epoch cannot be used; nothing is granted", "key", l.Keys.Epoch(), "absent", epoch.Absent, "error", epoch.Err)
		l.Emit(cluster.Event{Kind: cluster.RecordUnusable, Detail: l.Keys.Epoch() + " is missing or damaged: nothing is granted"})
		return errors.Join(
			fmt.Errorf("term %d: %w: the epoch cannot be used", l.term.Number, election.ErrDeposed),
			backoff.Sleep(ctx, failurePause),
		)
	}
	if epoch.Version < l.commits.committed {
		l.Log.Error("the coordination service has lost commits that it had acknowledged; what was granted in them may run twice",
			"key", l.Keys.Epoch(), "version", epoch.Version, "committed", l.commits.committed)
		l.Emit(
			cluster.Event{
				Kind:   cluster.HistoryLost,
				Detail: fmt.Sprintf("%s is at version %d, and was at %d", l.Keys.Epoch(), epoch.Version, l.commits.committed),
			},
		)
		l.commits.committed = epoch.Version
	}
	if epoch.Rec.Term != l.term.Number || epoch.Rec.Leader != l.Self.MemberID {
		return fmt.Errorf("term %d: %w: %s leads term %d", l.term.Number, election.ErrDeposed, epoch.Rec.Node, epoch.Rec.Term)
	}
	l.view.MarkAll()
	return nil
}

// write commits a decision, under the term, together with its record in the ring of decisions.
func (l *leading) write(ctx context.Context, d round.Decision) error {
	snap := l.view.Snapshot()
	ops, epoch := l.commits.fencedBy(snap, d.Token, d.BalanceAt)
	chunks, chunkSizes := l.specOps(snap, d)
	ops = append(ops, chunks...)
	sizes := make(map[string]int, len(d.Assignments))
	for _, memberID := range sortedKeys(d.Assignments) {
		assignment, at := d.Assignments[memberID], snap.Peers[memberID].Assignment.Version
		if assignment == nil {
			l.reaped[memberID] = true
			ops = append(ops, l.reapOps(memberID, snap.Peers[memberID])...)
		} else {
			value := schema.Encode(assignment, at+1)
			sizes[memberID] = len(value)
			ops = append(ops, coord.Set(l.Keys.Assignment(memberID), value, at))
		}
	}
	suspects, suspectsAt := l.suspectsOps(snap, d.Suspects)
	ops = append(ops, suspects...)
	if at := snap.Requests.Version; d.Requests != nil { // never deleted: operators write it by its version
		ops = append(ops, coord.Set(l.Keys.Requests(), schema.Encode(d.Requests, at+1), at))
	}
	ops = append(ops, l.taskRunsOps(snap, d)...)
	for _, node := range sortedKeys(d.Marks) {
		if old, there := snap.Marks[node]; !there {
			ops = append(ops, coord.Create(l.Keys.Mark(node), schema.Encode(d.Marks[node], 0)))
		} else {
			ops = append(ops, coord.Set(l.Keys.Mark(node), schema.Encode(d.Marks[node], old.Version+1), old.Version))
		}
	}
	d.Steps = append(l.omissions.steps, d.Steps...)
	ring := l.commits.ring.record(epoch, d.Steps)
	ops = append(ops, ring...)
	began := l.Session.Now()
	if err := l.commits.submit(ctx, ops); err != nil {
		return err
	}
	l.omissions.steps, l.left = nil, d.FreedWhy
	l.commits.applied(snap, epoch, ring)
	for number, chunk := range d.SpecChunks {
		l.view.PutSpecChunk(number, chunk, chunk.Version, chunkSizes[number])
	}
	for _, number := range d.DropSpecs {
		l.view.DropSpecChunk(number)
	}
	l.measure(d, epoch.NextDecision-1, began)
	l.putTaskRuns(snap, d)
	for node := range d.Marks {
		l.view.MarkNode(node)
	}
	if d.Suspects != nil {
		l.view.PutSuspects(d.Suspects, suspectsAt)
	}
	if d.Requests != nil {
		l.view.PutRequests(d.Requests, snap.Requests.Version+1)
	}
	for memberID, assignment := range d.Assignments {
		if assignment == nil {
			l.view.Forget(memberID)
			delete(l.reaped, memberID)
		} else {
			l.view.PutAssignment(memberID, assignment, snap.Peers[memberID].Assignment.Version+1, sizes[memberID])
		}
	}
	l.reports.committed(d)
	l.Log.Info("published", "term", l.term.Number, "assignments", len(d.Assignments), "steps", summary(d.Steps))
	return nil
}

// specOps returns the operations that write and delete records of specs, and the sizes of those that are written.
func (l *leading) specOps(snap *view.Snapshot, d round.Decision) (ops []coord.Op, sizes map[int64]int) {
	sizes = map[int64]int{}
	for _, number := range d.DropSpecs {
		ops = append(ops, coord.Delete(l.Keys.SpecChunk(number), snap.SpecChunks[number].Version))
	}
	for _, number := range slices.Sorted(maps.Keys(d.SpecChunks)) {
		key, chunk := l.Keys.SpecChunk(number), d.SpecChunks[number]
		value := schema.Encode(chunk, chunk.Version)
		sizes[number] = len(value)
		if _, exists := snap.SpecChunks[number]; exists {
			ops = append(ops, coord.Set(key, value, chunk.Version-1))
		} else {
			ops = append(ops, coord.Create(key, value))
		}
	}
	return ops, sizes
}

// reapOps returns the operations that delete a member's assignment and its record of ended slots.
func (l *leading) reapOps(memberID string, p *view.Peer) []coord.Op {
	ops := []coord.Op{coord.Delete(l.Keys.Assignment(memberID), p.Assignment.Version)}
	if done := p.Completions; done.Exists() {
		ops = append(ops, coord.Delete(l.Keys.CompletionsOf(memberID), done.Version))
	}
	return ops
}

// measure counts and times a commit that was made.
func (l *leading) measure(d round.Decision, n int64, began time.Duration) {
	now := l.Session.Now()
	l.Meter.Took(meter.Publish, now-began)
	l.watch.decided(d.Steps, d.Assignments, now)
	l.Meter.Most(meter.LastDecision, int(n))
	for i := range d.Steps {
		m := &d.Steps[i]
		l.Meter.Add(meter.Moves, max(len(m.Slots), 1), string(m.Step), string(m.Code))
		l.trace(m, now-began)
	}
}

// trace emits the spans of a grant that was committed just now.
func (l *leading) trace(m *cluster.Decided, took time.Duration) {
	if l.Trace == nil || m.Step != cluster.StepGrant {
		return
	}
	span := cluster.Span{Step: cluster.SpanPublish, Task: m.Task, Slots: m.Slots, Token: m.Token, Ended: time.Now()}
	span.Began = span.Ended.Add(-took)
	l.Trace(span)
	span.Step, span.Ended = cluster.SpanPlan, span.Began
	span.Began = span.Ended.Add(-l.planned)
	l.Trace(span)
	span.Step, span.Began, span.Ended = cluster.SpanRead, l.reading[0], l.reading[1]
	l.Trace(span)
}

// suspectsOps returns the operations that write the record of suspects, none if it does not change, and its next version.
func (l *leading) suspectsOps(snap *view.Snapshot, next *schema.Suspects) (ops []coord.Op, version int64) {
	switch at := snap.Suspects.Version; {
	case next == nil:
		return nil, 0
	case snap.Suspects.Absent:
		return []coord.Op{coord.Create(l.Keys.Suspects(), schema.Encode(next, 0))}, 0
	default:
		return []coord.Op{coord.Set(l.Keys.Suspects(), schema.Encode(next, at+1), at)}, at + 1
	}
}

// taskRunsOps returns the operations that write the changed records of runs, and the records of finished runs.
func (l *leading) taskRunsOps(snap *view.Snapshot, d round.Decision) (ops []coord.Op) {
	for _, task := range sortedKeys(d.TaskRuns) {
		key, old := l.Keys.TaskRunsOf(task), snap.TaskRuns[task]
		switch next := d.TaskRuns[task]; {
		case next == nil:
			ops = append(ops, coord.Delete(key, old.Version))
		case old.Rec == nil:
			ops = append(ops, coord.Create(key, schema.Encode(next, 0)))
		default:
			ops = append(ops, coord.Set(key, schema.Encode(next, old.Version+1), old.Version))
		}
	}
	for i := range d.FinishedRuns {
		if key := l.Keys.FinishedRun(d.FinishedRuns[i].Task, d.FinishedRuns[i].ID); !l.oddRuns[key] {
			ops = append(ops, coord.Create(key, schema.Encode(&d.FinishedRuns[i], 0)))
		}
	}
	for _, r := range d.DropRuns {
		if key := l.Keys.FinishedRun(r.Task, r.ID); !l.oddRuns[key] {
			ops = append(ops, coord.Delete(key, 0))
		}
	}
	return ops
}

// putTaskRuns puts the committed records of runs into the view, and counts the firings that they skip.
func (l *leading) putTaskRuns(snap *view.Snapshot, d round.Decision) {
	for task, next := range d.TaskRuns {
		version := int64(0)
		if old := snap.TaskRuns[task]; old.Rec != nil {
			version = old.Version + 1
		}
		l.view.PutTaskRuns(task, next, version)
		l.countSkips(task, snap.TaskRuns[task].Rec, next)
	}
}

// countSkips counts the firings that were skipped by a commit.
func (l *leading) countSkips(task string, old, next *schema.TaskRuns) {
	if next == nil {
		return
	}
	if old == nil || old.Generation != next.Generation {
		old = &schema.TaskRuns{}
	}
	for reason, n := range map[cluster.ReasonCode]int64{
		cluster.WhyLate: next.Missed - old.Missed, cluster.WhyOverlap: next.Skipped - old.Skipped,
	} {
		if n > 0 {
			l.Meter.Add(meter.Skipped, int(n), task, string(reason))
		}
	}
}

// evict removes a member that has lost one of its keys. If the member has no assignment, it gets one that lists what its status
// holds.
func (l *leading) evict(ctx context.Context, memberID string) error {
	snap := l.view.Snapshot()
	p := snap.Peers[memberID]
	ops, epoch := l.commits.fencedBy(snap, max(snap.Epoch.Rec.NextToken, l.commits.nextToken), snap.Epoch.Rec.BalanceAt)
	was, member, status, why := p.StoredAssignment(), p.Member.Rec, p.Status.Rec, "another of its keys was deleted"
	if p.Assignment.Absent {
		was, why = nil, "its assignment is missing"
		if !p.Live() {
			member = nil // the remembered record does not show what it holds
		}
	}
	node := "" // unknown
	switch {
	case was != nil:
		node = was.Node
	case member != nil:
		node = member.Node
	}
	bound, err := membership.ReadSessionKeys(ctx, l.Session, l.Keys, memberID, node)
	if err != nil {
		return err
	}
	eviction := membership.Evict(was, p.Assignment.Version, member, cmp.Or(bound.Status, status))
	ops = append(ops, eviction.Ops(l.Keys, memberID, bound.DeleteAllOps())...)
	node = cmp.Or(node, memberID)
	evicted := cluster.Decided{Step: cluster.StepEvict, Node: node}.Because(cluster.Reason{Code: cluster.WhyEdited, Detail: why})
	ring := l.commits.ring.record(epoch, []cluster.Decided{evicted})
	ops = append(ops, ring...)
	if err := l.commits.submit(ctx, ops); err != nil {
		return err
	}
	l.Log.Warn("evicted a member", "node", node, "member", memberID, "reason", why)
	l.commits.applied(snap, epoch, ring)
	if e := eviction; e.Assignment != nil {
		l.view.PutAssignment(memberID, e.Assignment, e.Version, len(schema.Encode(e.Assignment, e.Version)))
	}
	l.view.MarkPeer(memberID)
	return nil
}
