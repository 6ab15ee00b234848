/* The light and the dark theme. */

import { $, icon } from "./dom.js";
import { keep, kept } from "./kept.js";

export const prefersDark = matchMedia("(prefers-color-scheme: dark)");

export function showTheme() {
  const theme = kept("theme") ?? (prefersDark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  $("theme").setAttribute("aria-pressed", String(theme === "dark"));
  $("theme").replaceChildren(icon(theme === "dark" ? "sun" : "moon"));
}

export function toggleTheme() {
  keep("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  showTheme();
}
