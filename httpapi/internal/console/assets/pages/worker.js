// One worker: its node and why, its candidates, its history, and its log.
import { useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live, may } from "../cluster.js";
import { useFetched } from "../fetched.js";
import { ofRun, worker } from "../api.js";
import { Log } from "../log.js";
import { key } from "../placement.js";
import { href } from "../route.js";
import { Table } from "../table.js";
import { clock, words } from "../words.js";
import { TaskName } from "./tasks.js";
import { StateOf } from "./workers.js";
import * as operations from "../operations.js";

/** @import { Candidate, Decided, Explanation, WorkerInfo as Info } from "../../types" */
/** @import { Placement } from "../placement.js" */

const Move = (/** @type {{ x: Info, nodes: Candidate[] }} */ { x, nodes }) => {
	const w = words.value;
	const [to, setTo] = useState("");
	const submit = (/** @type {any} */ e) => {
		e.preventDefault();
		operations.move(x, to);
	};
	return html`<form class="row" onSubmit=${submit}><select required aria-label=${w.moveTo} value=${to} onChange=${(/** @type {any} */ e) => setTo(e.target.value)}><option value="">${w.moveTo}…</option>
		${nodes.filter((n) => !n.here && n.placeable).map((n) => html`<option key=${n.node} value=${n.node}>${n.node}</option>`)}</select><button disabled=${!may() || to === ""}>${w.move}</button></form>`;
};

const Stack = (/** @type {{ x: Info }} */ { x }) => {
	const w = words.value;
	const [wanted, setWanted] = useState(x.state === "stuck");
	const { value, failure } = /** @type {{ value?: string, failure?: string }} */ (useFetched(wanted ? `${worker(x, "stack")}?${ofRun(x)}` : "", [x.state]));
	return html`<h3>${w.stack}</h3><p class="faint">${w.stackHint} <button onClick=${() => setWanted(true)}>${w.stack}</button></p>
		${failure && html`<p class="faint">${failure}</p>`}${value && html`<pre class="log" tabindex="0">${value}</pre>`}`;
};

export const Worker = (/** @type {{ task: string, index: string, run: string }} */ { task, index, run }) => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	void p.version.value;
	const name = key({ task, run, index: Number(index) }), x = p.workers.get(name);
	const { value: e, failure } = /** @type {{ value?: Explanation, failure?: string }} */ (useFetched(x ? `${worker(x, "explain")}?${ofRun(x)}` : "", [x?.node, x?.token, x?.state], 500));
	if (!x) return html`<p class="empty">${w.noSuchWorker(name)}</p>`;
	/** @type {import("../table.js").Column<Candidate>[]} */
	const candidates = [
		{ id: "node", title: w.node, value: (n) => n.node, cell: (n) => html`<a href=${href(["node", n.node])}>${n.node}</a>` },
		{ id: "placeable", title: w.placeable, value: (n) => (n.placeable ? "✓" : "") },
		{ id: "load", title: w.capacity, number: true, value: (n) => n.load },
		{ id: "taskWorkers", title: w.taskWorkers, number: true, value: (n) => n.taskWorkers },
		{ id: "why", title: w.because, value: (n) => n.why },
	];
	const history = (e?.history ?? []).flatMap((d) => d.moves.map((m, i) => ({ ...m, at: d.at, id: `${d.number}/${i}` }))).reverse();
	/** @type {import("../table.js").Column<Decided & { at: string, id: string }>[]} */
	const steps = [
		{ id: "at", title: w.when, value: (m) => m.at, cell: (m) => clock(m.at) },
		{ id: "step", title: w.what, value: (m) => w.step(m.step) },
		{ id: "node", title: w.node, value: (m) => `${m.node ?? ""}${m.to ? " → " + m.to : ""}` },
		{ id: "token", title: w.token, number: true, value: (m) => m.token },
		{ id: "why", title: w.because, value: (m) => m.why ?? "", cell: (m) => w.reasonOf(m.code, m.why ?? "") },
	];
	return html`<h2 class="page">${w.worker} ${name} <${StateOf} x=${x} /></h2>
		<p class="row"><button disabled=${!may()} onClick=${() => operations.restartWorker(x)}>${w.restart}</button><${Move} x=${x} nodes=${e?.nodes ?? []} /></p>
		<div class="columns"><section class="card"><dl>
			<dt>${w.task}</dt><dd><${TaskName} name=${x.task} /></dd>
			<dt>${w.node}</dt><dd>${x.node ? html`<a href=${href(["node", x.node])}>${x.node}</a>` : w.nowhere}</dd>
			<dt>${w.token}</dt><dd>${x.token}</dd><dt>${w.since}</dt><dd>${clock(x.since)}</dd><dt>${w.restarts}</dt><dd>${x.restarts}</dd>
			${x.error && html`<dt>${w.error}</dt><dd class="bad">${x.error}</dd>`}</dl></section>
			<section class="card"><h3>${w.why}</h3><p id="why">${e?.here ?? failure ?? w.loading}</p></section></div>
		<h3>${w.log}</h3><${Log} x=${x} had=${history.find((m) => m.step === "grant")?.node} />
		<h3>${w.whyNot}</h3><${Table} name=${w.whyNot} id="n." rows=${(e?.nodes ?? []).filter((n) => !n.here)} columns=${candidates} of=${(/** @type {Candidate} */ n) => n.node} empty=${e || failure ? w.noNodes : w.loading} />
		<h3>${w.how}</h3><${Table} name=${w.how} id="h." rows=${history} columns=${steps} of=${(/** @type {{ id: string }} */ m) => m.id} empty=${e || failure ? w.nothing : w.loading} />
		<${Stack} x=${x} />`;
};
