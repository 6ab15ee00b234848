/* Sending texts to the bot. */

import { toast } from "./dialogs.js";
import { changeMeta, openUpdates } from "./messages.js";
import { ask } from "./server.js";
import { here } from "./state.js";
import { view } from "./view.js";

const TEXT_LIMIT = 4096;

/** Send a text, in as many messages as it takes. */
export async function say(text, reply = null) {
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

export function placeOfSending(reply) {
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
