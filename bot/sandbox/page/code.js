/* Blocks of code: colours, and copying. */

import { toast } from "./dialogs.js";
import { button, icon, make } from "./dom.js";

const WORDS = new Set(
  ("and as async await begin bool break case catch char class const continue def default del do done " +
    "double echo elif else end enum esac except export extends extern false False fi final finally float " +
    "fn for from func function global go if impl implements import in int interface is lambda let long " +
    "loop match mod mut new nil None nonlocal not null of or package pass private protected pub public " +
    "raise return self Self select SELECT FROM WHERE INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE " +
    "JOIN LEFT ON GROUP ORDER BY LIMIT AND OR NOT NULL AS static str string struct super switch then this " +
    "throw true True try type typeof undefined unsafe use using val var void where while with yield").split(" "),
);
const HASH_COMMENTS = /^(py|python|bash|sh|shell|zsh|yaml|yml|toml|ini|rb|ruby|perl|r|make|dockerfile|elixir)$/i;
const DASH_COMMENTS = /^(sql|lua|haskell|hs|ada)$/i;
const NO_COLOURS = /^(text|txt|plain|plaintext|console|output|markdown|md)?$/i;
export const CODE_LIMIT = 20000;

export function codeBlock(text, language = "") {
  const inside = make("code");
  highlight(inside, text, language);
  return make(
    "span", { class: "pre" },
    make("span", { class: "pre-top" }, make("span", {}, language || "code"), copyButton(() => text)),
    make("pre", { dir: "ltr" }, inside),
  );
}

export function copyButton(textOf) {
  const label = make("span", {}, "Copy");
  return button(
    {
      class: "copy",
      onclick: async () => {
        if (!(await copy(textOf()))) return;
        label.textContent = "Copied";
        setTimeout(() => (label.textContent = "Copy"), 1600);
      },
    },
    icon("copy"), label,
  );
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    toast("This browser does not let the page copy.");
    return false;
  }
}

function tokensOf(language) {
  let note = "\\/\\/[^\\n]*|\\/\\*[\\s\\S]*?(?:\\*\\/|$)";
  if (HASH_COMMENTS.test(language)) note = "#[^\\n]*";
  if (DASH_COMMENTS.test(language)) note = "--[^\\n]*";
  if (/^(html|xml|svg)$/i.test(language)) note = "<!--[\\s\\S]*?(?:-->|$)";
  const quoted = "\"\"\"[\\s\\S]*?(?:\"\"\"|$)|\"(?:\\\\.|[^\"\\\\\\n])*\"|'(?:\\\\.|[^'\\\\\\n])*'|`(?:\\\\.|[^`\\\\])*`";
  const number = "\\b(?:0[xXbBoO][\\da-fA-F_]+|\\d[\\d_]*(?:\\.\\d+)?(?:[eE][+-]?\\d+)?)\\b";
  return new RegExp(`(${note})|(${quoted})|(${number})|([A-Za-z_$][\\w$]*)(?=(\\s*\\()?)`, "g");
}

/** Colour code as far as that goes without knowing its language. */
function highlight(element, text, language) {
  if (NO_COLOURS.test(language) || text.length > CODE_LIMIT) {
    element.append(text);
    return;
  }
  let done = 0;
  for (const found of text.matchAll(tokensOf(language))) {
    const kind = tokenKind(found);
    if (!kind) continue;
    element.append(text.slice(done, found.index), make("span", { class: `token-${kind}` }, found[0]));
    done = found.index + found[0].length;
  }
  element.append(text.slice(done));
}

function tokenKind([, note, quoted, number, word, isCall]) {
  if (note) return "note";
  if (quoted) return "text";
  if (number) return "number";
  if (WORDS.has(word)) return "word";
  return isCall ? "call" : null;
}
