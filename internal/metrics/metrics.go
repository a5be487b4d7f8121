// Package metrics serves the measures of a node and the state of its cluster, in the format of Prometheus.
//
// Everything is collected during a scrape: nothing is kept here, and nothing is read from the coordination service for
// it. Only the leader exports the metrics of the whole cluster, so that sums over all nodes are right.
package metrics

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Node is the node whose metrics are served.
type Node interface {
	Name() string
	Ready() (reasons []string)
	Lease() cluster.Lease
	Workers() map[cluster.Slot]cluster.Report
	Leading() (cluster.State, bool)
	Measures() []cluster.Measure
}

// New returns the handler for scrapes of a node; of is the name of its cluster, and more returns the measures of its
// server. A scrape reads nothing from the coordination service: otherwise scraping a fleet would make every node follow
// the whole cluster.
func New(node Node, of, version string, more ...func() []cluster.Measure) http.Handler {
	registry := Registry(node, of, version, more...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, Registry: registry})
}

// Registry returns a new registry with all metrics of a node.
func Registry(node Node, of, version string, more ...func() []cluster.Measure) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&measured{append([]func() []cluster.Measure{node.Measures}, more...)}, &observed{node, of, version},
	)
	return registry
}

// measured collects measures.
type measured struct{ sources []func() []cluster.Measure }

// Describe describes nothing: the names of measures are known only when they are collected.
func (c *measured) Describe(chan<- *prometheus.Desc) {}

// Collect sends all series.
func (c *measured) Collect(out chan<- prometheus.Metric) {
	for _, source := range c.sources {
		for _, m := range source() {
			desc := prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)
			for _, s := range m.Series {
				switch m.Kind {
				case cluster.MeasureCounter:
					out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, s.Value, s.Labels...)
				case cluster.MeasureGauge:
					out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, s.Value, s.Labels...)
				case cluster.MeasureHistogram:
					out <- prometheus.MustNewConstHistogram(desc, s.Count, s.Sum, s.Buckets, s.Labels...)
				}
			}
		}
	}
}

// observed collects the present state of the node and its cluster.
type observed struct {
	node    Node
	of      string // the cluster
	version string
}

var (
	buildInfo = prometheus.NewDesc(
		"xconsumer_build_info",
		"Always 1; the labels are the version of this node.",
		[]string{"version", "goversion"},
		nil,
	)
	nodeInfo = prometheus.NewDesc(
		"xconsumer_node_info",
		"Always 1; the labels are the cluster and name of this node.",
		[]string{"cluster", "node"},
		nil,
	)
	ready     = prometheus.NewDesc("xconsumer_ready", "1 if this node is ready: a member with a valid lease.", nil, nil)
	leads     = prometheus.NewDesc("xconsumer_leader", "1 if this node leads.", nil, nil)
	leaseLeft = prometheus.NewDesc(
		"xconsumer_lease_remaining_seconds",
		"Time left of this node's lease.",
		nil,
		nil,
	)
	leaseLength = prometheus.NewDesc(
		"xconsumer_lease_length_seconds",
		"Duration of a full lease; 0 before this node has joined.",
		nil,
		nil,
	)
	ownWorkers = prometheus.NewDesc("xconsumer_workers", "Workers of this node, by task and state.", []string{"task", "state"}, nil)
	nodes      = prometheus.NewDesc(
		"xconsumer_cluster_nodes",
		"Nodes of the cluster, by state; exported by the leader only.",
		[]string{"state"},
		nil,
	)
	desired = prometheus.NewDesc(
		"xconsumer_cluster_desired_workers",
		"Workers that a task should have now; exported by the leader only.",
		[]string{"task"},
		nil,
	)
	running = prometheus.NewDesc(
		"xconsumer_cluster_running_workers",
		"Running workers of a task; exported by the leader only.",
		[]string{"task"},
		nil,
	)
	unplaced = prometheus.NewDesc(
		"xconsumer_cluster_unplaced_workers",
		"Workers of a task that no node has, by reason; exported by the leader only.",
		[]string{"task", "reason"},
		nil,
	)
	badRecords = prometheus.NewDesc(
		"xconsumer_cluster_unusable_records",
		"Unusable records in the coordination service; exported by the leader only.",
		nil,
		nil,
	)
	valueLimit = prometheus.NewDesc("xconsumer_record_limit_bytes", "Size limit of a record.", nil, nil)
)

// MaxRecord is the maximum size of a record, in bytes.
const MaxRecord = 256 << 10

// Describe sends the descriptions of all metrics that Collect may send.
func (c *observed) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		buildInfo, nodeInfo, ready, leads, leaseLeft, leaseLength, ownWorkers,
		nodes, desired, running, unplaced, badRecords, valueLimit,
	} {
		out <- d
	}
}

// Collect sends the present values.
func (c *observed) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(buildInfo, 1, c.version, runtime.Version())
	gauge(valueLimit, MaxRecord)
	gauge(ready, truth(len(c.node.Ready()) == 0))
	lease := c.node.Lease()
	gauge(leaseLeft, float64(lease.LeftMs)/1000)
	gauge(leaseLength, float64(lease.DurationMs)/1000)
	gauge(nodeInfo, 1, c.of, c.node.Name())
	type own struct{ task, state string }
	mine := map[own]int{}
	for slot, report := range c.node.Workers() {
		task, _ := cluster.SplitRun(slot.Task)
		mine[own{task, string(report.State)}]++
	}
	for k, n := range mine {
		gauge(ownWorkers, float64(n), k.task, k.state)
	}
	state, leading := c.node.Leading()
	if gauge(leads, truth(leading)); leading {
		c.cluster(&state, gauge)
	}
}

// cluster sends the metrics of the whole cluster.
func (c *observed) cluster(s *cluster.State, gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	count := map[string]int{string(cluster.NodeUp): 0, string(cluster.NodeLost): 0}
	for _, list := range [][]cluster.NodeInfo{s.Nodes, s.Lost} {
		for i := range list {
			count[string(list[i].State)]++
		}
	}
	for state, n := range count {
		gauge(nodes, float64(n), state)
	}
	kept := map[string]int{} // slots that no node has, and that are withheld or permanently failed
	for i := range s.Workers {
		if w := &s.Workers[i]; w.Kept() && w.Run == "" {
			kept[w.Task]++
		}
	}
	wanted := map[string]int{}
	for i := range s.Runs {
		if r := &s.Runs[i]; r.State == cluster.RunGoesOn {
			wanted[r.Task] += r.WorkerNum - r.Done - r.Failed
		}
	}
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if !t.Runs && !t.Paused {
			wanted[t.Name] = t.WorkerNum
		}
		gauge(desired, float64(wanted[t.Name]), t.Name)
		gauge(running, float64(t.Running), t.Name)
		lacking := t.Unplaced + kept[t.Name]
		if t.Paused {
			lacking = 0
		}
		gauge(unplaced, float64(lacking), t.Name, string(t.ReasonCode))
	}
	gauge(badRecords, float64(len(s.Errors)))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
