/* What the page knows: bot, people, chats, and the place that is shown. */

export const state = {
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
export const here = { person: 0, chat: 0, thread: null };

export const topicOf = (threadId) => threadId || null;
export const chatHere = () => state.chats.get(here.chat);
export const personOf = (id) => state.people.find((person) => person.id === id);
export const isByBot = (message) => message.from?.id === state.bot.id;
export const isMine = (message) => message.from?.id === here.person;
export const chatsOf = (person) =>
  [...state.chats.values()].filter((record) => record.members.includes(person));

export function threadOf(message) {
  const isForum = state.chats.get(message.chat.id)?.chat.is_forum;
  return isForum ? topicOf(message.message_thread_id) : null;
}

export function newRecord(raw) {
  const record = {
    ids: [], messages: new Map(), drafts: new Map(), actions: new Map(),
  };
  return fillRecord(record, raw);
}

export function fillRecord(record, raw) {
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
export function store(record, message) {
  const id = message.message_id;
  const isNew = !record.messages.has(id);
  record.messages.set(id, message);
  if (!isNew) return false;
  let at = record.ids.length;
  while (at > 0 && record.ids[at - 1] > id) at -= 1;
  record.ids.splice(at, 0, id);
  return true;
}

export function threadIds(record, thread) {
  if (!record.chat.is_forum) return record.ids;
  return record.ids.filter((id) => threadOf(record.messages.get(id)) === thread);
}

export function titleOf(record) {
  return record.chat.type === "private" ? state.bot.first_name : record.chat.title;
}

export function senderName(message) {
  const sender = message.from ?? message.sender_chat ?? {};
  return sender.first_name ?? sender.title ?? "";
}

export function isActing(record, thread) {
  return (record.actions.get(thread) ?? 0) > Date.now();
}

export function addressOf({ person, chat, thread }) {
  return `#/${person}/${chat}${thread ? `/${thread}` : ""}`;
}

export function readAddress() {
  const [person, chat, thread] = location.hash.replace(/^#\//, "").split("/").map(Number);
  return { person, chat, thread: topicOf(thread) };
}

export function goTo(place) {
  const target = { ...here, thread: null, ...place };
  if (addressOf(target) === location.hash) return;
  location.hash = addressOf(target);
}
