package schema_test

import (
	"fmt"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// An assignment of 100 slots of 50 tasks, and its status, are small: a ZooKeeper server keeps its last 500 transactions in memory.
func TestAssignmentsAreSmall(t *testing.T) {
	const goal = 3 << 9
	assignment := &schema.Assignment{Node: "worker-0017.example.com-8800", Host: "worker-0017.example.com", SessionTimeout: cluster.Duration(20 * time.Second), Releasing: []schema.Releasing{}}
	status := &schema.Status{Applied: 1234}
	for i := range 50 {
		r := schema.SlotRange{Task: fmt.Sprintf("task%02d", i), Slots: cluster.Indexes{34, 35}, Token: 123456}
		assignment.Granted = append(assignment.Granted, schema.Granted{SlotRange: r, Count: new(200), Ref: schema.SpecRef{Chunk: 9, Version: 41}})
		status.Holding = append(status.Holding, schema.Claimed{SlotRange: r, Since: time.Date(2026, 11, 29, 12, 0, 0, 123e6, time.UTC)})
	}
	for _, rec := range []schema.Record{assignment, status} {
		size := len(schema.Encode(rec, 1234))
		t.Logf("%T: %d bytes", rec, size)
		if size > goal {
			t.Errorf("%T has %d bytes, at most %d", rec, size, goal)
		}
	}
}
