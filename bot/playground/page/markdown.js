// Turns Discord's markdown into DOM nodes; everything else stays text.

import { el, timeNode, webAddress } from "./dom.js";

const DEPTH_MAX = 8;
const FENCE = /```(?:([\w+-]+)\n)?\n?([^]*?)\n?```/g;
const SPECIAL = /[\\`<[*_~|h@]/;
const MESSAGE = /^https:\/\/discord\.com\/channels\/(?:@me|\d+)\/(\d+)\/(\d+)$/;

function link(url, label, at) {
  const [, channel, message] = MESSAGE.exec(url) ?? [];
  if (at.places.has(channel)) {
    const visit = (event) => {
      event.preventDefault();
      at.visit(channel, message);
    };
    const place = label === url && [`# ${at.channels[channel] ?? "direct messages"} › 💬`];
    return el("a", { href: "#", onclick: visit, class: place ? "mention" : null }, place || label);
  }
  const href = webAddress(url);
  return el("a", { href, target: "_blank", rel: "noreferrer noopener" }, label);
}

function spoiler(children) {
  const reveal = (event) => {
    event.currentTarget.classList.add("shown");
    event.currentTarget.setAttribute("aria-expanded", "true");
  };
  return el("button", { type: "button", class: "spoiler", title: "Show spoiler",
    "aria-expanded": "false", onclick: reveal }, el("span", {}, children));
}

// Each rule: the pattern at a position, and the node that it becomes.
const INLINE = [
  [/\\([^\sA-Za-z0-9])/y, (m) => m[1]],
  [/(`+)([^]*?[^`])\1(?!`)/y, (m) => el("code", {}, m[2])],
  [/<t:(-?\d{1,13})(?::([tTdDfFR]))?>/y, (m) => timeNode(new Date(m[1] * 1000), m[2] ?? "f")],
  [/<@!?(\d+)>/y, (m, at) => el("span", { class: "mention" }, `@${at.names[m[1]] ?? "unknown"}`)],
  [/<#(\d+)>/y, (m, at) => el("span", { class: "mention" }, `#${at.channels[m[1]] ?? "unknown"}`)],
  [/@(everyone|here)\b/y, (m, at) => (at.everyone ? el("span", { class: "mention" }, m[0]) : m[0])],
  [/<\/([^:>]+):\d+>/y, (m) => el("span", { class: "mention" }, `/${m[1]}`)],
  [/<a?:(\w+):\d+>/y, (m) => `:${m[1]}:`],
  [/<(https?:\/\/[^\s>]+)>/y, (m, at) => link(m[1], m[1], at)],
  [/\[([^\]]+)\]\(<?(https?:\/\/[^\s)>]+)>?\)/y, (m, at, d) => link(m[2], inline(m[1], at, d), at)],
  [/https?:\/\/[^\s<>]*[^\s<>.,:;"')\]]/y, (m, at) => link(m[0], m[0], at)],
  [/\*\*([^]+?)\*\*(?!\*)/y, (m, at, d) => el("strong", {}, inline(m[1], at, d))],
  [/__([^]+?)__(?!_)/y, (m, at, d) => el("u", {}, inline(m[1], at, d))],
  [/~~([^]+?)~~/y, (m, at, d) => el("s", {}, inline(m[1], at, d))],
  [/\|\|([^]+?)\|\|/y, (m, at, d) => spoiler(inline(m[1], at, d))],
  [/\*(?=\S)([^]*?\S)\*(?!\*)/y, (m, at, d) => el("em", {}, inline(m[1], at, d))],
  [/(?<!\w)_(?=\S)([^]*?\S)_(?!\w)/y, (m, at, d) => el("em", {}, inline(m[1], at, d))],
];

/** Render the text within a line; `at` has names and channels by id, places and visit. */
export function inline(text, at, depth = 0) {
  if (depth > DEPTH_MAX) return [text];
  const nodes = [];
  let plain = "";
  for (let i = 0; i < text.length;) {
    const found = SPECIAL.test(text[i]) ? match(text, i) : null;
    if (found) {
      nodes.push(plain, found.make(found.match, at, depth + 1));
      plain = "";
      i += found.match[0].length;
    } else {
      plain += text[i];
      i += 1;
    }
  }
  return [...nodes, plain];
}

function match(text, position) {
  for (const [pattern, make] of INLINE) {
    pattern.lastIndex = position;
    const found = pattern.exec(text);
    if (found) return { match: found, make };
  }
  return null;
}

// Each rule: how its lines begin, and the node that a run of these lines becomes.
const BLOCKS = [
  [/^> /, (lines, at) => el("blockquote", {}, blocks(lines, at))],
  [/^[-*] /, (lines, at) => el("ul", {}, lines.map((line) => el("li", {}, inline(line, at))))],
  [/^\d+\. /, (lines, at) => el("ol", {}, lines.map((line) => el("li", {}, inline(line, at))))],
  [/^-# /, (lines, at) => el("p", { class: "subtext" }, inline(lines.join("\n"), at))],
  [/^### /, (lines, at) => lines.map((line) => el("h5", {}, inline(line, at)))],
  [/^## /, (lines, at) => lines.map((line) => el("h4", {}, inline(line, at)))],
  [/^# /, (lines, at) => lines.map((line) => el("h3", {}, inline(line, at)))],
  [/^/, (lines, at) => el("p", {}, inline(lines.join("\n").trim(), at))],
];

function blocks(lines, at) {
  const nodes = [];
  let rest = lines;
  while (rest.length) {
    if (rest[0].startsWith(">>> ")) {
      const quoted = [rest[0].slice(4), ...rest.slice(1)];
      return [...nodes, el("blockquote", {}, blocks(quoted, at))];
    }
    const rule = ruleOf(rest[0]);
    let length = rest.findIndex((line) => ruleOf(line) !== rule);
    if (length < 0) length = rest.length;
    const run = rest.slice(0, length).map((line) => line.replace(rule[0], ""));
    if (run.some((line) => line.trim())) nodes.push(rule[1](run, at));
    rest = rest.slice(length);
  }
  return nodes.flat();
}

function ruleOf(line) {
  return BLOCKS.find(([pattern]) => pattern.test(line));
}

/** Render a whole text. */
export function markdown(text, at) {
  const nodes = [];
  let from = 0;
  for (const fence of text.matchAll(FENCE)) {
    nodes.push(...blocks(text.slice(from, fence.index).split("\n"), at));
    nodes.push(el("pre", {}, el("code", {}, fence[2])));
    from = fence.index + fence[0].length;
  }
  const rest = text.slice(from);
  return rest ? [...nodes, ...blocks(rest.split("\n"), at)] : nodes;
}
