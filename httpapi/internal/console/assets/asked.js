// Values that are asked of the node while a page is open.
import { useEffect, useRef, useState } from "./vendor/hooks.mjs";
import { get } from "./api.js";

/**
 * useAsked asks for a value, again whenever one of on is different, at most every pause milliseconds. The last value
 * stays while a new one is on its way.
 * @template T
 * @param {string} path "" to ask for nothing @param {unknown[]} on @param {number} [pause]
 * @returns {{ value?: T, failure?: string }}
 */
export const useAsked = (path, on, pause = 300) => {
	const [told, tell] = useState(/** @type {{ path: string, value?: T, failure?: string }} */ ({ path }));
	const last = useRef(0);
	useEffect(() => {
		if (!path) return undefined;
		const ending = new AbortController();
		const timer = setTimeout(async () => {
			last.current = performance.now();
			try {
				tell({ path, value: await get(path, ending.signal) });
			} catch (e) {
				if (!ending.signal.aborted) tell((old) => ({ path, value: old.path === path ? old.value : undefined, failure: e instanceof Error ? e.message : String(e) }));
			}
		}, Math.max(0, last.current + pause - performance.now()));
		return () => {
			clearTimeout(timer);
			ending.abort();
		};
	}, [path, ...on]);
	return told.path === path ? told : {};
};

/**
 * useCalm is a value that changes at most every pause milliseconds.
 * @template T
 * @param {T} value @param {number} pause
 * @returns {T}
 */
export const useCalm = (value, pause) => {
	const [kept, keep] = useState(value);
	const last = useRef(0);
	useEffect(() => {
		const timer = setTimeout(() => {
			last.current = performance.now();
			keep(value);
		}, Math.max(0, last.current + pause - performance.now()));
		return () => clearTimeout(timer);
	}, [value]);
	return kept;
};

/** useTick draws again every pause milliseconds, for what changes by itself. */
export const useTick = (/** @type {number} */ pause) => {
	const [, tick] = useState(0);
	useEffect(() => {
		const timer = setInterval(() => tick((n) => n + 1), pause);
		return () => clearInterval(timer);
	}, [pause]);
};
