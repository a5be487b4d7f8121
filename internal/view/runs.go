package view

import (
	"context"
	"errors"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Runs reads the runs of a task, those that are over first. It is read when somebody asks, not kept up to
// date.
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
	for i := range agenda.Runs {
		list = append(list, RunInfo(task, &agenda.Runs[i]))
	}
	return list, nil
}
