/* Submitting what was written; suggesting commands and mentions. */

import { $ } from "./dom.js";
import { say } from "./sending.js";
import { ask } from "./server.js";
import { chatHere, here, state } from "./state.js";
import { closeSuggestions, onSuggestionKey, openSuggestions, suggested } from "./suggestions.js";
import { context, editLast, endContext, setContext, setWriting, wordsOf } from "./writing.js";

export async function submit(event) {
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

export function onWritingKey(event) {
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

export function suggest() {
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

export function toggleCommands() {
  if (suggested.items.length) closeSuggestions();
  else openSuggestions(commandItems(""), 0);
  $("writing").focus();
}
