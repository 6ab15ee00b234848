/* Texts and their entities. */

import { codeBlock } from "./code.js";
import { button, icon, make } from "./dom.js";

const BLOCK_ENTITIES = new Set(["pre", "blockquote", "expandable_blockquote"]);

/** Make the nodes of a text. Entities may nest and overlap; offsets count UTF-16 units. */
export function entityNodes(text, entities = []) {
  const sorted = entities
    .map((entity, at) => ({ ...entity, at, end: entity.offset + entity.length }))
    .sort((one, other) => one.offset - other.offset || other.end - one.end || one.at - other.at);
  const edges = new Set([0, text.length]);
  for (const { offset, end } of sorted) edges.add(offset).add(Math.min(end, text.length));
  const places = [...edges].sort((one, other) => one - other);
  const root = document.createDocumentFragment();
  const writer = { root, open: [], text };
  for (let at = 0; at + 1 < places.length; at += 1) {
    writePiece(writer, sorted, places[at], places[at + 1]);
  }
  return root;
}

function writePiece(writer, entities, start, end) {
  const active = entities.filter((entity) => entity.offset <= start && entity.end >= end);
  let shared = 0;
  while (shared < writer.open.length && writer.open[shared].entity === active[shared]) shared += 1;
  const closed = writer.open.splice(shared);
  for (const entity of active.slice(shared)) openEntity(writer, entity);
  const top = writer.open[writer.open.length - 1];
  if (top?.isWhole) return;
  let piece = writer.text.slice(start, end);
  const afterBlock = closed.some(({ entity }) => BLOCK_ENTITIES.has(entity.type));
  // A block ends its line by itself
  if (afterBlock && piece.startsWith("\n")) piece = piece.slice(1);
  (top?.inside ?? writer.root).append(piece);
}

function openEntity(writer, entity) {
  const parent = writer.open[writer.open.length - 1];
  if (parent?.isWhole) return;
  const text = writer.text.slice(entity.offset, entity.end);
  const made = (ENTITIES[entity.type] ?? plainEntity)(text, entity);
  const { element, inside = element, isWhole = false } = made.element ? made : { element: made };
  (parent?.inside ?? writer.root).append(element);
  writer.open.push({ entity, inside, isWhole });
}

export const plainEntity = () => make("span");

const ENTITIES = {
  bold: () => make("b"),
  italic: () => make("i"),
  underline: () => make("u"),
  strikethrough: () => make("s"),
  spoiler: () => spoiler(),
  code: () => make("code"),
  pre: (text, { language }) => ({ element: codeBlock(text, language), isWhole: true }),
  blockquote: () => make("span", { class: "quote", role: "blockquote" }),
  expandable_blockquote: () => foldedQuote(),
  text_link: (_, { url }) => link(url),
  url: (text) => link(/^[a-z]+:/i.test(text) ? text : `https://${text}`),
  email: (text) => link(`mailto:${text}`),
  phone_number: (text) => link(`tel:${text}`),
  mention: (text) => mention(text),
  text_mention: (_, { user }) => mention(user?.first_name ?? ""),
  bot_command: (text) => command(text),
  hashtag: () => make("span", { class: "command" }),
  cashtag: () => make("span", { class: "command" }),
};

export function spoiler() {
  return make("span", {
    class: "spoiler", role: "button", tabindex: 0, "aria-label": "Hidden text: press to show it",
  });
}

export function reveal(within) {
  for (const element of within.querySelectorAll(".spoiler:not(.open)")) {
    element.classList.add("open");
    for (const name of ["role", "tabindex", "aria-label"]) element.removeAttribute(name);
  }
}

export const SAFE_LINK = /^(https?|tg|ton|mailto|tel):/i;

export function link(url) {
  if (!SAFE_LINK.test(url)) return make("span");
  return make("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: url });
}

export function mention(text) {
  return make("span", { class: "command", role: "button", tabindex: 0, data: { mention: text } });
}

export function command(text) {
  return make("span", { class: "command", role: "button", tabindex: 0, data: { command: text } });
}

function foldedQuote() {
  const inside = make("span", { class: "quote-text" });
  const element = make("span", { class: "quote folds", role: "blockquote" }, inside, unfolder());
  return { element, inside };
}

export function unfolder() {
  const label = make("span", {}, "Show more");
  return button(
    {
      class: "unfold", "aria-expanded": "false",
      onclick: ({ currentTarget }) => {
        const isOpen = currentTarget.parentElement.classList.toggle("open");
        currentTarget.setAttribute("aria-expanded", isOpen);
        label.textContent = isOpen ? "Show less" : "Show more";
      },
    },
    label, icon("down"),
  );
}
