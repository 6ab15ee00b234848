/* The field for writing, and the reply or edit that it is for. */

import { $ } from "./dom.js";
import { chatHere, here, isMine, senderName, threadIds } from "./state.js";
import { closeSuggestions } from "./suggestions.js";
import { plainText, shorten } from "./words.js";

const writings = new Map();
export let context = null;

const placeKey = () => `${here.person}/${here.chat}/${here.thread ?? 0}`;

export function keepWriting() {
  if (here.chat) writings.set(placeKey(), { text: $("writing").value, context });
}

export function restoreWriting() {
  const { text = "", context: old = null } = writings.get(placeKey()) ?? {};
  $("writing").value = text;
  setContext(old);
  fitWriting();
  closeSuggestions();
}

export function fitWriting() {
  const writing = $("writing");
  writing.style.height = "auto";
  writing.style.height = `${Math.min(200, writing.scrollHeight)}px`;
}

export function setContext(next) {
  context = next;
  $("context").hidden = !next;
  if (!next) return;
  const { kind, message, quote } = next;
  const title = kind === "edit" ? "Edit your message" : `Reply to ${isMine(message) ? "yourself" : senderName(message)}`;
  $("context-title").textContent = title;
  $("context-text").textContent = quote ?? shorten(plainText(message).replace(/\s+/g, " "));
  $("context-icon").firstElementChild.setAttribute("href", `#icon-${quote ? "quote" : kind}`);
  $("send").setAttribute("aria-label", kind === "edit" ? "Save" : "Send");
}

export function startReply(message, quote = null) {
  if (context?.kind === "edit") setWriting("");
  setContext({ kind: "reply", message, quote });
  $("writing").focus();
}

export const wordsOf = ({ text, caption }) => text ?? caption;

export function startEdit(message) {
  setContext({ kind: "edit", message });
  setWriting(wordsOf(message));
  $("writing").focus();
}

export function endContext() {
  if (context?.kind === "edit") setWriting("");
  $("send").setAttribute("aria-label", "Send");
  setContext(null);
}

export function setWriting(text) {
  $("writing").value = text;
  $("writing").setSelectionRange(text.length, text.length);
  fitWriting();
}

export function insert(text) {
  const writing = $("writing");
  writing.setRangeText(text, writing.selectionStart, writing.selectionEnd, "end");
  writing.focus();
  fitWriting();
}

export function editLast() {
  const record = chatHere();
  const ids = threadIds(record, here.thread);
  const id = ids.findLast((id) => {
    const message = record.messages.get(id);
    return isMine(message) && wordsOf(message);
  });
  if (id) startEdit(record.messages.get(id));
}
