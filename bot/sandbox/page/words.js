/* Times and messages in plain words. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export const dayOf = (seconds) => new Date(seconds * 1000).toDateString();
export const stopwatch = new Intl.DateTimeFormat(
  undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" },
);
export const timeOf = (seconds) => clock.format(new Date(seconds * 1000));

export function dayName(seconds) {
  const day = dayOf(seconds);
  if (day === new Date().toDateString()) return "Today";
  if (day === new Date(Date.now() - 864e5).toDateString()) return "Yesterday";
  return calendar.format(new Date(seconds * 1000));
}

export function shortTime(seconds) {
  const isToday = dayOf(seconds) === new Date().toDateString();
  return isToday ? timeOf(seconds) : shortDate.format(new Date(seconds * 1000));
}

export function plainText(message) {
  if (message.forum_topic_created) return `Topic “${message.forum_topic_created.name}”`;
  if (message.rich_message) return plainBlocks(message.rich_message.blocks).trim();
  if (message.photo) return message.caption ? `Photo: ${message.caption}` : "Photo";
  return message.text ?? message.caption ?? "";
}

function plainBlocks(blocks) {
  return (blocks ?? []).map(plainBlock).filter(Boolean).join("\n");
}

function plainBlock(block) {
  return [
    plainRich(block.summary),
    plainRich(block.text ?? block.expression),
    (block.items ?? []).map((item) => plainBlocks(item.blocks)).join("\n"),
    (block.cells ?? []).map((row) => row.map((cell) => plainRich(cell.text)).join(" ")).join("\n"),
    plainBlocks(block.blocks),
    plainRich(block.caption),
  ]
    .filter(Boolean)
    .join("\n");
}

export function plainRich(text) {
  if (text == null) return "";
  if (typeof text === "string") return text;
  if (Array.isArray(text)) return text.map(plainRich).join("");
  return plainRich(text.text ?? text.expression ?? text.alternative_text ?? text.button?.text);
}

export const shorten = (text, length = 120) =>
  text.length > length ? `${text.slice(0, length).trimEnd()}…` : text;
