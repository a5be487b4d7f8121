// One node: its workers, its works and labels, its lease, and its events.
import { useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { events, live, may } from "../cluster.js";
import { useFetched, useTick } from "../fetched.js";
import { part } from "../api.js";
import { Load } from "../picture.js";
import { words } from "../words.js";
import { EventList } from "./timeline.js";
import { Drain, labelled, NodeActions } from "./nodes.js";
import { WorkerList } from "./workers.js";
import * as operations from "../operations.js";

/** @import { Lease, NodeInfo as Info } from "../../types" */
/** @import { Placement } from "../placement.js" */

const leaseEvery = 2000; // milliseconds between two fetches of the lease

const LeaseOf = (/** @type {{ n: Info }} */ { n }) => {
	const w = words.value;
	useTick(leaseEvery);
	const { value, failure } = /** @type {{ value?: Lease, failure?: string }} */ (useFetched(`nodes/${part(n.name)}/lease`, [Math.floor(performance.now() / leaseEvery)], leaseEvery));
	if (failure) return html`<span class="faint">${w.leaseUnknown}${failure}</span>`;
	if (!value) return html`<span class="faint">…</span>`;
	if (!value.valid) return html`<span class="state stuck">${w.leaseOver}</span>`;
	return html`<meter min="0" max=${value.durationMs} low=${value.durationMs / 4} value=${value.leftMs} aria-label=${w.lease}></meter> ${w.leaseLeft(seconds(value.leftMs), seconds(value.durationMs))}`;
};

const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(1)} s`;

const Label = (/** @type {{ n: Info }} */ { n }) => {
	const w = words.value;
	const [text, setText] = useState("");
	const submit = (/** @type {any} */ e) => {
		e.preventDefault();
		const at = text.indexOf("=");
		operations.label(n, { [at < 0 ? text : text.slice(0, at)]: at < 0 ? "" : text.slice(at + 1) });
		setText("");
	};
	return html`<form class="row" onSubmit=${submit}><input required pattern="[^=]+=.*|[^=]+" placeholder="zone=a" aria-label=${w.addLabel} value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)} /><button disabled=${!may("admin")}>${w.addLabel}</button></form>`;
};

export const Node = (/** @type {{ name: string }} */ { name }) => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	void p.version.value;
	const n = p.node(name), lost = p.lost.find((l) => l.name === name), one = n ?? lost;
	if (!one) return html`<p class="empty">${w.noSuchNode(name)}</p>`;
	const most = Math.max(1, ...p.nodes.map((x) => x.load));
	return html`<h2 class="page">${w.node} ${name} ${one.leader && html`<span class="badge leader">${w.leads}</span>`} ${!n && html`<span class="badge bad">${w.nodeState(one.state)}</span>`}</h2>
		${n && html`<p class="row"><${NodeActions} n=${n} all /></p>`}
		<div class="columns"><section class="card"><dl>
			<dt>${w.state_}</dt><dd>${w.nodeState(one.state)}${one.cordoned ? ", " + w.cordoned : ""}${one.quarantine ? `, ${w.quarantined}: ${one.quarantine}` : ""} <${Drain} n=${one} /></dd>
			<dt>${w.capacity}</dt><dd><${Load} n=${one} most=${most} /></dd>
			${n && html`<dt>${w.lease}</dt><dd><${LeaseOf} n=${n} /></dd>`}
			<dt>${w.labels}</dt><dd>${labelled(one.labels).map((l) => html`<span class="badge" key=${l}>${l}</span> `)}${n && html`<${Label} n=${n} />`}</dd>
			<dt>${w.works}</dt><dd>${(one.works ?? []).map((x) => html`<span class="badge" key=${x}>${x}</span> `)}</dd>
			<dt>${w.address}</dt><dd>${one.address}</dd>
			<dt>${w.process}</dt><dd>${one.host} · ${one.pid}</dd>
			${one.version && html`<dt>${w.version}</dt><dd>${one.version}</dd>`}</dl></section></div>
		<h3>${w.workers}</h3><${WorkerList} rows=${p.slots(one.member)} />
		<h3>${w.timeline}</h3><${EventList} rows=${events.value.filter((e) => e.node === name)} id="e." />`;
};
