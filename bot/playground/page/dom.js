// Builds DOM nodes from plain values; text stays text and never becomes markup.

import { formatTime } from "./language.js";

/** Make an element; `on…` attributes are listeners, empty children are left out. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return node;
}

/** Find an element of the page that is always there. */
export function byId(id) {
  return document.getElementById(id);
}

/** Return a link's address if following it is safe, else undefined. */
export function webAddress(url) {
  return /^https?:\/\//i.test(url ?? "") ? url : undefined;
}

const HUES = [18, 322, 162, 262, 205, 228];

/** Make the picture of a person: the initial on the person's colour, or the bot's logo. */
export function avatar(id, name, isBot) {
  if (isBot) return el("img", { class: "avatar", src: "/page/easel.svg", alt: "" });
  const node = el("span", { class: "avatar", "aria-hidden": "true" }, name.slice(0, 1));
  // The upper bits of an id are the time when it was made.
  const hue = HUES[Number((BigInt(id) >> 22n) % BigInt(HUES.length))];
  node.style.setProperty("--hue", String(hue));
  return node;
}

let lastId = 0;

/** Return an id for a form field; no other element has this id. */
export function newId() {
  lastId += 1;
  return `field-${lastId}`;
}

/** Show a moment in one of Discord's styles; the relative one (R) follows the clock. */
export function timeNode(date, style) {
  if (Number.isNaN(date.getTime())) return "Invalid date";
  const shown = formatTime(date, style);
  const title = formatTime(date, "F");
  return el("time", { datetime: date.toISOString(), "data-style": style, title }, shown);
}

/** Bring relative times up to date. */
export function refreshTimes() {
  for (const node of document.querySelectorAll('time[data-style="R"]')) {
    const text = formatTime(new Date(node.dateTime), "R");
    if (node.textContent !== text) node.textContent = text;
  }
}
