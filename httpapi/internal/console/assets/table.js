// A list with a filter, an order and pages. The address holds what is chosen.
import { useMemo } from "./vendor/hooks.mjs";
import { html } from "./html.js";
import { choose, place } from "./route.js";
import { compareText } from "./placement.js";
import { words } from "./words.js";

/**
 * @template T
 * @typedef {{ id: string, title: string, value: (row: T) => string | number | undefined, cell?: (row: T) => any, number?: boolean }} Column
 */

const size = 100; // rows of a page

/** @param {string | number | undefined} a @param {string | number | undefined} b */
const compare = (a, b) => {
	if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
	return typeof a === "number" && typeof b === "number" ? a - b : compareText(String(a), String(b));
};

/**
 * arranged returns the rows that hold all terms of a filter, in the order of a column. "-id" reverses the order.
 * @template T
 * @param {T[]} rows @param {Column<T>[]} columns @param {string} filter @param {string} sort
 */
export const arranged = (rows, columns, filter, sort) => {
	const terms = filter.toLowerCase().split(/\s+/).filter(Boolean);
	const found = terms.length === 0 ? rows : rows.filter((row) => {
		const text = columns.map((c) => c.value(row) ?? "").join(" ").toLowerCase();
		return terms.every((term) => text.includes(term));
	});
	const column = columns.find((c) => c.id === sort.replace(/^-/, ""));
	if (!column) return found;
	const way = sort.startsWith("-") ? -1 : 1;
	return [...found].sort((a, b) => way * compare(column.value(a), column.value(b)));
};

/**
 * Table shows rows. Its name is for screen readers, and id separates several tables of one page.
 * @template T
 * @param {{ name: string, id?: string, rows: T[], columns: Column<T>[], of: (row: T) => string, empty: string, sort?: string, lead?: any, plain?: boolean }} props
 */
export const Table = ({ name, id = "", rows, columns, of, empty, sort: usual = "", lead, plain }) => {
	const w = words.value, query = place.value.query;
	const filter = query.get(id + "q") ?? "", sort = query.get(id + "sort") ?? usual;
	const found = useMemo(() => arranged(rows, columns, filter, sort), [rows, columns, filter, sort]);
	const pages = Math.max(1, Math.ceil(found.length / size));
	const page = Math.min(pages, Math.max(1, Number(query.get(id + "page")) || 1));
	const shown = found.slice((page - 1) * size, page * size);
	const set = (/** @type {Record<string, any>} */ change) => choose(Object.fromEntries(Object.entries(change).map(([k, v]) => [id + k, v])));
	const turn = (/** @type {string} */ column) => set({ sort: sort === column ? "-" + column : column, page: "" });
	return html`<section class="list" aria-label=${name}>
		${!plain && html`<div class="row tools">${lead}<span class="grow"></span>
			<input type="search" aria-label=${w.filter + ": " + name} placeholder=${w.filter} value=${filter} onInput=${(/** @type {any} */ e) => set({ q: e.target.value, page: "" })} />
			<span class="faint" role="status">${filter ? w.shown(found.length, rows.length) : w.count(rows.length)}</span></div>`}
		${shown.length === 0 ? html`<p class="empty">${rows.length === 0 ? empty : w.nothingFound}</p>` : html`<table>
			<thead><tr>${columns.map((c) => html`<th key=${c.id} class=${c.number ? "number" : ""} aria-sort=${sort === c.id ? "ascending" : sort === "-" + c.id ? "descending" : "none"}>
				${c.title && (plain ? c.title : html`<button class="sort" onClick=${() => turn(c.id)}>${c.title}<span aria-hidden="true">${sort === c.id ? " ▲" : sort === "-" + c.id ? " ▼" : ""}</span></button>`)}</th>`)}</tr></thead>
			<tbody>${shown.map((row) => html`<tr key=${of(row)}>${columns.map((c) => html`<td key=${c.id} data-title=${c.title} class=${c.number ? "number" : ""}>${c.cell ? c.cell(row) : c.value(row)}</td>`)}</tr>`)}</tbody>
		</table>`}
		${pages > 1 && html`<nav class="row pages" aria-label=${w.pages}>
			<button disabled=${page === 1} onClick=${() => set({ page: page - 1 })}>‹ ${w.before}</button>
			<span>${w.page(page, pages)}</span>
			<button disabled=${page === pages} onClick=${() => set({ page: page + 1 })}>${w.after} ›</button></nav>`}
	</section>`;
};
