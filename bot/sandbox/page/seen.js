/* Which messages have been seen, by each person. */

import { keep, kept } from "./kept.js";
import { chatHere, chatsOf, here, isMine, state, threadIds } from "./state.js";
import { view } from "./view.js";

const seen = new Map(Object.entries(JSON.parse(kept("seen") ?? "{}")));

const seenKey = (person, chat, thread) => `${person}/${chat}/${thread ?? 0}`;
export const lastOf = (ids) => ids[ids.length - 1] ?? 0;

/** Take everything as seen that was there before the first visit of this browser. */
export function beginSeen() {
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

export function markSeen() {
  const record = chatHere();
  if (!record || document.hidden || !view.isAtEnd) return;
  const key = seenKey(here.person, here.chat, here.thread);
  const last = lastOf(threadIds(record, here.thread));
  if (seen.get(key) === last) return;
  seen.set(key, last);
  keepSeen();
}

export function unseen(record, thread) {
  const after = seen.get(seenKey(here.person, record.chat.id, thread)) ?? 0;
  return threadIds(record, thread).filter(
    (id) => id > after && !isMine(record.messages.get(id)),
  ).length;
}

export function unseenInChat(record) {
  const threads = [null, ...record.topics.map((topic) => topic.message_thread_id)];
  return threads.reduce((sum, thread) => sum + unseen(record, thread), 0);
}
