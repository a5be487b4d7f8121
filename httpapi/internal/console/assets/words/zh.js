// 简体中文。
/** @import { en } from "./en.js" */

/** @type {Record<string, string>} */
const states = { pending: "待分配", starting: "启动中", running: "运行中", backoff: "失败后等待", stopping: "停止中", stuck: "卡住", withheld: "暂缓", done: "已完成", failed: "已失败", skipped: "已跳过", lost: "失联" };
/** @type {Record<string, string>} */
const nodeStates = { up: "在线", leaving: "离开中", lost: "失联", closed: "已关闭", evicted: "已驱逐" };
/** @type {Record<string, string>} */
const eventKinds = {
	"node-joined": "加入", "node-left": "离开", "leader-elected": "当选", "leader-deposed": "卸任", "slot-granted": "获得", "slot-released": "交还", "worker-started": "启动", "worker-failed": "失败", "worker-stopped": "停止", "worker-stuck": "卡住", "slot-withheld": "暂缓", "slot-given-up": "放弃", "lease-lost": "租约失效", "lease-regained": "租约恢复",
	"slot-refused": "拒绝", "slot-doubled": "重复授予", "record-unusable": "记录损坏", "history-lost": "历史丢失", "leader-gave-up": "放弃领导", "plan-failed": "规划失败", "node-quarantined": "隔离观察", "run-started": "运行开始", "run-ended": "运行结束", "firing-skipped": "触发跳过", "clock-wrong": "时钟有误", "record-too-large": "记录过大", "config-unapplied": "未生效", disconnected: "断开", connected: "恢复连接",
};
/** @type {Record<string, string>} */
const steps = { grant: "授予", release: "收回", free: "已交还", reap: "清退", evict: "驱逐", rewrite: "重写", withhold: "暂缓", fail: "放弃", clear: "解除怀疑", quarantine: "隔离观察", skip: "跳过", miss: "触发跳过", recall: "补回触发", run: "运行开始", done: "运行完成", failed: "运行失败" };
/** @type {Record<string, string>} */
const reasons = {
	"no-node": "没有可接收工作的节点", "no-work": "没有在线节点注册了它的 work", "no-label": "没有节点带有它要求的标签", cordoned: "可以运行它的节点都已封锁或正在排空", full: "可以运行它的节点都已满", "per-node": "可以运行它的节点已达到该任务的每节点上限",
	paused: "任务已暂停", resizing: "它等待旧数量的 worker 停止", resized: "worker 数或 resize 已改变，任务的所有 worker 重新启动", suspected: "它可能拖垮了节点", delayed: "它的节点已离开：会话尚未结束，或在等节点回来，或迁移被冻结", "runs-unusable": "它的节点已离开，而任务的运行记录无法使用", schedule: "它的时间表无法使用", clock: "某个 leader 的时钟有误", late: "触发来得太晚", overlap: "触发时另一次运行仍在进行", quiet: "有节点回来，在一段时间没有节点加入或离开之前，它们只得到没有节点运行的 worker", draining: "节点正在排空", quarantined: "节点被隔离观察：上面一切都失败", failing: "它在该节点上反复失败", leaving: "节点正在离开", lost: "节点失联", left: "节点已离开",
	evicted: "节点被驱逐", preferred: "另一个节点带有它偏好的标签", "leader-free": "leader 不承担工作", spread: "节点上该任务的份额过多", balance: "节点的负载超过其份额", "scaled-down": "任务已缩容", deleted: "任务已删除", undeclared: "没有声明过这个任务", doubled: "它被授予了两次", refused: "该节点拒绝接收：令牌号是以前的", done: "已运行完成", unlisted: "节点持有它，但没有授予它", unplaced: "没有节点持有它", resumed: "任务已恢复", due: "到了执行时间", asked: "有人要求执行", failed: "部分 worker 失败次数过多", "task-changed": "任务改用了另一个 work",
	moved: "操作者要求移到别的节点", restart: "操作者要求重启", "too-large": "记录过大，无法写入", edited: "记录被手工修改", crashed: "它可能拖垮了节点", cleared: "已运行足够久，解除怀疑",
};

/** withWords returns a reason in Chinese, with the English words, which have its names and times. */
const withWords = (/** @type {string | undefined} */ code, /** @type {string} */ why) => (code && reasons[code] ? `${reasons[code]}（${why}）` : why);

/** @type {typeof en} */
export const zh = {
	overview: "总览", tasks: "任务", nodes: "节点", workers: "worker", runs: "运行", timeline: "时间线", plan: "规划", settings: "设置",
	language: "语言", menu: "页面", skip: "跳到内容",

	running: (a, b) => `${b.toLocaleString("zh")} 个 worker 中有 ${a.toLocaleString("zh")} 个在运行`,
	waiting: (count, task, code, why) => {
		const label = code === "no-label" ? /label (.+)$/.exec(why)?.[1] : undefined;
		return `${task} 有 ${count} 个在等待${label ? `带有 ${label} 的节点` : `：${reasons[code] ?? why}`}`;
	},
	delayed: (count, why) => `${count.toLocaleString("zh")} 个 worker 在等待：${withWords("delayed", why)}`,
	deferred: (until, code, why) => `均衡至少等到 ${until}：${reasons[code] ?? why}`,
	noLeader: "目前没有 leader：选出之前不会分配工作",
	joint: "；",
	unusable: (count) => `存储中有 ${count} 条记录无法使用`,
	leads: "leader", load: (x) => `负载 ${x}`, loadOf: (x, of) => `负载 ${x} / ${of}`, slots: (x) => `${x} 个槽位`,

	disconnected: "与节点的连接已断开，正在重试。现在看到的是之前的状态。", notReady: "本节点未就绪：", loading: "加载中…", stateRefused: "节点无法显示集群：",
	noNodes: "还没有节点加入。用 xconsumer run 启动一个。", noTasks: "还没有任务。请在 app.toml 中加入 [[task]]，或在这里新建。", noRuns: "还没有运行记录。", noWorkers: "它没有 worker。",
	noSuchPage: "没有这个页面。", noSuchTask: (t) => `任务 ${t} 不存在（或已删除）。`, noSuchNode: (x) => `${x} 不是成员（或已离开）。`, noSuchWorker: (x) => `worker ${x} 不存在（或已不在）。`,

	filter: "筛选", pages: "列表分页", before: "上一页", after: "下一页", page: (a, b) => `第 ${a} 页，共 ${b} 页`,
	shown: (a, b) => `${a} / ${b}`, count: (x) => x.toLocaleString("zh"), nothingFound: "没有匹配的内容。", more: (x) => `还有 ${x} 个`,
	groupBy: "分组", noGroups: "不分组", without: (l) => `没有 ${l}`, nowhere: "不在任何节点", gone: "已离开",
	heatMap: (a, b) => `${a} 个节点，${b} 个槽位；方向键切换节点，回车打开`, heatHint: "一块是一个节点，一点是一个槽位。", asList: "看列表",
	wouldGo: (to) => (to ? `将移到 ${to}` : "将没有位置"), wouldCome: (slot, from) => `${slot} 将${from ? `从 ${from} ` : ""}移来`,

	task: "任务", node: "节点", worker: "worker", work: "work", wanted: "应有", runningNow: "运行中", reason: "未全部运行的原因", state_: "状态", place: "位置", token: "令牌号", since: "自", restarts: "重启", error: "最近的错误",
	labels: "标签", works: "work", capacity: "负载", address: "地址", lease: "租约", leaseLeft: (left, of) => `剩余 ${left}，共 ${of}`, leaseOver: "已失效：其 worker 已停止", leaseUnknown: "未知：", zone: "区域", process: "进程",
	overridden: "已覆盖", overriddenHint: (what) => `操作者覆盖了声明的 ${what}；“重置”可撤销。`, paused: "已暂停", declared: "声明", because: "原因", actions: "操作", next: "下次运行", params: "参数",
	scale: "调整", pause: "暂停", resume: "恢复", reset: "重置", restart: "重启", runNow: "立即运行", edit: "编辑", create: "新建任务", remove: "删除", preview: "预览", save: "保存", workerCount: "worker 数",
	cordon: "封锁", uncordon: "解除封锁", drain: "排空", evict: "驱逐", cordoned: "已封锁", drained: "已排空", quarantined: "隔离观察中", draining: (left, from) => `排空中：还剩 ${left} / ${from}`,
	whatIf: "如果它宕机？", moveTo: "移到", move: "移动", addLabel: "设置标签", stepDown: "让出 leader", moveNow: "立即移动",

	cancel: "取消", close: "关闭", asked: "已发送…", refused: "被拒绝", unknownOutcome: "结果未知", doneAfter: (s) => `用时 ${s < 1 ? `${Math.round(s * 1000)} 毫秒` : `${s.toFixed(1)} 秒`}完成`, notYet: (why) => `已接受，尚未完成${why ? `：${why}` : ""}`,
	surePause: (t) => `暂停 ${t}？`, sureDelete: (t) => `删除 ${t}？`, sureDrain: (x) => `排空 ${x}？`, sureEvict: (x) => `驱逐 ${x}？`, sureRestart: (x) => `重启 ${x}？`, sureScale: (t, k) => `把 ${t} 调整为 ${k}？`, sureApply: "执行这个变更？", sureStepDown: (x) => `让 ${x} 让出 leader？`,
	stops: (k) => `${k} 个正在运行的 worker 将停止`, moves: (k) => `${k} 个 worker 将移到其他节点，速度以上限为准`, restartsAll: (k) => `${k} 个 worker 将停止并重新启动，同时进行的数量以上限为准`,
	stays: "在解除封锁之前，它不会得到新的工作。", forgets: "它的运行记录也会被删除。", evicts: "租约确定结束后它们才会在别处启动；该节点会以新成员身份重新加入。要清空一个正常的节点，请用排空。", othersLead: "另一个节点会成为 leader；worker 不会移动。",

	why: "为什么在这里", whyNot: "还能在哪里", how: "它是怎么到这里的", placeable: "可以", taskWorkers: "已有", log: "日志", follow: "跟随", following: "跟随中", stack: "调用栈", stackHint: "这个 worker 正在执行的代码；如果是程序，则是它的进程。", logEmpty: "它还没有写过日志。", logFails: "暂时无法读取日志，正在重试：", logNowhere: (state) => ({ done: "它已运行结束。", failed: "它失败次数过多，不会自动重试。" })[state] ?? "它目前不在任何节点上运行。", logNothing: (node) => `它最后在 ${node} 上，但该节点没有保留它的日志。`, logUnread: (x, node, why) => `无法读取 worker ${x} 在 ${node} 上的最后几行日志：${why}`, noAnswer: "节点没有应答", logContinues: (x, node) => `worker ${x} 在 ${node} 上继续`,
	run: "运行", due: "应于", began: "开始", took: "用时", done: "完成", failed: "失败", by: "由谁", durations: "各次运行的用时", goesOn: "进行中", runOf: (id, state, took) => `${id}：${state}，${took}`,
	chartOf: "打开页面以来运行的 worker", sparkRunning: "运行中", sparkMoves: "每秒移动", sparkRestarts: "每秒重启", sparkFailover: "最近一次故障转移", noFailover: "还没有", since_: "打开页面以来",

	when: "时间", what: "内容", where: "节点", detail: "说明", kind: "类别", decision: "决定", event: "事件", operation: "操作", nothing: "还没有发生任何事。", replay: "回放", replayAt: (d, at) => `决定 ${d} 之后的样子，${at}`, replayNow: "现在的样子", incomplete: "并非全部已知", play: "播放", stop: "停止", toPresent: "回到现在", replayHint: "决定",
	planHint: "添加变更，看看会移动什么。应用之前什么都不会发生。", change: "变更", add: "添加", value: "值", apply: "应用", planAgain: "重新规划", cannotApply: "这只能规划，不能应用。",
	planMoves: (k) => `移动 ${k}`, planStarts: (k) => `启动 ${k}`, planStops: (k) => `停止 ${k}`, planRestarts: (k, t, gap) => `${t} 的所有 worker 都会重启，因为它们会得知 worker 总数：${k} 个停止，新的最多在 ${gap} 后启动。`, planReverts: (t, code) => (code === "deleted" ? `${t} 已被删除，此举会重新声明它。` : code === "replaced" ? `${t} 的这份声明以前生效过，后来已被另一份取代。` : `${t} 的这份声明似乎以前生效过，时间太久，无法确定。`), planUnplaced: (k, t, why) => `${t} 有 ${k} 个将没有位置：${why}`, skew: (a, b) => `倾斜 ${a} → ${b}`, skewHint: "节点负载的不均衡程度：最满的节点超出平均值多少。", nodeLoad: (a, b, c) => `节点负载 ${a} 到 ${b}，平均 ${c}`, noEffect: "什么都不会移动。", from: "从", to: "到",
	kinds: { scale: "调整任务", pause: "暂停任务", resume: "恢复任务", delete: "删除任务", cordon: "封锁节点", uncordon: "解除封锁节点", drain: "排空节点", lose: "失去节点", declare: "声明任务" },

	form: {
		name: "名称", workName: "work", workerNum: "worker 数", resize: "worker 数改变时", stopTimeout: "停止时限", interval: "两次执行的间隔", params: "参数（JSON）", require: "只在带有这些标签的节点", prefer: "优先带有这些标签的节点", spread: "按标签分散", maxPerNode: "每节点上限", weight: "每个 worker 的权重", maxUnavailable: "同时停工的上限",
		paused: "暂停", whenDisconnected: "节点失去联系时", mode: "模式", schedule: "时间表（cron）", timeZone: "时区", every: "每隔", phase: "相位", misfire: "错过的触发", overlap: "上一次还在运行时", maxAttempts: "尝试次数", timeout: "单次执行时限", keepRuns: "保留的运行记录",
		"restart.backoff": "失败后的等待", "restart.maxBackoff": "最长等待", "restart.max": "失败多少次后放弃", "restart.elsewhere": "失败多少次后换节点",
	},
	help: {
		name: "任务的名称。", workName: "任务运行的 work。", workerNum: "worker 的数量，0 到 100,000。", resize: "worker 数改变时怎么办：`restart` 先停止所有 worker，再以新的总数启动；`live` 让其余的继续运行，worker 不会得知总数。",
		stopTimeout: "worker 停止所允许的时间，最长 1h。超过后它显示为卡住，程序会被强制终止。", interval: "worker 返回后到下一次运行的间隔。不设置时立即再运行；不到一秒就返回的 worker 会越等越久，最多 10 秒。", params: "每个 worker 都会得到的参数表，最多 4 KB 的 JSON。保存时不加密。", paused: "任务的 worker 是否都不运行。",
		require: "节点必须带有的标签，例如 `gpu=true, zone!=c`。", prefer: "有空位时优先选择带有这些标签的节点。", spread: "先在这个标签的各个值之间均分 worker，再在节点之间均分。", maxPerNode: "一个节点最多可有的该任务的 worker 数。默认不限。", weight: "一个 worker 占用节点多少容量。", maxUnavailable: "因移动而同时不可用的 worker 数的上限。默认不限。",
		"restart.backoff": "worker 第一次失败后的等待时间。每次再失败都加倍；运行满一分钟后重新计算。", "restart.maxBackoff": "失败后的最长等待时间。", "restart.max": "连续失败多少次后视为永久失败，直到任务被修改或它被重启。如果它必须离开所在节点，会在另一个节点上再试。默认从不。", "restart.elsewhere": "连续失败多少次后换一个节点再试，十分钟内不会回到原来的节点。默认从不。",
		whenDisconnected: "节点与协调服务失去联系时 worker 怎么办：`stop` 停止，`continue` 继续。选 `continue` 时，其他节点可能同时运行同一个 slot；`Worker.Valid` 会报告租约是否仍然有效。",
		mode: "`continuous`：返回的 worker 会再次运行；`once`：没有出错就返回的 worker 即为完成。", schedule: "每次运行何时开始，用 cron 的五个字段：分、时、日、月、星期。", timeZone: "`schedule` 的时区，例如 `Europe/Berlin`。默认 UTC。", every: "每次运行之间的间隔，至少 1s；与 `schedule` 二选一。", phase: "与 `every` 一起使用：触发时刻相对于整点、整日或整周的偏移。默认由任务名决定。",
		misfire: "迟到一分钟以上的触发怎么办：`skip` 跳过，`once` 只补最后一次，`all` 补最后十次。", overlap: "触发时上一次运行还没结束怎么办：`skip` 跳过，`queue` 排队等待，`allow` 立即开始。", maxAttempts: "一次运行中，worker 尝试多少次后视为失败。", timeout: "单次尝试的最长时间。默认不限。", keepRuns: "保留多少次已结束的运行。",
	},
	groups: { "What runs": "运行什么", "Where workers run": "在哪里运行", "When workers fail": "失败时", "When it runs": "何时运行" }, usual: (x) => (x ? `${x}（默认）` : "默认"), notNumber: "需要一个数字。", notJSON: "这不是 JSON 对象。", unsaved: "有未保存的修改。",

	login: "登录", logout: "退出", loginHint: "本节点需要令牌。管理员可用 xconsumer token NAME 生成。", noToken: "这里不需要令牌。", youAre: (who, role) => `${who}（${role}）`, badToken: "节点不认识这个令牌。",
	theme: "配色", themes: { system: "跟随系统", light: "浅色", dark: "深色" }, about: "本节点", version: "版本", configuration: "配置", leader: "leader", term: "任期", you: "你",
	viewOnly: "你的令牌只能查看，不能修改。",

	state: (s) => states[s] ?? s, nodeState: (s) => nodeStates[s] ?? s, eventKind: (s) => eventKinds[s] ?? s, step: (s) => steps[s] ?? s, reasonOf: withWords,
};
