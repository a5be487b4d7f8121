package cluster

// MeasureKind is the type of a measure, as in Prometheus.
type MeasureKind string

// The kinds of measures.
const (
	MeasureCounter   MeasureKind = "counter"   // a number or an amount since the process began
	MeasureGauge     MeasureKind = "gauge"     // a number or an amount at this moment
	MeasureHistogram MeasureKind = "histogram" // a distribution of durations
)

// Measure is something that a node counts or times. Its names are valid in Prometheus. Durations are in seconds.
type Measure struct {
	Name   string
	Help   string
	Kind   MeasureKind
	Labels []string // the names of the labels by which its series differ
	Series []Series
}

// Series is a measure for one set of label values.
type Series struct {
	Labels  []string           // values, in the order of the measure's labels
	Value   float64            // of a counter or a gauge
	Count   uint64             // of a histogram: the number of durations
	Sum     float64            // of a histogram: the durations added up, in seconds
	Buckets map[float64]uint64 // of a histogram: the number of durations up to each bound, in seconds
}
