/* The conversation: its messages on the page, and scrolling through them. */

import { showChats } from "./chats.js";
import { $, button, make } from "./dom.js";
import { showDraft } from "./drafts.js";
import { isService, newPart, updatePart } from "./messages.js";
import { markSeen } from "./seen.js";
import { addressOf, chatHere, here, isMine, threadIds } from "./state.js";
import { endOfLines, lines, partIds, showToEnd, topOf, view } from "./view.js";
import { showWelcome } from "./welcome.js";
import { dayName, dayOf } from "./words.js";

const PAGE = 60;

export function openConversation(place) {
  view.parts.clear();
  view.draft = null;
  view.isAtEnd = true;
  view.missed = 0;
  lines.replaceChildren();
  // A screen reader is not to read a whole chat aloud because it was opened
  $("log").setAttribute("aria-live", "off");
  const record = chatHere();
  if (!record) return;
  const ids = threadIds(record, here.thread);
  for (const id of ids.slice(-PAGE)) appendPart(record.messages.get(id));
  showOlder();
  showDraft();
  showWelcome();
  if (!place || !goBackTo(place)) toEnd();
  setTimeout(() => $("log").setAttribute("aria-live", "polite"), 300);
}

function appendPart(message, before = null) {
  const part = newPart(message);
  view.parts.set(message.message_id, part);
  lines.insertBefore(part.element, before?.dayPill ?? before?.element ?? endOfLines());
  return part;
}

/** Show where the chain of one person's messages begins, and where a day does. */
function joinPart(part, previous) {
  const isNewDay = !previous || dayOf(previous.message.date) !== dayOf(part.message.date);
  const isChained =
    !isNewDay && previous.message.from?.id === part.message.from?.id &&
    !isService(previous.message) && part.message.date - previous.message.date < 600;
  part.element.classList.toggle("first", !isChained);
  part.dayPill?.remove();
  part.dayPill = isNewDay ? make("div", { class: "pill" }, dayName(part.message.date)) : null;
  if (part.dayPill) part.element.before(part.dayPill);
}

function joinAround(id) {
  const ids = partIds();
  const at = ids.indexOf(id);
  for (const place of [at, at + 1]) {
    if (ids[place] !== undefined) joinPart(view.parts.get(ids[place]), view.parts.get(ids[place - 1]));
  }
}

function joinAll() {
  let previous;
  for (const id of partIds()) {
    joinPart(view.parts.get(id), previous);
    previous = view.parts.get(id);
  }
}

export function showMessage(message, { isNew, isQuiet }) {
  const part = view.parts.get(message.message_id);
  if (part) {
    updatePart(part, message);
    return;
  }
  if (!isNew) return;
  const next = partIds().find((id) => id > message.message_id);
  if (isQuiet) showDraft();
  const added = appendPart(message, next === undefined ? null : view.parts.get(next));
  joinAround(message.message_id);
  if (!isQuiet) added.element.classList.add("enter");
  showWelcome();
  if (isMine(message)) toEnd();
  else if (!view.isAtEnd) view.missed += 1;
  trimParts();
  showToEnd();
  markSeen();
}

/** Forget the oldest shown messages of a conversation that goes on and on. */
function trimParts() {
  if (view.parts.size < 6 * PAGE || !view.isAtEnd) return;
  for (const id of partIds().slice(0, 3 * PAGE)) removePart(id);
  showOlder();
}

export function removePart(id) {
  const part = view.parts.get(id);
  if (!part) return;
  if (part.element.contains(document.activeElement)) $("log").focus({ preventScroll: true });
  part.element.remove();
  part.dayPill?.remove();
  view.parts.delete(id);
  const next = partIds().find((other) => other > id);
  if (next !== undefined) joinAround(next);
  showWelcome();
}

function showOlder() {
  lines.querySelector(".older")?.remove();
  joinAll();
  const record = chatHere();
  const first = partIds()[0];
  if (first === undefined || threadIds(record, here.thread)[0] === first) return;
  const more = button({ class: "older chip", onclick: loadOlder }, "Earlier messages");
  lines.prepend(more);
  olderObserver.observe(more);
}

const olderObserver = new IntersectionObserver(
  (entries) => entries.some((entry) => entry.isIntersecting) && loadOlder(),
  { root: null },
);

function loadOlder() {
  const record = chatHere();
  const first = partIds()[0];
  const ids = threadIds(record, here.thread).filter((id) => id < first).slice(-PAGE);
  const height = lines.offsetHeight;
  const next = view.parts.get(first);
  for (const id of ids) appendPart(record.messages.get(id), next);
  showOlder();
  $("log").scrollTop += lines.offsetHeight - height;
}

/** Return the message that a reader above the end is at, and where it stands. */
export function placeOfReading() {
  if (view.isAtEnd) return null;
  const id = partIds().find((each) => topOf(view.parts.get(each)) >= 0);
  return id && { id, top: topOf(view.parts.get(id)), address: addressOf(here), missed: view.missed };
}

function goBackTo({ id, top, missed }) {
  while (!view.parts.has(id) && lines.querySelector(".older")) loadOlder();
  const part = view.parts.get(id);
  if (!part) return false;
  Object.assign(view, { isAtEnd: false, missed });
  $("log").scrollTop += topOf(part) - top;
  showToEnd();
  return true;
}

export function toEnd() {
  view.isAtEnd = true;
  view.missed = 0;
  $("log").scrollTop = $("log").scrollHeight;
  showToEnd();
  markSeen();
}

export function noteScroll() {
  const log = $("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  if (isAtEnd === view.isAtEnd) return;
  view.isAtEnd = isAtEnd;
  if (isAtEnd) view.missed = 0;
  showToEnd();
  markSeen();
  showChats();
}

/** Move to a message and let it light up. */
export function showPlace(id) {
  while (!view.parts.has(id) && lines.querySelector(".older")) loadOlder();
  const part = view.parts.get(id);
  if (!part) return;
  view.isAtEnd = false;
  part.element.scrollIntoView({ block: "center", behavior: "smooth" });
  part.element.classList.remove("flash");
  void part.element.offsetWidth;
  part.element.classList.add("flash");
}
