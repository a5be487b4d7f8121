package metrics_test

// chinese is what each metric means, for docs/zh/reference/metrics.md.
var chinese = map[string]string{
	"xconsumer_api_followers":                 "跟踪本节点的流的客户端。",
	"xconsumer_api_refused_total":             "HTTP API 拒绝的请求：无效的令牌、角色不允许的写入、其他站点的页面。",
	"xconsumer_api_request_seconds":           "HTTP API 的请求所用的时间，不含流和日志。",
	"xconsumer_api_requests_total":            "HTTP API 应答的请求。",
	"xconsumer_build_info":                    "总是 1；标签是本节点的版本。",
	"xconsumer_clock_apart_seconds":           "leader 的时钟至少比本节点快多少；较慢时为负。在 leader 上，以及差别未知时为 0。2 秒以下的差别不报告，8 秒以下的有些可能遗漏。",
	"xconsumer_cluster_desired_workers":       "任务现在应有的 worker；只由 leader 导出。",
	"xconsumer_cluster_nodes":                 "集群的节点，按状态；只由 leader 导出。",
	"xconsumer_cluster_running_workers":       "任务正在运行的 worker；只由 leader 导出。",
	"xconsumer_cluster_unplaced_workers":      "任务中没有节点持有的 worker，按原因；只由 leader 导出。",
	"xconsumer_cluster_unusable_records":      "协调服务中无法使用的记录；只由 leader 导出。",
	"xconsumer_dropped_total":                 "因接收者太慢而丢弃的东西，按种类：日志记录、span。",
	"xconsumer_events_total":                  "本节点发出的事件。",
	"xconsumer_failover_seconds":              "从发现节点失联到它的一个 worker 在别处运行的时间，由 leader 观察。",
	"xconsumer_fences_total":                  "本节点因失去租约或会话而停止所有 worker 的次数。",
	"xconsumer_handoff_seconds":               "从收回槽位到它的 worker 在下一个节点上运行的时间，由 leader 观察。",
	"xconsumer_heartbeat_seconds":             "续期本节点租约的心跳提交所用的时间。",
	"xconsumer_last_decision":                 "本节点最后一个决定的编号。所有 leader 的最近 128 个决定会保留。",
	"xconsumer_leader":                        "本节点是 leader 时为 1。",
	"xconsumer_leader_blocked":                "本节点应当是 leader，却因为 epoch 记录缺失或损坏而不能时为 1。恢复该记录之前不会授予任何东西。",
	"xconsumer_leader_failed_commits_total":   "本节点作为 leader 时，被拒绝或结果未知的提交。一次更改之后有一个是正常的，连续很多个则不正常。",
	"xconsumer_leader_given_up_total":         "本节点无法履行 leader 的职责而放弃候选的次数。",
	"xconsumer_leader_last_round_age_seconds": "本节点上一轮 leader 工作结束之后的时间。不是 leader 时为 0。空闲的 leader 也会不时运行一轮。",
	"xconsumer_leader_round_seconds":          "本节点当前这一步 leader 工作已用的时间，前提是租约有效而且协调服务应答。等待或跟随时为 0。持续许多秒的一步是卡住了。",
	"xconsumer_lease_length_seconds":          "完整租约的时长；本节点加入之前为 0。",
	"xconsumer_lease_remaining_seconds":       "本节点的租约剩余的时间。",
	"xconsumer_moves_total":                   "本节点作为 leader 时，决定中关于槽位的步骤，按步骤和原因。",
	"xconsumer_node_info":                     "总是 1；标签是集群和本节点的名称。",
	"xconsumer_plan_seconds":                  "本节点作为 leader 时做出决定所用的时间。",
	"xconsumer_publish_seconds":               "本节点作为 leader 时提交决定所用的时间。",
	"xconsumer_ready":                         "本节点就绪时为 1：是租约有效的成员。",
	"xconsumer_record_bytes":                  "本进程写过的最大的记录的大小，按种类。",
	"xconsumer_record_limit_bytes":            "记录大小的上限。",
	"xconsumer_runs_skipped_total":            "本节点作为 leader 时没有开始运行的触发，按原因：late（错过而且没有补上）或 overlap（前一次运行还在进行）。",
	"xconsumer_store_hints_total":             "协调服务触发的监视。",
	"xconsumer_store_operation_seconds":       "协调服务的操作所用的时间。",
	"xconsumer_store_operations_total":        "发给协调服务的操作，按种类和结果（ok、refused、failed）。",
	"xconsumer_store_received_bytes_total":    "从协调服务收到的值和名称的字节数。",
	"xconsumer_store_sent_bytes_total":        "发给协调服务的键和值的字节数。",
	"xconsumer_store_writes_total":            "成功的提交写入或删除的记录，按种类。",
	"xconsumer_worker_failures_total":         "本节点的 worker 失败之后重新启动的次数。",
	"xconsumer_workers":                       "本节点的 worker，按任务和状态。",
}

// chineseIntro stands above the table.
const chineseIntro = `# 指标

每个节点在 ` + "`/metrics`" + ` 为 Prometheus 导出指标。如果 API 的调用者必须表明身份，请求需要有角色 ` + "`view`" + ` 的令牌：见[安全](../guides/security.md)。

` + "```sh" + `
curl -H "Authorization: Bearer $XCONSUMER_API_TOKEN" http://127.0.0.1:8800/metrics
` + "```" + `

- 以 ` + "`xconsumer_cluster_`" + ` 开头的指标描述整个集群。只有 leader 导出它们，所以对所有节点求和不会重复计数。
- 其他指标描述导出它们的节点。
- 以 ` + "`go_` 和 `process_`" + ` 开头的指标来自 Go 运行时和进程。

[deploy/prometheus](../../../deploy/prometheus/alerts.yml) 有告警规则，每条都说明怎么办；[deploy/grafana](../../../deploy/grafana) 有仪表盘。

## 名称

| 名称 | 种类 | 标签 | |
|---|---|---|---|
`
