/* The list of suggestions above the field. */

import { $, make } from "./dom.js";

export const suggested = { items: [], at: -1 };

export function openSuggestions(items, at) {
  Object.assign(suggested, { items, at });
  $("suggestions").hidden = !items.length;
  $("commands").setAttribute("aria-expanded", String(items.length > 0));
  $("suggestions").replaceChildren(...items.map(suggestionElement));
  showSuggested();
  nameRole(items.length > 0);
}

/** The field is a combobox only while there is something to choose. */
function nameRole(isOpen) {
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "true"]]) {
    if (isOpen) $("writing").setAttribute(name, value);
    else $("writing").removeAttribute(name);
  }
}

function suggestionElement(item, at) {
  return make(
    "li",
    {
      class: "suggestion", role: "option", id: `suggestion-${at}`,
      onmousedown: (event) => event.preventDefault(),
      onclick: () => takeSuggestion(item, "take"),
    },
    make("b", {}, item.title), make("span", {}, item.text),
  );
}

function showSuggested() {
  const options = [...$("suggestions").children];
  options.forEach((option, at) => option.setAttribute("aria-selected", String(at === suggested.at)));
  const current = options[suggested.at];
  current?.scrollIntoView({ block: "nearest" });
  if (current) $("writing").setAttribute("aria-activedescendant", current.id);
  else $("writing").removeAttribute("aria-activedescendant");
}

export function closeSuggestions() {
  openSuggestions([], -1);
}

function takeSuggestion(item, how) {
  closeSuggestions();
  item[how]();
  $("writing").focus();
}

export function onSuggestionKey(event) {
  const { items, at } = suggested;
  if (!items.length) return false;
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in steps) {
    suggested.at = (at + steps[event.key] + items.length) % items.length;
    showSuggested();
  } else if (event.key === "Enter" && !event.shiftKey && items[at]) {
    takeSuggestion(items[at], "take");
  } else if (event.key === "Tab" && !event.shiftKey && items[at]) {
    takeSuggestion(items[at], "complete");
  } else if (event.key === "Escape") {
    closeSuggestions();
  } else {
    return false;
  }
  event.preventDefault();
  event.stopPropagation();
  return true;
}
