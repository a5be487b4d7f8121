// The runs of once and scheduled tasks.
import { useEffect, useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live } from "../cluster.js";
import { useTick } from "../fetched.js";
import { get, part } from "../api.js";
import { palette } from "../placement.js";
import { Table } from "../table.js";
import { clock, lasted, words } from "../words.js";
import { TaskName } from "./tasks.js";

/** @import { RunInfo as Run } from "../../types" */
/** @import { Placement } from "../placement.js" */

const time = (/** @type {string | undefined} */ text) => (text ? Date.parse(text) : NaN);

/** took returns how long a run took, in seconds; for a run that has not ended, until now. */
export const took = (/** @type {Run} */ r) => Math.max(0, ((r.ended ? time(r.ended) : Date.now()) - time(r.began)) / 1000);

const tookText = (/** @type {Run} */ r) => (!r.began ? "" : r.ended ? lasted(took(r)) : words.value.goesOn);

/** RunList lists runs. @param {{ rows: Run[], withTask?: boolean, id?: string }} props */
export const RunList = ({ rows, withTask = false, id = "" }) => {
	const w = words.value;
	/** @type {import("../table.js").Column<Run>[]} */
	const columns = [
		...(withTask ? [{ id: "task", title: w.task, value: (/** @type {Run} */ r) => r.task, cell: (/** @type {Run} */ r) => html`<${TaskName} name=${r.task} />` }] : []),
		{ id: "run", title: w.run, value: (r) => r.id },
		{ id: "state", title: w.state_, value: (r) => w.state(r.state), cell: (r) => html`<span class=${"state " + r.state}>${w.state(r.state)}</span>` },
		{ id: "due", title: w.due, value: (r) => r.due, cell: (r) => clock(r.due) },
		{ id: "began", title: w.began, value: (r) => r.began ?? "", cell: (r) => clock(r.began) },
		{ id: "took", title: w.took, number: true, value: (r) => (r.began ? took(r) : undefined), cell: tookText },
		{ id: "done", title: w.done, number: true, value: (r) => r.done, cell: (r) => (r.state === "skipped" ? "" : `${r.done} / ${r.workerNum}`) },
		{ id: "failed", title: w.failed, number: true, value: (r) => r.failed },
		{ id: "by", title: w.by, value: (r) => r.by ?? "" },
		{ id: "error", title: w.error, value: (r) => r.error ?? r.reason ?? "" },
	];
	return html`<${Table} name=${w.runs} id=${id} rows=${rows} columns=${columns} of=${(/** @type {Run} */ r) => r.task + "@" + r.id} empty=${w.noRuns} sort="-due" />`;
};

/** Durations draws how long runs took, side by side, with the last one on the right. */
export const Durations = (/** @type {{ runs: Run[] }} */ { runs }) => {
	const w = words.value;
	useTick(1000);
	const shown = runs.filter((r) => r.began).slice(-60), most = Math.max(1, ...shown.map(took));
	if (shown.length === 0) return html`<p class="faint">${w.noRuns}</p>`;
	return html`<div class="bars" role="img" aria-label=${shown.map((r) => w.runOf(r.id, w.state(r.state), lasted(took(r)))).join("; ")}>${shown.map((r) => html`
		<span key=${r.id} class=${"bar " + r.state} style=${{ height: `${Math.max(3, (100 * took(r)) / most)}%` }} title=${w.runOf(r.id, w.state(r.state), lasted(took(r)))}></span>`)}</div>
		<p class="faint">${lasted(most)} ↑</p>`;
};

const leastSpan = 10 * 60_000; // milliseconds that the timeline shows at least

/** Lanes draws the runs of each task over time. */
const Lanes = (/** @type {{ runs: Run[] }} */ { runs }) => {
	const w = words.value;
	useTick(1000);
	const now = Date.now(), shown = runs.filter((r) => r.began);
	const first = Math.min(now - leastSpan, ...shown.map((r) => time(r.began)));
	const from = Math.max(first, now - 24 * 3600_000), at = (/** @type {number} */ t) => (100 * (Math.max(from, t) - from)) / (now - from);
	const tasks = [...new Set(shown.map((r) => r.task))].sort();
	return html`<div class="lanes" role="img" aria-label=${w.timeline}>${tasks.map((t) => html`<div class="lane" key=${t}><span class="name">${t}</span><span class="track">${shown.filter((r) => r.task === t && (!r.ended || time(r.ended) > from)).map((r) => html`
			<span key=${r.id} class=${"bar " + r.state} title=${w.runOf(r.id, w.state(r.state), lasted(took(r)))} style=${{ left: `${at(time(r.began))}%`, width: `max(3px, ${at(r.ended ? time(r.ended) : now) - at(time(r.began))}%)`, "--task": palette.of(t) }}></span>`)}</span></div>`)}
		<div class="lane axis"><span class="name"></span><span class="track faint"><span>${clock(new Date(from).toISOString())}</span><span>${clock(new Date(now).toISOString())}</span></span></div></div>`;
};

export const Runs = () => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	void p.version.value;
	const [runs, setRuns] = useState(/** @type {Run[] | null} */ (null));
	const tasks = p.tasks.filter((t) => t.runs).map((t) => t.name);
	useEffect(() => {
		let over = false;
		const ask = async () => {
			const lists = await Promise.all(tasks.map((t) => get(`tasks/${part(t)}/runs`).then((/** @type {{ runs: Run[] }} */ a) => a.runs, () => [])));
			if (!over) setRuns(lists.flat());
		};
		const timer = setTimeout(ask, 200);
		return () => {
			over = true;
			clearTimeout(timer);
		};
	}, [tasks.join(), p.runs]);
	return html`<h2 class="page">${w.runs}</h2>${(runs ?? []).length > 0 && html`<${Lanes} runs=${runs} />`}
		${runs === null ? html`<p class="empty">${w.loading}</p>` : html`<${RunList} rows=${runs} withTask />`}`;
};
