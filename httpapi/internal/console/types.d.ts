// The types of the node's API, for the type check of the console. httpapi/openapi.yaml describes the API itself.

export type State = { cluster: string; leader: string; term: number; nodes: Node[]; lost: Node[]; tasks: Task[]; workers: Worker[]; runs?: Run[]; errors?: { path: string; error: string }[] };
export type Past = State & { at: string; decision: number; incomplete?: boolean };
export type Node = {
	name: string; member: string; host: string; address: string; pid: number; leader: boolean; state: string; slots: number; works?: string[];
	labels?: Record<string, string>; weight: number; capacity?: number; load: number; cordoned?: boolean; quarantine?: string; drain?: { from: number; left: number };
};
export type Task = { name: string; workName: string; workerNum: number; running: number; unplaced: number; starting?: number; waiting?: number; stopping?: number; lost?: number; withheld?: number; failed?: number; paused?: boolean; runs?: boolean; nextRun?: string; schedule?: string; reason?: string; reasonCode?: string; revision: string };
export type Override = { workerNum?: number; paused?: boolean };
export type TaskDetail = Task & { declared: Record<string, unknown>; override: Override };
export type Worker = { task: string; run?: string; index: number; count?: number; node: string; member: string; token: number; state: string; since?: string; restarts: number; error: string };
export type Run = { task: string; id: string; state: string; due: string; by?: string; workerNum: number; began?: string; ended?: string; done: number; failed: number; error?: string; late?: boolean; reason?: string; skipped?: number };
export type Update = {
	leader?: string; term?: number; nodes?: Node[]; nodesGone?: string[]; lost?: Node[]; tasks?: Task[]; tasksGone?: string[];
	workers?: Worker[]; workersGone?: string[]; runs?: Run[]; errors?: { path: string; error: string }[];
};
export type Event = { time: string; kind: string; node: string; member?: string; slot?: string; token?: number; detail?: string };
export type Decided = { step: string; task?: string; slots?: string; node?: string; to?: string; token?: number; code?: string; why?: string };
export type Decision = { number: number; term: number; leader: string; at: string; moves: Decided[]; omitted?: number };
export type Audit = { id: string; at: string; by: string; from?: string; what: string };
export type Candidate = { node: string; here?: boolean; placeable: boolean; load: number; taskWorkers: number; why: string };
export type Explanation = { worker: Worker; here: string; nodes: Candidate[]; history: Decision[] };
export type Lease = { valid: boolean; leftMs: number; durationMs: number };
export type LogLine = { number: number; at: string; token: number; source: string; text: string };
export type Login = { name: string; role: string; open: boolean };
export type Accepted = { accepted: string; revision: string; settled?: boolean; waiting?: string[] };
export type Problem = { status: number; title?: string; detail?: string; errors?: { message: string; location?: string }[] };
export type Operation = { kind: string; task?: string; index?: number; node?: string; workers?: number; params?: Record<string, unknown>; spec?: { name: string }; patch?: Record<string, unknown>; if?: string; deadline?: string; labels?: Record<string, string | null> };
export type Balance = { least: number; most: number; mean: number; skew: number };
export type PlannedMove = { slot: string; from: string; to: string; code: string; reason: string };
export type Plan = { revision: string; moves: PlannedMove[]; starts: { slot: string; to: string }[]; stops: string[]; unplaced: { task: string; slots: number; code: string; reason: string }[]; restarts: { task: string; workers: number; from: number; to: number; gap: string }[]; reverts?: { task: string; code: "replaced" | "maybe-replaced" | "deleted"; reason: string }[]; before: Balance; after: Balance };
