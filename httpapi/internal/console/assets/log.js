// The log of a worker, line by line as the worker writes it.
import { effect } from "./vendor/signals.mjs";
import { useEffect, useRef, useState } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { Refused } from "./api.js";
import { live, watch } from "./cluster.js";
import { SlotLog } from "./logslot.js";
import { key } from "./placement.js";
import { clock, words } from "./words.js";

/** @import { WorkerInfo as Worker } from "../types" */
/** @import { Mark, Written } from "./logslot.js" */

const maxLines = 1000;

/** Log follows the log of a worker from node to node. had is the node that had the slot before the page was opened. @param {{ x: Worker, had?: string }} props */
export const Log = ({ x, had = "" }) => {
	const w = words.value, end = useRef(/** @type {HTMLElement | null} */ (null));
	const [shown, show] = useState(/** @type {(Written | Mark)[]} */ ([]));
	const [failure, fail] = useState(/** @type {Error | null | undefined} */ (undefined)); // undefined until a node has answered
	const atEnd = useRef(true); // the log is scrolled to its end
	const log = useRef(/** @type {SlotLog | null} */ (null));
	const slot = key(x), why = (/** @type {Error | undefined} */ e) => (e instanceof Refused ? e.message : w.noAnswer);
	useEffect(() => {
		show([]);
		fail(undefined);
		const l = (log.current = new SlotLog(x, { show: (fresh) => show((old) => [...old, ...fresh].slice(-maxLines)), fail }));
		const dispose = effect(() => l.moved(live.value?.workers.get(slot)));
		const unwatch = watch((steps) => { for (const s of steps) if (s.key === slot) l.moved(s.after); });
		return () => {
			unwatch();
			dispose();
			l.stop();
		};
	}, [slot]);
	useEffect(() => { if (had && !x.node) log.current?.had(had); }, [slot, had, x.node]);
	useEffect(() => { if (atEnd.current && end.current) end.current.scrollTop = end.current.scrollHeight; }, [shown, failure, x.node]);
	const line = (/** @type {Written | Mark} */ l) => {
		if (l.mark === undefined) return html`<p key=${l.token + "/" + l.number} class=${"from-" + l.source}><time>${clock(l.at)}</time> ${l.text}</p>`;
		const text = { continues: w.logContinues(slot, l.node), nothing: w.logNothing(l.node), unread: w.logUnread(slot, l.node, why(l.why)) }[l.mark];
		return html`<p key=${l.token + l.mark} class="faint">${text}</p>`;
	};
	return html`<div class="log" role="log" tabindex="0" aria-label=${w.log} ref=${end} onScroll=${(/** @type {any} */ e) => { atEnd.current = e.target.scrollHeight - e.target.scrollTop - e.target.clientHeight < 40; }}>
		${shown.map(line)}
		${failure ? html`<p class="failure">${w.logFails}${why(failure)}</p>`
		: !x.node ? html`<p class="faint">${w.logNowhere(x.state)}</p>`
		: shown.length === 0 && html`<p class="faint">${failure === undefined ? w.loading : w.logEmpty}</p>`}</div>`;
};
