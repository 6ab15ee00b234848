/* The part of the conversation that is shown. */

import { $, make } from "./dom.js";

export const view = { parts: new Map(), first: 0, draft: null, isAtEnd: true, missed: 0 };
export const lines = make("div", { class: "lines" });

export const endOfLines = () => view.draft?.element ?? null;
export const partIds = () => [...view.parts.keys()].sort((one, other) => one - other);

export const topOf = ({ element }) =>
  element.getBoundingClientRect().top - $("log").getBoundingClientRect().top;

export function showToEnd() {
  $("to-bottom").hidden = view.isAtEnd;
  $("to-bottom-count").hidden = !view.missed;
  $("to-bottom-count").textContent = view.missed || "";
}

export function followEnd() {
  if (view.isAtEnd) $("log").scrollTop = $("log").scrollHeight;
}
