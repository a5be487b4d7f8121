package report_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Runs that are over, runs under way and skipped firings are in one order, that of their instants: a firing that was
// skipped because of a run comes after it, no matter how long the run goes on.
func TestRunsAreInOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := mem.New(mem.Config{}).Client().Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		due := func(second int) time.Time { return time.Date(2026, 11, 29, 8, 38, second, 0, time.UTC) }
		run := func(second int, ended time.Time) schema.Run {
			return schema.Run{Run: cluster.Run{ID: schema.RunID(due(second)), Due: due(second), WorkerNum: 1, Began: due(second), Ended: ended}, WorkName: "w"}
		}
		ran := schema.FinishedRun{Run: run(10, due(12))}
		agenda := schema.TaskRuns{
			Kept:  []string{ran.ID},
			Runs:  []schema.Run{run(20, time.Time{}), run(40, time.Time{})},
			Skips: []schema.Skip{{Due: due(5), Number: 1}, {Due: due(30), Number: 1, Run: schema.RunID(due(20))}},
		}
		for key, rec := range map[string]schema.Record{keys.TaskRunsOf("t"): &agenda, keys.FinishedRun("t", ran.ID): &ran} {
			if _, err := s.Commit(t.Context(), coord.Create(key, schema.Encode(rec, 0))); err != nil {
				t.Fatal(err)
			}
		}
		list, err := report.Runs(t.Context(), s, keys, "t")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range list {
			got = append(got, r.Due.Format("05 ")+string(r.State))
		}
		if want := []string{"05 skipped", "10 done", "20 running", "30 skipped", "40 running"}; !slices.Equal(got, want) {
			t.Errorf("%q; want %q", got, want)
		}
	})
}
