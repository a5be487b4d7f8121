package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Runs reads the runs of a task and its skipped firings, ordered by the instants of their firings. It reads the store at
// every call.
func Runs(ctx context.Context, s coord.Session, keys schema.Keys, task string) ([]cluster.RunInfo, error) {
	r, err := s.Get(ctx, keys.TaskRunsOf(task))
	if errors.Is(err, coord.ErrNotFound) {
		_, err = s.Get(ctx, keys.Task(task))
		if errors.Is(err, coord.ErrNotFound) {
			return nil, fmt.Errorf("%w: %q", cluster.ErrNoTask, task)
		}
		return []cluster.RunInfo{}, err
	}
	agenda := new(schema.TaskRuns)
	if err == nil {
		err = schema.Decode(keys.TaskRunsOf(task), r, agenda)
	}
	if err != nil {
		return nil, err
	}
	list := make([]cluster.RunInfo, 0, len(agenda.Kept)+len(agenda.Runs))
	for _, id := range agenda.Kept {
		ran := new(schema.FinishedRun)
		switch r, err := s.Get(ctx, keys.FinishedRun(task, id)); {
		case errors.Is(err, coord.ErrNotFound):
			continue // it is no longer kept
		case err != nil:
			return nil, err
		case schema.Decode(keys.FinishedRun(task, id), r, ran) == nil:
			list = append(list, RunInfo(task, &ran.Run))
		}
	}
	for i := range agenda.Skips {
		list = append(list, skipInfo(task, &agenda.Skips[i]))
	}
	for i := range agenda.Runs {
		list = append(list, RunInfo(task, &agenda.Runs[i]))
	}
	slices.SortStableFunc(list, func(a, b cluster.RunInfo) int { return a.Due.Compare(b.Due) })
	return list, nil
}

// nextRun returns when the next run of a task begins by its schedule, as far as that is known.
func nextRun(s *view.Snapshot, task string, spec cluster.TaskSpec) time.Time {
	rec := s.TaskRuns[task].Rec
	timing, err := schedule.Parse(spec)
	if err != nil || timing == nil || spec.Paused || rec == nil {
		return time.Time{}
	}
	if rec.Timing != schedule.Name(spec) {
		timing = schedule.Former(spec, rec.Timing, rec.Last)
		if timing == nil {
			return time.Time{}
		}
	}
	next := timing.Next(rec.Last)
	for range 1000 { // a bound on the search
		if !schema.Within(rec.Decided, next) {
			break
		}
		next = timing.Next(next)
	}
	return next
}

// addRunInfo adds the runs of a task that are under way.
func addRunInfo(s *view.Snapshot, state *cluster.State, task string) {
	rec := s.TaskRuns[task].Rec
	if rec == nil {
		return
	}
	for i := range rec.Runs {
		state.Runs = append(state.Runs, RunInfo(task, &rec.Runs[i]))
	}
}

// RunInfo describes a run.
func RunInfo(task string, r *schema.Run) cluster.RunInfo {
	info := cluster.RunInfo{
		Task: task, Run: r.Run, State: cluster.RunGoesOn,
		Done: len(r.Done), Failed: r.WorkerNum - len(r.Done) - r.Remaining(),
	}
	if len(r.Failed) > 0 {
		info.Error = fmt.Sprintf("%s: %s", r.Failed[0].Slots, r.Failed[0].Error)
	}
	switch {
	case r.Queued:
		info.State = cluster.RunQueued
	case r.Ended.IsZero():
	case info.Failed > 0:
		info.State = cluster.RunFailed
	default:
		info.State = cluster.RunDone
	}
	return info
}

// skipInfo describes firings that were skipped.
func skipInfo(task string, s *schema.Skip) cluster.RunInfo {
	return cluster.RunInfo{
		Task: task, Run: cluster.Run{ID: schema.RunID(s.Due), Due: s.Due}, State: cluster.RunSkipped, Reason: s.String(), Skipped: s.Number,
	}
}
