package view

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
)

// Runs reads the runs of a task, those that are over first, and among them the firings that were skipped. It is read
// when somebody asks, not kept up to date.
func Runs(ctx context.Context, s coord.Session, keys schema.Keys, task string) ([]cluster.RunInfo, error) {
	r, err := s.Get(ctx, keys.Agenda(task))
	if errors.Is(err, coord.ErrNotFound) {
		_, err = s.Get(ctx, keys.Task(task))
		if errors.Is(err, coord.ErrNotFound) {
			return nil, fmt.Errorf("%w: %q", cluster.ErrNoTask, task)
		}
		return []cluster.RunInfo{}, err
	}
	agenda := new(schema.Agenda)
	if err == nil {
		err = schema.Decode(keys.Agenda(task), r, agenda)
	}
	if err != nil {
		return nil, err
	}
	list := make([]cluster.RunInfo, 0, len(agenda.Kept)+len(agenda.Runs))
	for _, id := range agenda.Kept {
		ran := new(schema.Ran)
		switch r, err := s.Get(ctx, keys.Ran(task, id)); {
		case errors.Is(err, coord.ErrNotFound):
			continue // it is not kept any more
		case err != nil:
			return nil, err
		case schema.Decode(keys.Ran(task, id), r, ran) == nil:
			list = append(list, RunInfo(task, &ran.Run))
		}
	}
	for i := range agenda.Skips {
		list = append(list, skipInfo(task, &agenda.Skips[i]))
	}
	slices.SortStableFunc(list, func(a, b cluster.RunInfo) int { return a.Due.Compare(b.Due) })
	for i := range agenda.Runs {
		list = append(list, RunInfo(task, &agenda.Runs[i]))
	}
	return list, nil
}

// nextRun returns when the next run of a task begins by itself, as far as that is known.
func (s *Snapshot) nextRun(task string, spec cluster.TaskSpec) time.Time {
	rec := s.Agendas[task].Rec
	timing, err := schedule.Parse(spec)
	if err != nil || timing == nil || spec.Paused || rec == nil {
		return time.Time{}
	}
	if rec.Timing != schedule.Name(spec) {
		if timing = schedule.Former(spec, rec.Timing, rec.Last); timing == nil {
			return time.Time{}
		}
	}
	next := timing.Next(rec.Last)
	for range 1000 { // as far as anybody wants to know
		if !schema.Within(rec.Decided, next) {
			break
		}
		next = timing.Next(next)
	}
	return next
}
