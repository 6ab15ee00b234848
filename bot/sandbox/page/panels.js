/* The drawer of chats and the developer panel. */

import { $ } from "./dom.js";
import { keep } from "./kept.js";

export const isNarrow = matchMedia("(max-width: 1099px)");
export const isPhone = matchMedia("(max-width: 767px)");

export function showPanel(isOpen) {
  $("panel").hidden = !isOpen;
  $("app").classList.toggle("with-panel", isOpen);
  $("panel-toggle").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) $("panel-dot").hidden = true;
  if (isOpen) $("journal").scrollTop = $("journal").scrollHeight;
  showScrim();
}

export function togglePanel() {
  const isOpen = $("panel").hidden;
  if (!isNarrow.matches) keep("panel", isOpen ? "open" : "closed");
  showPanel(isOpen);
  if (isOpen && isNarrow.matches) $("panel-close").focus();
}

export function closePanel() {
  if ($("panel").hidden) return;
  togglePanel();
  $("panel-toggle").focus();
}

export function openSide() {
  $("app").classList.add("with-side");
  $("side-open").setAttribute("aria-expanded", "true");
  showScrim();
  $("side-close").focus();
}

export function closeSide() {
  if (!$("app").classList.contains("with-side")) return;
  $("app").classList.remove("with-side");
  $("side-open").setAttribute("aria-expanded", "false");
  showScrim();
  $("side-open").focus();
}

/** A drawer or panel over the page keeps the keyboard to itself. */
export function showScrim() {
  const isSideOver = isPhone.matches && $("app").classList.contains("with-side");
  const isPanelOver = isNarrow.matches && !$("panel").hidden;
  $("scrim").hidden = !(isSideOver || isPanelOver);
  $("conversation").inert = isSideOver || isPanelOver;
  $("side").inert = isPanelOver;
}

export function closeOver() {
  closeSide();
  if (isNarrow.matches) closePanel();
}

export function showPanelTab(name) {
  for (const tab of ["journal", "switches"]) {
    const isHere = tab === name;
    $(`tab-${tab}`).setAttribute("aria-selected", String(isHere));
    $(`tab-${tab}`).tabIndex = isHere ? 0 : -1;
    $(`${tab}-page`).hidden = !isHere;
  }
}
