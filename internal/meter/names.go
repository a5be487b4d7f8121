package meter

import "gitee.com/ken.yang/xconsumer/cluster"

// Name names a measure.
type Name string

// What is measured.
const (
	StoreOperations Name = "xconsumer_store_operations_total"
	StoreSeconds    Name = "xconsumer_store_operation_seconds"
	StoreSent       Name = "xconsumer_store_sent_bytes_total"
	StoreReceived   Name = "xconsumer_store_received_bytes_total"
	StoreWrites     Name = "xconsumer_store_writes_total"
	StoreHints      Name = "xconsumer_store_hints_total"
	RecordBytes     Name = "xconsumer_record_bytes"
	Heartbeat       Name = "xconsumer_heartbeat_seconds"
	Plan            Name = "xconsumer_plan_seconds"
	Publish         Name = "xconsumer_publish_seconds"
	Handoff         Name = "xconsumer_handoff_seconds"
	Failover        Name = "xconsumer_failover_seconds"
	Moves           Name = "xconsumer_moves_total"
	LastDecision    Name = "xconsumer_last_decision"
	Refused         Name = "xconsumer_leader_failed_commits_total"
	GaveUp          Name = "xconsumer_leader_given_up_total"
	Blocked         Name = "xconsumer_leader_blocked"
	LeaderRound     Name = "xconsumer_leader_round_seconds"
	SinceRound      Name = "xconsumer_leader_last_round_age_seconds"
	Events          Name = "xconsumer_events_total"
	Failures        Name = "xconsumer_worker_failures_total"
	ClockApart      Name = "xconsumer_clock_apart_seconds"
	Skipped         Name = "xconsumer_runs_skipped_total"
	Fences          Name = "xconsumer_fences_total"
	Dropped         Name = "xconsumer_dropped_total"
)

type def struct {
	kind   cluster.MeasureKind
	help   string
	labels []string
	bounds []float64
}

// short are bounds for what takes a round trip or a few; long for what may take a session timeout.
var (
	short = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	long  = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
)

// defs says of each measure what it is.
var defs = map[Name]def{
	StoreOperations: {
		cluster.MeasureCounter,
		"Operations asked of the coordination service, by kind and outcome (ok, refused, failed).",
		[]string{"operation", "outcome"},
		nil,
	},
	StoreSeconds:  {cluster.MeasureHistogram, "How long operations of the coordination service took.", []string{"operation"}, short},
	StoreSent:     {cluster.MeasureCounter, "Bytes of keys and values sent to the coordination service.", nil, nil},
	StoreReceived: {cluster.MeasureCounter, "Bytes of values and names received from the coordination service.", nil, nil},
	StoreWrites:   {cluster.MeasureCounter, "Records written or deleted, by kind, in commits that were made.", []string{"record"}, nil},
	StoreHints:    {cluster.MeasureCounter, "Watches of the coordination service that have fired.", nil, nil},
	RecordBytes:   {cluster.MeasureGauge, "The largest record of a kind that this process has written.", []string{"record"}, nil},
	Heartbeat:     {cluster.MeasureHistogram, "How long the commits took that prove this node's lease.", nil, short},
	Plan:          {cluster.MeasureHistogram, "How long this node took to decide, while it led.", nil, short},
	Publish:       {cluster.MeasureHistogram, "How long the commits of decisions took, while this node led.", nil, short},
	Handoff:       {cluster.MeasureHistogram, "From asking a worker back until it runs on its next node, as the leader sees it.", nil, long},
	Failover: {
		cluster.MeasureHistogram,
		"From seeing a node gone until a worker that it had runs elsewhere, as the leader sees it.",
		nil,
		long,
	},
	Moves: {
		cluster.MeasureCounter,
		"Slots that this node has dealt with while it led, by step and reason.",
		[]string{"step", "reason"},
		nil,
	},
	LastDecision: {
		cluster.MeasureGauge,
		"The number of the last decision that this node has made; the last 128 of all leaders are kept.",
		nil,
		nil,
	},
	Refused: {
		cluster.MeasureCounter,
		"Commits of this node that were refused or whose outcome was unknown, while it led; " +
			"one that follows a change is usual, many in a row are not.",
		nil,
		nil,
	},
	GaveUp: {cluster.MeasureCounter, "How often this node could not lead and has let another one.", nil, nil},
	LeaderRound: {
		cluster.MeasureGauge,
		"For how long this node has been at its present step of leading while its lease held and the coordination service answered, " +
			"0 while it waits or follows; many seconds mean that it hangs.",
		nil,
		nil,
	},
	Blocked: {
		cluster.MeasureGauge,
		"Whether this node is the one to lead and cannot, for the epoch is missing or damaged; nothing is granted until it is restored.",
		nil,
		nil,
	},
	SinceRound: {
		cluster.MeasureGauge,
		"How long ago a round of leading ended on this node, 0 while it does not lead; " +
			"one that has nothing to do looks around now and then all the same.",
		nil,
		nil,
	},
	Events:   {cluster.MeasureCounter, "What this node told to have happened.", []string{"kind"}, nil},
	Failures: {cluster.MeasureCounter, "Workers of this node that failed and are run again.", []string{"task"}, nil},
	ClockApart: {
		cluster.MeasureGauge,
		"By how much the leader's clock is at least ahead of this node's, negative if it is behind; " +
			"0 while that is not known, and on the leader. " +
			"Differences below 2 s are not told, nor some up to 8 s.",
		nil,
		nil,
	},
	Skipped: {
		cluster.MeasureCounter,
		"Firings of schedules that began no run, while this node led, by reason: late (and not made up for) or overlap (another run went on).",
		[]string{"task", "reason"},
		nil,
	},
	Fences: {
		cluster.MeasureCounter,
		"How often all workers of this node were stopped because it had lost its lease or its session.",
		[]string{"reason"},
		nil,
	},
	Dropped: {
		cluster.MeasureCounter,
		"What this process threw away because whoever takes it was too slow: log records, spans.",
		[]string{"what"},
		nil,
	},
}
