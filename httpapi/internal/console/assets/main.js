// The frame around the pages: the menu, whether the node answers, and a summary of the cluster in one sentence.
import { render } from "./vendor/preact.mjs";
import { useEffect, useRef } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { Outcomes, Questions } from "./act.js";
import { disconnected, follow, health, live, me, needsLogin, refused } from "./cluster.js";
import { href, place } from "./route.js";
import { clock, language, languages, words, speak } from "./words.js";
import { Edit } from "./pages/edit.js";
import { Login } from "./pages/login.js";
import { Node } from "./pages/node.js";
import { Nodes } from "./pages/nodes.js";
import { Overview } from "./pages/overview.js";
import { Plan } from "./pages/plan.js";
import { Runs } from "./pages/runs.js";
import { logout, Settings } from "./pages/settings.js";
import { Task } from "./pages/task.js";
import { Tasks } from "./pages/tasks.js";
import { Timeline } from "./pages/timeline.js";
import { Worker } from "./pages/worker.js";
import { Workers } from "./pages/workers.js";
import "./theme.js";
import "./samples.js";

/** @import { Placement } from "./placement.js" */

/** Pages by name. A page that is not in the menu belongs to one that is. */
const pages = /** @type {Record<string, { of?: string, show: (args: string[], query: URLSearchParams) => any }>} */ ({
	overview: { show: () => html`<${Overview} />` },
	tasks: { show: () => html`<${Tasks} />` },
	nodes: { show: () => html`<${Nodes} />` },
	workers: { show: () => html`<${Workers} />` },
	runs: { show: () => html`<${Runs} />` },
	timeline: { show: () => html`<${Timeline} />` },
	plan: { show: () => html`<${Plan} />` },
	settings: { show: () => html`<${Settings} />` },
	task: { of: "tasks", show: ([name]) => html`<${Task} key=${name} name=${name ?? ""} />` },
	edit: { of: "tasks", show: ([name]) => html`<${Edit} key=${name} name=${name ?? ""} />` },
	node: { of: "nodes", show: ([name]) => html`<${Node} key=${name} name=${name ?? ""} />` },
	worker: { of: "workers", show: ([task, index], query) => html`<${Worker} key=${task + "#" + index} task=${task ?? ""} index=${index ?? ""} run=${query.get("run") ?? ""} />` },
});

/** Summary describes the state of the cluster in one sentence. */
const Summary = () => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	void p.version.value;
	const { running, wanted } = p.tally();
	const missing = (/** @type {import("../types").TaskInfo} */ t) => t.unplaced + (t.withheld ?? 0) || (t.failed ?? 0);
	const waiting = p.tasks.filter((t) => missing(t) > 0 && t.reason && !t.paused).map((t) => w.waiting(missing(t), t.name, t.reasonCode ?? "", t.reason ?? ""));
	/** @type {Map<string, number>} */
	const gone = new Map(); // by reason, since a node that is gone has workers of many tasks
	for (const t of p.tasks) if (t.lost && t.reasonCode === "delayed" && t.reason && missing(t) === 0) gone.set(t.reason, (gone.get(t.reason) ?? 0) + t.lost);
	const rest = [...waiting, ...[...gone].map(([why, count]) => w.delayed(count, why)), ...(p.leader ? [] : [w.noLeader]), ...(p.errors.length > 0 ? [w.unusable(p.errors.length)] : [])];
	const bad = !p.leader || running < wanted, waits = p.deferred ? [w.deferred(clock(p.deferred.until), p.deferred.code, p.deferred.reason)] : [];
	return html`<p class=${"summary" + (rest.length > 0 || bad ? " short" : "")} id="summary" role="status">${[w.running(running, wanted), ...rest, ...waits].join(w.joint)}</p>`;
};

const Frame = () => {
	const w = words.value, { page, args, query } = place.value, p = live.value;
	const content = useRef(/** @type {HTMLElement | null} */ (null)), first = useRef(true);
	useEffect(() => {
		document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
		document.title = [args.join("#") || /** @type {Record<string, any>} */ (w)[page], p?.cluster, "xconsumer"].filter(Boolean).join(" · ");
	}, [w, page, args.join(), p]);
	useEffect(() => {
		if (!first.current) content.current?.focus({ preventScroll: true }); // for screen readers
		first.current = false;
		scrollTo(0, 0);
	}, [page, args.join()]);
	const chosen = pages[page]?.of ?? page;
	return html`<a class="skip" href="#content" onClick=${(/** @type {any} */ e) => { e.preventDefault(); content.current?.focus(); }}>${w.skip}</a>
		<header>
			<h1><a href=${href(["overview"])}>xconsumer</a>${p && html` <span class="faint">${p.cluster}</span>`}</h1>
			${p && html`<nav aria-label=${w.menu}>${Object.keys(pages).filter((id) => !pages[id].of).map((id) => html`<a key=${id} href=${href([id])} aria-current=${chosen === id ? "page" : undefined}>${/** @type {Record<string, any>} */ (w)[id]}</a>`)}</nav>`}
			<span class="grow"></span>
			${!me.value.open && me.value.role && html`<span class="faint">${w.youAre(me.value.name, me.value.role)}</span><button id="logout" onClick=${logout}>${w.logout}</button>`}
			<select id="language" aria-label=${w.language} value=${language.value} onChange=${(/** @type {any} */ e) => speak(e.target.value)}>${Object.entries(languages).map(([id, name]) => html`<option key=${id} value=${id}>${name}</option>`)}</select>
		</header>
		<div id="banners">${disconnected.value && html`<p class="banner" role="alert">${w.disconnected}</p>`}
			${health.value.length > 0 && html`<p class="banner bad" role="alert">${w.notReady}${health.value.join("; ")}</p>`}
			${refused.value && html`<p class="banner bad" role="alert">${w.stateRefused}${refused.value}</p>`}</div>
		<main id="content" ref=${content} tabindex="-1">${needsLogin.value ? html`<${Login} />` : !p ? html`<p class="empty">${w.loading}</p>` : html`<${Summary} />${pages[page] ? pages[page].show(args, query) : html`<p class="empty">${w.noSuchPage}</p>`}`}</main>
		<${Questions} /><${Outcomes} />`;
};

render(html`<${Frame} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
follow();
