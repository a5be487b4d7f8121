// The user, the language and theme of the console, and the node that serves it.
import { html } from "../html.js";
import { follow, live, may, me } from "../cluster.js";
import { request } from "../api.js";
import { useFetched } from "../fetched.js";
import { theme } from "../theme.js";
import { language, languages, words, speak } from "../words.js";
import * as operations from "../operations.js";

/** @import { Placement } from "../placement.js" */

export const logout = async () => {
	await request("POST", "logout");
	follow();
};

export const Settings = () => {
	const w = words.value, p = /** @type {Placement} */ (live.value);
	void p.version.value;
	const version = /** @type {any} */ (useFetched("version", []).value), config = /** @type {{ value?: any, failure?: string }} */ (useFetched("config", []));
	return html`<h2 class="page">${w.settings}</h2><div class="columns">
		<section class="card"><h3>${w.you}</h3><p>${me.value.open ? w.noToken : w.youAre(me.value.name, me.value.role)}</p>${!may() && html`<p class="faint">${w.viewOnly}</p>`}
			${!me.value.open && html`<p><button onClick=${logout}>${w.logout}</button></p>`}
			<p><label>${w.language} <select value=${language.value} onChange=${(/** @type {any} */ e) => speak(e.target.value)}>${Object.entries(languages).map(([id, name]) => html`<option key=${id} value=${id}>${name}</option>`)}</select></label></p>
			<p><label>${w.theme} <select id="theme" value=${theme.value} onChange=${(/** @type {any} */ e) => { theme.value = e.target.value; }}>${Object.entries(w.themes).map(([id, name]) => html`<option key=${id} value=${id}>${name}</option>`)}</select></label></p></section>
		<section class="card"><h3>${w.about}</h3><dl>
			<dt>${w.version}</dt><dd>${version?.version ?? ""}${version?.revision ? ` (${version.revision})` : ""}</dd>
			<dt>${w.node}</dt><dd>${config.value?.node ?? ""}</dd><dt>${w.leader}</dt><dd>${p.leader || w.noLeader}</dd><dt>${w.term}</dt><dd>${p.term}</dd></dl>
			${p.leader && html`<p><button disabled=${!may("admin")} onClick=${() => operations.stepDown(p.leader)}>${w.stepDown}</button></p>`}</section></div>
		<h3>${w.configuration}</h3>${config.failure ? html`<p class="faint">${config.failure}</p>` : html`<pre class="log" tabindex="0">${config.value ? JSON.stringify(config.value.config, null, 2) : w.loading}</pre>`}`;
};
