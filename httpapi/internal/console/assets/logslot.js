// The log of a slot, from one node to the next, by the rule of `xconsumer logs -f`.
//
//	the state, change by change ─▶ tell: a queue of places ─▶ run: one after the other, each read at its node ─▶ see
import { lines, ofRun, part, Refused, worker } from "./api.js";

/** @import { LogLine, Worker } from "../types" */
/** @typedef {{ node: string, member: string, token: number, before?: boolean }} Place before: it was there when nobody looked */
/** @typedef {LogLine & { mark?: undefined }} Written */
/** @typedef {{ mark: "continues" | "unread" | "nothing", node: string, token: number, why?: Error }} Mark what is said between the lines */
/** @typedef {{ show: (fresh: (Written | Mark)[]) => void, fail: (why: Error | null) => void }} Seer */

const atFirst = 200; // lines
const catchUp = 1000; // lines where a worker continues, or has left
const linger = 500; // milliseconds without a line of a worker that has left a node
const again = 2000; // milliseconds before a log is asked for again that has ended or could not be read
const tries = 3; // at the rest of a log, if nobody answers

export class SlotLog {
	#slot; #see;
	/** @type {Place[]} */ #queue = []; // where it has been since, and is now
	/** @type {Place | undefined} */ #last; // that was told
	#token = -1; #number = -1; // of the line that was shown last
	#said = 0; // the token of the worker that was spoken of last
	#asked = false; // all lines after the one that was shown last are new
	#over = new AbortController();
	#wake = (/** @type {boolean} */ _moved) => {}; // what waits for something, or reads

	/** @param {{ task: string, run?: string, index: number }} slot @param {Seer} see */
	constructor(slot, see) {
		this.#slot = slot;
		const over = this.#over.signal;
		this.#see = /** @type {Seer} */ ({ show: (fresh) => over.aborted || see.show(fresh), fail: (why) => over.aborted || see.fail(why) });
		this.#run();
	}

	/** tell says where the slot is now. @param {Worker | undefined} w */
	tell(w) {
		const at = { node: w?.node ?? "", member: w?.member ?? "", token: w?.token ?? 0 };
		const moved = !this.#last || at.member !== this.#last.member || at.token !== this.#last.token;
		if (moved) this.#queue.push((this.#last = at));
		this.#wake(moved);
	}

	/** had says where the slot was before anything was told. What that node keeps is shown if the slot has been nowhere since. */
	had(/** @type {string} */ node) {
		if (this.#asked || this.#last?.node) return;
		this.#queue.push({ node, member: "", token: 0, before: true }, { node: "", member: "", token: 0 });
		this.#wake(true);
	}

	stop() {
		this.#over.abort();
		this.#wake(true);
	}

	/** left reports whether the slot is elsewhere. */
	#left() { return this.#queue.length > 0 || this.#over.signal.aborted; }

	/** wait waits until something is told, for so long at most. */
	#wait(/** @type {number} */ most) {
		return new Promise((done) => {
			const timer = most < Infinity ? setTimeout(done, most) : undefined;
			this.#wake = () => {
				clearTimeout(timer);
				done(undefined);
			};
		});
	}

	async #run() {
		while (!this.#over.signal.aborted) {
			const at = this.#queue.shift();
			if (!at) await this.#wait(Infinity);
			else if (at.node) await this.#read(at);
		}
	}

	/** read shows the log at one place until the slot is elsewhere; all that it keeps, if it was left before anything was seen. */
	async #read(/** @type {Place} */ at) {
		const marks = this.#continues(at.node, at.token);
		if (marks.length > 0) this.#see.show(marks);
		let whole = false;
		while (!this.#left()) whole = await this.#tail(at);
		if (!whole || this.#token < at.token) await this.#rest(at);
		this.#see.fail(null);
		this.#asked = true;
		if (this.#token < at.token - 1) [this.#token, this.#number] = [at.token - 1, Infinity];
	}

	/**
	 * tail shows what there is of the log at one place, and what comes, until the slot is elsewhere and nothing comes any
	 * longer, and returns whether it got that far. If the log ends before, it waits before it is asked for again.
	 */
	async #tail(/** @type {Place} */ at) {
		const reading = new AbortController();
		/** @type {ReturnType<typeof setTimeout> | undefined} */ let quiet;
		const calm = () => {
			clearTimeout(quiet);
			if (this.#over.signal.aborted) reading.abort();
			else if (this.#left()) quiet = setTimeout(() => reading.abort(), linger);
		};
		this.#wake = (moved) => { if (moved) calm(); };
		try {
			await lines(this.#path(at.node, true), reading.signal, (list) => {
				this.#see.fail(null);
				if (this.#show(list.filter((l) => l.token <= at.token), at.node)) calm(); // those of a later worker wait until it is told of
			});
			this.#asked = true;
		} catch (e) {
			if (reading.signal.aborted) return true;
			this.#asked ||= this.#token >= 0;
			this.#see.fail(/** @type {Error} */ (e));
		} finally {
			clearTimeout(quiet);
		}
		if (!this.#left()) await this.#wait(again);
		return false;
	}

	/** rest shows what a node that the slot has left keeps of its log. */
	async #rest(/** @type {Place} */ at) {
		this.#wake = () => {};
		for (let n = 1; !this.#over.signal.aborted; n++) {
			/** @type {LogLine[]} */ const list = [];
			try {
				await lines(this.#path(at.node, false), this.#over.signal, (more) => { list.push(...more); });
			} catch (e) {
				if (e instanceof Refused || n === tries) return this.#see.show([{ mark: "unread", node: at.node, token: at.token, why: /** @type {Error} */ (e) }]);
				await new Promise((done) => setTimeout(done, again));
				continue;
			}
			const next = this.#queue.find((p) => p.node)?.token ?? Infinity; // a node may have it twice, and another in between
			this.#show(list.filter((l) => l.token < Math.max(next, at.token + 1)), at.node);
			if (at.before && this.#token < 0) this.#see.show([{ mark: "nothing", node: at.node, token: at.token }]);
			return undefined;
		}
		return undefined;
	}

	#path(/** @type {string} */ node, /** @type {boolean} */ follow) {
		return `${worker(this.#slot, "log")}?${[ofRun(this.#slot), "node=" + part(node), `lines=${this.#asked ? catchUp : atFirst}`, follow && "follow=true"].filter(Boolean).join("&")}`;
	}

	/** show shows lines that were not shown yet, and returns whether there were any. */
	#show(/** @type {LogLine[]} */ list, /** @type {string} */ node) {
		/** @type {(Written | Mark)[]} */ const fresh = [];
		for (const l of list) {
			if (l.token < this.#token || (l.token === this.#token && l.number <= this.#number)) continue;
			fresh.push(...this.#continues(node, l.token), l);
			[this.#token, this.#number] = [l.token, l.number];
		}
		if (fresh.length > 0) this.#see.show(fresh);
		return fresh.length > 0;
	}

	/** continues says once of each worker after the first where it runs. @returns {Mark[]} */
	#continues(/** @type {string} */ node, /** @type {number} */ token) {
		const before = this.#said;
		this.#said = Math.max(before, token);
		return token > before && before > 0 ? [{ mark: "continues", node, token }] : [];
	}
}
