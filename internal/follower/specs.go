package follower

import (
	"context"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
)

// specsRead is a reading of chunks of specs, by number, for an assignment.
type specsRead struct {
	of      *schema.Assignment
	records map[int64]coord.Record
	errs    map[int64]error
}

// resolveSpecs gives the grants of the assignment their specs. It reads the chunks that have them, if this node does not have these
// yet: none where slots only move. A grant without its spec is not claimed, and a worker that runs keeps the spec that it has.
func (fl *following) resolveSpecs(ctx context.Context) {
	if fl.assignment == nil || fl.readingSpecs || fl.specs.Resolve(fl.assignment.Granted) {
		return
	}
	fl.readingSpecs = true
	of, chunks := fl.assignment, specs.Unresolved(fl.assignment.Granted)
	fl.spawn(func() {
		read := specsRead{of, map[int64]coord.Record{}, map[int64]error{}}
		for _, number := range chunks {
			read.records[number], read.errs[number] = fl.Session.Get(ctx, fl.Keys.SpecChunk(number))
		}
		fl.specReads <- read
	})
}

// onSpecs handles a reading of chunks.
func (fl *following) onSpecs(ctx context.Context, read specsRead) {
	fl.readingSpecs = false
	if ctx.Err() != nil {
		return
	}
	for number, r := range read.records {
		chunk := new(schema.SpecChunk)
		if read.errs[number] == nil {
			read.errs[number] = schema.Decode(fl.Keys.SpecChunk(number), r, chunk)
		}
		if read.errs[number] == nil {
			fl.specs = fl.specs.With(number, chunk)
		}
	}
	fl.specsOf = nil
	switch {
	case fl.assignment == nil || fl.specs.Resolve(fl.assignment.Granted):
	case fl.assignment != read.of: // read meanwhile; it may name later versions
		fl.resolveSpecs(ctx)
	default:
		fl.reportUnreadable(read.errs)
	}
}

// reportUnreadable reports the chunks that lack specs of the assignment. They are read again with the assignment.
func (fl *following) reportUnreadable(errs map[int64]error) {
	for _, number := range specs.Unresolved(fl.assignment.Granted) {
		key, err := fl.Keys.SpecChunk(number), errs[number]
		if err == nil {
			err = fmt.Errorf("%s: it does not have the specs that the assignment names", key)
		}
		fl.Log.Error("specs of granted slots cannot be read; these slots are not claimed", "key", key, "error", err)
		fl.Emit(cluster.Event{Kind: cluster.RecordUnusable, Detail: err.Error()})
	}
}
