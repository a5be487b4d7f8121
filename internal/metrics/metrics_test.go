package metrics_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/metrics"
)

type node struct {
	name  string
	meter *meter.Meter
}

func (n *node) Name() string    { return n.name }
func (n *node) Ready() []string { return nil }
func (n *node) Lease() cluster.Lease {
	return cluster.Lease{Valid: true, LeftMs: 9100, DurationMs: 9500}
}
func (n *node) Measures() []cluster.Measure { return n.meter.Read() }
func (n *node) Workers() map[cluster.Slot]cluster.Report {
	return map[cluster.Slot]cluster.Report{{Task: "orders"}: {WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}}}
}

func (n *node) Leading() (cluster.State, bool) {
	return cluster.State{
		Cluster: "shop", Leader: "n1",
		Nodes: []cluster.NodeInfo{{Name: "n1", Member: "a", State: cluster.NodeUp}, {Name: "n2", Member: "b", State: cluster.NodeUp}},
		Lost:  []cluster.NodeInfo{{Name: "n3", Member: "c", State: cluster.NodeLost}},
		Tasks: []cluster.TaskInfo{
			{Name: "orders", WorkerNum: 3, Running: 2, Unplaced: 1, ReasonCode: cluster.WhyNoLabel},
			{Name: "off", WorkerNum: 5, Unplaced: 5, Paused: true}, {Name: "report", WorkerNum: 4, Runs: true},
			{Name: "crash", WorkerNum: 3, Withheld: 1, Failed: 2, ReasonCode: cluster.WhyCrashed},
		},
		Workers: []cluster.WorkerInfo{{Task: "orders", Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}}, {Task: "orders", Index: 1, Node: "n2", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}}, {Task: "orders", Index: 2, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerPending}},
			{Task: "crash", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerWithheld}}, {Task: "crash", Index: 1, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp}}, {Task: "crash", Index: 2, Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp}}},
		Runs: []cluster.RunInfo{{Task: "report", State: cluster.RunGoesOn, Run: cluster.Run{WorkerNum: 4}, Done: 1}},
	}, n.name == "n1"
}

// measuredAll has measured every measure once.
func measuredAll() *meter.Meter {
	m := meter.New()
	for _, d := range m.Read() {
		labels := slices.Repeat([]string{"x"}, len(d.Labels))
		switch d.Kind {
		case cluster.MeasureHistogram:
			m.Took(meter.Name(d.Name), 30*time.Millisecond, labels...)
		case cluster.MeasureGauge:
			m.Most(meter.Name(d.Name), 7, labels...)
		case cluster.MeasureCounter:
			m.Add(meter.Name(d.Name), 2, labels...)
		}
	}
	return m
}

// The names satisfy Prometheus' own linter, and no metric is exported twice.
func TestNames(t *testing.T) {
	for _, name := range []string{"n1", "n2"} {
		problems, err := testutil.GatherAndLint(metrics.Registry(&node{name: name, meter: measuredAll()}, "shop", "v1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// The leader exports the metrics of the cluster; other nodes export only their own.
func TestWhoTellsWhat(t *testing.T) {
	scrape := func(n *node) map[string]bool {
		w := httptest.NewRecorder()
		metrics.New(n, "shop", "v1").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		lines := map[string]bool{}
		for line := range strings.Lines(w.Body.String()) {
			if strings.HasPrefix(line, "xconsumer_") {
				lines[strings.TrimSpace(line)] = true
			}
		}
		return lines
	}
	both := []string{"xconsumer_ready 1", "xconsumer_lease_remaining_seconds 9.1", "xconsumer_lease_length_seconds 9.5", `xconsumer_workers{state="running",task="orders"} 1`}
	leader := []string{
		"xconsumer_leader 1", `xconsumer_cluster_nodes{state="up"} 2`, `xconsumer_cluster_nodes{state="lost"} 1`, `xconsumer_cluster_desired_workers{task="orders"} 3`,
		`xconsumer_cluster_desired_workers{task="off"} 0`, `xconsumer_cluster_desired_workers{task="report"} 3`, `xconsumer_cluster_unplaced_workers{reason="no-label",task="orders"} 1`,
		`xconsumer_cluster_unplaced_workers{reason="",task="off"} 0`, `xconsumer_cluster_unplaced_workers{reason="crashed",task="crash"} 2`,
	}
	for _, c := range []struct {
		node      *node
		has, lack []string
	}{
		{&node{name: "n1", meter: meter.New()}, append(both, leader...), nil},
		{&node{name: "n2", meter: meter.New()}, append(both, "xconsumer_leader 0"), leader},
	} {
		lines := scrape(c.node)
		for _, want := range c.has {
			if !lines[want] {
				t.Errorf("%s: %s is not in %v", c.node.name, want, slices.Sorted(maps.Keys(lines)))
			}
		}
		for _, not := range c.lack {
			if lines[not] {
				t.Errorf("%s: %s is exported", c.node.name, not)
			}
		}
	}
}

func TestRecordLimit(t *testing.T) {
	if metrics.MaxRecord != coord.MaxValue {
		t.Errorf("%d is exported, %d is the limit", metrics.MaxRecord, coord.MaxValue)
	}
}
