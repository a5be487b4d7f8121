// The log of a worker, as it is written.
import { effect } from "./vendor/signals.mjs";
import { useEffect, useRef, useState } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { Refused } from "./api.js";
import { live, watch } from "./cluster.js";
import { SlotLog } from "./logslot.js";
import { key } from "./placement.js";
import { clock, say } from "./words.js";

/** @import { Worker } from "../types" */
/** @import { Mark, Written } from "./logslot.js" */

const most = 1000; // lines that are shown

/** Log follows the log of a worker wherever it goes. had is the node that had it before the page was opened. @param {{ x: Worker, had?: string }} props */
export const Log = ({ x, had = "" }) => {
	const w = say.value, end = useRef(/** @type {HTMLElement | null} */ (null));
	const [shown, show] = useState(/** @type {(Written | Mark)[]} */ ([]));
	const [failure, fail] = useState(/** @type {Error | null | undefined} */ (undefined)); // undefined until a node has answered
	const stays = useRef(true); // at the end
	const log = useRef(/** @type {SlotLog | null} */ (null));
	const slot = key(x), why = (/** @type {Error | undefined} */ e) => (e instanceof Refused ? e.message : w.noAnswer);
	useEffect(() => {
		show([]);
		fail(undefined);
		const l = (log.current = new SlotLog(x, { show: (fresh) => show((old) => [...old, ...fresh].slice(-most)), fail }));
		const told = effect(() => l.tell(live.value?.workers.get(slot)));
		const unwatch = watch((steps) => { for (const s of steps) if (s.key === slot) l.tell(s.after); });
		return () => {
			unwatch();
			told();
			l.stop();
		};
	}, [slot]);
	useEffect(() => { if (had && !x.node) log.current?.had(had); }, [slot, had, x.node]);
	useEffect(() => { if (stays.current && end.current) end.current.scrollTop = end.current.scrollHeight; }, [shown, failure, x.node]);
	const line = (/** @type {Written | Mark} */ l) => {
		if (l.mark === undefined) return html`<p key=${l.token + "/" + l.number} class=${"from-" + l.source}><time>${clock(l.at)}</time> ${l.text}</p>`;
		const text = { continues: w.logContinues(slot, l.node), nothing: w.logNothing(l.node), unread: w.logUnread(slot, l.node, why(l.why)) }[l.mark];
		return html`<p key=${l.token + l.mark} class="faint">${text}</p>`;
	};
	return html`<div class="log" role="log" tabindex="0" aria-label=${w.log} ref=${end} onScroll=${(/** @type {any} */ e) => { stays.current = e.target.scrollHeight - e.target.scrollTop - e.target.clientHeight < 40; }}>
		${shown.map(line)}
		${failure ? html`<p class="failure">${w.logFails}${why(failure)}</p>`
		: !x.node ? html`<p class="faint">${w.logNowhere(x.state)}</p>`
		: shown.length === 0 && html`<p class="faint">${failure === undefined ? w.loading : w.logEmpty}</p>`}</div>`;
};
