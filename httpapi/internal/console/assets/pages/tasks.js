// All tasks, with the operations on them.
import { useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live, may } from "../cluster.js";
import { useFetched } from "../fetched.js";
import { palette } from "../placement.js";
import { href } from "../route.js";
import { Table } from "../table.js";
import { clock, words } from "../words.js";
import * as operations from "../operations.js";

/** @import { Override, TaskInfo as Task, TaskDetail } from "../../types" */

export const taskPage = (/** @type {string} */ name) => href(["task", name]);

export const TaskName = (/** @type {{ name: string }} */ { name }) => html`<a class="named" href=${taskPage(name)}><span class="swatch" style=${{ background: palette.of(name) }}></span>${name}</a>`;

/** overrides returns what an operator has set, in words. */
export const overrides = (/** @type {Override | undefined} */ o) => {
	const w = words.value, out = [];
	if (o?.workerNum !== undefined) out.push(`${w.wanted} = ${o.workerNum}`);
	if (o?.paused !== undefined) out.push(o.paused ? w.paused : w.resume);
	return out;
};

/** Scale is the form that sets the number of workers. */
export const Scale = (/** @type {{ t: Task }} */ { t }) => {
	const w = words.value;
	const [count, setCount] = useState("");
	const submit = (/** @type {any} */ e) => {
		e.preventDefault();
		if (count !== "") operations.scale(t, Number(count));
		setCount("");
	};
	return html`<form class="row" onSubmit=${submit}><input class="count" type="number" required min="0" max="100000" step="1" aria-label=${`${w.workerCount}: ${t.name}`} value=${count} placeholder=${t.workerNum} onInput=${(/** @type {any} */ e) => setCount(e.target.value)} />
		<button disabled=${!may()}>${w.scale}</button></form>`;
};

/** TaskActions are the buttons of a task. */
export const TaskActions = (/** @type {{ t: Task, all?: boolean }} */ { t, all }) => {
	const w = words.value;
	return html`<span class="row">
		${!t.runs && html`<${Scale} t=${t} />`}
		${t.runs && html`<button disabled=${!may() || t.paused} onClick=${() => operations.runNow(t)}>${w.runNow}</button>`}
		${t.paused ? html`<button disabled=${!may()} onClick=${() => operations.resume(t)}>${w.resume}</button>` : html`<button disabled=${!may()} onClick=${() => operations.pause(t)}>${w.pause}</button>`}
		${all && html`<button disabled=${!may()} onClick=${() => operations.reset(t)}>${w.reset}</button>
			<button disabled=${!may()} onClick=${() => operations.restartTask(t)}>${w.restart}</button>
			${may("admin") && html`<a class="button" href=${href(["edit", t.name])}>${w.edit}</a>`}
			<button class="danger" disabled=${!may("admin")} onClick=${() => operations.remove(t)}>${w.remove}</button>`}
	</span>`;
};

export const Tasks = () => {
	const w = words.value, p = /** @type {import("../placement.js").Placement} */ (live.value);
	void p.version.value;
	const details = useFetched("tasks", [p.tasks]);
	const overridden = new Map(/** @type {{ tasks: TaskDetail[] } | undefined} */ (details.value)?.tasks.map((t) => [t.name, overrides(t.override)]));
	/** @type {import("../table.js").Column<Task>[]} */
	const columns = [
		{ id: "name", title: w.task, value: (t) => t.name, cell: (t) => html`<${TaskName} name=${t.name} />` },
		{ id: "work", title: w.work, value: (t) => t.workName },
		{ id: "wanted", title: w.wanted, number: true, value: (t) => t.workerNum },
		{ id: "running", title: w.runningNow, number: true, value: (t) => t.running, cell: (t) => html`<span class=${!t.runs && !t.paused && t.running < t.workerNum ? "short" : ""}>${t.running}</span>` },
		{ id: "state", title: w.state_, value: (t) => [t.paused ? w.paused : "", ...(overridden.get(t.name) ?? [])].join(" "), cell: (t) => html`${t.paused && html`<span class="badge">${w.paused}</span>`}
			${(overridden.get(t.name) ?? []).length > 0 && html`<span class="badge warn" title=${w.overriddenHint((overridden.get(t.name) ?? []).join(", "))}>${w.overridden}</span>`}
			${t.nextRun && html`<span class="faint">${w.next} ${clock(t.nextRun)}</span>`}` },
		{ id: "reason", title: w.reason, value: (t) => t.reason ?? "", cell: (t) => (t.reason ? w.reasonOf(t.reasonCode, t.reason) : "") },
		{ id: "do", title: w.actions, value: () => undefined, cell: (t) => html`<${TaskActions} t=${t} />` },
	];
	return html`<h2 class="page">${w.tasks}</h2><${Table} name=${w.tasks} rows=${p.tasks} columns=${columns} of=${(/** @type {Task} */ t) => t.name} empty=${w.noTasks} sort="name"
		lead=${may("admin") && html`<a class="button" href=${href(["edit"])}>${w.create}</a>`} />`;
};
