package report

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Records reads all records of a cluster, except checkpoints and runs that are over. It reads one key after the
// other, so the records together are not the state of one moment.
func Records(ctx context.Context, s coord.Session, keys schema.Keys) ([]cluster.StoredRecord, error) {
	paths := []string{keys.Meta(), keys.Epoch(), keys.Settings(), keys.Suspects(), keys.Requests(), keys.Audit(), keys.PlanFault()}
	for _, dir := range []string{
		keys.Tasks(), keys.Marks(), keys.TaskRuns(), schema.Dir(keys.SpecChunk(0)), keys.Assignments(), keys.Members(), schema.Dir(keys.Status("")),
		keys.Completions(), keys.Elections(), schema.Dir(keys.Name("")), schema.Dir(keys.Decision(0)),
	} {
		entries, err := s.List(ctx, dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			paths = append(paths, dir+"/"+e.Name)
		}
	}
	list := []cluster.StoredRecord{}
	for _, path := range paths {
		r, err := s.Get(ctx, path)
		switch {
		case errors.Is(err, coord.ErrNotFound):
			continue
		case err != nil:
			return nil, err
		}
		rec := cluster.StoredRecord{Key: path, Version: r.Version, Bound: r.Session != ""}
		if json.Valid(r.Value) {
			rec.Value = r.Value
		} else {
			rec.Text = string(r.Value)
		}
		list = append(list, rec)
	}
	slices.SortFunc(list, func(a, b cluster.StoredRecord) int { return cmp.Compare(a.Key, b.Key) })
	return list, nil
}
