// Values that a page fetches from the node while it is open.
import { useEffect, useRef, useState } from "./vendor/hooks.mjs";
import { get } from "./api.js";

/**
 * useFetched fetches a value. It fetches again when one of on changes, at most once every pause milliseconds. The last
 * value stays until the new one arrives.
 * @template T
 * @param {string} path "" to fetch nothing @param {unknown[]} on @param {number} [pause]
 * @returns {{ value?: T, failure?: string }}
 */
export const useFetched = (path, on, pause = 300) => {
	const [state, setState] = useState(/** @type {{ path: string, value?: T, failure?: string }} */ ({ path }));
	const last = useRef(0);
	useEffect(() => {
		if (!path) return undefined;
		const aborter = new AbortController();
		const timer = setTimeout(async () => {
			last.current = performance.now();
			try {
				setState({ path, value: await get(path, aborter.signal) });
			} catch (e) {
				if (!aborter.signal.aborted) setState((old) => ({ path, value: old.path === path ? old.value : undefined, failure: e instanceof Error ? e.message : String(e) }));
			}
		}, Math.max(0, last.current + pause - performance.now()));
		return () => {
			clearTimeout(timer);
			aborter.abort();
		};
	}, [path, ...on]);
	return state.path === path ? state : {};
};

/**
 * useThrottled returns the value, but changes it at most once every pause milliseconds.
 * @template T
 * @param {T} value @param {number} pause
 * @returns {T}
 */
export const useThrottled = (value, pause) => {
	const [kept, setKept] = useState(value);
	const last = useRef(0);
	useEffect(() => {
		const timer = setTimeout(() => {
			last.current = performance.now();
			setKept(value);
		}, Math.max(0, last.current + pause - performance.now()));
		return () => clearTimeout(timer);
	}, [value]);
	return kept;
};

/** useTick renders again every pause milliseconds, for what changes with time alone. */
export const useTick = (/** @type {number} */ pause) => {
	const [, tick] = useState(0);
	useEffect(() => {
		const timer = setInterval(() => tick((n) => n + 1), pause);
		return () => clearInterval(timer);
	}, [pause]);
};
