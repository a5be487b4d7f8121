package follower

import (
	"context"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A member that runs nothing has the specs of its first grant before it is granted, if they are in a few chunks. A chunk that has
// changed since is read again.
func TestSpecsAreReadAhead(t *testing.T) {
	for name, c := range map[string]struct {
		chunks  int64
		granted bool // when it would read ahead
		change  bool // the chunk changes before the grant
		reads   int  // once it is granted
	}{
		"the specs are there":           {1, false, false, 0},
		"the spec has changed":          {1, false, true, 1},
		"many chunks":                   {5, false, false, 1},
		"it has been granted something": {1, true, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			keys, reads := schema.NewKeys("test"), 0
			s, err := coordtest.Intercept(mem.New(mem.Config{}).Client(), coordtest.Interceptor{
				Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
					reads++
					return next(ctx, key)
				},
			}).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			chunk := &schema.SpecChunk{Specs: []schema.StoredSpec{{Name: "a", Spec: cluster.TaskSpec{Name: "a", WorkerNum: 1}}}}
			commit := func(op coord.Op) {
				if _, err := s.Commit(t.Context(), op); err != nil {
					t.Fatal(err)
				}
			}
			for number := range c.chunks {
				commit(coord.Create(keys.SpecChunk(number+1), schema.Encode(chunk, 0)))
			}
			fl := &following{
				Follower: &Follower{Session: s, Keys: keys}, spawn: func(read func()) { read() }, specReads: make(chan specsRead, 1),
			}
			grant := func(version int64) *schema.Assignment {
				h := schema.Granted{SlotRange: schema.SlotRange{Task: "a", Slots: []int{0}, Token: 7}, Ref: schema.SpecRef{Chunk: 1, Version: version}}
				return &schema.Assignment{Granted: []schema.Granted{h}}
			}
			fl.assignment = &schema.Assignment{}
			if c.granted {
				fl.assignment = grant(0)
			}
			fl.readSpecsAhead(t.Context())
			if fl.readingSpecs {
				fl.onSpecs(t.Context(), <-fl.specReads)
			}
			reads = 0
			workers, version := 1, int64(0)
			if c.change {
				workers, version = 2, 1
				chunk.Specs = append(chunk.Specs, schema.StoredSpec{Name: "a", From: 1, Spec: cluster.TaskSpec{Name: "a", WorkerNum: 2}})
				commit(coord.Set(keys.SpecChunk(1), schema.Encode(chunk, 1), 0))
			}
			fl.assignment = grant(version)
			fl.resolveSpecs(t.Context())
			if fl.readingSpecs {
				fl.onSpecs(t.Context(), <-fl.specReads)
			}
			if spec := fl.assignment.Granted[0].Spec; spec == nil || spec.WorkerNum != workers || reads != c.reads {
				t.Errorf("its grant has spec %+v after %d reads", spec, reads)
			}
		})
	}
}
