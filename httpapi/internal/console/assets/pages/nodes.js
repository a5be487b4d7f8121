// All nodes, with the operations on them.
import { html } from "../html.js";
import { live, may } from "../cluster.js";
import { href } from "../route.js";
import { Load, marks } from "../picture.js";
import { Table } from "../table.js";
import { words } from "../words.js";
import * as operations from "../operations.js";

/** @import { NodeInfo as Node } from "../../types" */

export const labelled = (/** @type {Record<string, string> | undefined} */ labels) => Object.entries(labels ?? {}).map(([k, v]) => `${k}=${v}`).sort();

/** losing returns the address of the page that shows what would happen without a node. */
export const losing = (/** @type {string} */ node) => href(["plan"], { operations: JSON.stringify([{ kind: "lose", node }]) });

/** NodeActions are the buttons of a node. */
export const NodeActions = (/** @type {{ n: Node, all?: boolean }} */ { n, all }) => {
	const w = words.value;
	return html`<span class="row">
		${n.cordoned || n.drain || n.quarantine ? html`<button disabled=${!may()} onClick=${() => operations.uncordon(n)}>${w.uncordon}</button>` : html`<button disabled=${!may()} onClick=${() => operations.cordon(n)}>${w.cordon}</button>`}
		${!n.drain && html`<button disabled=${!may()} onClick=${() => operations.drain(n)}>${w.drain}</button>`}
		<a class="button" href=${losing(n.name)}>${w.whatIf}</a>
		${all && html`<button disabled=${!may()} onClick=${() => operations.restartNode(n)}>${w.restart}</button>
			${n.leader && html`<button disabled=${!may("admin")} onClick=${() => operations.stepDown(n.name)}>${w.stepDown}</button>`}
			<button class="danger" disabled=${!may("admin")} onClick=${() => operations.evict(n)}>${w.evict}</button>`}
	</span>`;
};

/** Drain shows the progress of a drain. */
export const Drain = (/** @type {{ n: Node }} */ { n }) => {
	const w = words.value, d = n.drain;
	if (!d) return null;
	const text = d.left === 0 ? w.drained : w.draining(d.left, d.from);
	return html`<span class="drain"><progress value=${d.from - d.left} max=${Math.max(1, d.from)} aria-label=${text}></progress> ${text}</span>`;
};

export const Nodes = () => {
	const w = words.value, p = /** @type {import("../placement.js").Placement} */ (live.value);
	void p.version.value;
	const rows = [...p.nodes, ...p.lost], most = Math.max(1, ...p.nodes.map((n) => n.load));
	/** @type {import("../table.js").Column<Node>[]} */
	const columns = [
		{ id: "name", title: w.node, value: (n) => n.name, cell: (n) => html`<a href=${href(["node", n.name])}>${n.name}</a>${n.leader && html` <span class="badge leader">${w.leads}</span>`}` },
		{ id: "state", title: w.state_, value: (n) => [w.nodeState(n.state), ...marks(w, n)].join(" "), cell: (n) => (n.drain ? html`<${Drain} n=${n} />` : [w.nodeState(n.state), ...marks(w, n).filter((m) => m !== w.nodeState(n.state))].join(", ")) },
		{ id: "load", title: w.capacity, number: true, value: (n) => n.load, cell: (n) => html`<${Load} n=${n} most=${most} />` },
		{ id: "slots", title: w.workers, number: true, value: (n) => n.slots },
		{ id: "labels", title: w.labels, value: (n) => labelled(n.labels).join(" ") },
		{ id: "works", title: w.works, value: (n) => (n.works ?? []).join(" ") },
		{ id: "version", title: w.version, value: (n) => n.version ?? "" },
		{ id: "address", title: w.address, value: (n) => n.address },
		{ id: "do", title: w.actions, value: () => undefined, cell: (n) => p.nodes.includes(n) && html`<${NodeActions} n=${n} />` },
	];
	return html`<h2 class="page">${w.nodes}</h2><${Table} name=${w.nodes} rows=${rows} columns=${columns} of=${(/** @type {Node} */ n) => n.member} empty=${w.noNodes} sort="name" />`;
};
