// What is asked of the node.

/** @import { Problem } from "../types" */

/** Refused is an answer that says no. */
export class Refused extends Error {
	/** @param {Problem} problem */
	constructor(problem) {
		super([problem.detail ?? problem.title, ...(problem.errors ?? []).map((e) => (e.location ? `${e.location}: ${e.message}` : e.message))].filter(Boolean).join("; "));
		this.status = problem.status;
		/** @type {Record<string, string>} what is wrong with each field, by its name */
		this.fields = {};
		for (const e of problem.errors ?? []) if (e.location) this.fields[e.location.replace(/^body\.?/, "")] = e.message;
	}
}

/**
 * request sends a request, and returns the value of its answer.
 * @param {string} method @param {string} path @param {unknown} [body] @param {{ signal?: AbortSignal, headers?: Record<string, string> }} [options]
 */
export const request = async (method, path, body, { signal, headers } = {}) => {
	const answer = await fetch("api/v1/" + path, {
		method, signal, headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
		body: body === undefined ? undefined : JSON.stringify(body),
	});
	if (answer.ok) return isJSON(answer) ? answer.json() : answer.text();
	throw await refusal(answer);
};

const isJSON = (/** @type {Response} */ answer) => (answer.headers.get("Content-Type") ?? "").includes("json");

/** refusal reads an answer that says no, also one of a proxy. */
const refusal = async (/** @type {Response} */ answer) => new Refused(isJSON(answer) ? await answer.json() : { status: answer.status, title: answer.statusText || String(answer.status) });

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => request("GET", path, undefined, { signal });

/** @param {string} text */
export const part = (text) => encodeURIComponent(text);

/** worker returns the path of a worker. */
export const worker = (/** @type {{ task: string, run?: string, index: number }} */ w, /** @type {string} */ what) =>
	`workers/${part(w.task)}/${w.index}${what ? "/" + what : ""}`;

/** ofRun says which run a worker is of, as a query. */
export const ofRun = (/** @type {{ run?: string }} */ w) => (w.run ? "run=" + part(w.run) : "");

/**
 * lines calls a function for the lines of an answer as they come, until signal ends it; first without any, once there is an answer.
 * @param {string} path @param {AbortSignal} signal @param {(lines: any[]) => void} tell
 */
export const lines = async (path, signal, tell) => {
	const answer = await fetch("api/v1/" + path, { signal });
	if (!answer.ok) throw await refusal(answer);
	tell([]);
	if (!answer.body) return;
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (;;) {
		const { value, done } = await reader.read();
		if (done) return;
		const parts = (rest + value).split("\n");
		rest = parts.pop() ?? "";
		const found = parts.filter(Boolean).map((line) => JSON.parse(line));
		if (found.length > 0) tell(found);
	}
};
