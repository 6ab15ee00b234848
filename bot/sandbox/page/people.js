/* People: their faces, the choice between them, and the words about the model. */

import { $, icon, make } from "./dom.js";
import { chatHere, goTo, here, isByBot, senderName, state, titleOf } from "./state.js";

export const colour = (id) => "abc"[(((id ?? 0) - 1001) % 3 + 3) % 3];

export function face(kind, name, size = "") {
  const inside = kind === "bot" ? icon("spark") : [...(name || "?")][0];
  return make("span", { class: `face ${kind} ${size}`, "aria-hidden": "true" }, inside);
}

export function faceOfChat(record) {
  const kinds = { private: "bot", group: "group", supergroup: "group" };
  const kind = record.chat.is_forum ? "forum" : kinds[record.chat.type];
  return face(kind, titleOf(record));
}

export function faceOfSender(message) {
  if (isByBot(message)) return face("bot", "", "small");
  return face(colour(message.from?.id), senderName(message), "small");
}

const OWN_BOT = "your bot";

export function showModel() {
  const { builtin, name = OWN_BOT } = state.model ?? {};
  $("model").textContent = builtin ? "built-in model, not Gemini" : `with ${name}`;
  $("reach").textContent = [
    whereTo(builtin, name),
    state.isOpen && "Others on the network can read along.",
    "Not for production.",
  ].filter(Boolean).join(" ");
}

/** Say how far the messages written here travel. */
function whereTo(isBuiltin, name) {
  if (isBuiltin) return state.isOpen ? null : "All of this stays on your machine.";
  return name === OWN_BOT ? null : "Questions go to Google's Gemini, on your key.";
}

export function showPeople() {
  const names = state.people.map((person) => person.id).join();
  const list = $("people");
  if (list.dataset.names !== names) {
    list.dataset.names = names;
    list.replaceChildren(list.querySelector("legend"), ...state.people.map(personChoice));
  }
  for (const input of list.querySelectorAll("input")) {
    input.checked = Number(input.value) === here.person;
  }
}

function personChoice(person) {
  const id = `person-${person.id}`;
  const input = make("input", {
    type: "radio", name: "person", id, value: person.id, onchange: () => become(person.id),
  });
  const label = make(
    "label", { for: id }, face(colour(person.id), person.first_name),
    make("span", { class: "person-name" }, person.first_name),
  );
  return make("span", { class: "person" }, input, label);
}

/** Become another person: a private chat changes with them, a group stays. */
function become(person) {
  const isShared = chatHere()?.members.includes(person) && chatHere().chat.type !== "private";
  goTo({ person, chat: isShared ? here.chat : person, thread: isShared ? here.thread : null });
}
