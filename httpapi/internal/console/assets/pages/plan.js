// What a change would do, before it is made.
import { useEffect, useMemo, useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live, may } from "../cluster.js";
import { act } from "../act.js";
import { request } from "../api.js";
import { slotOf } from "../placement.js";
import { Picture, workerPage } from "../picture.js";
import { choose, place } from "../route.js";
import { Table } from "../table.js";
import { say } from "../words.js";

/** @import { Change, Plan as Planned, PlannedMove } from "../../types" */
/** @import { Ghosts } from "../picture.js" */
/** @import { Placement } from "../placement.js" */

/** usePlan asks what a change would do, again when the change is different or ask is. */
export const usePlan = (/** @type {Change | null} */ change, /** @type {unknown[]} */ on) => {
	const [told, tell] = useState(/** @type {{ plan?: Planned, failure?: Error }} */ ({}));
	const text = JSON.stringify(change);
	useEffect(() => {
		if (!change) {
			tell({});
			return undefined;
		}
		const ending = new AbortController();
		const timer = setTimeout(async () => {
			try {
				tell({ plan: await request("POST", "plan", change, { signal: ending.signal }) });
			} catch (e) {
				if (!ending.signal.aborted) tell({ failure: e instanceof Error ? e : new Error(String(e)) });
			}
		}, 200);
		return () => {
			clearTimeout(timer);
			ending.abort();
		};
	}, [text, ...on]);
	return told;
};

/** ghostsOf turns a plan into what a picture shows of it. @returns {Ghosts} */
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

/** Effect tells what a plan would do. */
export const Effect = (/** @type {{ plan: Planned }} */ { plan }) => {
	const w = say.value, quiet = plan.moves.length + plan.starts.length + plan.stops.length + plan.restarts.length === 0;
	return html`<div class="effect" id="effect" role="status">
		<p>${quiet ? w.noEffect : html`<strong>${[plan.moves.length > 0 && w.planMoves(plan.moves.length), plan.starts.length > 0 && w.planStarts(plan.starts.length), plan.stops.length > 0 && w.planStops(plan.stops.length)].filter(Boolean).join(", ")}</strong>`}
			${" "}<span title=${w.skewHint}>${w.skew(number(plan.before.skew), number(plan.after.skew))}</span> <span class="faint">(${w.nodeLoad(number(plan.after.least), number(plan.after.most), number(plan.after.mean))})</span></p>
		${plan.restarts.map((r) => html`<p class="bad" key=${r.task}>${w.planRestarts(r.workers, r.task, r.gap)}</p>`)}
		${(plan.reverts ?? []).map((r) => html`<p class="bad" key=${r.task}>${w.planReverts(r.task, r.code)}</p>`)}
		${plan.unplaced.map((u) => html`<p class="bad" key=${u.task}>${w.planUnplaced(u.slots, u.task, w.reasonOf(u.code, u.reason))}</p>`)}</div>`;
};

/** @type {Record<string, "task" | "node">} */
const kinds = { scale: "task", pause: "task", resume: "task", delete: "task", cordon: "node", uncordon: "node", drain: "node", lose: "node" };

/** parts lists what a change consists of. */
const parts = (/** @type {Change} */ c) => Object.entries(/** @type {Record<string, any>} */ (c)).flatMap(([kind, v]) => (kind === "scale" ? Object.entries(v).map(([t, n]) => ({ kind, of: t, text: `${t} = ${n}` })) : kind === "tasks" ? v.map((/** @type {{ name: string }} */ t) => ({ kind, of: t.name, text: t.name })) : (Array.isArray(v) ? v : []).map((/** @type {string} */ of) => ({ kind, of, text: of }))));

/** without returns a change with one part less. @returns {Change} */
const without = (/** @type {any} */ c, /** @type {string} */ kind, /** @type {string} */ of) => {
	const left = kind === "scale" ? Object.fromEntries(Object.entries(c.scale).filter(([t]) => t !== of)) : kind === "tasks" ? c.tasks.filter((/** @type {any} */ t) => t.name !== of) : c[kind].filter((/** @type {string} */ x) => x !== of);
	const { [kind]: _, ...rest } = c;
	return (Array.isArray(left) ? left.length : Object.keys(left).length) > 0 ? { ...rest, [kind]: left } : rest;
};

const Builder = (/** @type {{ p: Placement, change: any, set: (c: any) => void }} */ { p, change, set }) => {
	const w = say.value;
	const [kind, setKind] = useState("scale"), [of, setOf] = useState(""), [count, setCount] = useState("");
	const names = kinds[kind] === "task" ? p.tasks.map((t) => t.name) : p.nodes.map((n) => n.name);
	const add = (/** @type {any} */ e) => {
		e.preventDefault();
		set(kind === "scale" ? { ...change, scale: { ...change.scale, [of]: Number(count) } } : { ...change, [kind]: [...new Set([...(change[kind] ?? []), of])] });
		setOf("");
		setCount("");
	};
	return html`<form class="row" id="builder" onSubmit=${add}>
		<select aria-label=${w.change} value=${kind} onChange=${(/** @type {any} */ e) => { setKind(e.target.value); setOf(""); }}>${Object.keys(kinds).map((k) => html`<option key=${k} value=${k}>${w.kinds[k]}</option>`)}</select>
		<select required aria-label=${kinds[kind] === "task" ? w.task : w.node} value=${of} onChange=${(/** @type {any} */ e) => setOf(e.target.value)}><option value="">…</option>${names.map((x) => html`<option key=${x} value=${x}>${x}</option>`)}</select>
		${kind === "scale" && html`<input class="count" type="number" required min="0" max="100000" aria-label=${w.workerCount} value=${count} placeholder=${p.task(of)?.workerNum ?? ""} onInput=${(/** @type {any} */ e) => setCount(e.target.value)} />`}
		<button>${w.add}</button></form>`;
};

/** changeIn reads a change from the address. @returns {Change} */
const changeIn = (/** @type {string | null} */ text) => {
	try {
		const c = JSON.parse(text ?? "{}");
		return c && typeof c === "object" && !Array.isArray(c) ? c : {};
	} catch {
		return {};
	}
};

export const Plan = () => {
	const w = say.value, p = /** @type {Placement} */ (live.value);
	void p.version.value;
	const text = place.value.query.get("change"), change = useMemo(() => changeIn(text), [text]);
	const set = (/** @type {Change} */ c) => choose({ change: Object.keys(c).length > 0 ? JSON.stringify(c) : "" });
	const [round, again] = useState(0);
	const list = parts(change);
	const { plan, failure } = usePlan(list.length > 0 ? change : null, [round]);
	const ghosts = useMemo(() => (plan ? ghostsOf(plan) : undefined), [plan]);
	const canApply = !("lose" in change || "labels" in change);
	const allowed = may(change.tasks || change.delete ? "admin" : "operate");
	const apply = async () => {
		if (!plan) return;
		const hits = [plan.moves.length > 0 && w.moves(plan.moves.length), plan.stops.length > 0 && w.stops(plan.stops.length), ...(plan.reverts ?? []).map((r) => w.planReverts(r.task, r.code)), ...plan.unplaced.map((u) => w.planUnplaced(u.slots, u.task, u.reason))].filter((x) => x !== false);
		if (await act({ path: "plan/apply", body: { revision: plan.revision, change }, ask: { text: w.sureApply, hits, yes: w.apply } })) set({});
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
		<${Builder} p=${p} change=${change} set=${set} />
		<ul class="parts" aria-label=${w.change}>${list.map((c) => html`<li key=${c.kind + c.text} class="badge">${w.kinds[c.kind] ?? c.kind}: ${c.text} <button class="plain" aria-label=${`${w.remove}: ${c.text}`} onClick=${() => set(without(change, c.kind, c.of))}>✕</button></li>`)}</ul>
		${failure && html`<p class="banner bad" role="alert">${failure.message}</p>`}
		${list.length > 0 && !plan && !failure && html`<p class="empty">${w.loading}</p>`}
		${plan && html`<${Effect} plan=${plan} />
			<p class="row"><button class="main" id="apply" disabled=${!allowed || !canApply} title=${canApply ? "" : w.cannotApply} onClick=${apply}>${w.apply}</button><button onClick=${() => again((n) => n + 1)}>${w.planAgain}</button>${!canApply && html`<span class="faint">${w.cannotApply}</span>`}</p>
			<${Picture} p=${p} ghosts=${ghosts} />
			<${Table} name=${w.planMoves(plan.moves.length)} rows=${plan.moves} columns=${columns} of=${(/** @type {PlannedMove} */ m) => m.slot} empty=${w.noEffect} sort="slot" />`}`;
};
