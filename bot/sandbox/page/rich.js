/* Rich messages: their blocks and texts. */

import { codeBlock } from "./code.js";
import { button, icon, isSame, make } from "./dom.js";
import { command, link, mention, plainEntity, spoiler, unfolder } from "./entities.js";
import { formula } from "./formulas.js";
import { pressHandler } from "./keyboards.js";
import { plainRich } from "./words.js";

/** Bring shown blocks up to date: those that are still the same are not touched. */
export function patchBlocks(parent, old, blocks) {
  let same = 0;
  while (same < old.length && same < blocks.length && isSame(old[same], blocks[same])) same += 1;
  while (parent.children.length > same) parent.lastElementChild.remove();
  parent.append(...blocks.slice(same).map(blockElement));
}

function blockElement(block) {
  return (BLOCKS[block.type] ?? unknownBlock)(block);
}

const unknownBlock = ({ type }) =>
  make("p", { class: "footer" }, `(This page does not show blocks of the kind “${type}”.)`);

const blocksIn = (blocks) => make("div", { class: "rich" }, (blocks ?? []).map(blockElement));
const creditOf = ({ credit }) => credit && make("span", { class: "credit" }, richNodes(credit));

const BLOCKS = {
  paragraph: ({ text }) => make("p", { dir: "auto" }, richNodes(text)),
  heading: ({ text, size }) =>
    make(`h${Math.min(6, size + 1)}`, { class: `size-${size}`, dir: "auto" }, richNodes(text)),
  pre: ({ text, language }) => codeBlock(plainRich(text), language),
  footer: ({ text }) => make("p", { class: "footer" }, richNodes(text)),
  divider: () => make("hr"),
  mathematical_expression: ({ expression }) => formula(expression, true),
  anchor: ({ name }) => make("span", { data: { anchor: name } }),
  list: ({ items }) => listElement(items),
  blockquote: (block) =>
    make("blockquote", { class: "quote" }, blocksIn(block.blocks), creditOf(block)),
  expandable_blockquote: (block) => foldedBlock(block),
  pullquote: (block) => make("blockquote", { class: "pull" }, richNodes(block.text), creditOf(block)),
  table: tableElement,
  details: detailsElement,
  buttons: ({ buttons, align = "left" }) =>
    make("div", { class: `rich-keys ${align}` }, buttons.map(richKey)),
  thinking: ({ text }) => make("p", { class: "thinking" }, richNodes(text)),
};

function foldedBlock(block) {
  const inside = make("div", { class: "quote-text" }, richNodes(block.text));
  return make("blockquote", { class: "quote folds" }, inside, unfolder(), creditOf(block));
}

function listElement(items) {
  const isOrdered = items.every((item) => "value" in item && !item.has_checkbox);
  return make(isOrdered ? "ol" : "ul", { class: "list", role: "list" }, items.map(listItem));
}

function listItem(item) {
  return make("li", {}, item.has_checkbox ? checkbox(item) : itemLabel(item), blocksIn(item.blocks));
}

const itemLabel = ({ label }) => make("span", { class: "label" }, label ?? "•");

function checkbox({ is_checked }) {
  return make(
    "span",
    {
      class: `box ${is_checked ? "on" : ""}`, role: "img",
      "aria-label": is_checked ? "Done" : "Not done",
    },
    is_checked && icon("check"),
  );
}

function tableElement(table) {
  const kinds = ["bordered", "striped", "compact"].filter((kind) => table[`is_${kind}`]);
  const rows = table.cells.map((row) => make("tr", {}, row.map(tableCell)));
  return make(
    "div", { class: `table ${kinds.join(" ")}` },
    make(
      "table", {},
      table.caption && make("caption", {}, richNodes(table.caption)),
      make("tbody", {}, rows),
    ),
  );
}

function tableCell(cell) {
  const options = {
    class: `${cell.align ?? "left"} ${cell.valign ?? "middle"}-cell`,
    colspan: cell.colspan, rowspan: cell.rowspan, dir: "auto",
    scope: cell.is_header ? "col" : null,
  };
  return make(cell.is_header ? "th" : "td", options, cell.text ? richNodes(cell.text) : null);
}

function detailsElement({ summary, blocks, is_open }) {
  return make(
    "details", { class: "details", open: Boolean(is_open) },
    make("summary", {}, icon("down"), make("span", {}, richNodes(summary))),
    blocksIn(blocks),
  );
}

function richKey(key) {
  return button(
    { class: `rich-key ${key.style ?? ""}`, disabled: Boolean(key.disabled), onclick: pressHandler(key) },
    richNodes(key.text),
  );
}

/** Make the nodes of a RichText: a string, a list, or an object of a type. */
function richNodes(text) {
  if (text == null) return [];
  if (typeof text === "string") return [text];
  if (Array.isArray(text)) return text.flatMap(richNodes);
  const element = (TEXTS[text.type] ?? plainEntity)(text);
  if (!WHOLE_TEXTS.has(text.type)) element.append(...richNodes(text.text));
  return [element];
}

const WHOLE_TEXTS = new Set(["mathematical_expression", "custom_emoji", "button", "anchor"]);
const jump = (name) => ({ class: "command", role: "link", tabindex: 0, data: { jump: name } });

const TEXTS = {
  bold: () => make("b"),
  italic: () => make("i"),
  underline: () => make("u"),
  strikethrough: () => make("s"),
  spoiler: () => spoiler(),
  subscript: () => make("sub"),
  superscript: () => make("sup"),
  marked: () => make("mark"),
  code: () => make("code"),
  date_time: ({ unix_time }) =>
    make("time", { datetime: new Date(unix_time * 1000).toISOString(), title: new Date(unix_time * 1000).toLocaleString() }),
  text_mention: ({ user }) => mention(user?.first_name ?? ""),
  custom_emoji: ({ alternative_text }) => make("span", {}, alternative_text),
  mathematical_expression: ({ expression }) => formula(expression, false),
  url: ({ url }) => link(url),
  email_address: ({ email_address }) => link(`mailto:${email_address}`),
  phone_number: ({ phone_number }) => link(`tel:${phone_number}`),
  mention: ({ username }) => mention(`@${username.replace(/^@/, "")}`),
  hashtag: () => make("span", { class: "command" }),
  cashtag: () => make("span", { class: "command" }),
  bot_command: ({ bot_command }) => command(`/${bot_command.replace(/^\//, "")}`),
  button: ({ button: key }) => richKey(key),
  anchor: ({ name }) => make("span", { data: { anchor: name } }),
  anchor_link: ({ anchor_name }) => make("span", jump(anchor_name)),
  reference: ({ name }) => make("span", { data: { anchor: name } }),
  reference_link: ({ reference_name }) => make("sup", jump(reference_name)),
};

export function jumpTo(target) {
  const anchors = target.closest(".rich.text-of, .bubble").querySelectorAll("[data-anchor]");
  const anchor = [...anchors].find((element) => element.dataset.anchor === target.dataset.jump);
  anchor?.scrollIntoView({ block: "center", behavior: "smooth" });
}
