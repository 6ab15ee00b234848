/* The buttons below messages. */

import { copy } from "./code.js";
import { tell, toast } from "./dialogs.js";
import { button, make } from "./dom.js";
import { SAFE_LINK } from "./entities.js";
import { ask } from "./server.js";
import { here } from "./state.js";

const PRESS_TIME = 15000;
const presses = new Map();
const answered = new Set();

export function keyboardOf(message) {
  const rows = message.reply_markup?.inline_keyboard ?? [];
  return make(
    "div", { class: "keyboard", hidden: !rows.length },
    rows.map((row) => make("div", { class: "keyboard-row" }, row.map(keyElement))),
  );
}

function keyElement(key) {
  const label = { "↻": "Answer again" }[key.text];
  return button(
    { class: `key ${key.style ?? ""}`, "aria-label": label, title: label, onclick: pressHandler(key) },
    key.text,
  );
}

export function pressHandler(key) {
  return ({ currentTarget }) => {
    if (key.callback_data) press(currentTarget, key.callback_data);
    else if (key.url && SAFE_LINK.test(key.url)) open(key.url, "_blank", "noopener,noreferrer");
    else if (key.copy_text) copy(key.copy_text.text).then((done) => done && toast("Copied."));
    else toast("The sandbox does not simulate buttons of this kind.");
  };
}

async function press(element, data) {
  if (element.classList.contains("waiting")) return;
  const id = Number(element.closest("[data-id]")?.dataset.id);
  wait(element, true);
  const answer = await ask("press", {
    chat_id: here.chat, message_id: id, person_id: here.person, data,
  });
  const query = answer?.callback_query_id;
  if (!query || answered.has(query)) {
    wait(element, false);
    return;
  }
  presses.set(query, element);
  setTimeout(() => endPress(query), PRESS_TIME);
}

/** Let a button wait: a disabled one would lose the focus. */
function wait(element, isWaiting) {
  element.setAttribute("aria-disabled", String(isWaiting));
  element.classList.toggle("waiting", isWaiting);
}

function endPress(query) {
  answered.add(query);
  const element = presses.get(query);
  presses.delete(query);
  if (element) wait(element, false);
}

export function takeAnswer({ callback_query_id, person_id, text, show_alert }) {
  endPress(callback_query_id);
  if (!text || person_id !== here.person) return;
  if (show_alert) tell(text);
  else toast(text);
}
