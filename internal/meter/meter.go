// Package meter counts and times the operations of a node.
//
// A Meter holds numbers and is independent of formats: programs that link the library pay only for a map, and
// a server of metrics reads the numbers and writes them in its own format. The table in names.go lists all
// measures.
package meter

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Meter keeps the measures of a node. It may be used from any goroutine, and nil measures nothing.
type Meter struct {
	mu     sync.Mutex
	series map[Name]map[string]*cluster.Series // by the label values
}

// New returns a meter that has measured nothing.
func New() *Meter { return &Meter{series: map[Name]map[string]*cluster.Series{}} }

// at returns a series; the caller holds the lock.
func (m *Meter) at(name Name, labels []string) *cluster.Series {
	if m.series[name] == nil {
		m.series[name] = map[string]*cluster.Series{}
	}
	key := strings.Join(labels, "\x00")
	s := m.series[name][key]
	if s == nil {
		s = &cluster.Series{Labels: slices.Clone(labels)}
		if defs[name].kind == cluster.MeasureHistogram {
			s.Buckets = map[float64]uint64{}
			for _, bound := range defs[name].bounds {
				s.Buckets[bound] = 0
			}
		}
		m.series[name][key] = s
	}
	return s
}

// Add adds to a counter.
func (m *Meter) Add(name Name, n int, labels ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at(name, labels).Value += float64(n)
}

// Most raises a gauge to a value, unless it is higher already.
func (m *Meter) Most(name Name, n int, labels ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.at(name, labels)
	s.Value = max(s.Value, float64(n))
}

// Set sets a gauge.
func (m *Meter) Set(name Name, value float64, labels ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at(name, labels).Value = value
}

// Took adds a time to a histogram.
func (m *Meter) Took(name Name, d time.Duration, labels ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.at(name, labels)
	s.Count++
	s.Sum += d.Seconds()
	for bound := range s.Buckets {
		if d.Seconds() <= bound {
			s.Buckets[bound]++
		}
	}
}

// Read returns all measures, by name, including those without series, so that readers see every name.
func (m *Meter) Read() []cluster.Measure {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]cluster.Measure, 0, len(defs))
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		d := defs[name]
		measure := cluster.Measure{Name: string(name), Help: d.help, Kind: d.kind, Labels: d.labels}
		for _, key := range slices.Sorted(maps.Keys(m.series[name])) {
			s := *m.series[name][key]
			s.Buckets = maps.Clone(s.Buckets)
			measure.Series = append(measure.Series, s)
		}
		out = append(out, measure)
	}
	return out
}
