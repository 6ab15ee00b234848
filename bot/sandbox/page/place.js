/* Going to the place that the address names. */

import { showChats } from "./chats.js";
import { openConversation } from "./conversation.js";
import { showHead } from "./head.js";
import { filterJournal } from "./journal.js";
import { showPeople } from "./people.js";
import { addressOf, chatsOf, here, personOf, readAddress, state } from "./state.js";
import { showTopics } from "./topics.js";
import { keepWriting, restoreWriting } from "./writing.js";

/** Show the place that the address names; a reader who is there already stays at the same message. */
export function goToAddress(place = null) {
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
