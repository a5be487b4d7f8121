// Routing. The address holds the page and everything chosen on it, so that it can be shared.
//
//	#/task/test01?sort=-restarts&q=n3   ─▶   { page: "task", args: ["test01"], query: {sort, q} }
import { signal } from "./vendor/signals.mjs";

/** @typedef {{ page: string, args: string[], query: URLSearchParams }} Place */

const decode = (/** @type {string} */ text) => {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
};

/** @returns {Place} */
const parse = () => {
	const hash = location.hash.replace(/^#\/?/, "");
	const at = hash.indexOf("?");
	const parts = (at < 0 ? hash : hash.slice(0, at)).split("/").map(decode);
	return { page: parts[0] || "overview", args: parts.slice(1), query: new URLSearchParams(at < 0 ? "" : hash.slice(at + 1)) };
};

export const place = signal(parse());
addEventListener("hashchange", () => { place.value = parse(); });

/**
 * href returns the address of a page.
 * @param {string[]} path
 * @param {Record<string, string | number | undefined>} [query]
 */
export const href = (path, query = {}) => {
	const kept = Object.entries(query).filter(([, v]) => v !== undefined && v !== "").map(([k, v]) => [k, String(v)]);
	return "#/" + path.map(encodeURIComponent).join("/") + (kept.length > 0 ? "?" + new URLSearchParams(kept) : "");
};

/**
 * choose changes what is chosen on this page. It adds no entry to the browser's history.
 * @param {Record<string, string | number | undefined>} query
 */
export const choose = (query) => {
	const { page, args, query: old } = place.value;
	history.replaceState(null, "", href([page, ...args], { ...Object.fromEntries(old), ...query }));
	place.value = parse();
};

export const go = (/** @type {string} */ address) => { location.hash = address; };
