// Lists of workers.
import { useMemo } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live } from "../cluster.js";
import { useThrottled } from "../fetched.js";
import { bounds, key } from "../placement.js";
import { workerPage } from "../picture.js";
import { href } from "../route.js";
import { Table } from "../table.js";
import { clock, words } from "../words.js";

/** @import { WorkerInfo as Worker } from "../../types" */

/** StateOf shows the state of a worker. */
export const StateOf = (/** @type {{ x: Worker }} */ { x }) => html`<span class=${"state " + x.state}>${words.value.state(x.state)}</span>`;

/** columns returns the columns of a list of workers. @returns {import("../table.js").Column<Worker>[]} */
const columns = (/** @type {boolean} */ withNode) => {
	const w = words.value;
	return [
		{ id: "worker", title: w.worker, value: (x) => key(x), cell: (x) => html`<a href=${workerPage(x)}>${key(x)}</a>` },
		...(withNode ? [{ id: "node", title: w.node, value: (/** @type {Worker} */ x) => x.node, cell: (/** @type {Worker} */ x) => (x.node ? html`<a href=${href(["node", x.node])}>${x.node}</a>` : w.nowhere) }] : []),
		{ id: "state", title: w.state_, value: (x) => w.state(x.state), cell: (x) => html`<${StateOf} x=${x} />` },
		{ id: "since", title: w.since, value: (x) => x.since ?? "", cell: (x) => clock(x.since) },
		{ id: "token", title: w.token, number: true, value: (x) => x.token },
		{ id: "restarts", title: w.restarts, number: true, value: (x) => x.restarts },
		{ id: "error", title: w.error, value: (x) => x.error },
	];
};

/** WorkerList lists workers. @param {{ rows: Worker[], withNode?: boolean, id?: string }} props */
export const WorkerList = ({ rows, withNode = false, id = "" }) => html`<${Table} name=${words.value.workers} id=${id} rows=${rows} columns=${columns(withNode)} of=${key} empty=${words.value.noWorkers} sort="worker" />`;

export const Workers = () => {
	const p = /** @type {import("../placement.js").Placement} */ (live.value);
	const version = useThrottled(p.version.value, p.size() > bounds.tiles ? 2000 : 200);
	const rows = useMemo(() => [...p.workers.values()], [p, version]);
	return html`<h2 class="page">${words.value.workers}</h2><${WorkerList} rows=${rows} withNode />`;
};
