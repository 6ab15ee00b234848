/* The elements of a message. */

import { openDialog } from "./dialogs.js";
import { $, button, icon, isSame, make } from "./dom.js";
import { entityNodes } from "./entities.js";
import { keyboardOf } from "./keyboards.js";
import { colour, faceOfSender } from "./people.js";
import { patchBlocks } from "./rich.js";
import { isByBot, isMine, senderName } from "./state.js";
import { plainText, shorten, timeOf } from "./words.js";

export const isService = (message) => Boolean(message.forum_topic_created);

/** Make the element of a message, with the pieces of it that may change. */
export function newPart(message) {
  const part = { message, element: null };
  fillPart(part);
  return part;
}

function fillPart(part) {
  const { message } = part;
  const old = part.element;
  part.element = isService(message) ? servicePill(message) : messageElement(part);
  if (!old) return;
  for (const name of ["first"]) part.element.classList.toggle(name, old.classList.contains(name));
  old.replaceWith(part.element);
}

function servicePill(message) {
  const words = `${senderName(message)} opened the topic “${message.forum_topic_created.name}”`;
  return make("div", { class: "pill", data: { id: message.message_id } }, words);
}

function messageElement(part) {
  const { message } = part;
  const mine = isMine(message);
  const isShared = message.chat.type !== "private";
  part.content = contentOf(message);
  part.meta = metaOf(message);
  part.keyboard = keyboardOf(message);
  if (isText(part.content)) part.content.append(part.meta);
  part.bubble = make(
    "div", { class: "bubble" },
    isShared && !mine && nameOf(message),
    isReply(message) && repliedTo(message),
    message.photo && photoOf(message),
    part.content,
    !isText(part.content) && part.meta,
    moreButton(),
  );
  const body = make("div", { class: "body" }, part.bubble, part.keyboard);
  return make(
    "article",
    {
      class: `message ${mine ? "mine" : "theirs"}`, tabindex: -1,
      "aria-label": `${mine ? "You" : senderName(message)}, ${timeOf(message.date)}`,
      data: { id: message.message_id },
    },
    isShared && !mine && make("div", { class: "indent" }, faceOfSender(message)),
    body,
  );
}

/** Tell whether the time finds room in the last line. */
const isText = (content) => content.classList.contains("text");

function nameOf(message) {
  const kind = isByBot(message) ? "" : colour(message.from?.id);
  return make("div", { class: `name ${kind}` }, senderName(message));
}

function contentOf(message) {
  if (message.rich_message) return richElement(message.rich_message);
  const [text, entities] = message.photo
    ? [message.caption ?? "", message.caption_entities]
    : [message.text ?? "Something that this page cannot show.", message.entities];
  return make("div", { class: "text", dir: "auto" }, entityNodes(text, withDetected(message, text, entities)));
}

const DETECTED = /(?<![\w/@<>])\/[A-Za-z0-9_]{1,64}(?![\w/])|\bhttps?:\/\/[^\s<>"]*[^\s<>".,:;!?)\]']/g;

/** Add the commands and addresses that Telegram finds in a bot's text by itself. */
function withDetected(message, text, entities = []) {
  if (!isByBot(message)) return entities;
  const found = [...text.matchAll(DETECTED)].map(({ index, 0: { length }, 0: words }) => ({
    type: words.startsWith("/") ? "bot_command" : "url", offset: index, length,
  }));
  const isFree = ({ offset, length }) =>
    entities.every((other) => other.offset >= offset + length || other.offset + other.length <= offset);
  return [...entities, ...found.filter(isFree)];
}

export function richElement(rich) {
  const element = make("div", { class: "rich text-of", dir: rich.is_rtl ? "rtl" : "auto" });
  patchBlocks(element, [], rich.blocks);
  return element;
}

function metaOf(message) {
  return make(
    "span", { class: "meta" },
    message.edit_date && !message.edit_hidden && make("span", {}, "edited"),
    make("time", { datetime: new Date(message.date * 1000).toISOString() }, timeOf(message.date)),
    isMine(message) && tick(message),
  );
}

/** Show one tick until the bot has taken the update, then two. */
function tick(message) {
  const isOpen = openUpdates.has(`${message.chat.id}/${message.message_id}`);
  const words = isOpen ? "sent" : "the bot has it";
  return [icon(isOpen ? "check" : "checks"), make("span", { class: "unseen" }, words)];
}

/** Tell a reply from a message that merely stands in a topic. */
const isReply = ({ reply_to_message: replied }) => replied && !isService(replied);

function repliedTo(message) {
  const replied = message.reply_to_message;
  const words = message.quote?.text ?? shorten(plainText(replied), 180);
  return button(
    { class: "replied", data: { place: replied.message_id } },
    make("b", {}, senderName(replied)), make("span", {}, words),
  );
}

function photoOf(message) {
  const size = message.photo[message.photo.length - 1];
  const source = `/files/${encodeURIComponent(size.file_id)}`;
  const alone = message.caption ? "" : "alone";
  return button(
    { class: `photo ${alone}`, "aria-label": "Show the photo", onclick: () => enlarge(source) },
    make("img", { src: source, width: size.width, height: size.height, alt: message.caption ?? "Photo" }),
  );
}

function enlarge(source) {
  $("lightbox-image").src = source;
  openDialog($("lightbox"));
}

function moreButton() {
  const options = {
    class: "more", tabindex: -1, "aria-label": "What to do with this message",
    "aria-haspopup": "menu",
  };
  return button(options, icon("more"));
}

/** Change a shown message; when the focused element is gone, the focus stays near. */
export function updatePart(part, message) {
  const focused = part.element.contains(document.activeElement) && document.activeElement;
  changePart(part, message);
  if (!focused || focused.isConnected) return;
  const keys = [...part.element.querySelectorAll(".key")];
  const key = keys.find(({ textContent }) => textContent === focused.textContent) ?? keys[0];
  (key ?? part.element).focus({ preventScroll: true });
}

/** Change only those pieces of a shown message that differ. */
function changePart(part, message) {
  const old = part.message;
  if (isSame(old, message)) return;
  part.message = message;
  if (isService(message) || !isSame(frameOf(old), frameOf(message))) {
    fillPart(part);
    return;
  }
  if (Boolean(old.rich_message) !== Boolean(message.rich_message)) {
    fillPart(part);
    return;
  }
  // A change in place is announced as a whole: else its pieces would be read out one by one
  part.element.setAttribute("aria-live", "off");
  if (!isSame(contentFields(old), contentFields(message))) announceChange(message);
  changeContent(part, old, message);
  changeMeta(part);
  if (!isSame(old.reply_markup, message.reply_markup)) {
    const keyboard = keyboardOf(message);
    part.keyboard.replaceWith(keyboard);
    part.keyboard = keyboard;
  }
}

function announceChange(message) {
  const who = isMine(message) ? "You" : senderName(message);
  $("changes").textContent = `${who} changed a message: ${shorten(plainText(message), 400)}`;
}

const contentFields = ({ text, entities, caption, caption_entities, rich_message }) =>
  [text, entities, caption, caption_entities, rich_message];
const frameOf = ({ photo, reply_to_message, quote }) => [photo, reply_to_message, quote];

function changeContent(part, old, message) {
  if (old.rich_message && message.rich_message) {
    patchBlocks(part.content, old.rich_message.blocks, message.rich_message.blocks);
    return;
  }
  if (isSame(contentFields(old), contentFields(message))) return;
  const content = contentOf(message);
  content.append(part.meta);
  part.content.replaceWith(content);
  part.content = content;
}

export function changeMeta(part) {
  const meta = metaOf(part.message);
  part.meta.replaceWith(meta);
  part.meta = meta;
}

export const openUpdates = new Set();
