/* Drafts: answers that are being written. */

import { $, button, icon, isSame, make } from "./dom.js";
import { entityNodes } from "./entities.js";
import { richElement } from "./messages.js";
import { patchBlocks } from "./rich.js";
import { ask } from "./server.js";
import { chatHere, here } from "./state.js";
import { lines, view } from "./view.js";
import { showWelcome } from "./welcome.js";

export function showDraft() {
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
