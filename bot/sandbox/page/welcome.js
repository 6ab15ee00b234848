/* The first screen of an empty chat. */

import { button, make } from "./dom.js";
import { face, faceOfChat } from "./people.js";
import { say } from "./sending.js";
import { chatHere, state, titleOf } from "./state.js";
import { lines, view } from "./view.js";

const EXAMPLES = ["Show me everything", "Show me a table", "A formula, please", "What can you do?"];
const NO_DESCRIPTION = "Write me anything, or send a photo with a question about it.";

export function showWelcome() {
  const isEmpty = !view.parts.size && !view.draft;
  const old = lines.querySelector(".welcome");
  if (old && !isEmpty) old.remove();
  if (isEmpty && !old) lines.append(welcome(chatHere()));
}

function welcome(record) {
  return record.chat.type === "private" ? privateWelcome() : groupWelcome(record);
}

function privateWelcome() {
  const description = state.bot.description || NO_DESCRIPTION;
  const isBuiltin = state.model?.builtin;
  return make(
    "div", { class: "welcome" },
    face("bot"),
    make("h2", {}, state.bot.first_name),
    make("p", {}, description),
    isBuiltin && builtinNote(),
    button({ class: "primary start", onclick: () => say("/start") }, "Start"),
    chips(EXAMPLES),
  );
}

function builtinNote() {
  return make(
    "p", { class: "note" },
    make("b", {}, "A built-in model answers here, not Gemini."),
    make("span", {}, "It shows what the bot can do. With a GEMINI_API_KEY, Gemini itself answers."),
  );
}

function groupWelcome(record) {
  const mention = `@${state.bot.username}`;
  return make(
    "div", { class: "welcome" },
    faceOfChat(record),
    make("h2", {}, titleOf(record)),
    make("p", {}, "The bot answers here when it is mentioned or replied to."),
    chips(EXAMPLES.map((example) => `${mention} ${example}`), EXAMPLES),
  );
}

function chips(texts, labels = texts) {
  const list = texts.map((text, at) =>
    button({ class: "chip", onclick: () => say(text) }, labels[at]));
  return make("div", { class: "chips" }, list);
}
