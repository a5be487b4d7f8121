// Light or dark: as the system is, unless the user has chosen.
import { computed, effect, signal } from "./vendor/signals.mjs";

const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => { systemDark.value = system.matches; });

/** @type {import("./vendor/signals.mjs").Signal<string>} */
export const theme = signal(localStorage.getItem("theme") ?? "system"); // or light, or dark
export const dark = computed(() => (theme.value === "system" ? systemDark.value : theme.value === "dark"));
effect(() => {
	localStorage.setItem("theme", theme.value);
	document.documentElement.dataset.theme = dark.value ? "dark" : "light";
});
