// The timeline: decisions of leaders, operations of people, and events of nodes. A slider shows, on the picture of the
// overview, where everything was after each decision.
import { useEffect, useMemo, useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { events, live } from "../cluster.js";
import { useFetched, useThrottled } from "../fetched.js";
import { Placement } from "../placement.js";
import { Picture } from "../picture.js";
import { choose, place } from "../route.js";
import { Table } from "../table.js";
import { clock, words } from "../words.js";

/** @import { AuditLine as Audit, Decided, Decision, Event, Past } from "../../types" */
/** @typedef {{ id: string, at: string, kind: string, what: string, where: string, detail: string, decision?: number }} Line */

/** EventList lists events. @param {{ rows: Event[], id?: string }} props */
export const EventList = ({ rows, id = "" }) => html`<${Lines} rows=${rows.map(lineOfEvent)} id=${id} />`;

const lineOfEvent = (/** @type {Event} */ e, /** @type {number} */ i, /** @type {Event[]} */ list) => ({
	id: `e${list.length - i} ${e.time} ${e.kind} ${e.node} ${e.slot ?? ""}`, at: e.time, kind: words.value.event, what: `${words.value.eventKind(e.kind)}${e.slot ? " " + e.slot : ""}`, where: e.node, detail: e.detail ?? "",
});

/** stepText returns what a step of a decision does, in words. */
const stepText = (/** @type {Decided} */ m) => `${words.value.step(m.step)}${m.task ? " " + m.task : ""}${m.slots ? "#" + m.slots : ""}`;

/** @param {Decision[]} decisions @returns {Line[]} */
const linesOf = (decisions) => decisions.flatMap((d) => d.moves.map((m, i) => ({
	id: `d${d.number}/${i}`, at: d.at, kind: words.value.decision, what: stepText(m), where: `${m.node ?? ""}${m.to ? " → " + m.to : ""}`, detail: words.value.reasonOf(m.code, m.why ?? ""), decision: d.number,
})));

/** @param {Audit[]} audit @returns {Line[]} */
const linesOfAudit = (audit) => audit.map((a) => ({ id: "a" + a.id, at: a.at, kind: words.value.operation, what: a.what, where: a.from ?? "", detail: a.by }));

const Lines = (/** @type {{ rows: Line[], id?: string }} */ { rows, id = "" }) => {
	const w = words.value;
	/** @type {import("../table.js").Column<Line>[]} */
	const columns = [
		{ id: "at", title: w.when, value: (l) => l.at, cell: (l) => clock(l.at) },
		{ id: "kind", title: w.kind, value: (l) => l.kind, cell: (l) => (l.decision === undefined ? l.kind : html`<button class="plain" onClick=${() => choose({ at: l.decision })}>${l.kind} ${l.decision}</button>`) },
		{ id: "what", title: w.what, value: (l) => l.what },
		{ id: "where", title: w.where, value: (l) => l.where },
		{ id: "detail", title: w.detail, value: (l) => l.detail },
	];
	return html`<${Table} name=${w.timeline} id=${id} rows=${rows} columns=${columns} of=${(/** @type {Line} */ l) => l.id} empty=${w.nothing} sort="-at" />`;
};

const playEvery = 1500; // milliseconds between two decisions of a replay

/** Slider chooses a decision. */
const Slider = (/** @type {{ list: Decision[], at: number | null, remark: string }} */ { list, at, remark }) => {
	const w = words.value;
	const [playing, setPlaying] = useState(false);
	const index = at === null ? list.length - 1 : Math.max(0, list.findIndex((d) => d.number >= at));
	const show = (/** @type {number} */ i) => choose({ at: i >= list.length - 1 && i !== index ? "" : list[i].number });
	useEffect(() => {
		if (!playing) return undefined;
		if (at === null) {
			setPlaying(false);
			return undefined;
		}
		const timer = setTimeout(() => {
			if (place.value.query.get("at") !== String(at)) return; // the user has moved on, and this timer is not cleared yet
			choose({ at: index + 1 < list.length ? list[index + 1].number : "" });
		}, playEvery);
		return () => clearTimeout(timer);
	}, [playing, at, index]);
	const start = () => {
		if (at === null) choose({ at: list[0].number });
		setPlaying(true);
	};
	const current = list[index];
	return html`<div class="replay card"><div class="row">
			<button id="play" onClick=${() => (playing ? setPlaying(false) : start())}>${playing ? w.stop : w.play}</button>
			<input type="range" id="replay" aria-label=${w.replayHint} aria-valuetext=${current ? w.replayAt(current.number, clock(current.at)) : ""} min="0" max=${list.length - 1} value=${index} onInput=${(/** @type {any} */ e) => show(Number(e.target.value))} />
			<button disabled=${at === null} onClick=${() => { setPlaying(false); choose({ at: "" }); }}>${w.toPresent}</button></div>
		<p class="faint" id="replayed" role="status">${at === null ? w.replayNow : current ? w.replayAt(current.number, clock(current.at)) : ""}${remark ? ` (${remark})` : ""}</p></div>`;
};

export const Timeline = () => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	const version = useThrottled(p.version.value, 1000);
	const { value: history, failure } = /** @type {{ value?: { decisions: Decision[], audit: Audit[] }, failure?: string }} */ (useFetched("decisions", [version], 1000));
	const list = history?.decisions ?? [];
	const text = place.value.query.get("at"), at = text === null || text === "" ? null : Number(text);
	const [past, setPast] = useState(/** @type {{ n: number, p: Placement, incomplete: boolean } | null} */ (null));
	const asked = /** @type {{ value?: Past, failure?: string }} */ (useFetched(at === null ? "" : "state?at=" + at, [], 0));
	useEffect(() => { if (asked.value && at !== null) setPast({ n: at, p: Placement.past(asked.value), incomplete: !!asked.value.incomplete }); }, [asked.value]);
	const rows = useMemo(() => [...linesOf(list), ...linesOfAudit(history?.audit ?? []), ...events.value.map(lineOfEvent)], [history, events.value, w]);
	return html`<h2 class="page">${w.timeline}</h2>
		${failure && html`<p class="banner bad">${failure}</p>`}
		${list.length > 0 && html`<${Slider} list=${list} at=${at} remark=${at !== null && past?.incomplete ? w.incomplete : ""} />`}
		${asked.failure && at !== null && html`<p class="banner bad">${asked.failure}</p>`}
		<${Picture} p=${at !== null && past ? past.p : p} />
		<${Lines} rows=${rows} />`;
};
