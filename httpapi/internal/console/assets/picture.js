// The picture of the fleet: a card for each node, with a tile for each of its slots. When a slot changes its node, its tile
// flies there.
import { Component } from "./vendor/preact.mjs";
import { useEffect, useLayoutEffect, useMemo, useRef } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { bounds, compareText, key, palette } from "./placement.js";
import { departed, live, watch } from "./cluster.js";
import { HeatMap } from "./heatmap.js";
import { choose, href, place } from "./route.js";
import { words } from "./words.js";

/** @import { NodeInfo as Node, WorkerInfo as Worker } from "../types" */
/** @import { Placement } from "./placement.js" */
/** @import { Words } from "./words.js" */

/**
 * Ghosts are what a plan would change: which slots would leave, and where they would arrive.
 * @typedef {{ leave: Map<string, string>, arrive: Map<string, { key: string, task: string, from: string }[]> }} Ghosts
 */
/** @typedef {{ name: string, node?: Node, lost: Node[], gone: boolean, labels?: Record<string, string> }} Place */

const flight = 900; // milliseconds
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** workerPage returns the address of a worker's page. */
export const workerPage = (/** @type {{ task: string, run?: string, index: number }} */ x) => href(["worker", x.task, String(x.index)], { run: x.run });

/** places returns the nodes to draw, by name: the live ones, the lost ones, and those that have just left. */
export const places = (/** @type {Placement} */ p, /** @type {boolean} */ now) => {
	if (p.lost.length === 0 && (!now || departed.value.length === 0)) return p.nodes.map((n) => ({ name: n.name, node: n, lost: [], gone: false })); // in order
	/** @type {Map<string, Place>} */ const all = new Map();
	const at = (/** @type {string} */ name) => all.get(name) ?? all.set(name, { name, lost: [], gone: false }).get(name);
	for (const n of p.nodes) /** @type {Place} */ (at(n.name)).node = n;
	for (const n of p.lost) at(n.name)?.lost.push(n);
	if (now) for (const d of departed.value) if (!all.has(d.name)) Object.assign(/** @type {Place} */ (at(d.name)), { gone: true, labels: d.labels });
	return [...all.values()].sort((a, b) => compareText(a.name, b.name));
};

/** labelsOf returns the labels by which nodes can be grouped. */
export const labelsOf = (/** @type {Placement} */ p) => {
	/** @type {Map<string, Map<string, number>>} */ const seen = new Map();
	for (const n of p.nodes) for (const [k, v] of Object.entries(n.labels ?? {})) {
		const values = seen.get(k) ?? new Map();
		seen.set(k, values.set(v, (values.get(v) ?? 0) + 1));
	}
	return [...seen].filter(([, values]) => values.size > 1 && [...values.values()].some((n) => n > 1)).map(([k]) => k).sort(compareText);
};

/** grouped puts places with the same value of a label together. @returns {[string, Place[]][]} */
export const grouped = (/** @type {Place[]} */ list, /** @type {string} */ label) => {
	if (!label) return [["", list]];
	/** @type {Map<string, Place[]>} */ const groups = new Map();
	for (const one of list) {
		const value = (one.node ?? one.lost[0] ?? one).labels?.[label] ?? "";
		groups.set(value, [...(groups.get(value) ?? []), one]);
	}
	return [...groups].sort(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : compareText(a, b)));
};

/** @typedef {{ x: Worker, names: boolean, to?: string, dim: boolean, track: (k: string, el: HTMLElement | null) => void }} TileProps */
const Tile = (/** @type {TileProps} */ { x, names, to, dim, track }) => {
	const w = words.value, k = key(x);
	const text = `${k}: ${w.state(x.state)}${x.node ? ", " + x.node : ""}${to === undefined ? "" : `, ${w.wouldGo(to)}`}${x.error ? ", " + x.error : ""}`;
	return html`<li ref=${(/** @type {any} */ el) => track(k, el)} data-slot=${k} data-node=${x.node}>
		<a class=${`slot ${x.state}${to === undefined ? "" : " leaving"}${dim ? " dim" : ""}`} href=${workerPage(x)} style=${{ "--task": palette.of(x.task) }} title=${text} aria-label=${text}>${names ? k : ""}</a></li>`;
};

const Ghost = (/** @type {{ g: { key: string, task: string, from: string }, names: boolean }} */ { g, names }) =>
	html`<li data-ghost=${g.key} title=${words.value.wouldCome(g.key, g.from)}><span class="slot ghost" style=${{ "--task": palette.of(g.task) }} role="img" aria-label=${words.value.wouldCome(g.key, g.from)}>${names ? g.key : ""}</span></li>`;

/** Card draws one node. It renders again only when something of the node has changed. */
/** @extends {Component<any>} */
class Card extends Component {
	/** @param {any} next */
	shouldComponentUpdate(next) {
		const now = /** @type {any} */ (this.props);
		return !same(next.one, now.one) || ["rev", "p", "names", "task", "ghosts", "most", "words", "leads"].some((f) => next[f] !== now[f]);
	}

	render() {
		const { one, p, names, task, ghosts, most, track, words: w, leads } = /** @type {any} */ (this.props);
		/** @type {Place} */ const { name, node: n, lost, gone } = one;
		const tile = (/** @type {Worker} */ x) => html`<${Tile} key=${key(x)} x=${x} names=${names} to=${ghosts?.leave.get(key(x))} dim=${task !== "" && task !== x.task} track=${track} />`;
		const slots = [...lost.flatMap((/** @type {Node} */ l) => p.slots(l.member)), ...(n ? p.slots(n.member) : [])];
		const arrive = ghosts?.arrive.get(name) ?? [];
		return html`<section class=${"card node" + (n ? "" : " lost")} data-card=${name} aria-label=${name}>
			<h2><a href=${href(["node", name])}>${name}</a>${leads && html`<span class="badge leader">${w.leads}</span>`}
				${n ? marks(w, n).map((m) => html`<span class="badge">${m}</span>`) : html`<span class="badge bad">${gone ? w.gone : w.nodeState(lost[0]?.state ?? "lost")}</span>`}</h2>
			${n && html`<${Load} n=${n} most=${most} />`}
			<ul class=${"slots" + (names ? "" : " dots")}>${slots.map(tile)}${arrive.map((/** @type {any} */ g) => html`<${Ghost} key=${"ghost " + g.key} g=${g} names=${names} />`)}</ul>
		</section>`;
	}
}

const same = (/** @type {Place} */ a, /** @type {Place} */ b) => a.name === b.name && a.node === b.node && a.gone === b.gone && a.lost.length === b.lost.length && a.lost.every((n, i) => n === b.lost[i]);

/** marks returns what is special about a node, in words. */
export const marks = (/** @type {Words} */ w, /** @type {Node} */ n) => {
	const out = [];
	if (n.state !== "up") out.push(w.nodeState(n.state));
	if (n.drain) out.push(n.drain.left === 0 ? w.drained : w.draining(n.drain.left, n.drain.from));
	else if (n.cordoned) out.push(w.cordoned);
	if (n.quarantine) out.push(w.quarantined);
	return out;
};

/** Load shows how full a node is, compared with its capacity or, if it has none, with the fullest node. */
export const Load = (/** @type {{ n: Node, most: number }} */ { n, most }) => {
	const w = words.value, of = n.capacity || most, share = of > 0 ? Math.min(1, n.load / of) : 0;
	const text = n.capacity ? w.loadOf(n.load, n.capacity) : w.load(n.load);
	return html`<div class="load" role="meter" aria-label=${text} aria-valuenow=${n.load} aria-valuemin="0" aria-valuemax=${Math.max(of, n.load, 1)} title=${text}>
		<span class="bar"><span class=${n.capacity && n.load >= n.capacity ? "full" : ""} style=${{ width: `${share * 100}%` }}></span></span><span class="faint">${n.capacity ? `${n.load} / ${n.capacity}` : n.load}</span></div>`;
};

/**
 * Picture draws a placement: the live one, a past one, or one with the changes of a plan.
 * @param {{ p: Placement, ghosts?: Ghosts }} props
 */
export const Picture = ({ p, ghosts }) => {
	const w = words.value, now = p === live.value;
	void p.version.value; // renders again with every change
	const query = place.value.query, labels = useMemo(() => labelsOf(p), [p, p.nodes]);
	const label = query.has("group") ? (query.get("group") ?? "") : labels.includes("zone") ? "zone" : "";
	const task = query.get("task") ?? "";
	const list = useMemo(() => places(p, now), [p, p.nodes, p.lost, now && departed.value]);
	const groups = useMemo(() => grouped(list, label.trim()), [list, label]);
	const controls = html`<div class="row tools">
		<${Legend} p=${p} task=${task} />${p.size() <= bounds.tiles && html`<${Shapes} p=${p} />`}
		<span class="grow"></span>
		${labels.length > 0 && html`<label class="faint">${w.groupBy} <select value=${label} onChange=${(/** @type {any} */ e) => choose({ group: e.target.value === "" ? " " : e.target.value })}>
			<option value="">${w.noGroups}</option>${labels.map((l) => html`<option key=${l} value=${l}>${l}</option>`)}</select></label>`}
	</div>`;
	if (list.length === 0) return html`<p class="empty">${w.noNodes}</p>`;
	return html`${controls}${p.size() > bounds.tiles
		? html`<${HeatMap} p=${p} groups=${groups} label=${label.trim()} task=${task} ghosts=${ghosts} />`
		: html`<${Cards} p=${p} groups=${groups} label=${label.trim()} task=${task} ghosts=${ghosts} waiting=${p.slots("")} />`}`;
};

const legendTasks = 14;

/** Legend names the task of each colour, and highlights a task. */
const Legend = (/** @type {{ p: Placement, task: string }} */ { p, task }) => {
	const w = words.value;
	return html`<ul class="legend" aria-label=${w.tasks}>${p.tasks.slice(0, legendTasks).map((t) => html`<li key=${t.name}>
		<button class=${"plain" + (task === t.name ? " chosen" : "")} aria-pressed=${task === t.name} onClick=${() => choose({ task: task === t.name ? "" : t.name })}>
			<span class="swatch" style=${{ background: palette.of(t.name) }}></span>${t.name}</button></li>`)}
		${p.tasks.length > legendTasks && html`<li class="faint">${w.more(p.tasks.length - legendTasks)}</li>`}</ul>`;
};

/** Shapes explains the shapes of tiles, if there are tiles of workers that do not run. */
const Shapes = (/** @type {{ p: Placement }} */ { p }) => {
	const w = words.value;
	/** @type {Map<string, number>} */ const count = new Map();
	for (const x of p.workers.values()) if (x.state !== "running" && x.state !== "done") count.set(x.state, (count.get(x.state) ?? 0) + 1);
	if (count.size === 0) return null;
	return html`<ul class="legend" aria-label=${w.state_}>${[...count].sort().map(([state, n]) => html`<li key=${state} class="faint shape"><span class=${"slot " + state} aria-hidden="true"></span>${w.state(state)} ${n}</li>`)}</ul>`;
};

/** @typedef {{ p: Placement, groups: [string, Place[]][], label: string, task: string, ghosts?: Ghosts }} Drawn */

const Cards = (/** @type {Drawn & { waiting: Worker[] }} */ { p, groups, label, task, ghosts, waiting }) => {
	const w = words.value;
	const tiles = useRef(/** @type {Map<string, HTMLElement>} */ (new Map())), from = useRef(/** @type {Map<string, DOMRect>} */ (new Map()));
	const drawn = useRef(/** @type {Placement | null} */ (null)), flown = useRef(/** @type {Ghosts | undefined} */ (undefined));
	const track = useRef((/** @type {string} */ k, /** @type {HTMLElement | null} */ el) => {
		if (el) tiles.current.set(k, el);
		else if (!tiles.current.get(k)?.isConnected) tiles.current.delete(k);
	}).current;
	const remember = (/** @type {string} */ k) => {
		const el = tiles.current.get(k);
		if (el?.isConnected) from.current.set(k, el.getBoundingClientRect());
	};
	// Before a change, the tiles that will move are still at their old places.
	useEffect(() => watch((steps) => { for (const s of steps) if (s.before && s.after && s.before.member !== s.after.member) remember(s.key); }), []);
	if (drawn.current && drawn.current !== p) for (const [k, x] of p.workers) if (drawn.current.workers.get(k)?.node !== x.node) remember(k);
	useLayoutEffect(() => {
		for (const [k, old] of from.current) fly(tiles.current.get(k), old);
		from.current.clear();
		drawn.current = p;
		if (ghosts && ghosts !== flown.current) for (const list of ghosts.arrive.values()) for (const g of list) {
			const origin = tiles.current.get(g.key)?.getBoundingClientRect();
			if (origin) fly(document.querySelector(`[data-ghost="${CSS.escape(g.key)}"]`), origin);
		}
		flown.current = ghosts;
	});
	const names = p.size() <= bounds.names;
	const most = Math.max(1, ...p.nodes.map((n) => n.load));
	return html`<div class=${"groups" + (label ? "" : " one")}>${groups.map(([value, list]) => html`<section class="group" key=${value} aria-label=${label ? `${label}=${value}` : w.nodes}>
		${label && html`<h2 class="zone">${value ? `${label}=${value}` : w.without(label)} <span class="faint">${w.count(list.length)}</span></h2>`}
		<div class=${"nodes" + (names ? "" : " small")}>${list.map((one) => html`<${Card} key=${one.name} one=${one} p=${p} rev=${[one.node, ...one.lost].map((n) => (n ? p.group(n.member).rev : 0)).join()} names=${names} task=${task} ghosts=${ghosts} most=${most} track=${track} words=${w} leads=${p.leader === one.name} />`)}</div>
	</section>`)}</div>
	${(waiting.length > 0 || ghosts?.arrive.has("")) && html`<section class="card node nowhere" aria-label=${w.nowhere}><h2>${w.nowhere}</h2>
		<ul class=${"slots" + (names ? "" : " dots")}>${waiting.map((x) => html`<${Tile} key=${key(x)} x=${x} names=${names} to=${ghosts?.leave.get(key(x))} dim=${task !== "" && task !== x.task} track=${track} />`)}
		${(ghosts?.arrive.get("") ?? []).map((g) => html`<${Ghost} key=${"ghost " + g.key} g=${g} names=${names} />`)}</ul></section>`}`;
};

/** fly animates an element from its old place to its present one. */
const fly = (/** @type {Element | null | undefined} */ el, /** @type {DOMRect} */ old) => {
	if (!el || still()) return;
	const box = el.getBoundingClientRect();
	const dx = old.x - box.x, dy = old.y - box.y;
	if (dx || dy) el.animate([{ transform: `translate(${dx}px, ${dy}px)`, zIndex: 3 }, { transform: "none", zIndex: 3 }], { duration: flight, easing: "ease-in-out" });
};
