package sim_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

var report = flag.String("report", "testdata/report.json", "bug report to run on from, as `xconsumer report` writes it")

// TestReport runs on from the records of a bug report, with nodes of the same names, works, labels and room: what
// their former members left is taken over, nothing runs twice, and all that has a place runs.
func TestReport(t *testing.T) {
	text, err := os.ReadFile(*report)
	if err != nil {
		t.Fatal(err)
	}
	var r cluster.BugReport
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { runReport(t, r) })
}

func runReport(t *testing.T, r cluster.BugReport) {
	service := mem.New(mem.Config{Timeout: 10 * time.Second})
	restore(t, service, r)
	keys := schema.NewKeys(r.Cluster)
	var mu sync.Mutex
	runs := map[string]string{} // slot → node
	ctx, stop := context.WithCancel(t.Context())
	var nodes []*testcluster.Node
	defer func() {
		stop()
		for _, node := range nodes {
			if err := node.Wait(); err != nil {
				t.Error(err)
			}
		}
	}()
	for _, rec := range r.Records {
		if schema.Dir(rec.Key) != keys.Members() {
			continue
		}
		var m schema.Member
		if err := json.Unmarshal(rec.Value, &m); err != nil {
			t.Errorf("%s: %v", rec.Key, err)
			continue
		}
		c := testcluster.Cluster{Service: service, Config: func(c *xconsumer.Config) {
			c.Cluster, c.Labels, c.Weight, c.Capacity = r.Cluster, m.Labels, m.Weight, m.Capacity
		}}
		node, err := c.Start(ctx, m.Node, func(node *xconsumer.Node) {
			for _, work := range m.Works {
				node.Handle(work, func(ctx context.Context, w *xconsumer.Worker) error {
					slot := fmt.Sprintf("%s@%s#%d", w.Task(), w.Run(), w.Index())
					mu.Lock()
					if other := runs[slot]; other != "" {
						t.Errorf("%s runs on %s and on %s", slot, other, m.Node)
					}
					runs[slot] = m.Node
					mu.Unlock()
					<-ctx.Done()
					mu.Lock()
					delete(runs, slot)
					mu.Unlock()
					return nil
				})
			}
		})
		if err != nil {
			t.Error(err)
			continue
		}
		nodes = append(nodes, node)
	}
	if len(nodes) == 0 {
		t.Error("the report has no members")
		return
	}
	time.Sleep(3 * time.Minute)
	state, err := nodes[0].State(ctx)
	if err != nil {
		t.Error(err)
	}
	why := map[string]string{}
	for _, task := range state.Tasks {
		why[task.Name] = task.Reason
	}
	running := 0
	for i := range state.Workers {
		switch w := &state.Workers[i]; {
		case w.State == cluster.WorkerRunning:
			running++
		case w.Node == "" && why[w.Task] == "" && w.State != cluster.WorkerDone, w.Node != "" && w.State == cluster.WorkerPending:
			t.Errorf("%s is %s on %q, and nothing stands in its way", w.Slot(), w.State, w.Node)
		}
	}
	t.Logf("%d nodes, %d of %d workers running", len(state.Nodes), running, len(state.Workers))
	if running == 0 {
		t.Error("nothing runs")
	}
}

// restore puts the records of a report into a store, each at its version: all but those that end with a session.
func restore(t *testing.T, service *mem.Service, r cluster.BugReport) {
	s, err := service.Client().Open(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = s.Close() }()
	for _, rec := range r.Records {
		if rec.Bound {
			continue
		}
		value := []byte(rec.Value)
		if rec.Text != "" {
			value = []byte(rec.Text)
		}
		op := coord.Create(rec.Key, value)
		for version := int64(0); ; version++ {
			if _, err := s.Commit(t.Context(), op); err != nil {
				t.Errorf("%s: %v", rec.Key, err)
				return
			}
			if version == rec.Version {
				break
			}
			op = coord.Set(rec.Key, value, version)
		}
	}
	if !strings.HasPrefix(r.Records[0].Key, "/xconsumer/") {
		t.Errorf("%s is not a record of a cluster", r.Records[0].Key)
	}
}
