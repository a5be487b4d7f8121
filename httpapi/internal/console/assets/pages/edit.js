// The form for a task's declaration, new or changed. It previews the effect before the declaration is saved.
import { useEffect, useMemo, useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live, may } from "../cluster.js";
import { act } from "../act.js";
import { get, part, Refused } from "../api.js";
import { go } from "../route.js";
import { words } from "../words.js";
import { Effect, usePlan } from "./plan.js";
import { taskPage } from "./tasks.js";

/** @import { TaskDetail } from "../../types" */
/** @import { Placement } from "../placement.js" */
/** @typedef {{ name: string, kind: "text" | "number" | "flag" | "json" | "choice", usual?: string, choices?: string[], list?: string }} Field */

/** @type {Record<string, Field[]>} */
const fields = {
	what: [
		{ name: "name", kind: "text" }, { name: "workName", kind: "text", list: "works" }, { name: "workerNum", kind: "number" }, { name: "resize", kind: "choice", choices: ["restart", "live"] }, { name: "paused", kind: "flag" },
		{ name: "params", kind: "json" }, { name: "interval", kind: "text", usual: "0s" }, { name: "stopTimeout", kind: "text", usual: "10s" },
	],
	where: [
		{ name: "require", kind: "text", usual: "gpu=true" }, { name: "prefer", kind: "text", usual: "zone=a" }, { name: "spread", kind: "text", usual: "zone" },
		{ name: "maxPerNode", kind: "number", usual: "∞" }, { name: "weight", kind: "number", usual: "1" }, { name: "maxUnavailable", kind: "number", usual: "∞" },
	],
	failing: [
		{ name: "restart.backoff", kind: "text", usual: "500ms" }, { name: "restart.maxBackoff", kind: "text", usual: "1m" }, { name: "restart.max", kind: "number", usual: "∞" }, { name: "restart.elsewhere", kind: "number", usual: "∞" },
		{ name: "whenDisconnected", kind: "choice", choices: ["stop", "continue"] },
	],
	when: [
		{ name: "mode", kind: "choice", choices: ["continuous", "once"] }, { name: "schedule", kind: "text", usual: "0 3 * * *" }, { name: "timeZone", kind: "text", usual: "UTC" }, { name: "every", kind: "text", usual: "1h" }, { name: "phase", kind: "text", usual: "0s" },
		{ name: "misfire", kind: "choice", choices: ["skip", "once", "all"] }, { name: "overlap", kind: "choice", choices: ["skip", "queue", "allow"] },
		{ name: "maxAttempts", kind: "number", usual: "3" }, { name: "timeout", kind: "text", usual: "∞" }, { name: "keepRuns", kind: "number", usual: "100" },
	],
};

const every = Object.values(fields).flat();

/** @param {any} spec @param {string} name */
const read = (spec, name) => name.split(".").reduce((v, k) => v?.[k], spec);

/** texts converts a declaration to the texts of the fields. @returns {Record<string, string>} */
const texts = (/** @type {any} */ spec) => Object.fromEntries(every.map((f) => {
	const v = read(spec, f.name);
	return [f.name, v === undefined ? "" : f.kind === "json" ? JSON.stringify(v, null, 1) : String(v)];
}));

/**
 * specOf converts the texts of the fields to a declaration, and returns the fields whose text is invalid.
 * @param {Record<string, string>} shown @param {import("../words.js").Words} w
 */
const specOf = (shown, w) => {
	/** @type {any} */ const spec = {};
	/** @type {Record<string, string>} */ const wrong = {};
	for (const f of every) {
		const text = (shown[f.name] ?? "").trim();
		if (text === "" || (f.kind === "flag" && text === "false")) continue;
		/** @type {any} */ let value = text;
		if (f.kind === "number" && !Number.isInteger((value = Number(text)))) wrong[f.name] = w.notNumber;
		if (f.kind === "flag") value = true;
		if (f.kind === "json") {
			try {
				value = JSON.parse(text);
				if (typeof value !== "object" || Array.isArray(value)) wrong[f.name] = w.notJSON;
			} catch {
				wrong[f.name] = w.notJSON;
			}
		}
		const [head, rest] = f.name.split(".");
		if (rest) spec[head] = { ...spec[head], [rest]: value };
		else spec[head] = value;
	}
	spec.workerNum ??= 0;
	return { spec, wrong };
};

const Input = (/** @type {{ f: Field, value: string, wrong?: string, fixed: boolean, set: (v: string) => void }} */ { f, value, wrong, fixed, set }) => {
	const w = words.value, id = "field-" + f.name;
	const common = { id, "aria-invalid": !!wrong, "aria-describedby": wrong ? id + "-wrong" : undefined, onInput: (/** @type {any} */ e) => set(f.kind === "flag" ? String(e.target.checked) : e.target.value) };
	const input = f.kind === "choice" ? html`<select ...${common} value=${value}><option value="">${w.usual}</option>${f.choices?.map((c) => html`<option key=${c} value=${c}>${c}</option>`)}</select>`
		: f.kind === "json" ? html`<textarea ...${common} rows="4" spellcheck=${false} value=${value}></textarea>`
		: f.kind === "flag" ? html`<input ...${common} type="checkbox" checked=${value === "true"} />`
		: html`<input ...${common} type="text" inputmode=${f.kind === "number" ? "numeric" : "text"} list=${f.list} disabled=${fixed} value=${value} placeholder=${f.usual ?? ""} />`;
	return html`<div class=${"field of-" + f.kind}><label for=${id}>${/** @type {Record<string, string>} */ (w.form)[f.name]}</label>${input}${wrong && html`<p class="bad" id=${id + "-wrong"}>${wrong}</p>`}</div>`;
};

export const Edit = (/** @type {{ name: string }} */ { name }) => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	const [known, setKnown] = useState(/** @type {TaskDetail | null} */ (null)), [failure, fail] = useState("");
	const [shown, show] = useState(/** @type {Record<string, string> | null} */ (name ? null : { workerNum: "1" }));
	const [refused, refuse] = useState(/** @type {Record<string, string>} */ ({}));
	useEffect(() => {
		if (!name) return;
		get("tasks/" + part(name)).then((/** @type {TaskDetail} */ t) => {
			setKnown(t);
			show(texts(t.declared));
		}, (e) => fail(e.message));
	}, [name]);
	const { spec, wrong } = useMemo(() => specOf(shown ?? {}, w), [shown, w]);
	const changed = !!shown && (!known || JSON.stringify(spec) !== JSON.stringify(specOf(texts(known.declared), w).spec));
	const ready = changed && Object.keys(wrong).length === 0 && spec.name && spec.workName;
	const preview = usePlan(ready ? [{ kind: "declare", task: spec.name, spec }] : null, []);
	const fieldErrors = preview.failure instanceof Refused ? preview.failure.fields : {};
	const of = (/** @type {string} */ field) => wrong[field] ?? refused[field] ?? fieldErrors[`operations[0].spec.${field}`];
	const save = async (/** @type {any} */ e) => {
		e.preventDefault();
		refuse({});
		const plan = preview.plan, stops = plan?.stops.length ?? 0, moves = plan?.moves.length ?? 0;
		const ask = stops + moves > 0 ? { text: w.sureApply, hits: [...(stops > 0 ? [w.stops(stops)] : []), ...(moves > 0 ? [w.moves(moves)] : [])], yes: w.save } : undefined;
		const saved = await act({
			method: "PUT", path: "tasks/" + part(spec.name), body: spec, ask, headers: known ? { "If-Match": `"${known.revision}"` } : { "If-None-Match": "*" },
			onRefused: (r) => {
				refuse(r.fields);
				fail(r.message);
			},
		});
		if (saved) go(taskPage(spec.name));
	};
	if (!shown) return html`<p class="empty">${failure || w.loading}</p>`;
	const works = [...new Set(p.nodes.flatMap((n) => n.works ?? []))].sort();
	return html`<h2 class="page">${name ? `${w.edit}: ${name}` : w.create}</h2>
		<form id="edit" onSubmit=${save}>
			<datalist id="works">${works.map((x) => html`<option key=${x} value=${x}></option>`)}</datalist>
			${Object.entries(fields).map(([group, list]) => html`<fieldset class="card" key=${group}><legend>${/** @type {Record<string, string>} */ (w.groups)[group]}</legend>${list.map((f) => html`<${Input} key=${f.name} f=${f} value=${shown[f.name] ?? ""} wrong=${of(f.name)} fixed=${f.name === "name" && !!name} set=${(/** @type {string} */ v) => show({ ...shown, [f.name]: v })} />`)}</fieldset>`)}
			<section class="card" aria-label=${w.preview}><h3>${w.preview}</h3>
				${preview.failure ? html`<p class="bad" role="alert">${preview.failure.message}</p>` : preview.plan ? html`<${Effect} plan=${preview.plan} />` : html`<p class="faint">${changed ? "" : w.noEffect}</p>`}
				${failure && html`<p class="bad" role="alert">${failure}</p>`}</section>
			<p class="row"><button class="main" disabled=${!ready || !may("admin")}>${w.save}</button><a class="button" href=${name ? taskPage(name) : "#/tasks"}>${w.cancel}</a>${changed && html`<span class="faint">${w.unsaved}</span>`}</p>
		</form>`;
};
