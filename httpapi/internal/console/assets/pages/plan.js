// The plan: what operations would do.
import { useEffect, useMemo, useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live, may } from "../cluster.js";
import { act } from "../act.js";
import { request } from "../api.js";
import { slotOf } from "../placement.js";
import { Picture, workerPage } from "../picture.js";
import { choose, place } from "../route.js";
import { Table } from "../table.js";
import { words } from "../words.js";

/** @import { Operation, Plan as Planned, PlannedMove } from "../../types" */
/** @import { Ghosts } from "../picture.js" */
/** @import { Placement } from "../placement.js" */

/** usePlan plans operations. It plans again when the operations or one of on change. */
export const usePlan = (/** @type {Operation[] | null} */ operations, /** @type {unknown[]} */ on) => {
	const [state, setState] = useState(/** @type {{ plan?: Planned, failure?: Error }} */ ({}));
	const text = JSON.stringify(operations);
	useEffect(() => {
		if (!operations) {
			setState({});
			return undefined;
		}
		const aborter = new AbortController();
		const timer = setTimeout(async () => {
			try {
				setState({ plan: await request("POST", "plan", { operations }, { signal: aborter.signal }) });
			} catch (e) {
				if (!aborter.signal.aborted) setState({ failure: e instanceof Error ? e : new Error(String(e)) });
			}
		}, 200);
		return () => {
			clearTimeout(timer);
			aborter.abort();
		};
	}, [text, ...on]);
	return state;
};

/** ghostsOf converts a plan to what a picture shows of it. @returns {Ghosts} */
export const ghostsOf = (/** @type {Planned} */ plan) => {
	/** @type {Ghosts} */ const out = { leave: new Map(), arrive: new Map() };
	const arrive = (/** @type {string} */ to, /** @type {string} */ slot, /** @type {string} */ from) => {
		if (!out.arrive.has(to)) out.arrive.set(to, []);
		out.arrive.get(to)?.push({ key: slot, task: slotOf(slot).task, from });
	};
	for (const m of plan.moves) {
		out.leave.set(m.slot, m.to);
		arrive(m.to, m.slot, m.from);
	}
	for (const s of plan.starts) arrive(s.to, s.slot, "");
	for (const slot of plan.stops) out.leave.set(slot, "");
	return out;
};

const number = (/** @type {number} */ x) => x.toLocaleString(undefined, { maximumFractionDigits: 2 });

/** Effect describes what a plan would do. */
export const Effect = (/** @type {{ plan: Planned }} */ { plan }) => {
	const w = words.value, quiet = plan.moves.length + plan.starts.length + plan.stops.length + plan.restarts.length === 0;
	return html`<div class="effect" id="effect" role="status">
		<p>${quiet ? w.noEffect : html`<strong>${[plan.moves.length > 0 && w.planMoves(plan.moves.length), plan.starts.length > 0 && w.planStarts(plan.starts.length), plan.stops.length > 0 && w.planStops(plan.stops.length)].filter(Boolean).join(", ")}</strong>`}
			${" "}<span title=${w.skewHint}>${w.skew(number(plan.before.skew), number(plan.after.skew))}</span> <span class="faint">(${w.nodeLoad(number(plan.after.least), number(plan.after.most), number(plan.after.mean))})</span></p>
		${plan.restarts.map((r) => html`<p class="bad" key=${r.task}>${w.planRestarts(r.workers, r.task, r.gap)}</p>`)}
		${(plan.reverts ?? []).map((r) => html`<p class="bad" key=${r.task}>${w.planReverts(r.task, r.code)}</p>`)}
		${plan.unplaced.map((u) => html`<p class="bad" key=${u.task}>${w.planUnplaced(u.slots, u.task, w.reasonOf(u.code, u.reason))}</p>`)}</div>`;
};

/** @type {Partial<Record<Operation["kind"], "task" | "node">>} */
const kinds = { scale: "task", pause: "task", resume: "task", delete: "task", cordon: "node", uncordon: "node", drain: "node", lose: "node" };

/** textOf returns the object of an operation, in words. */
const textOf = (/** @type {Operation} */ o) => (o.kind === "scale" ? `${o.task} = ${o.workers}` : o.task ?? o.node ?? "");

const Builder = (/** @type {{ p: Placement, operations: Operation[], set: (list: Operation[]) => void }} */ { p, operations, set }) => {
	const w = words.value;
	const [kind, setKind] = useState(/** @type {Operation["kind"]} */ ("scale")), [of, setOf] = useState(""), [count, setCount] = useState("");
	const names = kinds[kind] === "task" ? p.tasks.map((t) => t.name) : p.nodes.map((n) => n.name);
	const add = (/** @type {any} */ e) => {
		e.preventDefault();
		/** @type {Operation} */ const one = { kind, [/** @type {string} */ (kinds[kind])]: of, ...(kind === "scale" ? { workers: Number(count) } : {}) };
		set([...operations.filter((o) => o.kind !== kind || o.task !== one.task || o.node !== one.node), one]);
		setOf("");
		setCount("");
	};
	return html`<form class="row" id="builder" onSubmit=${add}>
		<select aria-label=${w.change} value=${kind} onChange=${(/** @type {any} */ e) => { setKind(e.target.value); setOf(""); }}>${Object.keys(kinds).map((k) => html`<option key=${k} value=${k}>${w.kinds[k]}</option>`)}</select>
		<select required aria-label=${kinds[kind] === "task" ? w.task : w.node} value=${of} onChange=${(/** @type {any} */ e) => setOf(e.target.value)}><option value="">…</option>${names.map((x) => html`<option key=${x} value=${x}>${x}</option>`)}</select>
		${kind === "scale" && html`<input class="count" type="number" required min="0" max="100000" aria-label=${w.workerCount} value=${count} placeholder=${p.task(of)?.workerNum ?? ""} onInput=${(/** @type {any} */ e) => setCount(e.target.value)} />`}
		<button>${w.add}</button></form>`;
};

/** operationsIn parses the operations in the address. @returns {Operation[]} */
const operationsIn = (/** @type {string | null} */ text) => {
	try {
		const list = JSON.parse(text ?? "[]");
		return Array.isArray(list) ? list.filter((o) => typeof o?.kind === "string") : [];
	} catch {
		return [];
	}
};

/** The kinds that require the role admin, and those that can only be planned. */
const adminOnly = ["declare", "patch", "delete", "label", "step-down"], planOnly = ["lose", "evict"];

export const Plan = () => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	void p.version.value;
	const text = place.value.query.get("operations"), list = useMemo(() => operationsIn(text), [text]);
	const set = (/** @type {Operation[]} */ next) => choose({ operations: next.length > 0 ? JSON.stringify(next) : "" });
	const [round, again] = useState(0);
	const { plan, failure } = usePlan(list.length > 0 ? list : null, [round]);
	const ghosts = useMemo(() => (plan ? ghostsOf(plan) : undefined), [plan]);
	const canApply = !list.some((o) => planOnly.includes(o.kind));
	const allowed = may(list.some((o) => adminOnly.includes(o.kind)) ? "admin" : "operate");
	const apply = async () => {
		if (!plan) return;
		const hits = [plan.moves.length > 0 && w.moves(plan.moves.length), plan.stops.length > 0 && w.stops(plan.stops.length), ...(plan.reverts ?? []).map((r) => w.planReverts(r.task, r.code)), ...plan.unplaced.map((u) => w.planUnplaced(u.slots, u.task, u.reason))].filter((x) => x !== false);
		if (await act({ path: "plan/apply", body: { revision: plan.revision, operations: list }, ask: { text: w.sureApply, hits, yes: w.apply } })) set([]);
		else again((n) => n + 1);
	};
	/** @type {import("../table.js").Column<PlannedMove>[]} */
	const columns = [
		{ id: "slot", title: w.worker, value: (m) => m.slot, cell: (m) => (p.workers.has(m.slot) ? html`<a href=${workerPage(slotOf(m.slot))}>${m.slot}</a>` : m.slot) },
		{ id: "from", title: w.from, value: (m) => m.from },
		{ id: "to", title: w.to, value: (m) => m.to, cell: (m) => m.to || w.nowhere },
		{ id: "why", title: w.because, value: (m) => m.reason, cell: (m) => w.reasonOf(m.code, m.reason) },
	];
	return html`<h2 class="page">${w.plan}</h2><p class="faint">${w.planHint}</p>
		<${Builder} p=${p} operations=${list} set=${set} />
		<ul class="parts" aria-label=${w.change}>${list.map((o, i) => html`<li key=${o.kind + textOf(o)} class="badge">${w.kinds[o.kind] ?? o.kind}: ${textOf(o)} <button class="plain" aria-label=${`${w.remove}: ${textOf(o)}`} onClick=${() => set(list.filter((_, j) => j !== i))}>✕</button></li>`)}</ul>
		${failure && html`<p class="banner bad" role="alert">${failure.message}</p>`}
		${list.length > 0 && !plan && !failure && html`<p class="empty">${w.loading}</p>`}
		${plan && html`<${Effect} plan=${plan} />
			<p class="row"><button class="main" id="apply" disabled=${!allowed || !canApply} title=${canApply ? "" : w.cannotApply} onClick=${apply}>${w.apply}</button><button onClick=${() => again((n) => n + 1)}>${w.planAgain}</button>${!canApply && html`<span class="faint">${w.cannotApply}</span>`}</p>
			<${Picture} p=${p} ghosts=${ghosts} />
			<${Table} name=${w.planMoves(plan.moves.length)} rows=${plan.moves} columns=${columns} of=${(/** @type {PlannedMove} */ m) => m.slot} empty=${w.noEffect} sort="slot" />`}`;
};
