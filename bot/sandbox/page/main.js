/* The start of the page: its listeners. */

import { showChats, stepChat } from "./chats.js";
import { onWritingKey, submit, suggest, toggleCommands } from "./composer.js";
import { noteScroll, toEnd } from "./conversation.js";
import { closeByBackdrop } from "./dialogs.js";
import { $ } from "./dom.js";
import { clearJournal, filterJournal, noteJournalScroll } from "./journal.js";
import { kept } from "./kept.js";
import { onContextMenu, onLogClick, onLogKey, onLogPress } from "./log.js";
import { closeFloating, offerQuote, onMenuKey } from "./menu.js";
import {
  closeOver, closePanel, closeSide, isNarrow, isPhone, openSide, showPanel, showPanelTab,
  showScrim, togglePanel,
} from "./panels.js";
import { offerPhotos, onDrag, onDrop, onPaste } from "./photos.js";
import { goToAddress } from "./place.js";
import { markSeen } from "./seen.js";
import { listen } from "./stream.js";
import { closeSuggestions } from "./suggestions.js";
import { prefersDark, showTheme, toggleTheme } from "./theme.js";
import { openTopic, stepTab } from "./topics.js";
import { followEnd, lines } from "./view.js";
import { endContext, fitWriting } from "./writing.js";

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
