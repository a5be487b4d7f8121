// The cluster as the node sees it: asked for once, and kept up to date by the node's stream.
//
//	GET state, with an ETag   ─▶   GET stream?since=ETag: change, event, health   ─▶   live
//
// When the stream is cut the browser opens it again with the last id that it saw, and nothing is missed.
import { batch, signal } from "./vendor/signals.mjs";
import { Placement } from "./placement.js";

/** @import { Event, Login, State, Update } from "../types" */
/** @import { Step } from "./placement.js" */

/** @type {import("./vendor/signals.mjs").Signal<Placement | null>} */
export const live = signal(null); // null until it is known
/** @type {import("./vendor/signals.mjs").Signal<Event[]>} */
export const events = signal([]); // newest first
export const cut = signal(false); // the node does not answer
/** @type {import("./vendor/signals.mjs").Signal<string[]>} */
export const health = signal([]); // why the node is not at work
export const stranger = signal(false); // a token is wanted
/** @type {import("./vendor/signals.mjs").Signal<Login>} */
export const me = signal({ name: "", role: "", open: false });
/** @type {import("./vendor/signals.mjs").Signal<{ name: string, at: number }[]>} */
export const departed = signal([]); // nodes that were here a moment ago
export const refused = signal(""); // why the node tells nothing

const most = 500; // events
const gather = 200; // milliseconds
const again = 2000; // milliseconds
const remember = 20_000; // milliseconds that a node which has gone is still drawn

/** @typedef {(steps: Step[], update: Update, was: Placement) => void} Watcher */
/** @type {Set<Watcher>} */
const watchers = new Set();

/**
 * watch has a function called before a change is made, with what it is going to change. It returns how to end that.
 * @param {Watcher} f
 */
export const watch = (f) => {
	watchers.add(f);
	return () => { watchers.delete(f); };
};

/** may tells whether whoever looks may do what needs a role. */
export const may = (/** @type {"operate" | "admin"} */ role = "operate") => me.value.open || me.value.role === "admin" || me.value.role === role;

/** @type {EventSource | null} */
let source = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;

const later = () => {
	clearTimeout(retry);
	retry = setTimeout(follow, again);
};

const begin = (/** @type {State} */ state) => batch(() => {
	live.value = new Placement(state);
	requestAnimationFrame(() => performance.mark("shown")); // for whoever measures
	departed.value = [];
	cut.value = false;
	refused.value = "";
});

const change = (/** @type {Update} */ u) => {
	const p = live.value;
	if (!p) return;
	const steps = p.steps(u);
	for (const f of watchers) f(steps, u, p);
	const gone = p.nodes.filter((n) => u.nodesGone?.includes(n.member)).map((n) => n.name);
	batch(() => {
		p.apply(u, steps);
		const now = Date.now();
		const kept = departed.value.filter((d) => now - d.at < remember && !p.node(d.name));
		const fresh = gone.filter((name) => !p.node(name)).map((name) => ({ name, at: now }));
		if (fresh.length > 0) setTimeout(forget, remember + 100);
		if (fresh.length > 0 || kept.length !== departed.value.length) departed.value = [...kept, ...fresh];
	});
};

/** @type {string[]} */
let heard = []; // and not read yet

/** hear keeps an event. Many of them are read at once, and of very many only the last. */
const hear = (/** @type {string} */ text) => {
	if (heard.push(text) > 1) return;
	setTimeout(() => {
		const known = new Set(events.value.slice(0, heard.length).map((e) => JSON.stringify(e))); // of what was asked for after the state
		events.value = [...heard.slice(-most).reverse().filter((e) => !known.has(e)).map((e) => JSON.parse(e)), ...events.value].slice(0, most);
		heard = [];
	}, gather);
};

const forget = () => {
	const now = Date.now();
	departed.value = departed.value.filter((d) => now - d.at < remember);
};

/** follow asks for everything anew, and follows it from then on. */
export const follow = async () => {
	source?.close();
	clearTimeout(retry);
	let since = "";
	try {
		me.value = await (await fetch("api/v1/session")).json();
		stranger.value = !me.value.open && !me.value.role;
		if (stranger.value) {
			live.value = null;
			cut.value = false;
			return;
		}
		const answer = await fetch("api/v1/state");
		if (!answer.ok) {
			const problem = await answer.json();
			cut.value = false;
			refused.value = [problem.detail ?? problem.title, ...(problem.errors ?? []).map((/** @type {{ message: string }} */ e) => e.message)].join("; ");
			later(); // it may be a member soon
			return;
		}
		since = answer.headers.get("ETag") ?? "";
		begin(await answer.json());
		const known = await (await fetch("api/v1/events")).json();
		events.value = known.events.toReversed().slice(0, most);
	} catch { // the node does not answer
		cut.value = true;
		later();
		return;
	}
	source = new EventSource("api/v1/stream?since=" + encodeURIComponent(since));
	source.onopen = () => { cut.value = false; };
	source.onerror = () => {
		cut.value = true;
		if (source?.readyState === EventSource.CLOSED) later(); // the browser gives up on what is no stream
	};
	source.addEventListener("snapshot", (m) => begin(JSON.parse(m.data)));
	source.addEventListener("change", (m) => change(JSON.parse(m.data)));
	source.addEventListener("event", (m) => hear(m.data));
	source.addEventListener("health", (m) => { health.value = JSON.parse(m.data).reasons ?? []; });
};
