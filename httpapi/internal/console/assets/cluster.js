// The cluster as the node sees it. It is fetched once and kept up to date by the node's stream.
//
//	GET state, with an ETag   ─▶   GET stream?since=ETag: change, event, health   ─▶   live
//
// When the stream breaks, the browser opens it again with the last id that it received, so nothing is missed.
import { batch, signal } from "./vendor/signals.mjs";
import { Placement } from "./placement.js";

/** @import { Event, Login, State, Update } from "../types" */
/** @import { Step } from "./placement.js" */

/** @type {import("./vendor/signals.mjs").Signal<Placement | null>} */
export const live = signal(null); // null until the state has arrived
/** @type {import("./vendor/signals.mjs").Signal<Event[]>} */
export const events = signal([]); // newest first
export const disconnected = signal(false); // the node does not answer
/** @type {import("./vendor/signals.mjs").Signal<string[]>} */
export const health = signal([]); // why the node is not healthy
export const needsLogin = signal(false); // the node requires a token
/** @type {import("./vendor/signals.mjs").Signal<Login>} */
export const me = signal({ name: "", role: "", open: false });
/** @type {import("./vendor/signals.mjs").Signal<{ name: string, labels?: Record<string, string>, at: number }[]>} */
export const departed = signal([]); // nodes that left a moment ago
export const refused = signal(""); // why the node cannot give the state

const maxEvents = 500;
const batchEvery = 200; // milliseconds between two updates of the events
const retryAfter = 2000; // milliseconds
const departedFor = 20_000; // milliseconds that a node which left is still drawn

/** @typedef {(steps: Step[], update: Update, was: Placement) => void} Watcher */
/** @type {Set<Watcher>} */
const watchers = new Set();

/**
 * watch calls a function before each change, with what is going to change. It returns a function that ends this.
 * @param {Watcher} f
 */
export const watch = (f) => {
	watchers.add(f);
	return () => { watchers.delete(f); };
};

/** may reports whether the user's role allows an action. */
export const may = (/** @type {"operate" | "admin"} */ role = "operate") => me.value.open || me.value.role === "admin" || me.value.role === role;

/** @type {EventSource | null} */
let source = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;

const later = () => {
	clearTimeout(retry);
	retry = setTimeout(follow, retryAfter);
};

const begin = (/** @type {State} */ state) => batch(() => {
	live.value = new Placement(state);
	requestAnimationFrame(() => performance.mark("shown")); // for measurements
	departed.value = [];
	disconnected.value = false;
	refused.value = "";
});

const change = (/** @type {Update} */ u) => {
	const p = live.value;
	if (!p) return;
	const steps = p.steps(u);
	for (const f of watchers) f(steps, u, p);
	const gone = p.nodes.filter((n) => u.nodesGone?.includes(n.member));
	batch(() => {
		p.apply(u, steps);
		const now = Date.now();
		const kept = departed.value.filter((d) => now - d.at < departedFor && !p.node(d.name));
		const fresh = gone.filter((n) => !p.node(n.name)).map((n) => ({ name: n.name, labels: n.labels, at: now }));
		if (fresh.length > 0) setTimeout(forget, departedFor + 100);
		if (fresh.length > 0 || kept.length !== departed.value.length) departed.value = [...kept, ...fresh];
	});
};

/** @type {string[]} */
let received = []; // events that are not parsed yet

/** receive keeps an event. Events are parsed in batches, and only the last of a very large batch. */
const receive = (/** @type {string} */ text) => {
	if (received.push(text) > 1) return;
	setTimeout(() => {
		const known = new Set(events.value.slice(0, received.length).map((e) => JSON.stringify(e))); // those that the fetch after the state brought already
		events.value = [...received.slice(-maxEvents).reverse().filter((e) => !known.has(e)).map((e) => JSON.parse(e)), ...events.value].slice(0, maxEvents);
		received = [];
	}, batchEvery);
};

const forget = () => {
	const now = Date.now();
	departed.value = departed.value.filter((d) => now - d.at < departedFor);
};

/** follow fetches the state and follows its changes from then on. */
export const follow = async () => {
	source?.close();
	clearTimeout(retry);
	let since = "";
	try {
		me.value = await (await fetch("api/v1/session")).json();
		needsLogin.value = !me.value.open && !me.value.role;
		if (needsLogin.value) {
			live.value = null;
			disconnected.value = false;
			return;
		}
		const answer = await fetch("api/v1/state");
		if (!answer.ok) {
			const problem = await answer.json();
			disconnected.value = false;
			refused.value = [problem.detail ?? problem.title, ...(problem.errors ?? []).map((/** @type {{ message: string }} */ e) => e.message)].join("; ");
			later(); // the node may be a member soon
			return;
		}
		since = answer.headers.get("ETag") ?? "";
		begin(await answer.json());
		const known = await (await fetch("api/v1/events")).json();
		events.value = known.events.toReversed().slice(0, maxEvents);
	} catch { // the node does not answer
		disconnected.value = true;
		later();
		return;
	}
	source = new EventSource("api/v1/stream?since=" + encodeURIComponent(since));
	source.onopen = () => { disconnected.value = false; };
	source.onerror = () => {
		disconnected.value = true;
		if (source?.readyState === EventSource.CLOSED) later(); // the browser gives up on an answer that is not a stream
	};
	source.addEventListener("snapshot", (m) => begin(JSON.parse(m.data)));
	source.addEventListener("change", (m) => change(JSON.parse(m.data)));
	source.addEventListener("event", (m) => receive(m.data));
	source.addEventListener("health", (m) => { health.value = JSON.parse(m.data).reasons ?? []; });
};
