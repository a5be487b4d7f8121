// A placement: the nodes, tasks and workers of a cluster at one moment, with the workers indexed by slot, node and task.
//
// The live placement is changed in place, since 100,000 workers cannot be copied ten times a second. A component that draws
// a group of workers compares the group's rev to see whether it has changed.
import { signal } from "./vendor/signals.mjs";

/** @import { NodeInfo as Node, RunInfo as Run, State, TaskInfo as Task, Update, WorkerInfo as Worker } from "../types" */
/** @typedef {{ member: string, slots: Map<string, Worker>, rev: number }} Group */
/** @typedef {{ key: string, before: Worker | undefined, after: Worker | undefined }} Step */

/** key returns a slot's name as the API writes it, "test01#0" or "test01@run#0". */
export const key = (/** @type {{ task: string, run?: string, index: number }} */ w) => (w.run ? `${w.task}@${w.run}#${w.index}` : `${w.task}#${w.index}`);

/** slotOf parses a slot's name. */
export const slotOf = (/** @type {string} */ name) => {
	const at = name.lastIndexOf("#");
	const [task, run] = name.slice(0, at).split("@");
	return { task, run, index: Number(name.slice(at + 1)) };
};

/** compareText compares texts so that n2 comes before n10. */
export const compareText = new Intl.Collator("en", { numeric: true }).compare;
const byName = (/** @type {{ name: string }} */ a, /** @type {{ name: string }} */ b) => compareText(a.name, b.name);
const compareWorkers = (/** @type {Worker} */ a, /** @type {Worker} */ b) => compareText(a.task, b.task) || compareText(a.run ?? "", b.run ?? "") || a.index - b.index;

/**
 * merge returns a list with its old elements replaced or removed and the new ones added.
 * @template T
 * @param {T[]} list @param {T[] | undefined} fresh @param {string[] | undefined} gone
 * @param {(x: T) => string} of @param {(a: T, b: T) => number} order
 */
const merge = (list, fresh, gone, of, order) => {
	if (!fresh && !gone) return list;
	if (fresh && !gone) { // usually the fresh elements only replace old ones, and the order stays
		const next = new Map(fresh.map((x) => [of(x), x]));
		const out = list.map((x) => {
			const k = of(x), y = next.get(k);
			if (y) next.delete(k);
			return y ?? x;
		});
		if (next.size === 0) return out;
	}
	const kept = new Map(list.map((x) => [of(x), x]));
	for (const g of gone ?? []) kept.delete(g);
	for (const x of fresh ?? []) kept.set(of(x), x);
	return [...kept.values()].sort(order);
};

export class Placement {
	/** @param {State} state */
	constructor(state) {
		this.cluster = state.cluster;
		this.leader = state.leader;
		this.term = state.term;
		/** @type {Node[]} */ this.nodes = [...state.nodes].sort(byName);
		/** @type {Node[]} */ this.lost = state.lost;
		/** @type {Task[]} */ this.tasks = [...state.tasks].sort(byName);
		/** @type {Run[]} */ this.runs = state.runs ?? [];
		this.errors = state.errors ?? [];
		this.deferred = state.deferred;
		/** @type {Map<string, Worker>} */ this.workers = new Map();
		/** @type {Map<string, Group>} by member, "" for those on no node */ this.on = new Map();
		/** @type {Map<string, Map<string, Worker>>} by task */ this.of = new Map();
		for (const w of state.workers) this.#put(key(w), w);
		for (const t of this.tasks) palette.hue(t.name); // colours are given in one order, whichever page is shown
		/** version increases with every change. */
		this.version = signal(0);
	}

	/**
	 * past returns a placement of a past moment. Only which node had which slot is known of that moment, by name. Everything
	 * else that is known of the nodes is of the present, and only their labels are shown.
	 */
	static past(/** @type {State} */ state) {
		/** @type {Map<string, number>} */ const had = new Map();
		for (const w of state.workers) had.set(w.node, (had.get(w.node) ?? 0) + 1);
		const today = new Map([...state.lost, ...state.nodes].map((n) => [n.name, n]));
		const names = [...new Set([...state.nodes.map((n) => n.name), ...had.keys()])].filter(Boolean);
		const nodes = names.map((name) => {
			const slots = had.get(name) ?? 0;
			return { name, member: name, host: "", address: "", pid: 0, leader: name === state.leader, state: "up", slots, labels: today.get(name)?.labels, weight: 1, load: slots };
		});
		return new Placement({ ...state, nodes, lost: [], workers: state.workers.map((w) => ({ ...w, member: w.node })) });
	}

	/** @param {string} k @param {Worker} w */
	#put(k, w) {
		const group = this.group(w.member);
		w.member = group.member; // shares one string
		group.slots.set(k, w);
		group.rev++;
		let of = this.of.get(w.task);
		if (!of) this.of.set(w.task, (of = new Map()));
		of.set(k, w);
		this.workers.set(k, w);
	}

	/** @param {string} k @param {Worker} w */
	#take(k, w) {
		const group = this.group(w.member);
		group.slots.delete(k);
		group.rev++;
		this.of.get(w.task)?.delete(k);
		this.workers.delete(k);
	}

	/** group returns the workers of a member. @returns {Group} */
	group(/** @type {string} */ member) {
		let group = this.on.get(member);
		if (!group) this.on.set(member, (group = { member, slots: new Map(), rev: 0 }));
		return group;
	}

	/** slots returns the workers of a member that are not done, in order. */
	slots(/** @type {string} */ member) {
		return [...this.group(member).slots.values()].filter((w) => w.state !== "done").sort(compareWorkers);
	}

	/** workersOf returns the workers of a task, in order. */
	workersOf(/** @type {string} */ task) {
		return [...(this.of.get(task)?.values() ?? [])].sort(compareWorkers);
	}

	/** steps returns the changes that an update makes to workers. @returns {Step[]} */
	steps(/** @type {Update} */ u) {
		/** @type {Step[]} */ const out = [];
		for (const slot of u.workersGone ?? []) out.push({ key: slot, before: this.workers.get(slot), after: undefined });
		for (const w of u.workers ?? []) {
			const k = key(w);
			out.push({ key: k, before: this.workers.get(k), after: w });
		}
		return out;
	}

	/** apply applies an update. */
	apply(/** @type {Update} */ u, steps = this.steps(u)) {
		this.leader = u.leader ?? this.leader;
		this.term = u.term ?? this.term;
		const before = new Map([...this.lost, ...this.nodes].map((n) => [n.member, n.labels]));
		this.nodes = merge(this.nodes, u.nodes, u.nodesGone, (n) => n.member, byName);
		this.lost = u.lost?.map((n) => (n.labels ? n : { ...n, labels: before.get(n.member) })) ?? this.lost; // the record with its labels may be gone
		this.tasks = merge(this.tasks, u.tasks, u.tasksGone, (t) => t.name, byName);
		this.runs = u.runs ?? this.runs;
		this.errors = u.errors ?? this.errors;
		if (u.deferred) this.deferred = u.deferred.code ? u.deferred : undefined;
		for (const s of steps) {
			if (s.before && (!s.after || s.before.member !== s.after.member)) this.#take(s.key, s.before);
			if (s.after) this.#put(s.key, s.after);
		}
		for (const member of u.nodesGone ?? []) if (this.on.get(member)?.slots.size === 0) this.on.delete(member);
		for (const task of u.tasksGone ?? []) if (this.of.get(task)?.size === 0) this.of.delete(task);
		this.version.value++;
	}

	/** node returns a live member by its name. */
	node(/** @type {string} */ name) { return this.nodes.find((n) => n.name === name); }

	task(/** @type {string} */ name) { return this.tasks.find((t) => t.name === name); }

	/** tally counts the workers that run and those that should. Of runs it counts only those that have not ended. */
	tally() {
		let running = 0, wanted = 0;
		for (const t of this.tasks) {
			running += t.running;
			if (!t.runs && !t.paused) wanted += t.workerNum;
		}
		for (const r of this.runs) if (r.state === "running") wanted += r.workerNum - r.done - r.failed;
		return { running, wanted };
	}

	/** size returns the number of slots. */
	size() { return this.workers.size; }
}

/** bounds are the largest numbers of slots for which a picture shows names, and tiles. */
export const bounds = { names: 160, tiles: 2000 };

/**
 * Palette gives each task a colour. It depends on the task's name, so that it is mostly the same tomorrow and on every
 * screen, and it is as far from the colours of other tasks as possible.
 */
export class Palette {
	/** @type {Map<string, number>} */ #hues = new Map();
	/** @type {Set<number>} */ #taken = new Set();
	static steps = 24;

	/** free reports whether a step and its neighbours, near steps on each side, are not taken. @param {number} step @param {number} near */
	#free(step, near) {
		for (let i = -near; i <= near; i++) if (this.#taken.has((step + i + Palette.steps) % Palette.steps)) return false;
		return true;
	}

	/** hue returns a task's angle on the colour circle. */
	hue(/** @type {string} */ task) {
		const known = this.#hues.get(task);
		if (known !== undefined) return known;
		let sum = 2166136261;
		for (let i = 0; i < task.length; i++) sum = Math.imul(sum ^ task.charCodeAt(i), 16777619) >>> 0;
		let step = sum % Palette.steps;
		search: for (let near = 3; near >= 0; near--) {
			for (let i = 0; i < Palette.steps; i++) {
				if (this.#free((sum + i * 7) % Palette.steps, near)) {
					step = (sum + i * 7) % Palette.steps;
					break search;
				}
			}
		}
		this.#taken.add(step);
		const hue = (step * 360) / Palette.steps;
		this.#hues.set(task, hue);
		return hue;
	}

	/** of returns a task's colour, on which white text is readable. */
	of(/** @type {string} */ task) { return `oklch(0.5 0.14 ${this.hue(task)})`; }
}

export const palette = new Palette();
