package cluster

import "time"

// Span is a step by which slots come to a node, for those who trace. Those of one grant have its task and its token in
// common, whichever nodes they come from.
type Span struct {
	Step         SpanStep
	Task         string // of a run: task@run
	Slots        Indexes
	Token        int64
	Began, Ended time.Time // by the clock of the node that tells it
}

// SpanStep is a step of a grant.
type SpanStep string

// The steps, in their order.
const (
	SpanPlan    SpanStep = "plan"    // the leader decides
	SpanPublish SpanStep = "publish" // and commits that
	SpanClaim   SpanStep = "claim"   // the node has seen it, and commits that it has the slots
	SpanStart   SpanStep = "start"   // and their workers run
)
