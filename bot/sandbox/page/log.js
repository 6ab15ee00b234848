/* Keys, clicks and taps on the messages. */

import { showPlace } from "./conversation.js";
import { $ } from "./dom.js";
import { reveal } from "./entities.js";
import { openMenu } from "./menu.js";
import { jumpTo } from "./rich.js";
import { say } from "./sending.js";
import { chatHere } from "./state.js";
import { lines } from "./view.js";
import { insert } from "./writing.js";

const messageOf = (article) => chatHere().messages.get(Number(article.dataset.id));

/** Walk over the messages by arrow keys; Enter opens the menu of one. */
export function onLogKey(event) {
  const article = event.target.closest(".message[data-id]");
  const steps = { ArrowUp: "previous", ArrowDown: "next" };
  if (event.target !== $("log") && event.target !== article) return;
  if (event.key in steps) {
    event.preventDefault();
    stepMessage(article, steps[event.key]);
  } else if (article && (event.key === "Enter" || event.key === "ContextMenu")) {
    event.preventDefault();
    openMenu(messageOf(article), article.querySelector(".bubble").getBoundingClientRect());
  } else if (event.key === "Escape") {
    $("writing").focus();
  }
}

function stepMessage(article, direction) {
  const all = [...lines.querySelectorAll(".message[data-id]")];
  const at = article ? all.indexOf(article) + (direction === "next" ? 1 : -1) : all.length - 1;
  if (all[at]) all[at].focus();
  else if (direction === "next") $("writing").focus();
}

export function onLogClick(event) {
  const target = event.target;
  const hidden = target.closest(".spoiler:not(.open)");
  if (hidden) {
    reveal(hidden.closest(".bubble"));
    return;
  }
  const more = target.closest(".more");
  if (more) {
    openMenu(messageOf(more.closest(".message")), more.getBoundingClientRect());
    return;
  }
  const active = target.closest("[data-command], [data-mention], [data-jump], [data-place]");
  if (active?.dataset.command) say(active.dataset.command);
  else if (active?.dataset.mention) insert(`${active.dataset.mention} `);
  else if (active?.dataset.jump) jumpTo(active);
  else if (active?.dataset.place) showPlace(Number(active.dataset.place));
  else if (isTouch.matches) onTap(event);
}

const isTouch = matchMedia("(hover: none)");
const ACTIVE = "a, button, summary, .pre, .table, [role=button], [role=link]";

/** Where there is no pointer to show the button, a tap on a message opens the menu. */
function onTap({ target, clientX: left, clientY: top }) {
  const article = target.closest(".bubble")?.closest(".message[data-id]");
  if (!article || target.closest(ACTIVE) || !getSelection().isCollapsed) return;
  openMenu(messageOf(article), { left, top, bottom: top });
}

export function onLogPress(event) {
  if (event.key !== "Enter" && event.key !== " ") return;
  if (!event.target.matches(".spoiler, .command[tabindex]")) return;
  event.preventDefault();
  event.target.click();
}

export function onContextMenu(event) {
  const article = event.target.closest(".message[data-id]");
  if (!article || event.target.closest("a, img") || !getSelection().isCollapsed) return;
  event.preventDefault();
  const { clientX: left, clientY: top } = event;
  openMenu(messageOf(article), { left, top, bottom: top });
}
