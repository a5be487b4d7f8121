// The whole fleet at a glance.
import { html } from "../html.js";
import { live } from "../cluster.js";
import { Chart } from "../chart.js";
import { Picture } from "../picture.js";
import { samples } from "../samples.js";
import { language, lasted, words } from "../words.js";

const Spark = (/** @type {{ name: string, value: string, values: (number | null)[], color: string }} */ { name, value, values, color }) => html`<div class="spark card">
	<span class="faint">${name}</span><strong>${value}</strong>
	<${Chart} small height=${36} at=${samples.value.at} lines=${[{ label: name, color, fill: true, values }]} language=${language.value} label=${`${name}: ${value}`} /></div>`;

const final = (/** @type {(number | null)[]} */ list) => list.findLast((v) => v !== null) ?? null;

const Sparklines = () => {
	const w = words.value, s = samples.value, failover = final(s.failover);
	return html`<section class="sparks" aria-label=${w.since_}>
		<${Spark} name=${w.sparkRunning} value=${(s.running.at(-1) ?? 0).toLocaleString(language.value)} values=${s.running} color="--good" />
		<${Spark} name=${w.sparkMoves} value=${s.moves.at(-1) ?? 0} values=${s.moves} color="--accent" />
		<${Spark} name=${w.sparkRestarts} value=${s.restarts.at(-1) ?? 0} values=${s.restarts} color="--warn" />
		<${Spark} name=${w.sparkFailover} value=${failover === null ? w.noFailover : lasted(failover / 1000)} values=${s.failover} color="--bad" />
	</section>`;
};

export const Overview = () => html`<${Sparklines} /><${Picture} p=${live.value} />`;
