// The types of the node's API, for the type check of the console. They are generated from the API's description:
// UPDATE=1 go test ./httpapi/internal/console -run TestTypes

export type Accepted = {
	accepted: string;
	repeated?: boolean;
	revision: string;
	settled?: boolean;
	unplaced?: string[];
	waiting?: string[];
};

export type AuditLine = {
	at: string;
	by: string;
	from?: string;
	id: string;
	key?: string;
	nodes?: string[];
	revision?: string;
	sum?: string;
	tasks?: string[];
	what: string;
};

export type Balance = {
	least: number;
	mean: number;
	most: number;
	skew: number;
};

export type BugReport = {
	at: string;
	build?: string;
	cluster: string;
	node: string;
	records: StoredRecord[];
};

export type Build = {
	go: string;
	modified?: boolean;
	revision?: string;
	time?: string;
	version: string;
};

export type Candidate = {
	here?: boolean;
	load: number;
	node: string;
	placeable: boolean;
	taskWorkers: number;
	why: string;
};

export type Config = {
	config: Record<string, unknown>;
	node: string;
};

export type Decided = {
	code?: string;
	node?: string;
	slots?: string;
	step: string;
	task?: string;
	to?: string;
	token?: number;
	why?: string;
};

export type Decision = {
	at: string;
	leader: string;
	moves: Decided[];
	number: number;
	omitted?: number;
	term: number;
};

export type Decisions = {
	audit: AuditLine[];
	decisions: Decision[];
};

export type Deferral = {
	code: string;
	reason: string;
	until: string;
};

export type DrainBody = {
	deadline?: string;
};

export type DrainInfo = {
	deadline?: string;
	from: number;
	left: number;
};

export type ErrorDetail = {
	location?: string;
	message?: string;
	value?: unknown;
};

export type ErrorModel = {
	detail?: string;
	errors?: ErrorDetail[];
	instance?: string;
	status?: number;
	title?: string;
	type?: string;
};

export type Event = {
	detail?: string;
	kind: string;
	member?: string;
	node: string;
	slot?: string;
	task?: string;
	time: string;
	token?: number;
};

export type Events = {
	events: Event[];
};

export type Explanation = {
	here: string;
	history: Decision[];
	nodes: Candidate[];
	worker: WorkerInfo;
};

export type Health = {
	node: string;
	reasons?: string[];
	status: "ok" | "not ready";
};

export type LabelBody = {
	labels: Record<string, string | null>;
};

export type Leader = {
	info?: NodeInfo;
	node: string;
	term: number;
};

export type Lease = {
	durationMs: number;
	leftMs: number;
	valid: boolean;
};

export type Level = {
	level: "debug" | "info" | "warn" | "error";
};

export type LogLine = {
	at: string;
	number: number;
	source: string;
	text: string;
	token: number;
};

export type Login = {
	name: string;
	open: boolean;
	role: "" | "view" | "operate" | "admin";
};

export type LoginBody = {
	token: string;
};

export type MoveBody = {
	to: string;
};

export type NodeInfo = {
	address: string;
	advertise?: string;
	capacity?: number;
	cause?: string;
	cordoned?: boolean;
	drain?: DrainInfo;
	host: string;
	labels?: Record<string, string>;
	leader: boolean;
	load: number;
	member: string;
	name: string;
	pid: number;
	quarantine?: string;
	slots: number;
	state: string;
	version?: string;
	weight: number;
	works?: string[];
};

export type Nodes = {
	lost: NodeInfo[];
	nodes: NodeInfo[];
};

export type Operation = {
	deadline?: string;
	if?: string;
	index?: number;
	kind: "scale" | "pause" | "resume" | "reset" | "cordon" | "uncordon" | "drain" | "restart" | "step-down" | "run-now" | "declare" | "patch" | "delete" | "evict" | "label" | "settings" | "move" | "move-now" | "lose";
	labels?: Record<string, string | null>;
	node?: string;
	params?: Record<string, unknown>;
	patch?: unknown;
	settings?: Settings;
	spec?: TaskSpec;
	task?: string;
	workers?: number;
};

export type OperationsBody = {
	operations?: Operation[];
};

export type Override = {
	paused?: boolean;
	workerNum?: number;
};

export type Past = {
	at: string;
	cluster: string;
	decision: number;
	deferred?: Deferral;
	errors?: RecordError[];
	incomplete?: boolean;
	leader: string;
	lost: NodeInfo[];
	nodes: NodeInfo[];
	runs?: RunInfo[];
	settings?: Settings;
	tasks: TaskInfo[];
	term: number;
	warnings?: string[];
	workers: WorkerInfo[];
};

export type Plan = {
	after: Balance;
	before: Balance;
	moves: PlannedMove[];
	nextRuns?: PlannedRun[];
	restarts: PlannedRestart[];
	reverts?: PlannedRevert[];
	revision: string;
	starts: PlannedStart[];
	stops: string[];
	unplaced: Unplaced[];
};

export type PlannedBody = {
	operations: Operation[];
	revision: string;
};

export type PlannedMove = {
	code: string;
	from: string;
	reason: string;
	slot: string;
	to: string;
};

export type PlannedRestart = {
	from: number;
	gap: string;
	task: string;
	to: number;
	workers: number;
};

export type PlannedRevert = {
	code: string;
	reason: string;
	task: string;
};

export type PlannedRun = {
	first?: boolean;
	paused?: boolean;
	schedule?: string;
	task: string;
	workers: number;
};

export type PlannedStart = {
	slot: string;
	to: string;
};

export type Rebalance = {
	freezeAbove?: number;
	freezeFor?: string;
	leaveDelay?: string;
	maxInFlight?: number;
	quiet?: string;
};

export type RecordError = {
	error: string;
	path: string;
};

export type Restart = {
	backoff?: string;
	elsewhere?: number;
	max?: number;
	maxBackoff?: string;
};

export type RunInfo = {
	began?: string;
	by?: string;
	done: number;
	due: string;
	ended?: string;
	error?: string;
	failed: number;
	id: string;
	late?: boolean;
	params?: Record<string, unknown>;
	reason?: string;
	skipped?: number;
	state: string;
	task: string;
	workerNum: number;
};

export type RunNowBody = {
	params?: Record<string, unknown>;
};

export type Runs = {
	runs: RunInfo[];
};

export type ScaleBody = {
	workers: number;
};

export type Settings = {
	leaderWorkers?: string;
	rebalance?: Rebalance;
};

export type State = {
	cluster: string;
	deferred?: Deferral;
	errors?: RecordError[];
	leader: string;
	lost: NodeInfo[];
	nodes: NodeInfo[];
	runs?: RunInfo[];
	settings?: Settings;
	tasks: TaskInfo[];
	term: number;
	warnings?: string[];
	workers: WorkerInfo[];
};

export type StoredRecord = {
	bound?: boolean;
	key: string;
	text?: string;
	value?: unknown;
	version: number;
};

export type TaskDetail = {
	backoff?: number;
	declared: TaskSpec;
	failed?: number;
	lost?: number;
	name: string;
	nextRun?: string;
	override: Override;
	paused?: boolean;
	pending?: number;
	reason?: string;
	reasonCode?: string;
	revision: string;
	running: number;
	runs?: boolean;
	schedule?: string;
	starting?: number;
	stopping?: number;
	stuck?: number;
	unplaced: number;
	unusable?: string;
	withheld?: number;
	workName: string;
	workerNum: number;
};

export type TaskInfo = {
	backoff?: number;
	failed?: number;
	lost?: number;
	name: string;
	nextRun?: string;
	paused?: boolean;
	pending?: number;
	reason?: string;
	reasonCode?: string;
	revision: string;
	running: number;
	runs?: boolean;
	schedule?: string;
	starting?: number;
	stopping?: number;
	stuck?: number;
	unplaced: number;
	withheld?: number;
	workName: string;
	workerNum: number;
};

export type TaskSpec = {
	every?: string;
	interval?: string;
	keepRuns?: number;
	maxAttempts?: number;
	maxPerNode?: number;
	maxUnavailable?: number;
	misfire?: string;
	mode?: string;
	name: string;
	overlap?: string;
	params?: Record<string, unknown>;
	paused?: boolean;
	phase?: string;
	prefer?: string;
	require?: string;
	resize?: string;
	restart?: Restart;
	schedule?: string;
	spread?: string;
	stopTimeout?: string;
	timeZone?: string;
	timeout?: string;
	weight?: number;
	whenDisconnected?: string;
	workName: string;
	workerNum: number;
};

export type Tasks = {
	tasks: TaskDetail[];
};

export type Unplaced = {
	code: string;
	reason: string;
	slots: number;
	task: string;
};

export type Update = {
	deferred?: Deferral;
	errors?: RecordError[];
	leader?: string;
	lost?: NodeInfo[];
	nodes?: NodeInfo[];
	nodesGone?: string[];
	runs?: RunInfo[];
	settings?: Settings;
	tasks?: TaskInfo[];
	tasksGone?: string[];
	term?: number;
	warnings?: string[];
	workers?: WorkerInfo[];
	workersGone?: string[];
};

export type WorkerInfo = {
	count?: number;
	error: string;
	inRow?: number;
	index: number;
	member: string;
	node: string;
	restarts: number;
	run?: string;
	since?: string;
	state: string;
	task: string;
	token: number;
};

export type Workers = {
	workers: WorkerInfo[];
};
