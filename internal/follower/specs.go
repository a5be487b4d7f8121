package follower

import (
	"context"
	"fmt"
	"time"

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

// A member that has been granted nothing for specsAhead reads the specs in force in advance, if they are in a few chunks: its first
// grant then need not wait for them. Members of a fleet that starts are granted slots before that, unless the fleet is large.
const (
	specsAhead  = 2 * time.Second
	chunksAhead = 4
)

// readSpecsAhead reads all specs in advance, unless the member has been granted something, or has read some.
func (fl *following) readSpecsAhead(ctx context.Context) {
	if fl.assignment == nil || fl.readingSpecs || len(fl.assignment.Granted) > 0 || !fl.specs.Empty() {
		return
	}
	fl.readingSpecs = true
	of := fl.assignment
	fl.spawn(func() {
		var chunks []int64
		entries, err := fl.Session.List(ctx, schema.Dir(fl.Keys.SpecChunk(0)))
		for _, e := range entries {
			if number, ok := schema.SpecChunkNumber(e.Name); ok {
				chunks = append(chunks, number)
			}
		}
		if err != nil || len(chunks) > chunksAhead {
			chunks = nil
		}
		fl.specReads <- fl.readChunks(ctx, of, chunks)
	})
}

// readChunks reads chunks of specs for an assignment.
func (fl *following) readChunks(ctx context.Context, of *schema.Assignment, chunks []int64) specsRead {
	read := specsRead{of, map[int64]coord.Record{}, map[int64]error{}}
	for _, number := range chunks {
		read.records[number], read.errs[number] = fl.Session.Get(ctx, fl.Keys.SpecChunk(number))
	}
	return read
}

// resolveSpecs gives the grants of the assignment their specs. It reads the chunks that have them, if this node does not have these
// yet: none where slots only move. A grant without its spec is not claimed, and a worker that runs keeps the spec that it has.
func (fl *following) resolveSpecs(ctx context.Context) {
	if fl.assignment == nil || fl.readingSpecs || fl.specs.Resolve(fl.assignment.Granted) {
		return
	}
	fl.readingSpecs = true
	of, chunks := fl.assignment, specs.Unresolved(fl.assignment.Granted)
	fl.spawn(func() { fl.specReads <- fl.readChunks(ctx, of, chunks) })
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
