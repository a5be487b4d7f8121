package e2e_test

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// metrics returns what a node exports to Prometheus, by name and labels.
func (p *proc) metrics() map[string]float64 {
	p.f.Helper()
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + p.Addr + "/metrics")
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	out := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(name, "xconsumer_") {
			out[name] = v
		}
	}
	return out
}

func TestMetrics(t *testing.T) { onBoth(t, testMetrics) }

// What happens to a cluster is in its nodes' metrics: handoffs when a node comes, failovers when one dies.
func testMetrics(t *testing.T, b backend) {
	f := newSupervised(t, b)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.start("n2")
	state := n1.awaitSpread("n1", "n2")
	f.Await("handoffs are timed", func() bool { return n1.metrics()["xconsumer_handoff_seconds_count"] > 0 })
	f.kill(nodePID(t, state, "n2"), syscall.SIGKILL)
	f.Await("failovers are timed", func() bool { return n1.metrics()["xconsumer_failover_seconds_count"] > 0 })
	f.Await("the cluster has two nodes again", func() bool { return n1.metrics()[`xconsumer_cluster_nodes{state="up"}`] == 2 })
	for name, test := range map[string]func(v float64) bool{
		"xconsumer_leader": func(v float64) bool { return v == 1 },
		"xconsumer_ready":  func(v float64) bool { return v == 1 },
		`xconsumer_cluster_desired_workers{task="test01"}`:                       func(v float64) bool { return v == 2 },
		`xconsumer_cluster_running_workers{task="test01"}`:                       func(v float64) bool { return v == 2 },
		`xconsumer_moves_total{reason="",step="reap"}`:                           func(v float64) bool { return v >= 0 },
		"xconsumer_heartbeat_seconds_count":                                      func(v float64) bool { return v > 0 },
		"xconsumer_lease_remaining_seconds":                                      func(v float64) bool { return v > 0 },
		`xconsumer_record_bytes{record="assignments"}`:                           func(v float64) bool { return v > 0 },
		`xconsumer_store_operations_total{operation="commit",outcome="ok"}`:      func(v float64) bool { return v > 0 },
		`xconsumer_api_requests_total{code="200",method="GET",route="/metrics"}`: func(v float64) bool { return v > 0 },
		"xconsumer_plan_seconds_count":                                           func(v float64) bool { return v > 0 },
		"xconsumer_last_decision":                                                func(v float64) bool { return v > 0 },
	} {
		f.Await(name, func() bool { return test(n1.metrics()[name]) }) // the dead node's worker may be on its way still
	}
	other := n2.metrics()
	if len(other) == 0 {
		t.Error("n2 exports nothing")
	}
	for name := range other {
		if strings.HasPrefix(name, "xconsumer_cluster_") {
			t.Errorf("n2, which does not lead, exports %s", name)
		}
	}
	if other["xconsumer_leader"] != 0 {
		t.Error("n2 says that it leads")
	}
}
