/* The head of the conversation: title, status and banners. */

import { $, button, make } from "./dom.js";
import { faceOfChat } from "./people.js";
import { chatHere, here, isActing, personOf, state, titleOf } from "./state.js";
import { turn } from "./switches.js";

export function showHead() {
  const record = chatHere();
  if (!record) return;
  $("title").textContent = titleOf(record);
  $("face").replaceChildren(faceOfChat(record));
  showStatus();
}

export function showStatus() {
  const record = chatHere();
  if (!record) return;
  const isLive = isActing(record, here.thread);
  $("status").classList.toggle("live", isLive);
  const text = isLive ? liveStatus(record) : quietStatus(record);
  if ($("status").textContent !== text) $("status").textContent = text;
}

function liveStatus(record) {
  return record.chat.type === "private" ? "typing" : `${state.bot.first_name} is typing`;
}

function quietStatus(record) {
  if (record.chat.type === "private") return state.isRunning ? "bot" : "bot, away";
  const names = record.members.map((id) => personOf(id)?.first_name).filter(Boolean);
  return `${names.join(", ")} and the bot`;
}

const TROUBLES = {
  telegram: {
    flood: "Telegram answers: too many requests (429).",
    error: "Telegram answers with errors (500).",
    slow: "Telegram answers three seconds late.",
    cut: "Telegram closes connections after it did what it was told.",
    twice: "Telegram delivers every update twice.",
  },
  gemini: {
    quota: "The model's quota is used up (429).",
    overload: "The model is overloaded (503).",
    error: "The model answers with errors (500).",
    slow: "The model takes two seconds for each piece.",
    cut: "The model's answers break off.",
    silent: "The model gives empty answers.",
  },
};

export function showBanners() {
  const banners = [];
  if (state.hasBegun && !state.isConnected) {
    banners.push(banner("The sandbox cannot be reached. Trying again…", "bad"));
  } else if (!state.isRunning) {
    banners.push(banner("The bot is away for a moment. What you write waits for it."));
  }
  for (const kind of ["telegram", "gemini"]) {
    const text = TROUBLES[kind][state.switches[kind]];
    if (text) banners.push(banner(`On purpose: ${text}`, "", () => turn({ [kind]: "off" })));
  }
  $("banners").replaceChildren(...banners);
}

function banner(text, kind = "", turnOff = null) {
  const off = turnOff && button({ onclick: turnOff }, "Turn off");
  return make("div", { class: `banner ${kind}` }, make("p", {}, text), off);
}
