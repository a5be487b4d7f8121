// The form for a task's declaration, new or changed. It previews the effect before the declaration is saved. Its fields are
// those of the task's schema.
import { useEffect, useMemo, useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { live, may } from "../cluster.js";
import { act } from "../act.js";
import { get, part, Refused } from "../api.js";
import { go } from "../route.js";
import { taskSchema } from "../taskschema.js";
import { fieldName, words } from "../words.js";
import { Effect, usePlan } from "./plan.js";
import { taskPage } from "./tasks.js";

/** @import { TaskDetail } from "../../types" */
/** @import { Placement } from "../placement.js" */
/** @typedef {{ type: string, description?: string, default?: unknown, enum?: string[], properties?: Record<string, Schema>, "x-group"?: string }} Schema */
/** @typedef {{ name: string, kind: "text" | "number" | "flag" | "json" | "choice", group: string, help: string, usual: string, choices: string[] }} Field */

/** @type {Record<string, Field["kind"]>} */
const kinds = { integer: "number", number: "number", boolean: "flag", object: "json" };

/** fieldsOf returns the fields of a schema. Those of a table within it have a dot in their names. @returns {Field[]} */
const fieldsOf = (/** @type {Record<string, Schema>} */ properties, prefix = "") => Object.entries(properties).flatMap(([key, s]) => (s.properties ? fieldsOf(s.properties, prefix + key + ".") : [{
	name: prefix + key, kind: s.enum ? "choice" : kinds[s.type] ?? "text", group: s["x-group"] ?? "", help: s.description ?? "",
	usual: s.default === undefined ? "" : String(s.default), choices: s.enum ?? [],
}]));

const every = fieldsOf(taskSchema.properties);
const groups = [...new Set(every.map((f) => f.group))];

/** marked shows what is between backticks in a text as code. */
const marked = (/** @type {string} */ text) => text.split("`").map((part, i) => (i % 2 ? html`<code key=${i}>${part}</code>` : part));

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
	const common = { id, "aria-invalid": !!wrong, "aria-describedby": id + "-help" + (wrong ? ` ${id}-wrong` : ""), onInput: (/** @type {any} */ e) => set(f.kind === "flag" ? String(e.target.checked) : e.target.value) };
	const input = f.kind === "choice" ? html`<select ...${common} value=${value}><option value="">${w.usual(f.usual)}</option>${f.choices.map((c) => html`<option key=${c} value=${c}>${c}</option>`)}</select>`
		: f.kind === "json" ? html`<textarea ...${common} rows="4" spellcheck=${false} value=${value}></textarea>`
		: f.kind === "flag" ? html`<input ...${common} type="checkbox" checked=${value === "true"} />`
		: html`<input ...${common} type="text" inputmode=${f.kind === "number" ? "numeric" : "text"} list=${f.name === "workName" ? "works" : undefined} disabled=${fixed} value=${value} placeholder=${f.usual} />`;
	return html`<div class=${"field of-" + f.kind}><label for=${id}>${fieldName(f.name)}</label>${input}<p class="faint" id=${id + "-help"}>${marked(w.help[f.name] ?? f.help)}</p>${wrong && html`<p class="bad" id=${id + "-wrong"}>${wrong}</p>`}</div>`;
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
			${groups.map((group) => html`<fieldset class="card" key=${group}><legend>${w.groups[group] ?? group}</legend>${every.filter((f) => f.group === group).map((f) => html`<${Input} key=${f.name} f=${f} value=${shown[f.name] ?? ""} wrong=${of(f.name)} fixed=${f.name === "name" && !!name} set=${(/** @type {string} */ v) => show({ ...shown, [f.name]: v })} />`)}</fieldset>`)}
			<section class="card" aria-label=${w.preview}><h3>${w.preview}</h3>
				${preview.failure ? html`<p class="bad" role="alert">${preview.failure.message}</p>` : preview.plan ? html`<${Effect} plan=${preview.plan} />` : html`<p class="faint">${changed ? "" : w.noEffect}</p>`}
				${failure && html`<p class="bad" role="alert">${failure}</p>`}</section>
			<p class="row"><button class="main" disabled=${!ready || !may("admin")}>${w.save}</button><a class="button" href=${name ? taskPage(name) : "#/tasks"}>${w.cancel}</a>${changed && html`<span class="faint">${w.unsaved}</span>`}</p>
		</form>`;
};
