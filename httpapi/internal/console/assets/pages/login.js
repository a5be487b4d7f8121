// The form that asks for a token.
import { useState } from "../vendor/hooks.mjs";
import { html } from "../html.js";
import { Refused, request } from "../api.js";
import { follow } from "../cluster.js";
import { words } from "../words.js";

export const Login = () => {
	const w = words.value;
	const [token, setToken] = useState(""), [failure, fail] = useState("");
	const submit = async (/** @type {any} */ e) => {
		e.preventDefault();
		fail("");
		try {
			await request("POST", "login", { token });
			follow();
		} catch (e) {
			fail(e instanceof Refused && e.status === 401 ? w.badToken : e instanceof Error ? e.message : String(e));
		}
		setToken("");
	};
	return html`<form class="card" id="login" onSubmit=${submit}><h2>${w.login}</h2><p class="faint">${w.loginHint}</p>
		${failure && html`<p class="bad" role="alert">${failure}</p>`}
		<p class="row"><input type="password" required autocomplete="current-password" aria-label=${w.token} value=${token} onInput=${(/** @type {any} */ e) => setToken(e.target.value)} /><button class="main">${w.login}</button></p></form>`;
};
