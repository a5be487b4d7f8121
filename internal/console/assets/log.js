// The log of a worker, as it is written.
import { useEffect, useRef, useState } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { lines, ofRun, worker } from "./api.js";
import { key } from "./placement.js";
import { clock, say } from "./words.js";

/** @import { LogLine, Worker } from "../types" */
/** @typedef {LogLine & { on?: undefined }} Written */
/** @typedef {{ on: string, token: number }} Mark */
/** @typedef {{ slot: string, token: number, n: number, said: number, asked: boolean }} Place */

const most = 1000; // lines that are shown
const again = 2000; // milliseconds
const linger = 500; // milliseconds for the last lines of a worker that has left a node

/** Log follows the log of a worker, also when it comes to another node: what is shown stays. @param {{ x: Worker }} props */
export const Log = ({ x }) => {
	const w = say.value, end = useRef(/** @type {HTMLElement | null} */ (null));
	const [shown, show] = useState(/** @type {(Written | Mark)[]} */ ([]));
	const [failure, fail] = useState("");
	const stays = useRef(true); // at the end
	const place = useRef(/** @type {Place} */ ({ slot: "", token: -1, n: -1, said: 0, asked: false })); // up to where it is shown
	const slot = key(x);
	useEffect(() => {
		if (place.current.slot !== slot) {
			place.current = { slot, token: -1, n: -1, said: 0, asked: false };
			show([]);
			fail("");
		}
		if (!x.node) return undefined;
		const ending = new AbortController(), p = place.current;
		const add = (/** @type {LogLine[]} */ list) => {
			if (p !== place.current) return; // of another worker
			/** @type {(Written | Mark)[]} */ const fresh = [];
			const mark = (/** @type {number} */ token) => {
				if (token > p.said && p.said > 0) fresh.push({ on: x.node, token });
				p.said = Math.max(p.said, token);
			};
			if (!p.asked) p.said = x.token;
			mark(x.token);
			for (const l of list) {
				if (l.token < p.token || (l.token === p.token && l.n <= p.n)) continue;
				mark(l.token);
				p.token = l.token;
				p.n = l.n;
				fresh.push(l);
			}
			p.asked = true;
			if (fresh.length > 0) show((old) => [...old, ...fresh].slice(-most));
		};
		const run = async () => {
			const first = !p.asked;
			if (!first) add([]);
			try {
				await lines(`${worker(x, "log")}?${[ofRun(x), `lines=${first ? 200 : most}`, "follow=true"].filter(Boolean).join("&")}`, ending.signal, (list) => {
					fail("");
					add(list);
				});
			} catch (e) {
				if (ending.signal.aborted) return;
				fail(e instanceof Error ? e.message : String(e));
			}
			if (!ending.signal.aborted) timer = setTimeout(run, again);
		};
		let timer = setTimeout(run, p.asked ? linger : 0);
		return () => {
			clearTimeout(timer);
			setTimeout(() => ending.abort(), linger);
		};
	}, [slot, x.node, x.token]);
	useEffect(() => { if (stays.current && end.current) end.current.scrollTop = end.current.scrollHeight; }, [shown]);
	return html`<div class="log" role="log" tabindex="0" aria-label=${w.log} ref=${end} onScroll=${(/** @type {any} */ e) => { stays.current = e.target.scrollHeight - e.target.scrollTop - e.target.clientHeight < 40; }}>
		${shown.length === 0 && html`<p class="faint">${failure || w.logEmpty}</p>`}
		${shown.map((l) => l.on !== undefined ? html`<p key=${l.token + "/on"} class="faint">${w.logContinues(slot, l.on)}</p>` : html`<p key=${l.token + "/" + l.n} class=${"from-" + l.source}><time>${clock(l.at)}</time> ${l.text}</p>`)}
		${failure && shown.length > 0 && html`<p class="faint">${w.logEnded}${failure}</p>`}</div>`;
};
