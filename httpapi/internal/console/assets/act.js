// Operations that people ask for. One that takes something away is confirmed first, and each shows its outcome.
//
//	act(operation)   ─▶   a question, with what it will affect   ─▶   the node   ─▶   an outcome, once it has taken effect
import { signal } from "./vendor/signals.mjs";
import { useEffect, useRef } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { Refused, request } from "./api.js";
import { words } from "./words.js";

/** @typedef {{ text: string, hits?: string[], yes: string, answer: (yes: boolean) => void }} Question */
/** @typedef {{ id: number, text: string, kind: "goes on" | "good" | "bad" | "waits", detail?: string }} Outcome */

/** @type {import("./vendor/signals.mjs").Signal<Question | null>} */
const question = signal(null);
/** @type {import("./vendor/signals.mjs").Signal<Outcome[]>} */
export const outcomes = signal([]);

const waitAtMost = "30s"; // for an operation to take effect
const shownFor = 8000; // milliseconds that a good outcome is shown
let lastID = 0;

/** @param {Outcome} o */
const put = (o) => {
	const known = outcomes.value.some((x) => x.id === o.id);
	outcomes.value = known ? outcomes.value.map((x) => (x.id === o.id ? o : x)) : [...outcomes.value, o].slice(-4);
	if (o.kind === "good") setTimeout(() => drop(o.id), shownFor);
};

const drop = (/** @type {number} */ id) => { outcomes.value = outcomes.value.filter((o) => o.id !== id); };

/**
 * sure asks a question and waits for the answer.
 * @param {string} text @param {string[]} hits what it will affect, in words @param {string} yes
 * @returns {Promise<boolean>}
 */
export const sure = (text, hits, yes) => new Promise((resolve) => {
	question.value = { text, hits, yes, answer: (value) => { question.value = null; resolve(value); } };
});

/**
 * act sends an operation, waits until it has taken effect, and shows the outcome. It returns whether the node accepted it.
 * @param {{ method?: string, path: string, body?: unknown, headers?: Record<string, string>, ask?: { text: string, hits?: string[], yes: string }, quick?: boolean, onRefused?: (r: Refused) => void }} operation
 */
export const act = async ({ method = "POST", path, body, headers, ask, quick, onRefused }) => {
	if (ask && !(await sure(ask.text, ask.hits ?? [], ask.yes))) return false;
	const w = words.value, id = ++lastID, began = performance.now();
	put({ id, text: w.asked, kind: "goes on" });
	try {
		const answer = await request(method, path + (quick ? "" : (path.includes("?") ? "&" : "?") + "wait=" + waitAtMost), body, { headers });
		const took = (performance.now() - began) / 1000;
		const what = answer?.accepted ?? "";
		if (quick || answer?.settled) put({ id, text: what, kind: "good", detail: quick ? "" : w.doneAfter(took) });
		else put({ id, text: what, kind: "waits", detail: w.notYet((answer?.waiting ?? []).join("; ")) });
		return true;
	} catch (e) {
		const text = e instanceof Error ? e.message : String(e);
		if (e instanceof Refused && onRefused) {
			drop(id);
			onRefused(e);
		} else put({ id, text: e instanceof Refused ? w.refused : w.unknownOutcome, kind: "bad", detail: text });
		return false;
	}
};

/** Questions shows the open question. */
export const Questions = () => {
	const q = question.value, w = words.value, box = useRef(/** @type {HTMLDialogElement | null} */ (null));
	useEffect(() => { if (q && !box.current?.open) box.current?.showModal(); }, [q]);
	if (!q) return null;
	return html`<dialog ref=${box} class="card" id="question" aria-labelledby="question-text" onCancel=${() => q.answer(false)}>
		<h2 id="question-text">${q.text}</h2>
		${(q.hits ?? []).length > 0 && html`<ul>${q.hits?.map((hit) => html`<li key=${hit}>${hit}</li>`)}</ul>`}
		<p class="row end"><button autofocus onClick=${() => q.answer(false)}>${w.cancel}</button><button class="danger" id="yes" onClick=${() => q.answer(true)}>${q.yes}</button></p>
	</dialog>`;
};

/** Outcomes shows the outcomes of operations. */
export const Outcomes = () => html`<div id="outcomes" role="status" aria-live="polite">${outcomes.value.map((o) => html`
	<p key=${o.id} class=${"outcome card " + o.kind.replace(" ", "-")}><strong>${o.text}</strong> ${o.detail && html`<span>${o.detail}</span>`}
		<button class="plain" aria-label=${words.value.close} onClick=${() => drop(o.id)}>✕</button></p>`)}</div>`;
