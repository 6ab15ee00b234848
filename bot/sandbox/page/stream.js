/* The stream of events, and what each of them changes. */

import { showChats } from "./chats.js";
import { placeOfReading, removePart, showMessage } from "./conversation.js";
import { isSame } from "./dom.js";
import { showDraft } from "./drafts.js";
import { showBanners, showStatus } from "./head.js";
import { replaceJournal, takeEntry } from "./journal.js";
import { takeAnswer } from "./keyboards.js";
import { showModel, showPeople } from "./people.js";
import { goToAddress } from "./place.js";
import { beginSeen } from "./seen.js";
import { fillRecord, here, isByBot, newRecord, state, store, threadOf, topicOf } from "./state.js";
import { showSwitches } from "./switches.js";
import { showTopics } from "./topics.js";

let stream = null;

export function listen() {
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
