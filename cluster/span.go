package cluster

import "time"

// Span is one step of a grant, for tracing. All spans of one grant have the same task and token, even if different nodes
// report them.
type Span struct {
	Step         SpanStep
	Task         string // in the form of RunTask for a run
	Slots        Indexes
	Token        int64
	Began, Ended time.Time // by the clock of the node that reports it
}

// SpanStep is a step of a grant.
type SpanStep string

// The steps of a grant, in order.
const (
	SpanRead    SpanStep = "read"    // the leader has had a hint, and reads what has changed
	SpanPlan    SpanStep = "plan"    // the leader decides
	SpanPublish SpanStep = "publish" // the leader commits its decision
	SpanClaim   SpanStep = "claim"   // the node has seen the grant, and commits its claim
	SpanStart   SpanStep = "start"   // the node starts the workers
)
