/* The list of chats. */

import { $, button, make } from "./dom.js";
import { closeSide } from "./panels.js";
import { faceOfChat } from "./people.js";
import { lastOf, unseenInChat } from "./seen.js";
import { chatHere, chatsOf, goTo, here, isActing, isMine, senderName, titleOf } from "./state.js";
import { plainText, shorten, shortTime } from "./words.js";

let chatsAreDue = false;

export function showChats() {
  if (chatsAreDue) return;
  chatsAreDue = true;
  requestAnimationFrame(() => {
    chatsAreDue = false;
    renderChats();
  });
  // A hidden page gets no frames
  if (document.hidden) renderChats();
}

function renderChats() {
  const list = $("chats");
  const records = chatsOf(here.person);
  const focused = document.activeElement?.dataset?.chat;
  list.replaceChildren(...records.map((record) => make("li", {}, chatEntry(record))));
  if (focused) list.querySelector(`[data-chat="${focused}"]`)?.focus();
  const waits = records.some((record) => record.chat.id !== here.chat && unseenInChat(record));
  $("side-dot").hidden = !waits;
  const count = records.reduce((sum, record) => sum + unseenInChat(record), 0);
  const title = chatHere() ? titleOf(chatHere()) : "Sandbox";
  document.title = `${count ? `(${count}) ` : ""}${title} · Sandbox`;
}

function chatEntry(record) {
  const last = record.messages.get(lastOf(record.ids));
  const count = unseenInChat(record);
  const isHere = record.chat.id === here.chat;
  return button(
    {
      class: "chat", "aria-current": isHere ? "true" : null, data: { chat: record.chat.id },
      onclick: () => openChat(record.chat.id),
    },
    faceOfChat(record),
    make("span", { class: "chat-name" }, titleOf(record)),
    make("span", { class: "chat-time" }, last ? shortTime(last.date) : ""),
    lastWords(record, last),
    count > 0 && !isHere &&
      make("span", { class: "count" }, String(count), make("span", { class: "unseen" }, " new")),
  );
}

function lastWords(record, last) {
  const threads = [null, ...record.topics.map((topic) => topic.message_thread_id)];
  if (record.drafts.size) return make("span", { class: "chat-words live" }, "answering…");
  if (threads.some((thread) => isActing(record, thread))) {
    return make("span", { class: "chat-words live" }, "typing…");
  }
  if (!last) return make("span", { class: "chat-words" }, "No messages yet");
  const who = isMine(last) ? "You: " : record.chat.type === "private" ? "" : `${senderName(last)}: `;
  const words = shorten(plainText(last).replace(/\s+/g, " "), 90);
  return make("span", { class: "chat-words" }, who ? make("b", {}, who) : null, words);
}

function openChat(chat) {
  goTo({ chat });
  closeSide();
  if (matchMedia("(hover: hover)").matches) $("writing").focus();
}

export function stepChat(step) {
  const records = chatsOf(here.person);
  const at = records.findIndex(({ chat }) => chat.id === here.chat);
  const record = records[(at + step + records.length) % records.length];
  if (record) goTo({ chat: record.chat.id });
}
