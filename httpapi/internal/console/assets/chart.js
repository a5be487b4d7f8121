// Line charts over time.
import { useEffect, useRef } from "./vendor/hooks.mjs";
import uPlot from "./vendor/uplot.mjs";
import { html } from "./html.js";
import { dark } from "./theme.js";

/** style returns the present value of a colour variable of the style sheet. A canvas cannot look it up itself. */
export const style = (/** @type {string} */ name) => {
	const probe = document.createElement("i");
	probe.style.color = `var(${name})`;
	document.body.append(probe);
	const color = getComputedStyle(probe).color;
	probe.remove();
	return color;
};

/**
 * options returns the options of a chart. A small one shows its line and nothing else.
 * @param {number} width @param {number} height @param {boolean} small @param {{ label: string, color: string, fill?: boolean }[]} lines @param {string} language
 */
const options = (width, height, small, lines, language) => ({
	width, height, legend: { show: false }, cursor: { show: !small, drag: { setScale: false } },
	scales: { y: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => /** @type {[number, number]} */ ([0, Math.max(1, high * 1.05)]) } },
	axes: small ? [{ show: false }, { show: false }] : [
		{ stroke: style("--faint"), grid: { stroke: style("--line"), width: 1 }, space: 90, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((t) => new Date(t * 1000).toLocaleTimeString(language, { hour12: false })) },
		{ stroke: style("--faint"), grid: { stroke: style("--line"), width: 1 }, size: 50 },
	],
	padding: /** @type {[number, number, number, number]} */ (small ? [2, 0, 2, 0] : [8, 30, 0, 0]),
	series: [{}, ...lines.map((l) => ({ label: l.label, stroke: style(l.color), width: 2, fill: l.fill ? `color-mix(in srgb, ${style(l.color)} 15%, transparent)` : undefined, points: { show: small ? undefined : false, size: 4 }, spanGaps: false }))],
});

/**
 * Chart draws lines over time. The page must state in words beside it what the lines show.
 * @param {{ at: number[], lines: { label: string, color: string, fill?: boolean, values: (number | null)[] }[], height?: number, small?: boolean, language: string, label: string }} props
 */
export const Chart = ({ at, lines, height = 160, small = false, language, label }) => {
	const box = useRef(/** @type {HTMLElement | null} */ (null)), plot = useRef(/** @type {any} */ (null));
	const data = /** @type {any} */ ([at, ...lines.map((l) => l.values)]);
	const latest = useRef(data), redraw = useRef(() => {});
	latest.current = data;
	useEffect(() => {
		const element = /** @type {HTMLElement} */ (box.current);
		const draw = () => {
			plot.current?.destroy();
			plot.current = null;
			if (latest.current[0].length < 2) return; // no line yet
			plot.current = new uPlot(options(Math.max(40, element.clientWidth), height, small, lines, language), latest.current, element);
		};
		redraw.current = draw;
		draw();
		const resized = new ResizeObserver(() => { if (plot.current && Math.abs(plot.current.width - element.clientWidth) > 1) plot.current.setSize({ width: Math.max(40, element.clientWidth), height }); });
		resized.observe(element);
		return () => {
			resized.disconnect();
			plot.current?.destroy();
			plot.current = null;
		};
	}, [small, height, language, dark.value, lines.map((l) => l.label).join()]);
	useEffect(() => (plot.current ? plot.current.setData(data) : redraw.current()));
	return html`<div class="chart" style=${{ height: `${height}px` }} ref=${box} role="img" aria-label=${label}></div>`;
};
