// The picture of a fleet that is too large for names: a block for each node, with a dot for each of its slots. A slot that
// moves flies from block to block.
//
// Blocks are painted into the pixels of one canvas. Only blocks that have changed are painted, and only for a part of each
// frame. What flies is drawn on a second canvas above. So a change costs the same in a fleet of 100,000 slots.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { style } from "./chart.js";
import { live, watch } from "./cluster.js";
import { blockAt, dotAt, head, layout } from "./layout.js";
import { key, palette } from "./placement.js";
import { go, href } from "./route.js";
import { dark } from "./theme.js";
import { words } from "./words.js";

/** @import { Ghosts, Place } from "./picture.js" */
/** @import { Layout } from "./layout.js" */
/** @import { Placement } from "./placement.js" */

const frameBudget = 2; // milliseconds of a frame for painting blocks
const firstBudget = 40; // milliseconds of the first frame
const flight = 900; // milliseconds
const maxFlying = 3000; // slots at a time
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** rgba converts a CSS colour to its pixel value in a canvas. */
const rgba = (() => {
	/** @type {CanvasRenderingContext2D | null} */ let context = null;
	/** @type {Map<string, number>} */ const known = new Map();
	return (/** @type {string} */ color) => {
		const old = known.get(color);
		if (old !== undefined) return old;
		context ??= /** @type {CanvasRenderingContext2D} */ (Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true }));
		context.clearRect(0, 0, 1, 1);
		context.fillStyle = color;
		context.fillRect(0, 0, 1, 1);
		const value = new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
		known.set(color, value);
		return value;
	};
})();

const healthy = new Set(["running"]);
const changing = new Set(["pending", "starting", "stopping"]);

/** @typedef {{ p: Placement, l: Layout, places: Map<string, Place>, task: string, dark: boolean }} Scene */

/** Painter paints the blocks of a placement. It belongs to one canvas. */
class Painter {
	/** @type {Map<string, { rev: number, member?: string }>} what a block showed when it was painted */ #painted = new Map();
	/** @type {string[]} names of blocks to paint */ #due = [];
	/** @type {{ color: number, x0: number, y0: number, x1: number, y1: number, at: number }[]} */ #flying = [];
	/** @type {Map<string, { full: number, half: number }>} */ #colors = new Map();
	#frame = 0;

	/** @param {HTMLCanvasElement} ground @param {HTMLCanvasElement} air */
	constructor(ground, air) {
		this.ground = /** @type {CanvasRenderingContext2D} */ (ground.getContext("2d", { alpha: false }));
		this.air = /** @type {CanvasRenderingContext2D} */ (air.getContext("2d"));
		this.scale = Math.min(2, devicePixelRatio || 1);
		this.above = 0.5; // resolution of this canvas: it is copied to the screen in every frame, and need not be sharp
		this.ready = false;
		/** @type {Scene | null} */ this.scene = null;
		/** @type {ImageData} */ this.image = new ImageData(1, 1);
		this.pixels = new Uint32Array(this.image.data.buffer);
		this.back = this.card = this.bad = this.grey = 0;
	}

	/** set replaces the scene and schedules the blocks that have changed. @param {Scene} scene */
	set(scene) {
		const old = this.scene, { p, l, places } = scene;
		this.scene = scene;
		if (old?.p !== p || old.l !== l || old.task !== scene.task || old.dark !== scene.dark) {
			const scale = Math.max(1, Math.round(this.scale));
			this.scale = scale;
			Object.assign(this.ground.canvas, { width: l.width * scale, height: l.height * scale });
			Object.assign(this.air.canvas, { width: l.width * this.above, height: l.height * this.above });
			this.image = this.ground.createImageData(this.ground.canvas.width, this.ground.canvas.height);
			this.pixels = new Uint32Array(this.image.data.buffer);
			this.back = rgba(style("--back"));
			this.card = rgba(style("--card"));
			this.bad = rgba(style("--bad"));
			this.grey = rgba(style("--line"));
			this.pixels.fill(this.back);
			this.#painted.clear();
			this.#colors.clear();
			this.#flying = [];
			this.whole = true;
		}
		for (const [name, one] of places) {
			let now = one.lost.length + (one.gone ? 0.5 : 0); // the revision of the block: it only grows
			for (const n of one.lost) now += p.group(n.member).rev;
			if (one.node) now += p.group(one.node.member).rev;
			const old = this.#painted.get(name);
			if (!old || old.rev !== now || old.member !== one.node?.member) {
				this.#painted.set(name, { rev: now, member: one.node?.member });
				this.#due.push(name);
			}
		}
		this.#schedule();
	}

	/** fly lets a slot fly from one node to another. */
	fly(/** @type {string} */ task, /** @type {string} */ from, /** @type {string} */ to, /** @type {number} */ at) {
		const l = this.scene?.l, a = l?.blocks.get(from), b = l?.blocks.get(to);
		if (!l || !a || !b || a === b || this.#flying.length >= maxFlying || still()) return;
		const random = (/** @type {number} */ size) => Math.random() * size;
		this.#flying.push({ color: this.#color(task).full, x0: a.x + random(l.wide), y0: a.y + random(l.high), x1: b.x + random(l.wide), y1: b.y + random(l.high), at });
		this.#schedule();
	}

	#schedule() {
		if (!this.#frame) this.#frame = requestAnimationFrame((at) => {
			this.#frame = 0;
			this.#draw(at);
		});
	}

	stop() { cancelAnimationFrame(this.#frame); }

	/** @param {string} task */
	#color(task) {
		let c = this.#colors.get(task);
		if (!c) {
			const chosen = this.scene?.task, full = chosen && chosen !== task ? this.grey : rgba(palette.of(task));
			const half = rgba(`color-mix(in srgb, ${palette.of(task)} 45%, ${style("--card")})`);
			this.#colors.set(task, (c = { full, half }));
		}
		return c;
	}

	#draw(/** @type {number} */ at) {
		if (!this.scene) return;
		const began = performance.now(), { l } = this.scene;
		let top = Infinity, bottom = -1, n = 0;
		while (n < this.#due.length && performance.now() - began < (this.whole ? firstBudget : frameBudget)) {
			const b = l.blocks.get(this.#due[n++]);
			if (!b) continue;
			this.#block(this.scene, b);
			top = Math.min(top, b.y);
			bottom = Math.max(bottom, b.y + l.high);
		}
		this.#due.splice(0, n);
		const image = this.image;
		if (this.whole) this.ground.putImageData(image, 0, 0);
		else if (bottom > 0) this.ground.putImageData(image, 0, 0, 0, top * this.scale, image.width, (bottom - top) * this.scale);
		this.whole = false;
		this.#fly(l, at);
		if (this.#due.length === 0 && !this.ready) {
			this.ready = true;
			performance.mark("painted"); // for measurements
		}
		if (this.#due.length > 0 || this.#flying.length > 0) this.#schedule();
	}

	/** @param {Scene} scene @param {import("./layout.js").Block} b */
	#block({ p, l, places }, b) {
		const one = places.get(b.name);
		if (!one) return;
		this.#fill(b.x, b.y, l.wide, l.high, one.node ? this.card : this.back, 0);
		const capacity = l.columns * l.rows;
		let i = 0;
		for (const n of [...one.lost, ...(one.node ? [one.node] : [])]) {
			for (const x of p.group(n.member).slots.values()) {
				if (x.state === "done") continue;
				if (i >= capacity) return;
				const c = this.#color(x.task);
				const color = n !== one.node ? c.half : healthy.has(x.state) ? c.full : changing.has(x.state) ? c.half : this.bad;
				this.#fill(b.x + (i % l.columns) * l.dot, b.y + Math.floor(i / l.columns) * l.dot, l.dot, l.dot, color, l.dot > 3 ? 1 : 0);
				i++;
			}
		}
	}

	/** @param {number} x @param {number} y @param {number} w @param {number} h @param {number} color @param {number} inset */
	#fill(x, y, w, h, color, inset) {
		const s = this.scale, width = this.image.width, pixels = this.pixels;
		const x0 = x * s, x1 = Math.min(width, (x + w - inset) * s), y1 = (y + h - inset) * s;
		for (let row = y * s; row < y1; row++) pixels.fill(color, row * width + x0, row * width + x1);
	}

	/** @param {Layout} l @param {number} at */
	#fly(l, at) {
		const a = this.air, s = this.above;
		if (this.wasFlying) a.clearRect(0, 0, a.canvas.width, a.canvas.height);
		this.#flying = this.#flying.filter((f) => at - f.at < flight);
		this.wasFlying = this.#flying.length > 0 || !!this.lines;
		this.#drawLines(l);
		const size = Math.max(3, l.dot) * s;
		/** @type {number | undefined} */ let color;
		for (const f of this.#flying) {
			if (f.color !== color) a.fillStyle = css((color = f.color));
			const t = Math.max(0, (at - f.at) / flight), ease = t < 0.5 ? 2 * t * t : 1 - 2 * (1 - t) * (1 - t);
			a.fillRect((f.x0 + (f.x1 - f.x0) * ease) * s, (f.y0 + (f.y1 - f.y0) * ease) * s, size, size);
		}
	}

	/** plan draws a line for each slot that would move. */
	plan(/** @type {Ghosts | undefined} */ ghosts) {
		this.lines = ghosts && [...ghosts.arrive].flatMap(([to, list]) => list.map((g) => ({ task: g.task, from: g.from, to }))).slice(0, maxFlying);
		this.wasFlying = true;
		if (this.lines) for (const g of this.lines) this.fly(g.task, g.from, g.to, performance.now());
		this.#schedule();
	}

	#drawLines(/** @type {Layout} */ l) {
		const a = this.air, s = this.above;
		a.lineWidth = s;
		a.globalAlpha = 0.5;
		for (const g of this.lines ?? []) {
			const from = l.blocks.get(g.from), to = l.blocks.get(g.to);
			if (!from || !to) continue;
			a.strokeStyle = palette.of(g.task);
			a.beginPath();
			a.moveTo((from.x + l.wide / 2) * s, (from.y + l.high / 2) * s);
			a.lineTo((to.x + l.wide / 2) * s, (to.y + l.high / 2) * s);
			a.stroke();
		}
		a.globalAlpha = 1;
	}
}

const css = (/** @type {number} */ c) => `rgb(${c & 255} ${(c >> 8) & 255} ${(c >> 16) & 255})`;

/**
 * HeatMap draws a placement that has too many slots for tiles.
 * @param {{ p: Placement, groups: [string, Place[]][], label: string, task: string, ghosts?: Ghosts }} props
 */
export const HeatMap = ({ p, groups, label, task, ghosts }) => {
	const w = words.value, box = useRef(/** @type {HTMLElement | null} */ (null)), ground = useRef(/** @type {any} */ (null)), air = useRef(/** @type {any} */ (null));
	const painter = useRef(/** @type {Painter | null} */ (null)), kept = useRef(/** @type {{ layout: Layout, of: string } | null} */ (null));
	const [width, setWidth] = useState(0);
	const [pointed, point] = useState(/** @type {{ name: string, slot: string, x: number, y: number } | null} */ (null));
	void dark.value;
	useLayoutEffect(() => {
		const element = /** @type {HTMLElement} */ (box.current);
		setWidth(element.clientWidth);
		const resized = new ResizeObserver(() => setWidth(element.clientWidth));
		resized.observe(element);
		painter.current = new Painter(ground.current, air.current);
		return () => {
			resized.disconnect();
			painter.current?.stop();
		};
	}, []);
	useEffect(() => watch((steps) => {
		if (p !== live.value) return;
		const at = performance.now();
		for (const { before, after } of steps) if (before && after && before.node !== after.node && before.node && after.node) painter.current?.fly(after.task, before.node, after.node, at);
	}), [p]);
	const places = useMemo(() => groups.flatMap(([, list]) => list), [groups]), byName = useMemo(() => new Map(places.map((one) => [one.name, one])), [places]);
	const names = useMemo(() => groups.map(([value, list]) => value + list.map((one) => one.name).join()).join("|"), [groups]);
	let most = 1;
	for (const one of places) most = Math.max(most, [one.node, ...one.lost].reduce((sum, n) => sum + (n ? p.group(n.member).slots.size : 0), 0));
	const capacity = Math.max(kept.current?.layout.columns ?? 0, 1) * (kept.current?.layout.rows ?? 0);
	const of = [width, innerHeight, label, names].join(" ");
	// Blocks that have grown a little stay where they are: a picture that jumps cannot be read.
	if (width > 0 && (!kept.current || kept.current.of !== of || most > capacity || most < capacity / 3)) {
		kept.current = { layout: layout(groups, Math.ceil(most * 1.15), width, Math.max(300, innerHeight * 0.72), label !== ""), of };
	}
	const l = kept.current?.layout;
	useLayoutEffect(() => { if (l) painter.current?.set({ p, l, places: byName, task, dark: dark.value }); });
	useEffect(() => painter.current?.plan(ghosts), [ghosts, l]);
	const seek = (/** @type {any} */ e) => {
		if (!l) return;
		const area = /** @type {HTMLElement} */ (ground.current).getBoundingClientRect(), x = e.clientX - area.x, y = e.clientY - area.y;
		const b = blockAt(l, x, y);
		const one = places.find((o) => o.name === b?.name);
		const slots = one ? [...one.lost, ...(one.node ? [one.node] : [])].flatMap((n) => [...p.group(n.member).slots.values()].filter((x) => x.state !== "done")) : [];
		const slot = b && slots[dotAt(l, b, x, y)];
		point(b ? { name: b.name, slot: slot ? `${key(slot)}: ${w.state(slot.state)}` : "", x: Math.min(x, l.width - 180), y: b.y + l.high + 6 } : null);
	};
	const step = (/** @type {any} */ e) => {
		const offsets = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1, ArrowDown: l?.across ?? 1, ArrowUp: -(l?.across ?? 1) });
		if (e.key === "Enter" && pointed) go(href(["node", pointed.name]));
		if (!(e.key in offsets) || !l) return;
		e.preventDefault();
		const at = places.findIndex((one) => one.name === pointed?.name);
		const b = l.blocks.get(places[at < 0 ? 0 : Math.min(places.length - 1, Math.max(0, at + offsets[e.key]))].name);
		if (b) point({ name: b.name, slot: "", x: Math.min(b.x, l.width - 180), y: b.y + l.high + 6 });
	};
	const nowhere = p.group("").slots.size;
	return html`<div class="heat" ref=${box} tabindex="0" role="application" aria-label=${w.heatMap(places.length, p.size())} onKeyDown=${step} onPointerMove=${seek} onPointerLeave=${() => point(null)} onClick=${() => pointed && go(href(["node", pointed.name]))}>
		<div class="map" style=${{ height: `${l?.height ?? 300}px` }}>
			<canvas ref=${ground} style=${{ width: `${l?.width ?? 0}px`, height: `${l?.height ?? 0}px` }}></canvas><canvas ref=${air} style=${{ width: `${l?.width ?? 0}px`, height: `${l?.height ?? 0}px` }}></canvas>
			${l?.heads.map((h) => html`<span class="zone" key=${h.value} style=${{ left: `${h.x}px`, top: `${h.y}px`, height: `${head}px` }}>${h.value ? `${label}=${h.value}` : w.without(label)} <span class="faint">${w.count(h.count)}</span></span>`)}
			${pointed && l && html`<p class="tip card" role="status" style=${{ left: `${pointed.x}px`, top: `${pointed.y}px` }}><strong>${pointed.name}</strong> <${SlotCount} p=${p} name=${pointed.name} /><br />${pointed.slot}</p>`}
		</div>
		${nowhere > 0 && html`<p class="faint">${w.nowhere}: ${nowhere}</p>`}
		<p class="faint">${w.heatHint} <a href=${href(["nodes"])}>${w.asList}</a></p>
	</div>`;
};

const SlotCount = (/** @type {{ p: Placement, name: string }} */ { p, name }) => {
	const n = p.node(name);
	return html`<span>${n ? words.value.slots(n.slots) : words.value.gone}</span>`;
};
