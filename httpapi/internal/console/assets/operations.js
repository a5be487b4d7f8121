// The operations on tasks, nodes and workers, with the question that each asks first.
import { act } from "./act.js";
import { ofRun, part, worker } from "./api.js";
import { key } from "./placement.js";
import { words } from "./words.js";

/** @import { NodeInfo as Node, TaskInfo as Task, WorkerInfo as Worker } from "../types" */

const task = (/** @type {string} */ name, /** @type {string} */ what) => `tasks/${part(name)}${what ? "/" + what : ""}`;
const node = (/** @type {string} */ name, /** @type {string} */ what) => `nodes/${part(name)}/${what}`;

export const scale = (/** @type {Task} */ t, /** @type {number} */ workers) => {
	const w = words.value, less = t.running - workers;
	return act({ path: task(t.name, "scale"), body: { workers }, ask: less > 0 ? { text: w.sureScale(t.name, workers), hits: [w.stops(less)], yes: w.scale } : undefined });
};

export const pause = (/** @type {Task} */ t) => {
	const w = words.value;
	return act({ path: task(t.name, "pause"), ask: { text: w.surePause(t.name), hits: [w.stops(t.running)], yes: w.pause } });
};

export const resume = (/** @type {Task} */ t) => act({ path: task(t.name, "resume") });
export const reset = (/** @type {Task} */ t) => act({ path: task(t.name, "reset") });
export const runNow = (/** @type {Task} */ t) => act({ path: task(t.name, "run-now"), quick: true });

export const restartTask = (/** @type {Task} */ t) => {
	const w = words.value;
	return act({ path: task(t.name, "restart"), ask: { text: w.sureRestart(t.name), hits: [w.restartsAll(t.running)], yes: w.restart } });
};

export const remove = (/** @type {Task} */ t) => {
	const w = words.value;
	return act({ method: "DELETE", path: task(t.name, ""), ask: { text: w.sureDelete(t.name), hits: [w.stops(t.running), ...(t.runs ? [w.forgets] : [])], yes: w.remove } });
};

export const cordon = (/** @type {Node} */ n) => act({ path: node(n.name, "cordon") });
export const uncordon = (/** @type {Node} */ n) => act({ path: node(n.name, "uncordon") });

export const drain = (/** @type {Node} */ n) => {
	const w = words.value;
	return act({ path: node(n.name, "drain"), ask: { text: w.sureDrain(n.name), hits: [w.moves(n.slots), w.stays], yes: w.drain } });
};

export const restartNode = (/** @type {Node} */ n) => {
	const w = words.value;
	return act({ path: node(n.name, "restart"), ask: { text: w.sureRestart(n.name), hits: [w.restartsAll(n.slots)], yes: w.restart } });
};

export const evict = (/** @type {Node} */ n) => {
	const w = words.value;
	return act({ path: node(n.name, "evict"), ask: { text: w.sureEvict(n.name), hits: [w.stops(n.slots), w.evicts], yes: w.evict } });
};

export const label = (/** @type {Node} */ n, /** @type {Record<string, string | null>} */ labels) => act({ path: node(n.name, "label"), body: { labels } });

export const stepDown = (/** @type {string} */ leader) => {
	const w = words.value;
	return act({ path: "leader/step-down", ask: { text: w.sureStepDown(leader), hits: [w.othersLead], yes: w.stepDown } });
};

export const restartWorker = (/** @type {Worker} */ x) => {
	const w = words.value;
	return act({ path: of(x, "restart"), ask: { text: w.sureRestart(key(x)), hits: [w.restartsAll(1)], yes: w.restart } });
};

export const move = (/** @type {Worker} */ x, /** @type {string} */ to) => act({ path: of(x, "move"), body: { to } });

const of = (/** @type {Worker} */ x, /** @type {string} */ what) => worker(x, what) + (x.run ? "?" + ofRun(x) : "");
