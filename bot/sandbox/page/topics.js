/* The topics of a forum. */

import { openDialog } from "./dialogs.js";
import { $, button, make } from "./dom.js";
import { unseen } from "./seen.js";
import { ask } from "./server.js";
import { chatHere, goTo, here, topicOf } from "./state.js";

export function showTopics() {
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

export function stepTab(event) {
  const tabs = [...event.currentTarget.querySelectorAll("[role=tab]")];
  const steps = { ArrowRight: 1, ArrowLeft: -1 };
  const at = tabs.indexOf(event.target);
  if (at < 0 || !(event.key in steps)) return;
  event.preventDefault();
  const tab = tabs[(at + steps[event.key] + tabs.length) % tabs.length];
  tab.focus();
  tab.click();
}

export async function openTopic() {
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
