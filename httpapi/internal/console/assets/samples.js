// Samples of the cluster, one each second since the page was opened: workers that run, moves, restarts, and how long the
// workers of a lost node took to run again.
import { signal } from "./vendor/signals.mjs";
import { live, watch } from "./cluster.js";

/** @import { Step } from "./placement.js" */

const span = 600; // seconds that are kept
const grain = 100; // milliseconds for which the stream gathers changes

/** @typedef {{ at: number[], running: number[], wanted: number[], moves: number[], restarts: number[], failover: (number | null)[] }} Samples */

/** @returns {Samples} */
const nothing = () => ({ at: [], running: [], wanted: [], moves: [], restarts: [], failover: [] });

export const samples = signal(nothing());

/** The number of running workers, by task. */
/** @type {Map<string, number[]>} */
const tasks = new Map();

let moves = 0, restarts = 0, failover = 0;
/** @type {Map<string, { member: string, at: number }>} by slot: the node that it lost, and when */
const orphaned = new Map();

watch((steps, update, was) => {
	const now = performance.now();
	const gone = [...(update.nodesGone ?? []), ...(update.lost ?? []).filter((n) => n.state === "lost").map((n) => n.member)];
	for (const member of gone) for (const slot of was.on.get(member)?.slots.keys() ?? []) if (!orphaned.has(slot)) orphaned.set(slot, { member, at: now });
	for (const { key, before, after } of steps) count(key, before, after, now);
});

/** @param {string} key @param {Step["before"]} before @param {Step["after"]} after @param {number} now */
const count = (key, before, after, now) => {
	if (!after) {
		orphaned.delete(key);
		return;
	}
	if (before && after.member && before.token !== after.token) moves++;
	if (before && after.member === before.member && after.restarts > before.restarts) restarts += after.restarts - before.restarts;
	const lost = orphaned.get(key);
	if (lost && after.state === "running" && after.member !== lost.member) {
		failover = Math.max(failover, now - lost.at, grain);
		orphaned.delete(key);
	}
};

/** @param {(number | null)[]} list @param {number | null} value */
const push = (list, value) => {
	list.push(value);
	if (list.length > span) list.shift();
};

const sample = () => {
	const p = live.value;
	if (!p) return;
	const { running, wanted } = p.tally(), s = samples.value;
	push(s.at, Math.floor(Date.now() / 1000));
	push(s.running, running);
	push(s.wanted, wanted);
	push(s.moves, moves);
	push(s.restarts, restarts);
	push(s.failover, failover > 0 ? failover : null);
	for (const t of p.tasks) {
		const list = tasks.get(t.name) ?? Array(s.at.length - 1).fill(null);
		push(list, t.running);
		tasks.set(t.name, list);
	}
	for (const name of tasks.keys()) if (!p.task(name)) tasks.delete(name);
	moves = restarts = failover = 0;
	samples.value = { ...s };
};

setInterval(sample, 1000);

/** runningOf returns how many workers of a task ran, in step with the samples. */
export const runningOf = (/** @type {string} */ task) => tasks.get(task) ?? [];
