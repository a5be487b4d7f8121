// The log of a slot, from one node to the next, by the rule of `xconsumer logs -f`.
//
//	the state, change by change ─▶ moved: a queue of places ─▶ run: one after the other, each read at its node ─▶ view
import { lines, ofRun, part, Refused, worker } from "./api.js";

/** @import { LogLine, WorkerInfo as Worker } from "../types" */
/** @typedef {{ node: string, member: string, token: number, before?: boolean }} Place before: the slot was there before the page was opened */
/** @typedef {LogLine & { mark?: undefined }} Written */
/** @typedef {{ mark: "continues" | "unread" | "nothing", node: string, token: number, why?: Error }} Mark a remark between the lines */
/** @typedef {{ show: (fresh: (Written | Mark)[]) => void, fail: (why: Error | null) => void }} View */

const linesAtFirst = 200;
const linesToCatchUp = 1000; // where a worker continues, or has left
const quietFor = 500; // milliseconds without a new line, after which the log of a worker that has left a node is complete
const retryAfter = 2000; // milliseconds before a log that has ended or could not be read is fetched again
const maxTries = 3; // to read the rest of a log, if the node does not answer

export class SlotLog {
	#slot; #view;
	/** @type {Place[]} */ #queue = []; // places that are not read yet, in order
	/** @type {Place | undefined} */ #last; // where the slot is, as far as is known
	#token = -1; #number = -1; // of the last line that was shown
	#announced = 0; // the token of the last worker that a mark was shown for
	#caughtUp = false; // a log was read, so all lines after the last one that was shown are new
	#over = new AbortController();
	#wake = (/** @type {boolean} */ _moved) => {}; // ends a wait, or a tail of a slot that has moved

	/** @param {{ task: string, run?: string, index: number }} slot @param {View} view */
	constructor(slot, view) {
		this.#slot = slot;
		const over = this.#over.signal;
		this.#view = /** @type {View} */ ({ show: (fresh) => over.aborted || view.show(fresh), fail: (why) => over.aborted || view.fail(why) });
		this.#run();
	}

	/** moved records where the slot is now. @param {Worker | undefined} w */
	moved(w) {
		const at = { node: w?.node ?? "", member: w?.member ?? "", token: w?.token ?? 0 };
		const moved = !this.#last || at.member !== this.#last.member || at.token !== this.#last.token;
		if (moved) this.#queue.push((this.#last = at));
		this.#wake(moved);
	}

	/** had records where the slot was before the page was opened. If the slot has been on no node since, what that node keeps is shown. */
	had(/** @type {string} */ node) {
		if (this.#caughtUp || this.#last?.node) return;
		this.#queue.push({ node, member: "", token: 0, before: true }, { node: "", member: "", token: 0 });
		this.#wake(true);
	}

	stop() {
		this.#over.abort();
		this.#wake(true);
	}

	/** left reports whether the slot has moved on, or this log was stopped. */
	#left() { return this.#queue.length > 0 || this.#over.signal.aborted; }

	/** wait waits for news, at most so many milliseconds. */
	#wait(/** @type {number} */ atMost) {
		return new Promise((done) => {
			const timer = atMost < Infinity ? setTimeout(done, atMost) : undefined;
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

	/** read shows the log at one place until the slot moves on. If the slot left before a line was shown, it shows all that the node keeps. */
	async #read(/** @type {Place} */ at) {
		const marks = this.#continues(at.node, at.token);
		if (marks.length > 0) this.#view.show(marks);
		let whole = false;
		while (!this.#left()) whole = await this.#tail(at);
		if (!whole || this.#token < at.token) await this.#rest(at);
		this.#view.fail(null);
		this.#caughtUp = true;
		if (this.#token < at.token - 1) [this.#token, this.#number] = [at.token - 1, Infinity];
	}

	/**
	 * tail shows the log at one place, and follows it until the slot has moved on and no line has come for a while. It
	 * returns whether it got that far. If the log ends earlier, tail waits, so that the caller can try again.
	 */
	async #tail(/** @type {Place} */ at) {
		const reading = new AbortController();
		/** @type {ReturnType<typeof setTimeout> | undefined} */ let quiet;
		const restartTimer = () => {
			clearTimeout(quiet);
			if (this.#over.signal.aborted) reading.abort();
			else if (this.#left()) quiet = setTimeout(() => reading.abort(), quietFor);
		};
		this.#wake = (moved) => { if (moved) restartTimer(); };
		try {
			await lines(this.#path(at.node, true), reading.signal, (list) => {
				this.#view.fail(null);
				if (this.#show(list.filter((l) => l.token <= at.token), at.node)) restartTimer(); // the lines of a later worker wait until its move is known
			});
			this.#caughtUp = true;
		} catch (e) {
			if (reading.signal.aborted) return true;
			this.#caughtUp ||= this.#token >= 0;
			this.#view.fail(/** @type {Error} */ (e));
		} finally {
			clearTimeout(quiet);
		}
		if (!this.#left()) await this.#wait(retryAfter);
		return false;
	}

	/** rest shows what a node keeps of the log of a slot that has left it. */
	async #rest(/** @type {Place} */ at) {
		this.#wake = () => {};
		for (let n = 1; !this.#over.signal.aborted; n++) {
			/** @type {LogLine[]} */ const list = [];
			try {
				await lines(this.#path(at.node, false), this.#over.signal, (more) => { list.push(...more); });
			} catch (e) {
				if (e instanceof Refused || n === maxTries) return this.#view.show([{ mark: "unread", node: at.node, token: at.token, why: /** @type {Error} */ (e) }]);
				await new Promise((done) => setTimeout(done, retryAfter));
				continue;
			}
			const next = this.#queue.find((p) => p.node)?.token ?? Infinity; // a node may have had the slot twice, and another node in between
			this.#show(list.filter((l) => l.token < Math.max(next, at.token + 1)), at.node);
			if (at.before && this.#token < 0) this.#view.show([{ mark: "nothing", node: at.node, token: at.token }]);
			return undefined;
		}
		return undefined;
	}

	#path(/** @type {string} */ node, /** @type {boolean} */ follow) {
		return `${worker(this.#slot, "log")}?${[ofRun(this.#slot), "node=" + part(node), `lines=${this.#caughtUp ? linesToCatchUp : linesAtFirst}`, follow && "follow=true"].filter(Boolean).join("&")}`;
	}

	/** show shows the lines that were not shown yet, and returns whether there were any. */
	#show(/** @type {LogLine[]} */ list, /** @type {string} */ node) {
		/** @type {(Written | Mark)[]} */ const fresh = [];
		for (const l of list) {
			if (l.token < this.#token || (l.token === this.#token && l.number <= this.#number)) continue;
			fresh.push(...this.#continues(node, l.token), l);
			[this.#token, this.#number] = [l.token, l.number];
		}
		if (fresh.length > 0) this.#view.show(fresh);
		return fresh.length > 0;
	}

	/** continues returns a mark that says where a worker runs: one for each worker after the first. @returns {Mark[]} */
	#continues(/** @type {string} */ node, /** @type {number} */ token) {
		const before = this.#announced;
		this.#announced = Math.max(before, token);
		return token > before && before > 0 ? [{ mark: "continues", node, token }] : [];
	}
}
