// The log of a worker, as it is written.
import { useEffect, useRef, useState } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { lines, ofRun, worker } from "./api.js";
import { clock, say } from "./words.js";

/** @import { LogLine, Worker } from "../types" */

const most = 1000; // lines that are shown
const again = 2000; // milliseconds

/** Log follows the log of a worker, also when it comes to another node. @param {{ x: Worker }} props */
export const Log = ({ x }) => {
	const w = say.value, end = useRef(/** @type {HTMLElement | null} */ (null));
	const [shown, show] = useState(/** @type {LogLine[]} */ ([]));
	const [failure, fail] = useState("");
	const stays = useRef(true); // at the end
	useEffect(() => {
		const ending = new AbortController();
		/** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
		const run = async () => {
			let fresh = true; // what comes first is what is known already
			try {
				await lines(`${worker(x, "log")}?${[ofRun(x), "lines=200", "follow=true"].filter(Boolean).join("&")}`, ending.signal, (list) => {
					fail("");
					const first = fresh;
					fresh = false;
					show((old) => [...(first ? [] : old), ...list].slice(-most));
				});
			} catch (e) {
				if (ending.signal.aborted) return;
				fail(e instanceof Error ? e.message : String(e));
			}
			if (!ending.signal.aborted) timer = setTimeout(run, again);
		};
		show([]);
		if (x.node) run();
		return () => {
			ending.abort();
			clearTimeout(timer);
		};
	}, [x.task, x.run, x.index, x.node, x.token]);
	useEffect(() => { if (stays.current && end.current) end.current.scrollTop = end.current.scrollHeight; }, [shown]);
	return html`<div class="log" role="log" tabindex="0" aria-label=${w.log} ref=${end} onScroll=${(/** @type {any} */ e) => { stays.current = e.target.scrollHeight - e.target.scrollTop - e.target.clientHeight < 40; }}>
		${shown.length === 0 && html`<p class="faint">${failure || w.logEmpty}</p>`}
		${shown.map((l) => html`<p key=${l.token + "/" + l.n} class=${"from-" + l.source}><time>${clock(l.at)}</time> ${l.text}</p>`)}
		${failure && shown.length > 0 && html`<p class="faint">${w.logEnded}${failure}</p>`}</div>`;
};
