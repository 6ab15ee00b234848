/* The journal: updates to the bot, and its calls. */

import { CODE_LIMIT, copyButton } from "./code.js";
import { toast } from "./dialogs.js";
import { $, button, icon, make } from "./dom.js";
import { changeMeta, openUpdates } from "./messages.js";
import { ask } from "./server.js";
import { here, state } from "./state.js";
import { view } from "./view.js";
import { shorten, stopwatch } from "./words.js";

const JOURNAL_LIMIT = 500;
const entries = new Map();

let journalIsAtEnd = true;

export function replaceJournal(list) {
  entries.clear();
  openUpdates.clear();
  $("journal").replaceChildren();
  list.forEach(takeEntry);
}

export function takeEntry(entry) {
  noteDelivery(entry);
  const shown = entries.get(entry.id);
  if (shown) changeEntry(shown, entry);
  else addEntry(entry);
}

/** Remember which messages the bot has not taken yet. */
function noteDelivery(entry) {
  const message = entry.kind === "update" && entry.request?.message;
  if (!message) return;
  const key = `${message.chat.id}/${message.message_id}`;
  const wasOpen = openUpdates.has(key);
  if (entry.ok) openUpdates.delete(key);
  else openUpdates.add(key);
  const part = message.chat.id === here.chat && view.parts.get(message.message_id);
  if (part?.meta && wasOpen !== openUpdates.has(key)) changeMeta(part);
}

function addEntry(entry) {
  const shown = { entry, element: null, head: null, body: null };
  shown.head = button({ class: "entry-head", "aria-expanded": "false", onclick: () => toggleEntry(shown) });
  shown.element = make("li", { class: `entry ${entry.kind}` }, shown.head);
  fillHead(shown);
  entries.set(entry.id, shown);
  $("journal").append(shown.element);
  if (entries.size > JOURNAL_LIMIT) dropEntry(entries.keys().next().value);
  filterEntry(shown);
  $("journal-empty").hidden = true;
  showTrouble(entry);
  if (journalIsAtEnd) $("journal").scrollTop = $("journal").scrollHeight;
}

function dropEntry(id) {
  entries.get(id).element.remove();
  entries.delete(id);
}

function changeEntry(shown, entry) {
  shown.entry = entry;
  fillHead(shown);
  showTrouble(entry);
  if (shown.body) fillBody(shown);
}

function showTrouble(entry) {
  if (entry.violations?.length && $("panel").hidden) $("panel-dot").hidden = false;
}

function fillHead({ entry, head }) {
  const isUpdate = entry.kind === "update";
  head.replaceChildren(
    make("span", { class: "way", title: isUpdate ? "to the bot" : "from the bot" }, icon(isUpdate ? "into" : "up")),
    make(
      "span", {},
      make("span", { class: "unseen" }, isUpdate ? "To the bot: " : "From the bot: "),
      make("span", { class: "entry-title" }, entry.title),
      make("span", { class: "entry-where" }, entryWhere(entry)),
    ),
    make(
      "span", { class: "entry-end" },
      entry.violations?.length > 0 && make("span", { class: "badge bad" }, "rule broken"),
      (entry.attempts?.length ?? 0) > 1 && make("span", {}, `${entry.attempts.length} tries`),
      entry.ms != null && make("span", {}, duration(entry.ms)),
      statusBadge(entry),
    ),
  );
}

function entryWhere(entry) {
  const record = state.chats.get(entry.chat_id);
  const where = record ? privateName(record) : (entry.chat_id ?? "");
  const time = stopwatch.format(new Date(entry.at));
  return [time, where, entryWords(entry)].filter(Boolean).join(" · ");
}

function privateName({ chat }) {
  return chat.type === "private" ? chat.first_name : chat.title;
}

function entryWords({ request }) {
  if (!request) return "";
  const message = request.message ?? request.edited_message ?? request;
  const words = message.text ?? message.caption ?? request.callback_query?.data ?? request.action;
  return typeof words === "string" ? shorten(words.replace(/\s+/g, " "), 40) : "";
}

const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function statusBadge(entry) {
  if (entry.ok == null) return make("span", { class: "badge open" }, "…");
  const words = entry.status ?? (entry.ok ? "ok" : "failed");
  return make("span", { class: `badge ${entry.ok ? "good" : "bad"}` }, String(words));
}

function toggleEntry(shown) {
  const isOpen = !shown.body;
  shown.head.setAttribute("aria-expanded", String(isOpen));
  shown.element.classList.toggle("open", isOpen);
  if (!isOpen) {
    shown.body.remove();
    shown.body = null;
    return;
  }
  shown.body = make("div", { class: "entry-body" });
  fillBody(shown);
  shown.element.append(shown.body);
  shown.body.scrollIntoView({ block: "nearest" });
}

function fillBody({ entry, body }) {
  const isUpdate = entry.kind === "update";
  const [asked, got] = isUpdate
    ? ["Update", "The bot answered"]
    : [`${entry.title}, parameters`, "Telegram answered"];
  body.replaceChildren(
    ...[
      entry.violations?.length > 0 && violationList(entry.violations),
      entry.attempts?.length > 0 && attemptTable(entry.attempts),
      ...jsonBox(asked, entry.request),
      ...(entry.response == null ? [] : jsonBox(got, entry.response)),
      isUpdate && button({ class: "again", onclick: () => sendAgain(entry) }, icon("again"), "Send this update again"),
    ].filter(Boolean),
  );
}

function violationList(violations) {
  const rules = violations.map((violation) => make("div", {}, violation));
  return make("div", { class: "violations" }, make("b", {}, "Telegram's rules are broken"), rules);
}

function attemptTable(attempts) {
  const rows = attempts.map((attempt, at) =>
    make(
      "tr", {},
      make("th", { scope: "row" }, `Delivery ${at + 1}`),
      make("td", {}, String(attempt.status ?? attempt.error ?? "…")),
      make("td", {}, attempt.ms == null ? "" : duration(attempt.ms)),
    ));
  return make("table", { class: "attempts" }, make("tbody", {}, rows));
}

function jsonBox(title, value) {
  const text = JSON.stringify(value, null, 2) ?? "";
  return [
    make("div", { class: "json-top" }, make("span", {}, title), copyButton(() => text)),
    make("pre", { class: "json", dir: "ltr" }, jsonNodes(text)),
  ];
}

const JSON_TOKENS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;

function jsonNodes(text) {
  if (text.length > 4 * CODE_LIMIT) return [text];
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(JSON_TOKENS)) {
    const [whole, string, colon, word] = found;
    const kind = string ? (colon ? "key" : "string") : word ? "word" : "number";
    nodes.push(text.slice(done, found.index), make("span", { class: `json-${kind}` }, string ?? whole));
    done = found.index + (string ?? whole).length;
  }
  return [...nodes, text.slice(done)];
}

async function sendAgain(entry) {
  if (await ask("again", { entry: entry.id })) toast("The update was sent again.");
}

function filterEntry({ entry, element }) {
  const isElsewhere = $("only-chat").checked && entry.chat_id !== here.chat;
  const isDraft = $("hide-drafts").checked && /draft|chataction/i.test(entry.title);
  element.hidden = isElsewhere || isDraft;
}

export function filterJournal() {
  for (const shown of entries.values()) filterEntry(shown);
  if (journalIsAtEnd) $("journal").scrollTop = $("journal").scrollHeight;
}

export function clearJournal() {
  for (const id of [...entries.keys()]) dropEntry(id);
  $("journal-empty").hidden = false;
}

export function noteJournalScroll() {
  const { scrollHeight, scrollTop, clientHeight } = $("journal");
  journalIsAtEnd = scrollHeight - scrollTop - clientHeight < 40;
}
