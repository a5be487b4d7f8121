package meter

import "gitee.com/ken.yang/xconsumer/cluster"

// Name names a measure.
type Name string

// The names of all measures.
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

// short are bounds for operations of one or a few round trips; long are for those that may take a
// session timeout.
var (
	short = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	long  = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
)

// defs defines each measure.
var defs = map[Name]def{
	StoreOperations: {
		cluster.MeasureCounter,
		"Operations sent to the coordination service, by kind and outcome (ok, refused, failed).",
		[]string{"operation", "outcome"},
		nil,
	},
	StoreSeconds:  {cluster.MeasureHistogram, "Duration of operations of the coordination service.", []string{"operation"}, short},
	StoreSent:     {cluster.MeasureCounter, "Bytes of keys and values sent to the coordination service.", nil, nil},
	StoreReceived: {cluster.MeasureCounter, "Bytes of values and names received from the coordination service.", nil, nil},
	StoreWrites:   {cluster.MeasureCounter, "Records written or deleted in successful commits, by kind.", []string{"record"}, nil},
	StoreHints:    {cluster.MeasureCounter, "Watches of the coordination service that fired.", nil, nil},
	RecordBytes:   {cluster.MeasureGauge, "Size of the largest record that this process wrote, by kind.", []string{"record"}, nil},
	Heartbeat:     {cluster.MeasureHistogram, "Duration of the heartbeat commits that renew this node's lease.", nil, short},
	Plan:          {cluster.MeasureHistogram, "Duration of the decisions of this node while it led.", nil, short},
	Publish:       {cluster.MeasureHistogram, "Duration of the commits of decisions while this node led.", nil, short},
	Handoff: {
		cluster.MeasureHistogram,
		"Time from the release of a slot until its worker runs on the next node, as seen by the leader.",
		nil,
		long,
	},
	Failover: {
		cluster.MeasureHistogram,
		"Time from the detection of a lost node until a worker of it runs elsewhere, as seen by the leader.",
		nil,
		long,
	},
	Moves: {
		cluster.MeasureCounter,
		"Steps of slots in the decisions of this node while it led, by step and reason.",
		[]string{"step", "reason"},
		nil,
	},
	LastDecision: {
		cluster.MeasureGauge,
		"Number of the last decision of this node. The last 128 of all leaders are kept.",
		nil,
		nil,
	},
	Refused: {
		cluster.MeasureCounter,
		"Commits of this node, while it led, that were refused or had an unknown outcome. " +
			"One after a change is normal; many in a row are not.",
		nil,
		nil,
	},
	GaveUp: {cluster.MeasureCounter, "Number of times that this node could not lead and gave up its candidacy.", nil, nil},
	LeaderRound: {
		cluster.MeasureGauge,
		"Age of the current step of leading on this node, while its lease is valid and the coordination service answers. " +
			"0 while it waits or follows. A step of many seconds hangs.",
		nil,
		nil,
	},
	Blocked: {
		cluster.MeasureGauge,
		"1 if this node should lead but cannot, because the epoch record is missing or damaged. Nothing is granted until it is restored.",
		nil,
		nil,
	},
	SinceRound: {
		cluster.MeasureGauge,
		"Time since the last round of leading ended on this node. 0 while it does not lead. " +
			"An idle leader also runs a round from time to time.",
		nil,
		nil,
	},
	Events:   {cluster.MeasureCounter, "Events emitted by this node.", []string{"kind"}, nil},
	Failures: {cluster.MeasureCounter, "Failures of workers of this node that were followed by a restart.", []string{"task"}, nil},
	ClockApart: {
		cluster.MeasureGauge,
		"Lower bound of how far the leader's clock is ahead of this node's; negative if it is behind. " +
			"0 on the leader, and while the difference is unknown. " +
			"Differences below 2 s are not reported, and some below 8 s may be missed.",
		nil,
		nil,
	},
	Skipped: {
		cluster.MeasureCounter,
		"Firings of schedules that began no run while this node led, by reason: " +
			"late (missed and not made up for) or overlap (the previous run was still going on).",
		[]string{"task", "reason"},
		nil,
	},
	Fences: {
		cluster.MeasureCounter,
		"Number of times that all workers of this node were stopped because it lost its lease or session.",
		[]string{"reason"},
		nil,
	},
	Dropped: {
		cluster.MeasureCounter,
		"Items dropped because their receiver was too slow, by kind: log records, spans.",
		[]string{"what"},
		nil,
	},
}
