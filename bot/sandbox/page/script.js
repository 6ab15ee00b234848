"use strict";

/* -- Elements ----------------------------------------------------------------------------------- */

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";

const $ = (id) => document.getElementById(id);

/** Make an element: `on…` functions listen, `data` is its dataset, everything else an attribute. */
function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

function button(options, ...children) {
  return make("button", { type: "button", ...options }, ...children);
}

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/* -- What is kept in the browser ---------------------------------------------------------------- */

function kept(name) {
  try {
    return localStorage.getItem(`sandbox.${name}`);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(`sandbox.${name}`, value);
  } catch {
    // A browser that keeps nothing forgets at the next visit
  }
}

/* -- State -------------------------------------------------------------------------------------- */

const state = {
  bot: { id: 0, first_name: "Bot", username: "bot" },
  people: [],
  chats: new Map(),
  commands: [],
  chatCommands: {},
  model: null,
  isOpen: false,
  isRunning: true,
  switches: {},
  isConnected: false,
  hasBegun: false,
};
const here = { person: 0, chat: 0, thread: null };

const topicOf = (threadId) => threadId || null;
const chatHere = () => state.chats.get(here.chat);
const personOf = (id) => state.people.find((person) => person.id === id);
const isByBot = (message) => message.from?.id === state.bot.id;
const isMine = (message) => message.from?.id === here.person;
const chatsOf = (person) =>
  [...state.chats.values()].filter((record) => record.members.includes(person));

function threadOf(message) {
  const isForum = state.chats.get(message.chat.id)?.chat.is_forum;
  return isForum ? topicOf(message.message_thread_id) : null;
}

function newRecord(raw) {
  const record = {
    ids: [], messages: new Map(), drafts: new Map(), actions: new Map(),
  };
  return fillRecord(record, raw);
}

function fillRecord(record, raw) {
  record.chat = raw.chat;
  record.members = raw.members ?? [];
  record.topics = (raw.topics ?? []).filter((topic) => topicOf(topic.message_thread_id));
  for (const message of raw.messages ?? []) store(record, message);
  for (const { message_thread_id, draft } of raw.drafts ?? []) {
    if (draft) record.drafts.set(topicOf(message_thread_id), draft);
  }
  return record;
}

/** Store a message in the order of its identifier; tell whether it is new. */
function store(record, message) {
  const id = message.message_id;
  const isNew = !record.messages.has(id);
  record.messages.set(id, message);
  if (!isNew) return false;
  let at = record.ids.length;
  while (at > 0 && record.ids[at - 1] > id) at -= 1;
  record.ids.splice(at, 0, id);
  return true;
}

function threadIds(record, thread) {
  if (!record.chat.is_forum) return record.ids;
  return record.ids.filter((id) => threadOf(record.messages.get(id)) === thread);
}

function titleOf(record) {
  return record.chat.type === "private" ? state.bot.first_name : record.chat.title;
}

function senderName(message) {
  const sender = message.from ?? message.sender_chat ?? {};
  return sender.first_name ?? sender.title ?? "";
}

/* -- The server --------------------------------------------------------------------------------- */

function postJson(path, body) {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function post(what, body) {
  const response = await postJson(`/do/${what}`, body);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `The sandbox answered ${response.status}.`);
  return answer;
}

/** Do something on the server; a failure is shown, and null returned. */
async function ask(what, body) {
  try {
    return await post(what, body);
  } catch (error) {
    const isOffline = error instanceof TypeError;
    toast(isOffline ? "The sandbox cannot be reached. Is it still running?" : error.message);
    return null;
  }
}

let stream = null;

function listen() {
  stream = new EventSource("/events");
  stream.onmessage = (event) => receive(JSON.parse(event.data));
  stream.onerror = () => {
    state.isConnected = false;
    showBanners();
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

function receive(event) {
  EVENTS[event.type]?.(event);
}

const EVENTS = {
  snapshot: takeSnapshot,
  chat: takeChat,
  message: ({ message }) => takeMessage(message),
  deleted: takeDeletion,
  draft: takeDraft,
  action: takeAction,
  answered: takeAnswer,
  commands: ({ commands, chat_commands }) => {
    Object.assign(state, { commands, chatCommands: chat_commands ?? {} });
  },
  bot: ({ running, bot }) => {
    state.isRunning = running;
    if (bot) state.bot = { ...state.bot, ...bot };
    showBanners();
    showStatus();
  },
  switches: ({ switches }) => {
    state.switches = switches;
    showSwitches();
    showBanners();
  },
  entry: ({ entry }) => takeEntry(entry),
};

function takeSnapshot(snapshot) {
  const place = placeOfReading();
  Object.assign(state, {
    bot: snapshot.bot,
    people: snapshot.people,
    chats: new Map(snapshot.chats.map((raw) => [raw.chat.id, newRecord(raw)])),
    commands: snapshot.commands ?? [],
    chatCommands: snapshot.chat_commands ?? {},
    isOpen: Boolean(snapshot.open),
    model: snapshot.model,
    isRunning: snapshot.bot_running,
    switches: snapshot.switches,
    isConnected: true,
  });
  if (!state.hasBegun) beginSeen();
  replaceJournal(snapshot.journal ?? []);
  showModel();
  showPeople();
  showSwitches();
  showBanners();
  state.hasBegun = true;
  goToAddress(place);
}

function takeChat({ chat }) {
  const record = state.chats.get(chat.chat.id);
  if (!record) {
    state.chats.set(chat.chat.id, newRecord(chat));
  } else {
    const messages = chat.messages ?? [];
    const standing = new Set(messages.map((message) => message.message_id));
    const isGone = record.ids.some((id) => !standing.has(id));
    fillRecord(record, { ...chat, messages: [] });
    if (isGone) forgetMessages(record, standing);
    messages.filter((message) => !isSame(record.messages.get(message.message_id), message)).forEach(takeMessage);
  }
  showChats();
  showTopics();
}

function forgetMessages(record, standing) {
  for (const id of record.ids) if (!standing.has(id)) record.messages.delete(id);
  record.ids = record.ids.filter((id) => standing.has(id));
  record.drafts.clear();
  if (record.chat.id === here.chat) goToAddress();
}

function takeMessage(message) {
  const record = state.chats.get(message.chat.id);
  if (!record) return;
  const thread = threadOf(message);
  const isNew = store(record, message);
  const draftEnds = isNew && isByBot(message) && record.drafts.delete(thread);
  if (isNew && isByBot(message)) record.actions.delete(thread);
  if (message.chat.id === here.chat && thread === here.thread) {
    showMessage(message, { isNew, isQuiet: draftEnds });
  }
  showChats();
  if (record.chat.is_forum) showTopics();
}

function takeDeletion({ chat_id, message_id }) {
  const record = state.chats.get(chat_id);
  if (!record?.messages.delete(message_id)) return;
  record.ids = record.ids.filter((id) => id !== message_id);
  if (chat_id === here.chat) removePart(message_id);
  showChats();
}

function takeDraft({ chat_id, message_thread_id, draft }) {
  const record = state.chats.get(chat_id);
  if (!record) return;
  const thread = topicOf(message_thread_id);
  if (draft) record.drafts.set(thread, draft);
  else record.drafts.delete(thread);
  if (chat_id === here.chat && thread === here.thread) {
    // The message that takes its place is on its way: let nothing jump until then
    if (draft) showDraft();
    else setTimeout(showDraft, 150);
  }
  showChats();
}

const ACTION_TIME = 5000;

function takeAction({ chat_id, message_thread_id }) {
  const record = state.chats.get(chat_id);
  if (!record) return;
  record.actions.set(topicOf(message_thread_id), Date.now() + ACTION_TIME);
  showStatus();
  showChats();
  setTimeout(() => {
    showStatus();
    showChats();
  }, ACTION_TIME + 50);
}

function isActing(record, thread) {
  return (record.actions.get(thread) ?? 0) > Date.now();
}

/* -- The address: who looks at what ------------------------------------------------------------- */

function addressOf({ person, chat, thread }) {
  return `#/${person}/${chat}${thread ? `/${thread}` : ""}`;
}

function readAddress() {
  const [person, chat, thread] = location.hash.replace(/^#\//, "").split("/").map(Number);
  return { person, chat, thread: topicOf(thread) };
}

function goTo(place) {
  const target = { ...here, thread: null, ...place };
  if (addressOf(target) === location.hash) return;
  location.hash = addressOf(target);
}

/** Show what the address says; who reads there already goes on at the same place. */
function goToAddress(place = null) {
  if (!state.hasBegun || !state.people.length) return;
  const wanted = readAddress();
  const last = Number(sessionStorage.getItem("person"));
  const person = (personOf(wanted.person) ?? personOf(last) ?? state.people[0]).id;
  const chats = chatsOf(person);
  const record = chats.find(({ chat }) => chat.id === wanted.chat) ?? firstChat(chats);
  const topics = record?.topics.map((topic) => topic.message_thread_id) ?? [];
  const thread = topics.includes(wanted.thread) ? wanted.thread : null;
  sessionStorage.setItem("person", person);
  keepWriting();
  Object.assign(here, { person, chat: record?.chat.id ?? 0, thread });
  history.replaceState(null, "", addressOf(here));
  showAll(place?.address === addressOf(here) ? place : null);
}

const firstChat = (chats) => chats.find(({ chat }) => chat.type === "private") ?? chats[0];

function showAll(place) {
  showPeople();
  showTopics();
  openConversation(place);
  showHead();
  restoreWriting();
  showChats();
  filterJournal();
}

/* -- What was seen ------------------------------------------------------------------------------ */

const seen = new Map(Object.entries(JSON.parse(kept("seen") ?? "{}")));

const seenKey = (person, chat, thread) => `${person}/${chat}/${thread ?? 0}`;
const lastOf = (ids) => ids[ids.length - 1] ?? 0;

/** Take everything as seen that stood there before this browser came for the first time. */
function beginSeen() {
  for (const person of state.people) {
    for (const record of chatsOf(person.id)) {
      for (const thread of [null, ...record.topics.map((topic) => topic.message_thread_id)]) {
        const key = seenKey(person.id, record.chat.id, thread);
        const last = lastOf(threadIds(record, thread));
        // A sandbox that was emptied counts from the beginning
        if (!seen.has(key) || seen.get(key) > last) seen.set(key, last);
      }
    }
  }
  keepSeen();
}

function keepSeen() {
  keep("seen", JSON.stringify(Object.fromEntries(seen)));
}

function markSeen() {
  const record = chatHere();
  if (!record || document.hidden || !view.isAtEnd) return;
  const key = seenKey(here.person, here.chat, here.thread);
  const last = lastOf(threadIds(record, here.thread));
  if (seen.get(key) === last) return;
  seen.set(key, last);
  keepSeen();
}

function unseen(record, thread) {
  const after = seen.get(seenKey(here.person, record.chat.id, thread)) ?? 0;
  return threadIds(record, thread).filter(
    (id) => id > after && !isMine(record.messages.get(id)),
  ).length;
}

function unseenInChat(record) {
  const threads = [null, ...record.topics.map((topic) => topic.message_thread_id)];
  return threads.reduce((sum, thread) => sum + unseen(record, thread), 0);
}

/* -- Words for people --------------------------------------------------------------------------- */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

const dayOf = (seconds) => new Date(seconds * 1000).toDateString();
const stopwatch = new Intl.DateTimeFormat(
  undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" },
);
const timeOf = (seconds) => clock.format(new Date(seconds * 1000));

function dayName(seconds) {
  const day = dayOf(seconds);
  if (day === new Date().toDateString()) return "Today";
  if (day === new Date(Date.now() - 864e5).toDateString()) return "Yesterday";
  return calendar.format(new Date(seconds * 1000));
}

function shortTime(seconds) {
  const isToday = dayOf(seconds) === new Date().toDateString();
  return isToday ? timeOf(seconds) : shortDate.format(new Date(seconds * 1000));
}

function plainText(message) {
  if (message.forum_topic_created) return `Topic “${message.forum_topic_created.name}”`;
  if (message.rich_message) return plainBlocks(message.rich_message.blocks).trim();
  if (message.photo) return message.caption ? `Photo: ${message.caption}` : "Photo";
  return message.text ?? message.caption ?? "";
}

function plainBlocks(blocks) {
  return (blocks ?? []).map(plainBlock).filter(Boolean).join("\n");
}

function plainBlock(block) {
  return [
    plainRich(block.summary),
    plainRich(block.text ?? block.expression),
    (block.items ?? []).map((item) => plainBlocks(item.blocks)).join("\n"),
    (block.cells ?? []).map((row) => row.map((cell) => plainRich(cell.text)).join(" ")).join("\n"),
    plainBlocks(block.blocks),
    plainRich(block.caption),
  ]
    .filter(Boolean)
    .join("\n");
}

function plainRich(text) {
  if (text == null) return "";
  if (typeof text === "string") return text;
  if (Array.isArray(text)) return text.map(plainRich).join("");
  return plainRich(text.text ?? text.expression ?? text.alternative_text ?? text.button?.text);
}

const shorten = (text, length = 120) =>
  text.length > length ? `${text.slice(0, length).trimEnd()}…` : text;

/* -- Faces -------------------------------------------------------------------------------------- */

const colour = (id) => "abc"[(((id ?? 0) - 1001) % 3 + 3) % 3];

function face(kind, name, size = "") {
  const inside = kind === "bot" ? icon("spark") : [...(name || "?")][0];
  return make("span", { class: `face ${kind} ${size}`, "aria-hidden": "true" }, inside);
}

function faceOfChat(record) {
  const kinds = { private: "bot", group: "group", supergroup: "group" };
  const kind = record.chat.is_forum ? "forum" : kinds[record.chat.type];
  return face(kind, titleOf(record));
}

function faceOfSender(message) {
  if (isByBot(message)) return face("bot", "", "small");
  return face(colour(message.from?.id), senderName(message), "small");
}

/* -- People and chats --------------------------------------------------------------------------- */

const OWN_BOT = "your bot";

function showModel() {
  const { builtin, name = OWN_BOT } = state.model ?? {};
  $("model").textContent = builtin ? "built-in model, not Gemini" : `with ${name}`;
  $("reach").textContent = [
    whereTo(builtin, name),
    state.isOpen && "Others on the network can read along.",
    "Not for production.",
  ].filter(Boolean).join(" ");
}

/** Say how far goes what is written here. */
function whereTo(isBuiltin, name) {
  if (isBuiltin) return state.isOpen ? null : "All of this stays on your machine.";
  return name === OWN_BOT ? null : "Questions go to Google's Gemini, on your key.";
}

function showPeople() {
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

let chatsAreDue = false;

function showChats() {
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

function stepChat(step) {
  const records = chatsOf(here.person);
  const at = records.findIndex(({ chat }) => chat.id === here.chat);
  const record = records[(at + step + records.length) % records.length];
  if (record) goTo({ chat: record.chat.id });
}

/* -- The head of the conversation --------------------------------------------------------------- */

function showHead() {
  const record = chatHere();
  if (!record) return;
  $("title").textContent = titleOf(record);
  $("face").replaceChildren(faceOfChat(record));
  showStatus();
}

function showStatus() {
  const record = chatHere();
  if (!record) return;
  const isLive = isActing(record, here.thread);
  $("status").classList.toggle("live", isLive);
  const text = isLive ? liveStatus(record) : quietStatus(record);
  if ($("status").textContent !== text) $("status").textContent = text;
}

function liveStatus(record) {
  return record.chat.type === "private" ? "typing" : `${state.bot.first_name} is typing`;
}

function quietStatus(record) {
  if (record.chat.type === "private") return state.isRunning ? "bot" : "bot, away";
  const names = record.members.map((id) => personOf(id)?.first_name).filter(Boolean);
  return `${names.join(", ")} and the bot`;
}

const TROUBLES = {
  telegram: {
    flood: "Telegram answers: too many requests (429).",
    error: "Telegram answers with errors (500).",
    slow: "Telegram answers three seconds late.",
    cut: "Telegram closes connections after it did what it was told.",
    twice: "Telegram delivers every update twice.",
  },
  gemini: {
    quota: "The model's quota is used up (429).",
    overload: "The model is overloaded (503).",
    error: "The model answers with errors (500).",
    slow: "The model takes two seconds for each piece.",
    cut: "The model's answers break off.",
    silent: "The model gives empty answers.",
  },
};

function showBanners() {
  const banners = [];
  if (state.hasBegun && !state.isConnected) {
    banners.push(banner("The sandbox cannot be reached. Trying again…", "bad"));
  } else if (!state.isRunning) {
    banners.push(banner("The bot is away for a moment. What you write waits for it."));
  }
  for (const kind of ["telegram", "gemini"]) {
    const text = TROUBLES[kind][state.switches[kind]];
    if (text) banners.push(banner(`On purpose: ${text}`, "", () => turn({ [kind]: "off" })));
  }
  $("banners").replaceChildren(...banners);
}

function banner(text, kind = "", turnOff = null) {
  const off = turnOff && button({ onclick: turnOff }, "Turn off");
  return make("div", { class: `banner ${kind}` }, make("p", {}, text), off);
}

/* -- Topics ------------------------------------------------------------------------------------- */

function showTopics() {
  const record = chatHere();
  const isForum = Boolean(record?.chat.is_forum);
  $("topics").hidden = !isForum;
  if (!isForum) return;
  const topics = [{ message_thread_id: null, name: "General" }, ...record.topics];
  const hadFocus = $("topic-tabs").contains(document.activeElement);
  $("topic-tabs").replaceChildren(...topics.map((topic) => topicTab(record, topic)));
  $("topic-tabs").querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  if (hadFocus) $("topic-tabs").querySelector("[aria-selected=true]")?.focus();
}

function topicTab(record, { message_thread_id, name }) {
  const thread = topicOf(message_thread_id);
  const isHere = thread === here.thread;
  const isNew = !isHere && unseen(record, thread) > 0;
  return button(
    {
      role: "tab", "aria-selected": String(isHere), tabindex: isHere ? 0 : -1,
      "aria-controls": "log", onclick: () => goTo({ thread }),
    },
    name,
    isNew && make("span", { class: "dot" }, make("span", { class: "unseen" }, " (new)")),
  );
}

function stepTab(event) {
  const tabs = [...event.currentTarget.querySelectorAll("[role=tab]")];
  const steps = { ArrowRight: 1, ArrowLeft: -1 };
  const at = tabs.indexOf(event.target);
  if (at < 0 || !(event.key in steps)) return;
  event.preventDefault();
  const tab = tabs[(at + steps[event.key] + tabs.length) % tabs.length];
  tab.focus();
  tab.click();
}

async function openTopic() {
  $("topic-name").value = "";
  if ((await openDialog($("topic-dialog"))) !== "ok") return;
  const name = $("topic-name").value.trim();
  if (!name) return;
  const answer = await ask("topic", { chat_id: here.chat, person_id: here.person, name });
  if (answer?.message_thread_id) wantTopic(answer.message_thread_id);
}

/** Go to a topic as soon as the page knows it. */
function wantTopic(thread, tries = 20) {
  const isKnown = chatHere()?.topics.some((topic) => topic.message_thread_id === thread);
  if (isKnown) goTo({ thread });
  else if (tries) setTimeout(() => wantTopic(thread, tries - 1), 50);
}

/* -- The conversation --------------------------------------------------------------------------- */

const PAGE = 60;
const view = { parts: new Map(), first: 0, draft: null, isAtEnd: true, missed: 0 };
const lines = make("div", { class: "lines" });

function openConversation(place) {
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

const endOfLines = () => view.draft?.element ?? null;
const partIds = () => [...view.parts.keys()].sort((one, other) => one - other);

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

function showMessage(message, { isNew, isQuiet }) {
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

function removePart(id) {
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

const topOf = ({ element }) =>
  element.getBoundingClientRect().top - $("log").getBoundingClientRect().top;

/** Give the message at which somebody reads who is not at the end, and where it stands. */
function placeOfReading() {
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

function toEnd() {
  view.isAtEnd = true;
  view.missed = 0;
  $("log").scrollTop = $("log").scrollHeight;
  showToEnd();
  markSeen();
}

function showToEnd() {
  $("to-bottom").hidden = view.isAtEnd;
  $("to-bottom-count").hidden = !view.missed;
  $("to-bottom-count").textContent = view.missed || "";
}

function noteScroll() {
  const log = $("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  if (isAtEnd === view.isAtEnd) return;
  view.isAtEnd = isAtEnd;
  if (isAtEnd) view.missed = 0;
  showToEnd();
  markSeen();
  showChats();
}

function followEnd() {
  if (view.isAtEnd) $("log").scrollTop = $("log").scrollHeight;
}

/** Move to a message and let it light up. */
function showPlace(id) {
  while (!view.parts.has(id) && lines.querySelector(".older")) loadOlder();
  const part = view.parts.get(id);
  if (!part) return;
  view.isAtEnd = false;
  part.element.scrollIntoView({ block: "center", behavior: "smooth" });
  part.element.classList.remove("flash");
  void part.element.offsetWidth;
  part.element.classList.add("flash");
}

/* -- The first screen --------------------------------------------------------------------------- */

const EXAMPLES = ["Show me everything", "Show me a table", "A formula, please", "What can you do?"];
const NO_DESCRIPTION = "Write me anything, or send a photo with a question about it.";

function showWelcome() {
  const isEmpty = !view.parts.size && !view.draft;
  const old = lines.querySelector(".welcome");
  if (old && !isEmpty) old.remove();
  if (isEmpty && !old) lines.append(welcome(chatHere()));
}

function welcome(record) {
  return record.chat.type === "private" ? privateWelcome() : groupWelcome(record);
}

function privateWelcome() {
  const description = state.bot.description || NO_DESCRIPTION;
  const isBuiltin = state.model?.builtin;
  return make(
    "div", { class: "welcome" },
    face("bot"),
    make("h2", {}, state.bot.first_name),
    make("p", {}, description),
    isBuiltin && builtinNote(),
    button({ class: "primary start", onclick: () => say("/start") }, "Start"),
    chips(EXAMPLES),
  );
}

function builtinNote() {
  return make(
    "p", { class: "note" },
    make("b", {}, "A built-in model answers here, not Gemini."),
    make("span", {}, "It shows what the bot can do. With a GEMINI_API_KEY, Gemini itself answers."),
  );
}

function groupWelcome(record) {
  const mention = `@${state.bot.username}`;
  return make(
    "div", { class: "welcome" },
    faceOfChat(record),
    make("h2", {}, titleOf(record)),
    make("p", {}, "The bot answers here when it is mentioned or replied to."),
    chips(EXAMPLES.map((example) => `${mention} ${example}`), EXAMPLES),
  );
}

function chips(texts, labels = texts) {
  const list = texts.map((text, at) =>
    button({ class: "chip", onclick: () => say(text) }, labels[at]));
  return make("div", { class: "chips" }, list);
}

/* -- Messages ----------------------------------------------------------------------------------- */

const isService = (message) => Boolean(message.forum_topic_created);

/** Make what shows a message, with the pieces of it that may change. */
function newPart(message) {
  const part = { message, element: null };
  fillPart(part);
  return part;
}

function fillPart(part) {
  const { message } = part;
  const old = part.element;
  part.element = isService(message) ? servicePill(message) : messageElement(part);
  if (!old) return;
  for (const name of ["first"]) part.element.classList.toggle(name, old.classList.contains(name));
  old.replaceWith(part.element);
}

function servicePill(message) {
  const words = `${senderName(message)} opened the topic “${message.forum_topic_created.name}”`;
  return make("div", { class: "pill", data: { id: message.message_id } }, words);
}

function messageElement(part) {
  const { message } = part;
  const mine = isMine(message);
  const isShared = message.chat.type !== "private";
  part.content = contentOf(message);
  part.meta = metaOf(message);
  part.keyboard = keyboardOf(message);
  if (isText(part.content)) part.content.append(part.meta);
  part.bubble = make(
    "div", { class: "bubble" },
    isShared && !mine && nameOf(message),
    isReply(message) && repliedTo(message),
    message.photo && photoOf(message),
    part.content,
    !isText(part.content) && part.meta,
    moreButton(),
  );
  const body = make("div", { class: "body" }, part.bubble, part.keyboard);
  return make(
    "article",
    {
      class: `message ${mine ? "mine" : "theirs"}`, tabindex: -1,
      "aria-label": `${mine ? "You" : senderName(message)}, ${timeOf(message.date)}`,
      data: { id: message.message_id },
    },
    isShared && !mine && make("div", { class: "indent" }, faceOfSender(message)),
    body,
  );
}

/** Tell whether the time finds room in the last line. */
const isText = (content) => content.classList.contains("text");

function nameOf(message) {
  const kind = isByBot(message) ? "" : colour(message.from?.id);
  return make("div", { class: `name ${kind}` }, senderName(message));
}

function contentOf(message) {
  if (message.rich_message) return richElement(message.rich_message);
  const [text, entities] = message.photo
    ? [message.caption ?? "", message.caption_entities]
    : [message.text ?? "Something that this page cannot show.", message.entities];
  return make("div", { class: "text", dir: "auto" }, entityNodes(text, withDetected(message, text, entities)));
}

const DETECTED = /(?<![\w/@<>])\/[A-Za-z0-9_]{1,64}(?![\w/])|\bhttps?:\/\/[^\s<>"]*[^\s<>".,:;!?)\]']/g;

/** Add the commands and addresses that Telegram finds in a bot's text by itself. */
function withDetected(message, text, entities = []) {
  if (!isByBot(message)) return entities;
  const found = [...text.matchAll(DETECTED)].map(({ index, 0: { length }, 0: words }) => ({
    type: words.startsWith("/") ? "bot_command" : "url", offset: index, length,
  }));
  const isFree = ({ offset, length }) =>
    entities.every((other) => other.offset >= offset + length || other.offset + other.length <= offset);
  return [...entities, ...found.filter(isFree)];
}

function richElement(rich) {
  const element = make("div", { class: "rich text-of", dir: rich.is_rtl ? "rtl" : "auto" });
  patchBlocks(element, [], rich.blocks);
  return element;
}

function metaOf(message) {
  return make(
    "span", { class: "meta" },
    message.edit_date && !message.edit_hidden && make("span", {}, "edited"),
    make("time", { datetime: new Date(message.date * 1000).toISOString() }, timeOf(message.date)),
    isMine(message) && tick(message),
  );
}

/** Show one tick until the bot has taken the update, then two. */
function tick(message) {
  const isOpen = openUpdates.has(`${message.chat.id}/${message.message_id}`);
  const words = isOpen ? "sent" : "the bot has it";
  return [icon(isOpen ? "check" : "checks"), make("span", { class: "unseen" }, words)];
}

/** Tell a reply from what merely stands in a topic. */
const isReply = ({ reply_to_message: replied }) => replied && !isService(replied);

function repliedTo(message) {
  const replied = message.reply_to_message;
  const words = message.quote?.text ?? shorten(plainText(replied), 180);
  return button(
    { class: "replied", data: { place: replied.message_id } },
    make("b", {}, senderName(replied)), make("span", {}, words),
  );
}

function photoOf(message) {
  const size = message.photo[message.photo.length - 1];
  const source = `/files/${encodeURIComponent(size.file_id)}`;
  const alone = message.caption ? "" : "alone";
  return button(
    { class: `photo ${alone}`, "aria-label": "Show the photo", onclick: () => enlarge(source) },
    make("img", { src: source, width: size.width, height: size.height, alt: message.caption ?? "Photo" }),
  );
}

function enlarge(source) {
  $("lightbox-image").src = source;
  openDialog($("lightbox"));
}

function moreButton() {
  const options = {
    class: "more", tabindex: -1, "aria-label": "What to do with this message",
    "aria-haspopup": "menu",
  };
  return button(options, icon("more"));
}

/** Change a shown message; when what had the focus is gone, the focus stays near. */
function updatePart(part, message) {
  const focused = part.element.contains(document.activeElement) && document.activeElement;
  changePart(part, message);
  if (!focused || focused.isConnected) return;
  const keys = [...part.element.querySelectorAll(".key")];
  const key = keys.find(({ textContent }) => textContent === focused.textContent) ?? keys[0];
  (key ?? part.element).focus({ preventScroll: true });
}

/** Change only those pieces of a shown message that differ. */
function changePart(part, message) {
  const old = part.message;
  if (isSame(old, message)) return;
  part.message = message;
  if (isService(message) || !isSame(frameOf(old), frameOf(message))) {
    fillPart(part);
    return;
  }
  if (Boolean(old.rich_message) !== Boolean(message.rich_message)) {
    fillPart(part);
    return;
  }
  // What changes in place is told as one: else its pieces would be read out as they come
  part.element.setAttribute("aria-live", "off");
  if (!isSame(contentFields(old), contentFields(message))) announceChange(message);
  changeContent(part, old, message);
  changeMeta(part);
  if (!isSame(old.reply_markup, message.reply_markup)) {
    const keyboard = keyboardOf(message);
    part.keyboard.replaceWith(keyboard);
    part.keyboard = keyboard;
  }
}

function announceChange(message) {
  const who = isMine(message) ? "You" : senderName(message);
  $("changes").textContent = `${who} changed a message: ${shorten(plainText(message), 400)}`;
}

const contentFields = ({ text, entities, caption, caption_entities, rich_message }) =>
  [text, entities, caption, caption_entities, rich_message];
const frameOf = ({ photo, reply_to_message, quote }) => [photo, reply_to_message, quote];

function changeContent(part, old, message) {
  if (old.rich_message && message.rich_message) {
    patchBlocks(part.content, old.rich_message.blocks, message.rich_message.blocks);
    return;
  }
  if (isSame(contentFields(old), contentFields(message))) return;
  const content = contentOf(message);
  content.append(part.meta);
  part.content.replaceWith(content);
  part.content = content;
}

function changeMeta(part) {
  const meta = metaOf(part.message);
  part.meta.replaceWith(meta);
  part.meta = meta;
}

/* -- Texts and their entities ------------------------------------------------------------------- */

const BLOCK_ENTITIES = new Set(["pre", "blockquote", "expandable_blockquote"]);

/** Make the nodes of a text. Entities may nest and overlap; offsets count UTF-16 units. */
function entityNodes(text, entities = []) {
  const sorted = entities
    .map((entity, at) => ({ ...entity, at, end: entity.offset + entity.length }))
    .sort((one, other) => one.offset - other.offset || other.end - one.end || one.at - other.at);
  const edges = new Set([0, text.length]);
  for (const { offset, end } of sorted) edges.add(offset).add(Math.min(end, text.length));
  const places = [...edges].sort((one, other) => one - other);
  const root = document.createDocumentFragment();
  const writer = { root, open: [], text };
  for (let at = 0; at + 1 < places.length; at += 1) {
    writePiece(writer, sorted, places[at], places[at + 1]);
  }
  return root;
}

function writePiece(writer, entities, start, end) {
  const active = entities.filter((entity) => entity.offset <= start && entity.end >= end);
  let shared = 0;
  while (shared < writer.open.length && writer.open[shared].entity === active[shared]) shared += 1;
  const closed = writer.open.splice(shared);
  for (const entity of active.slice(shared)) openEntity(writer, entity);
  const top = writer.open[writer.open.length - 1];
  if (top?.isWhole) return;
  let piece = writer.text.slice(start, end);
  const afterBlock = closed.some(({ entity }) => BLOCK_ENTITIES.has(entity.type));
  // A block ends its line by itself
  if (afterBlock && piece.startsWith("\n")) piece = piece.slice(1);
  (top?.inside ?? writer.root).append(piece);
}

function openEntity(writer, entity) {
  const parent = writer.open[writer.open.length - 1];
  if (parent?.isWhole) return;
  const text = writer.text.slice(entity.offset, entity.end);
  const made = (ENTITIES[entity.type] ?? plainEntity)(text, entity);
  const { element, inside = element, isWhole = false } = made.element ? made : { element: made };
  (parent?.inside ?? writer.root).append(element);
  writer.open.push({ entity, inside, isWhole });
}

const plainEntity = () => make("span");

const ENTITIES = {
  bold: () => make("b"),
  italic: () => make("i"),
  underline: () => make("u"),
  strikethrough: () => make("s"),
  spoiler: () => spoiler(),
  code: () => make("code"),
  pre: (text, { language }) => ({ element: codeBlock(text, language), isWhole: true }),
  blockquote: () => make("span", { class: "quote", role: "blockquote" }),
  expandable_blockquote: () => foldedQuote(),
  text_link: (_, { url }) => link(url),
  url: (text) => link(/^[a-z]+:/i.test(text) ? text : `https://${text}`),
  email: (text) => link(`mailto:${text}`),
  phone_number: (text) => link(`tel:${text}`),
  mention: (text) => mention(text),
  text_mention: (_, { user }) => mention(user?.first_name ?? ""),
  bot_command: (text) => command(text),
  hashtag: () => make("span", { class: "command" }),
  cashtag: () => make("span", { class: "command" }),
};

function spoiler() {
  return make("span", {
    class: "spoiler", role: "button", tabindex: 0, "aria-label": "Hidden text: press to show it",
  });
}

function reveal(within) {
  for (const element of within.querySelectorAll(".spoiler:not(.open)")) {
    element.classList.add("open");
    for (const name of ["role", "tabindex", "aria-label"]) element.removeAttribute(name);
  }
}

const SAFE_LINK = /^(https?|tg|ton|mailto|tel):/i;

function link(url) {
  if (!SAFE_LINK.test(url)) return make("span");
  return make("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: url });
}

function mention(text) {
  return make("span", { class: "command", role: "button", tabindex: 0, data: { mention: text } });
}

function command(text) {
  return make("span", { class: "command", role: "button", tabindex: 0, data: { command: text } });
}

function foldedQuote() {
  const inside = make("span", { class: "quote-text" });
  const element = make("span", { class: "quote folds", role: "blockquote" }, inside, unfolder());
  return { element, inside };
}

function unfolder() {
  const label = make("span", {}, "Show more");
  return button(
    {
      class: "unfold", "aria-expanded": "false",
      onclick: ({ currentTarget }) => {
        const isOpen = currentTarget.parentElement.classList.toggle("open");
        currentTarget.setAttribute("aria-expanded", isOpen);
        label.textContent = isOpen ? "Show less" : "Show more";
      },
    },
    label, icon("down"),
  );
}

/* -- Code --------------------------------------------------------------------------------------- */

const WORDS = new Set(
  ("and as async await begin bool break case catch char class const continue def default del do done " +
    "double echo elif else end enum esac except export extends extern false False fi final finally float " +
    "fn for from func function global go if impl implements import in int interface is lambda let long " +
    "loop match mod mut new nil None nonlocal not null of or package pass private protected pub public " +
    "raise return self Self select SELECT FROM WHERE INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE " +
    "JOIN LEFT ON GROUP ORDER BY LIMIT AND OR NOT NULL AS static str string struct super switch then this " +
    "throw true True try type typeof undefined unsafe use using val var void where while with yield").split(" "),
);
const HASH_COMMENTS = /^(py|python|bash|sh|shell|zsh|yaml|yml|toml|ini|rb|ruby|perl|r|make|dockerfile|elixir)$/i;
const DASH_COMMENTS = /^(sql|lua|haskell|hs|ada)$/i;
const NO_COLOURS = /^(text|txt|plain|plaintext|console|output|markdown|md)?$/i;
const CODE_LIMIT = 20000;

function codeBlock(text, language = "") {
  const inside = make("code");
  highlight(inside, text, language);
  return make(
    "span", { class: "pre" },
    make("span", { class: "pre-top" }, make("span", {}, language || "code"), copyButton(() => text)),
    make("pre", { dir: "ltr" }, inside),
  );
}

function copyButton(textOf) {
  const label = make("span", {}, "Copy");
  return button(
    {
      class: "copy",
      onclick: async () => {
        if (!(await copy(textOf()))) return;
        label.textContent = "Copied";
        setTimeout(() => (label.textContent = "Copy"), 1600);
      },
    },
    icon("copy"), label,
  );
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    toast("This browser does not let the page copy.");
    return false;
  }
}

function tokensOf(language) {
  let note = "\\/\\/[^\\n]*|\\/\\*[\\s\\S]*?(?:\\*\\/|$)";
  if (HASH_COMMENTS.test(language)) note = "#[^\\n]*";
  if (DASH_COMMENTS.test(language)) note = "--[^\\n]*";
  if (/^(html|xml|svg)$/i.test(language)) note = "<!--[\\s\\S]*?(?:-->|$)";
  const quoted = "\"\"\"[\\s\\S]*?(?:\"\"\"|$)|\"(?:\\\\.|[^\"\\\\\\n])*\"|'(?:\\\\.|[^'\\\\\\n])*'|`(?:\\\\.|[^`\\\\])*`";
  const number = "\\b(?:0[xXbBoO][\\da-fA-F_]+|\\d[\\d_]*(?:\\.\\d+)?(?:[eE][+-]?\\d+)?)\\b";
  return new RegExp(`(${note})|(${quoted})|(${number})|([A-Za-z_$][\\w$]*)(?=(\\s*\\()?)`, "g");
}

/** Colour code as far as that goes without knowing its language. */
function highlight(element, text, language) {
  if (NO_COLOURS.test(language) || text.length > CODE_LIMIT) {
    element.append(text);
    return;
  }
  let done = 0;
  for (const found of text.matchAll(tokensOf(language))) {
    const kind = tokenKind(found);
    if (!kind) continue;
    element.append(text.slice(done, found.index), make("span", { class: `token-${kind}` }, found[0]));
    done = found.index + found[0].length;
  }
  element.append(text.slice(done));
}

function tokenKind([, note, quoted, number, word, isCall]) {
  if (note) return "note";
  if (quoted) return "text";
  if (number) return "number";
  if (WORDS.has(word)) return "word";
  return isCall ? "call" : null;
}

/* -- Rich messages ------------------------------------------------------------------------------ */

/** Bring shown blocks up to date: those that are still the same are not touched. */
function patchBlocks(parent, old, blocks) {
  let same = 0;
  while (same < old.length && same < blocks.length && isSame(old[same], blocks[same])) same += 1;
  while (parent.children.length > same) parent.lastElementChild.remove();
  parent.append(...blocks.slice(same).map(blockElement));
}

function blockElement(block) {
  return (BLOCKS[block.type] ?? unknownBlock)(block);
}

const unknownBlock = ({ type }) =>
  make("p", { class: "footer" }, `(This page does not show blocks of the kind “${type}”.)`);

const blocksIn = (blocks) => make("div", { class: "rich" }, (blocks ?? []).map(blockElement));
const creditOf = ({ credit }) => credit && make("span", { class: "credit" }, richNodes(credit));

const BLOCKS = {
  paragraph: ({ text }) => make("p", { dir: "auto" }, richNodes(text)),
  heading: ({ text, size }) =>
    make(`h${Math.min(6, size + 1)}`, { class: `size-${size}`, dir: "auto" }, richNodes(text)),
  pre: ({ text, language }) => codeBlock(plainRich(text), language),
  footer: ({ text }) => make("p", { class: "footer" }, richNodes(text)),
  divider: () => make("hr"),
  mathematical_expression: ({ expression }) => formula(expression, true),
  anchor: ({ name }) => make("span", { data: { anchor: name } }),
  list: ({ items }) => listElement(items),
  blockquote: (block) =>
    make("blockquote", { class: "quote" }, blocksIn(block.blocks), creditOf(block)),
  expandable_blockquote: (block) => foldedBlock(block),
  pullquote: (block) => make("blockquote", { class: "pull" }, richNodes(block.text), creditOf(block)),
  table: tableElement,
  details: detailsElement,
  buttons: ({ buttons, align = "left" }) =>
    make("div", { class: `rich-keys ${align}` }, buttons.map(richKey)),
  thinking: ({ text }) => make("p", { class: "thinking" }, richNodes(text)),
};

function foldedBlock(block) {
  const inside = make("div", { class: "quote-text" }, richNodes(block.text));
  return make("blockquote", { class: "quote folds" }, inside, unfolder(), creditOf(block));
}

function listElement(items) {
  const isOrdered = items.every((item) => "value" in item && !item.has_checkbox);
  return make(isOrdered ? "ol" : "ul", { class: "list", role: "list" }, items.map(listItem));
}

function listItem(item) {
  return make("li", {}, item.has_checkbox ? checkbox(item) : itemLabel(item), blocksIn(item.blocks));
}

const itemLabel = ({ label }) => make("span", { class: "label" }, label ?? "•");

function checkbox({ is_checked }) {
  return make(
    "span",
    {
      class: `box ${is_checked ? "on" : ""}`, role: "img",
      "aria-label": is_checked ? "Done" : "Not done",
    },
    is_checked && icon("check"),
  );
}

function tableElement(table) {
  const kinds = ["bordered", "striped", "compact"].filter((kind) => table[`is_${kind}`]);
  const rows = table.cells.map((row) => make("tr", {}, row.map(tableCell)));
  return make(
    "div", { class: `table ${kinds.join(" ")}` },
    make(
      "table", {},
      table.caption && make("caption", {}, richNodes(table.caption)),
      make("tbody", {}, rows),
    ),
  );
}

function tableCell(cell) {
  const options = {
    class: `${cell.align ?? "left"} ${cell.valign ?? "middle"}-cell`,
    colspan: cell.colspan, rowspan: cell.rowspan, dir: "auto",
    scope: cell.is_header ? "col" : null,
  };
  return make(cell.is_header ? "th" : "td", options, cell.text ? richNodes(cell.text) : null);
}

function detailsElement({ summary, blocks, is_open }) {
  return make(
    "details", { class: "details", open: Boolean(is_open) },
    make("summary", {}, icon("down"), make("span", {}, richNodes(summary))),
    blocksIn(blocks),
  );
}

function richKey(key) {
  return button(
    { class: `rich-key ${key.style ?? ""}`, disabled: Boolean(key.disabled), onclick: pressHandler(key) },
    richNodes(key.text),
  );
}

/** Make the nodes of a RichText: a string, a list, or an object of a type. */
function richNodes(text) {
  if (text == null) return [];
  if (typeof text === "string") return [text];
  if (Array.isArray(text)) return text.flatMap(richNodes);
  const element = (TEXTS[text.type] ?? plainEntity)(text);
  if (!WHOLE_TEXTS.has(text.type)) element.append(...richNodes(text.text));
  return [element];
}

const WHOLE_TEXTS = new Set(["mathematical_expression", "custom_emoji", "button", "anchor"]);
const jump = (name) => ({ class: "command", role: "link", tabindex: 0, data: { jump: name } });

const TEXTS = {
  bold: () => make("b"),
  italic: () => make("i"),
  underline: () => make("u"),
  strikethrough: () => make("s"),
  spoiler: () => spoiler(),
  subscript: () => make("sub"),
  superscript: () => make("sup"),
  marked: () => make("mark"),
  code: () => make("code"),
  date_time: ({ unix_time }) =>
    make("time", { datetime: new Date(unix_time * 1000).toISOString(), title: new Date(unix_time * 1000).toLocaleString() }),
  text_mention: ({ user }) => mention(user?.first_name ?? ""),
  custom_emoji: ({ alternative_text }) => make("span", {}, alternative_text),
  mathematical_expression: ({ expression }) => formula(expression, false),
  url: ({ url }) => link(url),
  email_address: ({ email_address }) => link(`mailto:${email_address}`),
  phone_number: ({ phone_number }) => link(`tel:${phone_number}`),
  mention: ({ username }) => mention(`@${username.replace(/^@/, "")}`),
  hashtag: () => make("span", { class: "command" }),
  cashtag: () => make("span", { class: "command" }),
  bot_command: ({ bot_command }) => command(`/${bot_command.replace(/^\//, "")}`),
  button: ({ button: key }) => richKey(key),
  anchor: ({ name }) => make("span", { data: { anchor: name } }),
  anchor_link: ({ anchor_name }) => make("span", jump(anchor_name)),
  reference: ({ name }) => make("span", { data: { anchor: name } }),
  reference_link: ({ reference_name }) => make("sup", jump(reference_name)),
};

function jumpTo(target) {
  const anchors = target.closest(".rich.text-of, .bubble").querySelectorAll("[data-anchor]");
  const anchor = [...anchors].find((element) => element.dataset.anchor === target.dataset.jump);
  anchor?.scrollIntoView({ block: "center", behavior: "smooth" });
}

/* -- Formulas ----------------------------------------------------------------------------------- */

const formulas = new Map();
const MATH_ATTRIBUTES = new Set(
  ("display mathvariant stretchy fence separator form lspace rspace linethickness accent accentunder " +
    "movablelimits minsize maxsize displaystyle scriptlevel symmetric largeop width height depth " +
    "voffset columnspan rowspan").split(" "),
);

/** Show TeX as MathML; until that has come, and where it cannot be, the TeX itself. */
function formula(tex, isDisplay) {
  const holder = make("span", { class: isDisplay ? "formula" : "formula-inline", dir: "ltr" });
  const known = formulas.get(`${isDisplay} ${tex}`);
  if (known instanceof Element) {
    holder.append(known.cloneNode(true));
    return holder;
  }
  holder.append(make("code", {}, tex));
  loadFormula(tex, isDisplay).then((math) => math && holder.replaceChildren(math.cloneNode(true)));
  return holder;
}

function loadFormula(tex, isDisplay) {
  const key = `${isDisplay} ${tex}`;
  if (!formulas.has(key)) formulas.set(key, fetchFormula(tex, isDisplay, key));
  return formulas.get(key);
}

async function fetchFormula(tex, isDisplay, key) {
  const response = await postJson("/math", { tex, display: isDisplay }).catch(() => null);
  if (!response) formulas.delete(key);
  if (!response?.ok) return null;
  const math = readMath(await response.text());
  if (math) {
    if (isDisplay) math.setAttribute("display", "block");
    formulas.set(key, math);
  }
  return math;
}

function readMath(source) {
  const root = new DOMParser().parseFromString(source, "application/xml").documentElement;
  return root.localName === "math" ? copyMath(root) : null;
}

/** Copy MathML, and nothing else, into the page's document. */
function copyMath(node) {
  if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
  if (node.nodeType !== Node.ELEMENT_NODE || !/^(math|semantics|m[a-z]+)$/.test(node.localName)) return "";
  const element = document.createElementNS(MATHML, node.localName);
  for (const { name, value } of node.attributes) {
    if (MATH_ATTRIBUTES.has(name)) element.setAttribute(name, value);
  }
  element.append(...[...node.childNodes].map(copyMath));
  alignColumns(element, node.getAttribute("columnalign"));
  return element;
}

function alignColumns(element, aligns) {
  if (element.localName !== "mtable" || !aligns) return;
  const names = aligns.trim().split(/\s+/);
  for (const row of element.children) {
    [...row.children].forEach((cell, at) => {
      cell.style.textAlign = names[Math.min(at, names.length - 1)];
    });
  }
}

/* -- Drafts: answers that are being written ----------------------------------------------------- */

function showDraft() {
  const draft = chatHere()?.drafts.get(here.thread) ?? null;
  if (!draft) {
    view.draft?.element.remove();
    view.draft = null;
  } else {
    if (view.draft?.draft.draft_id !== draft.draft_id) startDraft(draft);
    changeDraft(draft);
  }
  showWelcome();
}

function startDraft(draft) {
  view.draft?.element.remove();
  const content = make("div", {});
  const bubble = make("div", { class: "bubble" }, content);
  const stop = button({ class: "stop", hidden: true, onclick: stopDraft }, icon("stop"), "Stop");
  const element = make(
    "article",
    { class: "message theirs first draft enter", "aria-live": "off", "aria-label": "The answer so far" },
    make("div", { class: "body" }, bubble, stop),
  );
  view.draft = { draft: {}, element, bubble, content, stop };
  view.draft.draft = { draft_id: draft.draft_id };
  lines.append(element);
}

function changeDraft(draft) {
  const shown = view.draft;
  const old = shown.draft;
  shown.draft = draft;
  shown.stop.hidden = !draft.can_stop;
  if (old.rich_message && draft.rich_message) {
    patchBlocks(shown.content, old.rich_message.blocks, draft.rich_message.blocks);
  } else if (!isSame([old.text, old.entities, old.rich_message], [draft.text, draft.entities, draft.rich_message])) {
    const content = draftContent(draft);
    shown.content.replaceWith(content);
    shown.content = content;
  }
}

function draftContent(draft) {
  if (draft.rich_message) return richElement(draft.rich_message);
  if (!draft.text) return make("div", { class: "text thinking" }, "Thinking…");
  return make("div", { class: "text", dir: "auto" }, entityNodes(draft.text, draft.entities));
}

async function stopDraft() {
  const { stop } = view.draft;
  stop.disabled = true;
  const done = await ask("stop", {
    chat_id: here.chat, person_id: here.person,
    ...(here.thread ? { message_thread_id: here.thread } : {}),
  });
  if (!done) stop.disabled = false;
  $("writing").focus();
}

/* -- Buttons below messages --------------------------------------------------------------------- */

const PRESS_TIME = 15000;
const presses = new Map();
const answered = new Set();

function keyboardOf(message) {
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

function pressHandler(key) {
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

/** Let a button wait: one that were disabled would lose the focus. */
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

function takeAnswer({ callback_query_id, person_id, text, show_alert }) {
  endPress(callback_query_id);
  if (!text || person_id !== here.person) return;
  if (show_alert) tell(text);
  else toast(text);
}

/* -- Toasts and dialogs ------------------------------------------------------------------------- */

function toast(text) {
  const element = make("div", { class: "toast" }, text);
  $("toasts").append(element);
  setTimeout(() => element.remove(), 4500);
}

function openDialog(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

function tell(text) {
  $("alert-text").textContent = text;
  return openDialog($("alert"));
}

async function confirmed(text, verb) {
  $("ask-text").textContent = text;
  $("ask-ok").textContent = verb;
  return (await openDialog($("ask"))) === "ok";
}

function closeByBackdrop(event) {
  if (event.target === event.currentTarget) event.currentTarget.close("");
}

/* -- What can be done with a message ------------------------------------------------------------ */

let menuOpener = null;

function openMenu(message, place) {
  const selected = selectedIn(message);
  const quote = selected ?? firstParagraph(message);
  const items = [
    menuItem("reply", "Reply", () => startReply(message)),
    quote && menuItem("quote", selected ? "Quote the selection" : "Quote", () => startReply(message, quote)),
    isMine(message) && wordsOf(message) && menuItem("edit", "Edit", () => startEdit(message)),
    menuItem("copy", "Copy the text", () => copy(plainText(message))),
  ];
  menuOpener = view.parts.get(message.message_id)?.element;
  const menu = $("floating");
  menu.className = "floating";
  menu.setAttribute("role", "menu");
  menu.setAttribute("aria-label", "Message");
  menu.replaceChildren(...items.filter(Boolean));
  placeFloating(place);
  menu.firstElementChild.focus();
}

function menuItem(name, text, act) {
  return button(
    { role: "menuitem", tabindex: -1, onclick: () => (closeFloating(), act()) }, icon(name), text,
  );
}

function placeFloating({ left, top, bottom }) {
  const menu = $("floating");
  menu.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = bottom + 6 + height < innerHeight;
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  menu.style.top = `${below ? bottom + 6 : Math.max(8, top - height - 6)}px`;
}

function closeFloating() {
  $("floating").hidden = true;
}

function onMenuKey(event) {
  const items = [...$("floating").children];
  const at = items.indexOf(document.activeElement);
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in steps) {
    event.preventDefault();
    items[(at + steps[event.key] + items.length) % items.length].focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    event.stopPropagation();
    closeFloating();
    menuOpener?.focus();
  }
}

/** Give the selected part of a message's text, null where none of it is. */
function selectedIn(message) {
  const selection = getSelection();
  const content = view.parts.get(message.message_id)?.content;
  if (!content || selection.isCollapsed || !content.contains(selection.anchorNode)) return null;
  if (!content.contains(selection.focusNode)) return null;
  const text = selection.toString().trim();
  const whole = message.rich_message ? text : (message.text ?? message.caption ?? "");
  return text && whole.includes(text) ? text : null;
}

const QUOTE_LIMIT = 1024;

function firstParagraph(message) {
  const text = message.rich_message ? plainText(message) : (wordsOf(message) ?? "");
  return text.trim().split("\n")[0].slice(0, QUOTE_LIMIT).trim();
}

function offerQuote() {
  const selection = getSelection();
  const article = selection.anchorNode?.parentElement?.closest(".message[data-id]");
  const message = article && chatHere()?.messages.get(Number(article.dataset.id));
  const quote = message && selectedIn(message);
  if (!quote) return;
  const menu = $("floating");
  menu.className = "floating bare";
  menu.removeAttribute("role");
  menu.replaceChildren(menuButton("quote", "Quote", () => startReply(message, quote)));
  const { left, top } = selection.getRangeAt(0).getBoundingClientRect();
  placeFloating({ left, top, bottom: innerHeight });
}

function menuButton(name, text, act) {
  return button({ onclick: () => (closeFloating(), act()) }, icon(name), text);
}

const messageOf = (article) => chatHere().messages.get(Number(article.dataset.id));

/** Walk over the messages by arrow keys; Enter opens what can be done with one. */
function onLogKey(event) {
  const article = event.target.closest(".message[data-id]");
  const steps = { ArrowUp: "previous", ArrowDown: "next" };
  if (event.target !== $("log") && event.target !== article) return;
  if (event.key in steps) {
    event.preventDefault();
    stepMessage(article, steps[event.key]);
  } else if (article && (event.key === "Enter" || event.key === "ContextMenu")) {
    event.preventDefault();
    openMenu(messageOf(article), article.querySelector(".bubble").getBoundingClientRect());
  } else if (event.key === "Escape") {
    $("writing").focus();
  }
}

function stepMessage(article, direction) {
  const all = [...lines.querySelectorAll(".message[data-id]")];
  const at = article ? all.indexOf(article) + (direction === "next" ? 1 : -1) : all.length - 1;
  if (all[at]) all[at].focus();
  else if (direction === "next") $("writing").focus();
}

function onLogClick(event) {
  const target = event.target;
  const hidden = target.closest(".spoiler:not(.open)");
  if (hidden) {
    reveal(hidden.closest(".bubble"));
    return;
  }
  const more = target.closest(".more");
  if (more) {
    openMenu(messageOf(more.closest(".message")), more.getBoundingClientRect());
    return;
  }
  const active = target.closest("[data-command], [data-mention], [data-jump], [data-place]");
  if (active?.dataset.command) say(active.dataset.command);
  else if (active?.dataset.mention) insert(`${active.dataset.mention} `);
  else if (active?.dataset.jump) jumpTo(active);
  else if (active?.dataset.place) showPlace(Number(active.dataset.place));
  else if (isTouch.matches) onTap(event);
}

const isTouch = matchMedia("(hover: none)");
const ACTIVE = "a, button, summary, .pre, .table, [role=button], [role=link]";

/** Where there is no pointer to show the button, a tap on a message opens the menu. */
function onTap({ target, clientX: left, clientY: top }) {
  const article = target.closest(".bubble")?.closest(".message[data-id]");
  if (!article || target.closest(ACTIVE) || !getSelection().isCollapsed) return;
  openMenu(messageOf(article), { left, top, bottom: top });
}

function onLogPress(event) {
  if (event.key !== "Enter" && event.key !== " ") return;
  if (!event.target.matches(".spoiler, .command[tabindex]")) return;
  event.preventDefault();
  event.target.click();
}

function onContextMenu(event) {
  const article = event.target.closest(".message[data-id]");
  if (!article || event.target.closest("a, img") || !getSelection().isCollapsed) return;
  event.preventDefault();
  const { clientX: left, clientY: top } = event;
  openMenu(messageOf(article), { left, top, bottom: top });
}

/* -- Writing ------------------------------------------------------------------------------------ */

const TEXT_LIMIT = 4096;
const writings = new Map();
let context = null;

const placeKey = () => `${here.person}/${here.chat}/${here.thread ?? 0}`;

function keepWriting() {
  if (here.chat) writings.set(placeKey(), { text: $("writing").value, context });
}

function restoreWriting() {
  const { text = "", context: old = null } = writings.get(placeKey()) ?? {};
  $("writing").value = text;
  setContext(old);
  fitWriting();
  closeSuggestions();
}

function fitWriting() {
  const writing = $("writing");
  writing.style.height = "auto";
  writing.style.height = `${Math.min(200, writing.scrollHeight)}px`;
}

function setContext(next) {
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

function startReply(message, quote = null) {
  if (context?.kind === "edit") setWriting("");
  setContext({ kind: "reply", message, quote });
  $("writing").focus();
}

const wordsOf = ({ text, caption }) => text ?? caption;

function startEdit(message) {
  setContext({ kind: "edit", message });
  setWriting(wordsOf(message));
  $("writing").focus();
}

function endContext() {
  if (context?.kind === "edit") setWriting("");
  $("send").setAttribute("aria-label", "Send");
  setContext(null);
}

function setWriting(text) {
  $("writing").value = text;
  $("writing").setSelectionRange(text.length, text.length);
  fitWriting();
}

function insert(text) {
  const writing = $("writing");
  writing.setRangeText(text, writing.selectionStart, writing.selectionEnd, "end");
  writing.focus();
  fitWriting();
}

function editLast() {
  const record = chatHere();
  const ids = threadIds(record, here.thread);
  const id = ids.findLast((id) => {
    const message = record.messages.get(id);
    return isMine(message) && wordsOf(message);
  });
  if (id) startEdit(record.messages.get(id));
}

async function submit(event) {
  event?.preventDefault();
  const text = $("writing").value.trim();
  const now = context;
  if (!text) return;
  setWriting("");
  endContext();
  closeSuggestions();
  const done = now?.kind === "edit" ? await edit(now.message, text) : await say(text, now);
  if (done || $("writing").value) return;
  setWriting(text);
  setContext(now);
}

function edit(message, text) {
  if (text === wordsOf(message)) return true;
  return ask("edit", {
    chat_id: message.chat.id, message_id: message.message_id, person_id: here.person, text,
  });
}

/** Send a text, in as many messages as it takes. */
async function say(text, reply = null) {
  const place = placeOfSending(reply);
  for (const piece of split(text)) {
    const answer = await ask("message", { ...place, text: piece });
    if (!answer) return false;
    noteReach(answer);
  }
  return true;
}

let wasPrivacyTold = false;

/** Say once why the bot is silent in a group. */
function noteReach({ delivered, message }) {
  if (delivered !== false || !message) return;
  openUpdates.add(`${message.chat.id}/${message.message_id}`);
  const part = view.parts.get(message.message_id);
  if (part?.meta) changeMeta(part);
  if (wasPrivacyTold) return;
  wasPrivacyTold = true;
  toast("In groups the bot sees only commands, mentions and replies to it: that is its privacy mode.");
}

function placeOfSending(reply) {
  return {
    chat_id: here.chat,
    person_id: here.person,
    ...(here.thread ? { message_thread_id: here.thread } : {}),
    ...(reply ? { reply_to: reply.message.message_id } : {}),
    ...(reply?.quote ? { quote: reply.quote } : {}),
  };
}

function split(text) {
  const pieces = [];
  let rest = text;
  while (rest.length > TEXT_LIMIT) {
    const head = rest.slice(0, TEXT_LIMIT);
    const space = Math.max(head.lastIndexOf("\n"), head.lastIndexOf(" "));
    let at = space > TEXT_LIMIT / 2 ? space : TEXT_LIMIT;
    // Never between the two halves of one symbol
    if (/[\uD800-\uDBFF]/.test(rest[at - 1])) at -= 1;
    pieces.push(rest.slice(0, at).trimEnd());
    rest = rest.slice(at).trimStart();
  }
  return [...pieces, rest].filter(Boolean);
}

function onWritingKey(event) {
  if (event.isComposing) return;
  if (onSuggestionKey(event)) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    submit();
  } else if (event.key === "ArrowUp" && !$("writing").value && !context && !event.altKey) {
    event.preventDefault();
    editLast();
  } else if (event.key === "Escape" && context) {
    event.stopPropagation();
    endContext();
  }
}

/* -- Suggestions: commands and mentions --------------------------------------------------------- */

const suggested = { items: [], at: -1 };

function suggest() {
  const writing = $("writing");
  const before = writing.value.slice(0, writing.selectionStart);
  const commandPart = /^\/(\w*)$/.exec(before);
  const mentionPart = /(?:^|\s)@(\w*)$/.exec(before);
  if (commandPart) openSuggestions(commandItems(commandPart[1]), 0);
  else if (mentionPart && chatHere()?.chat.type !== "private") openSuggestions(mentionItems(mentionPart[1]), 0);
  else closeSuggestions();
}

function commandItems(part) {
  return (state.chatCommands[here.chat] ?? state.commands)
    .filter(({ command }) => command.startsWith(part.toLowerCase()))
    .map(({ command, description }) => ({
      title: `/${command}`, text: description,
      take: () => (setWriting(`/${command}`), submit()),
      complete: () => setWriting(`/${command} `),
    }));
}

function mentionItems(part) {
  const people = state.people.filter(({ id }) => id !== here.person && chatHere().members.includes(id));
  return [state.bot, ...people]
    .filter(({ username }) => username?.toLowerCase().startsWith(part.toLowerCase()))
    .map(({ username, first_name }) => {
      const take = () => completeMention(part, username);
      return { title: `@${username}`, text: first_name, take, complete: take };
    });
}

function completeMention(part, username) {
  const writing = $("writing");
  const end = writing.selectionStart;
  writing.setRangeText(`@${username} `, end - part.length - 1, end, "end");
  writing.focus();
}

function openSuggestions(items, at) {
  Object.assign(suggested, { items, at });
  $("suggestions").hidden = !items.length;
  $("commands").setAttribute("aria-expanded", String(items.length > 0));
  $("suggestions").replaceChildren(...items.map(suggestionElement));
  showSuggested();
  nameRole(items.length > 0);
}

/** The field is a combobox only while there is something to choose. */
function nameRole(isOpen) {
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "true"]]) {
    if (isOpen) $("writing").setAttribute(name, value);
    else $("writing").removeAttribute(name);
  }
}

function suggestionElement(item, at) {
  return make(
    "li",
    {
      class: "suggestion", role: "option", id: `suggestion-${at}`,
      onmousedown: (event) => event.preventDefault(),
      onclick: () => takeSuggestion(item, "take"),
    },
    make("b", {}, item.title), make("span", {}, item.text),
  );
}

function showSuggested() {
  const options = [...$("suggestions").children];
  options.forEach((option, at) => option.setAttribute("aria-selected", String(at === suggested.at)));
  const current = options[suggested.at];
  current?.scrollIntoView({ block: "nearest" });
  if (current) $("writing").setAttribute("aria-activedescendant", current.id);
  else $("writing").removeAttribute("aria-activedescendant");
}

function closeSuggestions() {
  openSuggestions([], -1);
}

function takeSuggestion(item, how) {
  closeSuggestions();
  item[how]();
  $("writing").focus();
}

function onSuggestionKey(event) {
  const { items, at } = suggested;
  if (!items.length) return false;
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in steps) {
    suggested.at = (at + steps[event.key] + items.length) % items.length;
    showSuggested();
  } else if (event.key === "Enter" && !event.shiftKey && items[at]) {
    takeSuggestion(items[at], "take");
  } else if (event.key === "Tab" && !event.shiftKey && items[at]) {
    takeSuggestion(items[at], "complete");
  } else if (event.key === "Escape") {
    closeSuggestions();
  } else {
    return false;
  }
  event.preventDefault();
  event.stopPropagation();
  return true;
}

function toggleCommands() {
  if (suggested.items.length) closeSuggestions();
  else openSuggestions(commandItems(""), 0);
  $("writing").focus();
}

/* -- Photos ------------------------------------------------------------------------------------- */

const PHOTO_LIMIT = 10 * 1024 * 1024;

/** Offer photos one after the other, until one is cancelled. */
async function offerPhotos(files) {
  const all = [...files];
  for (const [at, file] of all.entries()) {
    $("photo-title").textContent = all.length > 1 ? `Photo ${at + 1} of ${all.length}` : "Send a photo";
    if ((await offerPhoto(file)) === "cancelled") return;
  }
}

async function offerPhoto(file) {
  if (!/^image\/(jpeg|png|webp)$/.test(file.type)) return toast("Only JPEG, PNG and WebP photos can be sent.");
  if (file.size > PHOTO_LIMIT) return toast("This photo is too large: Telegram takes 10 MB at most.");
  if (!(await preview(file))) return toast("This photo cannot be read.");
  $("photo-caption").value = $("writing").value;
  const reply = context?.kind === "reply" ? context : null;
  if ((await openDialog($("photo-dialog"))) !== "ok") return "cancelled";
  await sendPhoto(file, $("photo-caption").value.trim(), reply);
}

async function sendPhoto(file, caption, reply) {
  const place = placeOfSending(reply);
  setWriting("");
  endContext();
  const photo = await base64(file);
  await ask("message", { ...place, photo, ...(caption ? { caption } : {}) });
  $("writing").focus();
}

async function preview(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, 760 / bitmap.width, 760 / bitmap.height);
    const canvas = $("photo-preview");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return true;
  } catch {
    return false;
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

const imagesIn = (transfer) =>
  [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));

function onDrag(event) {
  const brings = [...(event.dataTransfer?.types ?? [])].includes("Files");
  if (!brings) return;
  event.preventDefault();
  $("drop").hidden = event.type === "dragleave" && !$("conversation").contains(event.relatedTarget);
}

function onDrop(event) {
  $("drop").hidden = true;
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  offerPhotos(event.dataTransfer.files);
}

function onPaste(event) {
  const images = imagesIn(event.clipboardData);
  if (!images.length || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  offerPhotos(images);
}

/* -- The journal -------------------------------------------------------------------------------- */

const JOURNAL_LIMIT = 500;
const entries = new Map();
const openUpdates = new Set();
let journalIsAtEnd = true;

function replaceJournal(list) {
  entries.clear();
  openUpdates.clear();
  $("journal").replaceChildren();
  list.forEach(takeEntry);
}

function takeEntry(entry) {
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

function filterJournal() {
  for (const shown of entries.values()) filterEntry(shown);
  if (journalIsAtEnd) $("journal").scrollTop = $("journal").scrollHeight;
}

function clearJournal() {
  for (const id of [...entries.keys()]) dropEntry(id);
  $("journal-empty").hidden = false;
}

function noteJournalScroll() {
  const { scrollHeight, scrollTop, clientHeight } = $("journal");
  journalIsAtEnd = scrollHeight - scrollTop - clientHeight < 40;
}

/* -- Switches ----------------------------------------------------------------------------------- */

const CHOICES = {
  telegram: {
    off: ["As it should be", ""],
    flood: ["Too many requests", "429 with retry_after 3"],
    error: ["Errors", "500"],
    slow: ["Slow", "answers three seconds late"],
    cut: ["Cut off", "does what it is told, and hangs up before it says so"],
    twice: ["Twice", "delivers each update two times"],
  },
  gemini: {
    off: ["As it should be", ""],
    quota: ["Quota used up", "429"],
    overload: ["Overloaded", "503"],
    error: ["Errors", "500"],
    slow: ["Slow", "two seconds for each piece"],
    cut: ["Cut off", "the answer breaks off in the middle"],
    silent: ["Silent", "an empty answer"],
  },
};

const TELEGRAM_HINT =
  "All that the bot calls fails, but for what its start needs: getMe, getUpdates, its webhook and its profile.";
const GEMINI_HINT = "Only the built-in model fails on request, and here another one answers.";

function showSwitches() {
  const { telegram = "off", gemini = "off", times = null, privacy = true } = state.switches;
  if (!$("switches").children.length) buildSwitches();
  check("telegram", telegram);
  check("gemini", gemini);
  check("times", times === 1 ? "once" : "always");
  $("switch-privacy").checked = privacy;
  $("switches-dot").hidden = telegram === "off" && gemini === "off";
  const canFail = Boolean(state.model?.builtin);
  $("switches-gemini").disabled = !canFail;
  $("gemini-hint").hidden = canFail;
}

function check(name, value) {
  const input = $("switches").querySelector(`input[name="${name}"][value="${value}"]`);
  if (input) input.checked = true;
}

function buildSwitches() {
  $("switches").append(
    choiceSet("telegram", "Let Telegram fail", CHOICES.telegram, TELEGRAM_HINT),
    choiceSet("gemini", "Let the model fail", CHOICES.gemini, GEMINI_HINT),
    choiceSet("times", "How often", { always: ["Until switched off", ""], once: ["The next time only", ""] }),
    privacySet(),
    actionSet(),
  );
}

function choiceSet(name, title, choices, hint = null) {
  return make(
    "fieldset", { id: `switches-${name}` },
    make("legend", {}, title),
    hint && make("p", { class: "hint", id: `${name}-hint` }, hint),
    Object.entries(choices).map(([value, words]) => choice(name, value, words)),
  );
}

function choice(name, value, [title, text]) {
  const isFailure = name !== "times" && value !== "off";
  const input = make("input", { type: "radio", name, value, onchange: () => turnTo(name, value) });
  return make(
    "label", { class: `choice ${isFailure ? "fails" : ""}` },
    input, make("b", {}, title), text && make("span", {}, text),
  );
}

function turnTo(name, value) {
  if (name === "times") turn({ times: value === "once" ? 1 : null });
  else turn({ [name]: value });
}

async function turn(part) {
  if (!(await ask("switches", part))) showSwitches();
}

function privacySet() {
  const input = make("input", {
    type: "checkbox", id: "switch-privacy",
    onchange: ({ currentTarget }) => turn({ privacy: currentTarget.checked }),
  });
  return make(
    "fieldset", {}, make("legend", {}, "Groups"),
    make(
      "label", { class: "choice" }, input, make("b", {}, "Privacy mode"),
      make("span", {}, "the bot sees only commands, mentions and replies to it"),
    ),
  );
}

function actionSet() {
  return make(
    "div", { class: "actions" },
    action("again", "Restart the bot", "What it stored stays; what was begun goes on", restart),
    action("broom", "Empty the chats", "On this page only: the bot remembers", forget),
  );
}

function action(name, title, text, act) {
  return button(
    { class: "action", onclick: act }, icon(name),
    make("span", {}, make("b", {}, title), make("span", {}, text)),
  );
}

async function restart() {
  if (await ask("restart", {})) toast("The bot starts again.");
}

async function forget() {
  const words = "Empty all chats of this page?\n\nThe bot keeps what it remembers: /new_chat or /forget in a chat changes that.";
  if (await confirmed(words, "Empty them")) await ask("forget", {});
}

/* -- Theme -------------------------------------------------------------------------------------- */

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const theme = kept("theme") ?? (prefersDark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  $("theme").setAttribute("aria-pressed", String(theme === "dark"));
  $("theme").replaceChildren(icon(theme === "dark" ? "sun" : "moon"));
}

function toggleTheme() {
  keep("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  showTheme();
}

/* -- Drawer and sheet --------------------------------------------------------------------------- */

const isNarrow = matchMedia("(max-width: 1099px)");
const isPhone = matchMedia("(max-width: 767px)");

function showPanel(isOpen) {
  $("panel").hidden = !isOpen;
  $("app").classList.toggle("with-panel", isOpen);
  $("panel-toggle").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) $("panel-dot").hidden = true;
  if (isOpen) $("journal").scrollTop = $("journal").scrollHeight;
  showScrim();
}

function togglePanel() {
  const isOpen = $("panel").hidden;
  if (!isNarrow.matches) keep("panel", isOpen ? "open" : "closed");
  showPanel(isOpen);
  if (isOpen && isNarrow.matches) $("panel-close").focus();
}

function closePanel() {
  if ($("panel").hidden) return;
  togglePanel();
  $("panel-toggle").focus();
}

function openSide() {
  $("app").classList.add("with-side");
  $("side-open").setAttribute("aria-expanded", "true");
  showScrim();
  $("side-close").focus();
}

function closeSide() {
  if (!$("app").classList.contains("with-side")) return;
  $("app").classList.remove("with-side");
  $("side-open").setAttribute("aria-expanded", "false");
  showScrim();
  $("side-open").focus();
}

/** What lies over the page keeps the keyboard to itself. */
function showScrim() {
  const isSideOver = isPhone.matches && $("app").classList.contains("with-side");
  const isPanelOver = isNarrow.matches && !$("panel").hidden;
  $("scrim").hidden = !(isSideOver || isPanelOver);
  $("conversation").inert = isSideOver || isPanelOver;
  $("side").inert = isPanelOver;
}

function closeOver() {
  closeSide();
  if (isNarrow.matches) closePanel();
}

function showPanelTab(name) {
  for (const tab of ["journal", "switches"]) {
    const isHere = tab === name;
    $(`tab-${tab}`).setAttribute("aria-selected", String(isHere));
    $(`tab-${tab}`).tabIndex = isHere ? 0 : -1;
    $(`${tab}-page`).hidden = !isHere;
  }
}

/* -- The keyboard of the whole page ------------------------------------------------------------- */

function onKey(event) {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") onEscape();
  else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    stepChat(event.key === "ArrowUp" ? -1 : 1);
  } else if (writesElsewhere(event)) $("writing").focus();
}

function onEscape() {
  if (!$("floating").hidden) closeFloating();
  else closeOver();
}

/** Tell whether somebody just begins to write, wherever the focus is. */
function writesElsewhere(event) {
  const isPrintable = event.key.length === 1 && event.key !== " ";
  const isShortcut = event.ctrlKey || event.metaKey || event.altKey;
  const isFree = event.target === document.body || event.target.closest?.("#log") === event.target ||
    event.target.matches?.(".message");
  return isPrintable && !isShortcut && isFree;
}

/* -- Beginning ---------------------------------------------------------------------------------- */

function on(id, handlers) {
  for (const [name, handler] of Object.entries(handlers)) $(id).addEventListener(name, handler);
}

function bindConversation() {
  $("log").append(lines);
  on("log", { scroll: noteScroll, click: onLogClick, contextmenu: onContextMenu });
  $("log").addEventListener("keydown", (event) => (onLogPress(event), onLogKey(event)));
  on("to-bottom", { click: toEnd });
  new ResizeObserver(followEnd).observe(lines);
  new ResizeObserver(followEnd).observe($("log"));
  on("topic-tabs", { keydown: stepTab });
  on("topic-new", { click: openTopic });
  on("floating", { keydown: onMenuKey, mousedown: (event) => event.preventDefault() });
  document.addEventListener("pointerdown", (event) => {
    if (!$("floating").contains(event.target)) closeFloating();
  });
  $("log").addEventListener("pointerup", () => setTimeout(offerQuote));
}

function bindWriting() {
  on("composer", { submit });
  on("writing", {
    keydown: onWritingKey,
    input: () => (fitWriting(), suggest()),
    blur: () => closeSuggestions(),
  });
  on("commands", { click: toggleCommands, mousedown: (event) => event.preventDefault() });
  on("context-close", { click: endContext });
  on("attach", { click: () => $("file").click() });
  on("file", {
    change: ({ currentTarget }) => {
      offerPhotos(currentTarget.files);
      currentTarget.value = "";
    },
  });
  for (const name of ["dragenter", "dragover", "dragleave"]) on("conversation", { [name]: onDrag });
  on("conversation", { drop: onDrop });
  document.addEventListener("paste", onPaste);
}

function bindPanels() {
  on("theme", { click: toggleTheme });
  on("panel-toggle", { click: togglePanel });
  on("panel-close", { click: closePanel });
  on("side-open", { click: openSide });
  on("side-close", { click: closeSide });
  on("scrim", { click: closeOver });
  on("panel-tabs", { keydown: stepTab });
  on("tab-journal", { click: () => showPanelTab("journal") });
  on("tab-switches", { click: () => showPanelTab("switches") });
  on("journal", { scroll: noteJournalScroll });
  on("journal-clear", { click: clearJournal });
  on("only-chat", { change: filterJournal });
  on("hide-drafts", { change: filterJournal });
  for (const id of ["lightbox", "photo-dialog", "topic-dialog", "ask"]) on(id, { click: closeByBackdrop });
  // Enter presses a form's first button that submits: Cancel must not be one
  for (const cancel of document.querySelectorAll("[data-cancel]")) {
    cancel.addEventListener("click", () => cancel.closest("dialog").close(""));
  }
}

function begin() {
  showTheme();
  bindConversation();
  bindWriting();
  bindPanels();
  prefersDark.addEventListener("change", showTheme);
  for (const width of [isNarrow, isPhone]) width.addEventListener("change", showScrim);
  addEventListener("hashchange", () => goToAddress());
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", () => (markSeen(), showChats()));
  showPanel(!isNarrow.matches && innerWidth >= 1200 && kept("panel") !== "closed");
  if (!isPhone.matches) $("writing").focus();
  listen();
}

begin();
