/* The menu of a message: reply, quote, edit, copy. */

import { copy } from "./code.js";
import { $, button, icon } from "./dom.js";
import { chatHere, isMine } from "./state.js";
import { view } from "./view.js";
import { plainText } from "./words.js";
import { startEdit, startReply, wordsOf } from "./writing.js";

let menuOpener = null;

export function openMenu(message, place) {
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

export function closeFloating() {
  $("floating").hidden = true;
}

export function onMenuKey(event) {
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

export function offerQuote() {
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
