package report_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// The time since which a worker is in its state is about that state, and not about the grant or a former state.
func TestSinceIsOfTheState(t *testing.T) {
	claimed := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	reported := claimed.Add(time.Hour)
	for _, c := range []struct {
		name      string
		releasing bool
		state     cluster.WorkerState // that the member has reported, "" for none
		want      cluster.WorkerState
		since     time.Time
	}{
		{"runs", false, "", cluster.WorkerRunning, claimed},
		{"has failed", false, cluster.WorkerBackoff, cluster.WorkerBackoff, reported},
		{"runs again", false, cluster.WorkerRunning, cluster.WorkerRunning, reported},
		{"is asked to stop", true, "", cluster.WorkerStopping, time.Time{}},
		{"had failed when it was asked to stop", true, cluster.WorkerBackoff, cluster.WorkerStopping, time.Time{}},
		{"stops", true, cluster.WorkerStopping, cluster.WorkerStopping, reported},
		{"does not stop", true, cluster.WorkerStuck, cluster.WorkerStuck, reported},
	} {
		t.Run(c.name, func(t *testing.T) {
			holding := []schema.Claimed{{SlotRange: ranged(5, []int{0}), Since: claimed}}
			p := peer("n1", granted(5, 0), nil, holding)
			if c.releasing {
				p = peer("n1", nil, releasing(5, 0), holding)
			}
			if c.state != "" {
				p.Status.Rec.Workers = []schema.WorkerState{{Slot: cluster.Slot{Task: "t"}, WorkerStatus: cluster.WorkerStatus{State: c.state, Since: reported}}}
			}
			s := view.Snapshot{
				Cluster: "c", Epoch: entry(&schema.Epoch{Leader: "g1", Term: 4, NextToken: 9}), Peers: map[string]*view.Peer{"g1": p},
				Tasks: map[string]view.Entry[schema.Task]{"t": entry(&schema.Task{Spec: cluster.TaskSpec{Name: "t", WorkName: "w", WorkerNum: 1}})},
			}
			if w := report.State(&s, keys).Workers[0]; w.State != c.want || !w.Since.Equal(c.since) {
				t.Errorf("%s since %v; want %s since %v", w.State, w.Since, c.want, c.since)
			}
		})
	}
}
