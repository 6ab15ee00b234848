/* The switches: failures on purpose, privacy, restart. */

import { confirmed, toast } from "./dialogs.js";
import { $, button, icon, make } from "./dom.js";
import { ask } from "./server.js";
import { state } from "./state.js";

const CHOICES = {
  telegram: {
    off: ["As it should be", ""],
    flood: ["Too many requests", "429 with retry_after 3"],
    error: ["Errors", "500"],
    slow: ["Slow", "answers three seconds late"],
    cut: ["Cut off", "does what it is told, and hangs up before it says so"],
    twice: ["Twice", "delivers each update two times"],
  },
  gemini: {
    off: ["As it should be", ""],
    quota: ["Quota used up", "429"],
    overload: ["Overloaded", "503"],
    error: ["Errors", "500"],
    slow: ["Slow", "two seconds for each piece"],
    cut: ["Cut off", "the answer breaks off in the middle"],
    silent: ["Silent", "an empty answer"],
  },
};

const TELEGRAM_HINT =
  "All that the bot calls fails, but for what its start needs: getMe, getUpdates, its webhook and its profile.";
const GEMINI_HINT = "Only the built-in model fails on request, and here another one answers.";

export function showSwitches() {
  const { telegram = "off", gemini = "off", times = null, privacy = true } = state.switches;
  if (!$("switches").children.length) buildSwitches();
  check("telegram", telegram);
  check("gemini", gemini);
  check("times", times === 1 ? "once" : "always");
  $("switch-privacy").checked = privacy;
  $("switches-dot").hidden = telegram === "off" && gemini === "off";
  const canFail = Boolean(state.model?.builtin);
  $("switches-gemini").disabled = !canFail;
  $("gemini-hint").hidden = canFail;
}

function check(name, value) {
  const input = $("switches").querySelector(`input[name="${name}"][value="${value}"]`);
  if (input) input.checked = true;
}

function buildSwitches() {
  $("switches").append(
    choiceSet("telegram", "Let Telegram fail", CHOICES.telegram, TELEGRAM_HINT),
    choiceSet("gemini", "Let the model fail", CHOICES.gemini, GEMINI_HINT),
    choiceSet("times", "How often", { always: ["Until switched off", ""], once: ["The next time only", ""] }),
    privacySet(),
    actionSet(),
  );
}

function choiceSet(name, title, choices, hint = null) {
  return make(
    "fieldset", { id: `switches-${name}` },
    make("legend", {}, title),
    hint && make("p", { class: "hint", id: `${name}-hint` }, hint),
    Object.entries(choices).map(([value, words]) => choice(name, value, words)),
  );
}

function choice(name, value, [title, text]) {
  const isFailure = name !== "times" && value !== "off";
  const input = make("input", { type: "radio", name, value, onchange: () => turnTo(name, value) });
  return make(
    "label", { class: `choice ${isFailure ? "fails" : ""}` },
    input, make("b", {}, title), text && make("span", {}, text),
  );
}

function turnTo(name, value) {
  if (name === "times") turn({ times: value === "once" ? 1 : null });
  else turn({ [name]: value });
}

export async function turn(part) {
  if (!(await ask("switches", part))) showSwitches();
}

function privacySet() {
  const input = make("input", {
    type: "checkbox", id: "switch-privacy",
    onchange: ({ currentTarget }) => turn({ privacy: currentTarget.checked }),
  });
  return make(
    "fieldset", {}, make("legend", {}, "Groups"),
    make(
      "label", { class: "choice" }, input, make("b", {}, "Privacy mode"),
      make("span", {}, "the bot sees only commands, mentions and replies to it"),
    ),
  );
}

function actionSet() {
  return make(
    "div", { class: "actions" },
    action("again", "Restart the bot", "What it stored stays; what was begun goes on", restart),
    action("broom", "Empty the chats", "On this page only: the bot remembers", forget),
  );
}

function action(name, title, text, act) {
  return button(
    { class: "action", onclick: act }, icon(name),
    make("span", {}, make("b", {}, title), make("span", {}, text)),
  );
}

async function restart() {
  if (await ask("restart", {})) toast("The bot starts again.");
}

async function forget() {
  const words = "Empty all chats of this page?\n\nThe bot keeps what it remembers: /new_chat or /forget in a chat changes that.";
  if (await confirmed(words, "Empty them")) await ask("forget", {});
}
