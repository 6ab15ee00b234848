/* Toasts and dialogs. */

import { $, make } from "./dom.js";

export function toast(text) {
  const element = make("div", { class: "toast" }, text);
  $("toasts").append(element);
  setTimeout(() => element.remove(), 4500);
}

export function openDialog(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

export function tell(text) {
  $("alert-text").textContent = text;
  return openDialog($("alert"));
}

export async function confirmed(text, verb) {
  $("ask-text").textContent = text;
  $("ask-ok").textContent = verb;
  return (await openDialog($("ask"))) === "ok";
}

export function closeByBackdrop(event) {
  if (event.target === event.currentTarget) event.currentTarget.close("");
}
