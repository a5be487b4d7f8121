// One task: its workers, its runs, what it declares, and the log of the first worker in trouble.
import { useMemo, useRef } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live } from "../cluster.js";
import { useFetched, useThrottled } from "../fetched.js";
import { Chart } from "../chart.js";
import { Log } from "../log.js";
import { workerPage } from "../picture.js";
import { bounds, compareText, key } from "../placement.js";
import { choose, place } from "../route.js";
import { samples, runningOf } from "../samples.js";
import { part } from "../api.js";
import { clock, fieldName, language, words } from "../words.js";
import { Durations, RunList } from "./runs.js";
import { overrides, TaskActions } from "./tasks.js";
import { WorkerList } from "./workers.js";

/** @import { RunInfo as Run, TaskDetail } from "../../types" */
/** @import { Placement } from "../placement.js" */

export const Task = (/** @type {{ name: string }} */ { name }) => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	const version = useThrottled(p.version.value, p.size() > bounds.tiles ? 1000 : 100);
	const t = p.task(name);
	const detail = /** @type {TaskDetail | undefined} */ (useFetched(t ? "tasks/" + part(name) : "", [t]).value);
	const runs = useFetched(t?.runs ? `tasks/${part(name)}/runs` : "", [t, p.runs], 1000);
	const rows = useMemo(() => p.workersOf(name), [p, version, name]);
	const kept = useRef(""); // the slot whose log is shown, also while the slot moves
	if (!t) return html`<p class="empty">${w.noSuchTask(name)}</p>`;
	const set = overrides(detail?.override), list = /** @type {{ runs: Run[] } | undefined} */ (runs.value)?.runs ?? [];
	const broken = rows.filter((x) => x.error).sort((a, b) => compareText(b.since ?? "", a.since ?? ""))[0];
	const named = (/** @type {string | null} */ slot) => rows.find((x) => key(x) === slot);
	const logged = named(place.value.query.get("log")) ?? rows.find((x) => x.node && x.error) ?? named(kept.current) ?? rows.find((x) => x.node);
	kept.current = logged ? key(logged) : "";
	return html`<h2 class="page">${w.task} ${name} ${t.paused && html`<span class="badge">${w.paused}</span>`}${set.length > 0 && html`<span class="badge warn" title=${w.overriddenHint(set.join(", "))}>${w.overridden}: ${set.join(", ")}</span>`}</h2>
		<p class="row"><${TaskActions} t=${t} all /></p>
		<div class="columns">
			<section class="card" aria-label=${w.declared}><h3>${w.declared}</h3><dl>
				<dt>${w.work}</dt><dd>${t.workName}</dd><dt>${w.wanted}</dt><dd>${t.workerNum}</dd><dt>${w.runningNow}</dt><dd>${t.running}</dd>
				${t.schedule && !detail?.declared.schedule && html`<dt>${fieldName("schedule")}</dt><dd>${t.schedule}</dd>`}
				${t.nextRun && html`<dt>${w.next}</dt><dd>${clock(t.nextRun)}</dd>`}
				${t.reason && html`<dt>${w.reason}</dt><dd>${w.reasonOf(t.reasonCode, t.reason)}</dd>`}
				${broken && html`<dt>${w.error}</dt><dd class="bad"><a href=${workerPage(broken)}>${key(broken)}</a> ${broken.error}</dd>`}
				${Object.entries(detail?.declared ?? {}).filter(([k]) => !["name", "workName", "workerNum"].includes(k)).map(([k, v]) => html`<dt key=${k}>${fieldName(k)}</dt><dd>${typeof v === "object" ? JSON.stringify(v) : String(v)}</dd>`)}</dl></section>
			<section class="card" aria-label=${t.runs ? w.durations : w.chartOf}><h3>${t.runs ? w.durations : w.chartOf}</h3>
				${t.runs ? html`<${Durations} runs=${list} />` : html`<${Chart} at=${samples.value.at} lines=${[{ label: w.runningNow, color: "--good", fill: true, values: runningOf(name) }]} language=${language.value} label=${`${w.runningNow}: ${t.running}`} />`}</section>
		</div>
		${t.runs && html`<h3>${w.runs}</h3><${RunList} rows=${list} id="runs." />`}
		<h3>${w.workers}</h3><${WorkerList} rows=${rows} withNode />
		${logged && html`<h3>${w.log} <select aria-label=${w.log} value=${key(logged)} onChange=${(/** @type {any} */ e) => choose({ log: e.target.value })}>${rows.filter((x) => x.node || x === logged).slice(0, 200).map((x) => html`<option key=${key(x)} value=${key(x)}>${key(x)}</option>`)}</select></h3><${Log} x=${logged} />`}`;
};
