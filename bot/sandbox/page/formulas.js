/* Formulas: TeX shown as MathML. */

import { make, MATHML } from "./dom.js";
import { postJson } from "./server.js";

const formulas = new Map();
const MATH_ATTRIBUTES = new Set(
  ("display mathvariant stretchy fence separator form lspace rspace linethickness accent accentunder " +
    "movablelimits minsize maxsize displaystyle scriptlevel symmetric largeop width height depth " +
    "voffset columnspan rowspan").split(" "),
);

/** Show TeX as MathML; until that has come, and where it cannot be, the TeX itself. */
export function formula(tex, isDisplay) {
  const holder = make("span", { class: isDisplay ? "formula" : "formula-inline", dir: "ltr" });
  const known = formulas.get(`${isDisplay} ${tex}`);
  if (known instanceof Element) {
    holder.append(known.cloneNode(true));
    return holder;
  }
  holder.append(make("code", {}, tex));
  loadFormula(tex, isDisplay).then((math) => math && holder.replaceChildren(math.cloneNode(true)));
  return holder;
}

function loadFormula(tex, isDisplay) {
  const key = `${isDisplay} ${tex}`;
  if (!formulas.has(key)) formulas.set(key, fetchFormula(tex, isDisplay, key));
  return formulas.get(key);
}

async function fetchFormula(tex, isDisplay, key) {
  const response = await postJson("/math", { tex, display: isDisplay }).catch(() => null);
  if (!response) formulas.delete(key);
  if (!response?.ok) return null;
  const math = readMath(await response.text());
  if (math) {
    if (isDisplay) math.setAttribute("display", "block");
    formulas.set(key, math);
  }
  return math;
}

function readMath(source) {
  const root = new DOMParser().parseFromString(source, "application/xml").documentElement;
  return root.localName === "math" ? copyMath(root) : null;
}

/** Copy MathML, and nothing else, into the page's document. */
function copyMath(node) {
  if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
  if (node.nodeType !== Node.ELEMENT_NODE || !/^(math|semantics|m[a-z]+)$/.test(node.localName)) return "";
  const element = document.createElementNS(MATHML, node.localName);
  for (const { name, value } of node.attributes) {
    if (MATH_ATTRIBUTES.has(name)) element.setAttribute(name, value);
  }
  element.append(...[...node.childNodes].map(copyMath));
  alignColumns(element, node.getAttribute("columnalign"));
  return element;
}

function alignColumns(element, aligns) {
  if (element.localName !== "mtable" || !aligns) return;
  const names = aligns.trim().split(/\s+/);
  for (const row of element.children) {
    [...row.children].forEach((cell, at) => {
      cell.style.textAlign = names[Math.min(at, names.length - 1)];
    });
  }
}
