// Requests to the node's API.

/** @import { ErrorModel as Problem } from "../types" */

/** Refused is an error response of the API. */
export class Refused extends Error {
	/** @param {Problem} problem */
	constructor(problem) {
		super([problem.detail ?? problem.title, ...(problem.errors ?? []).map((e) => (e.location ? `${e.location}: ${e.message}` : e.message))].filter(Boolean).join("; "));
		this.status = problem.status;
		/** @type {Record<string, string>} the mistake in each field, by the field's name */
		this.fields = {};
		for (const e of problem.errors ?? []) if (e.location) this.fields[e.location.replace(/^body\.?/, "")] = e.message ?? "";
	}
}

/**
 * request sends a request and returns the body of its answer: the value of JSON, or text.
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

/** refusal reads an error response, which may also come from a proxy. */
const refusal = async (/** @type {Response} */ answer) => new Refused(isJSON(answer) ? await answer.json() : { status: answer.status, title: answer.statusText || String(answer.status) });

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => request("GET", path, undefined, { signal });

/** @param {string} text */
export const part = (text) => encodeURIComponent(text);

/** worker returns the path of a worker in the API, or of what is below it. */
export const worker = (/** @type {{ task: string, run?: string, index: number }} */ w, /** @type {string} */ what) =>
	`workers/${part(w.task)}/${w.index}${what ? "/" + what : ""}`;

/** ofRun returns the query that names a worker's run. */
export const ofRun = (/** @type {{ run?: string }} */ w) => (w.run ? "run=" + part(w.run) : "");

/**
 * lines calls onLines with the lines of an answer as they arrive, until signal aborts it. The first call has no lines; it
 * comes as soon as there is an answer.
 * @param {string} path @param {AbortSignal} signal @param {(lines: any[]) => void} onLines
 */
export const lines = async (path, signal, onLines) => {
	const answer = await fetch("api/v1/" + path, { signal });
	if (!answer.ok) throw await refusal(answer);
	onLines([]);
	if (!answer.body) return;
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (;;) {
		const { value, done } = await reader.read();
		if (done) return;
		const parts = (rest + value).split("\n");
		rest = parts.pop() ?? "";
		const found = parts.filter(Boolean).map((line) => JSON.parse(line));
		if (found.length > 0) onLines(found);
	}
};
