package cluster

// MeasureKind is what the number of a measure means.
type MeasureKind string

// The kinds of measures.
const (
	MeasureCounter   MeasureKind = "counter"   // how often, or how much, since the process began
	MeasureGauge     MeasureKind = "gauge"     // how much there is
	MeasureHistogram MeasureKind = "histogram" // how long it took, each time
)

// Measure is something that a node counts or times, under names as Prometheus wants them. Times are in seconds.
type Measure struct {
	Name   string
	Help   string
	Kind   MeasureKind
	Labels []string // names of the labels that tell its series apart
	Series []Series
}

// Series is a measure for one set of label values.
type Series struct {
	Labels  []string // values, in the order of the measure's labels
	Value   float64  // of a counter or a gauge
	Count   uint64   // of a histogram
	Sum     float64
	Buckets map[float64]uint64 // how many took at most so long
}
