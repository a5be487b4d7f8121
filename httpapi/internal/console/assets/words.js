// The texts of the console, in the chosen language.
import { computed, signal } from "./vendor/signals.mjs";
import { en } from "./words/en.js";
import { zh } from "./words/zh.js";

/** @typedef {typeof en} Words */

/** @type {Record<string, Words>} */
export const all = { en, zh };
export const languages = { en: "English", zh: "简体中文" };

const preferred = () => {
	const kept = localStorage.getItem("language") ?? "";
	return all[kept] ? kept : navigator.language.startsWith("zh") ? "zh" : "en";
};

export const language = signal(preferred());
export const words = computed(() => all[language.value]);

export const speak = (/** @type {string} */ l) => {
	language.value = l;
	localStorage.setItem("language", l);
};

/** fieldName returns the name of a field of a task in the chosen language; without a word for it, its own as words, which is "Restart max backoff" for restart.maxBackoff. */
export const fieldName = (/** @type {string} */ name) => words.value.form[name] ?? name[0].toUpperCase() + name.slice(1).replace(/[.A-Z]/g, (c) => " " + (c === "." ? "" : c.toLowerCase()));

/** clock returns a time of day, with the date unless it is today. */
export const clock = (/** @type {string | undefined} */ text) => {
	if (!text) return "";
	const at = new Date(text), today = new Date().toDateString() === at.toDateString();
	return today ? at.toLocaleTimeString(language.value) : at.toLocaleString(language.value);
};

/** lasted returns a duration as text, in milliseconds, seconds, minutes or hours. */
export const lasted = (/** @type {number} */ seconds) => {
	if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
	if (seconds < 60) return `${seconds.toFixed(1)} s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
	return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
};
