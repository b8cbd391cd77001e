// Builds what a message offers to press, choose and read besides its text (Discord's components).

import { el, webAddress } from "./dom.js";
import { markdown } from "./markdown.js";

// Source: Discord docs, "Component Reference".
export const [ROW, BUTTON, STRING_SELECT, TEXT_INPUT, USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT,
  CHANNEL_SELECT, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR] =
  Array.from({ length: 14 }, (_, index) => index + 1);
export const CONTAINER = 17;
const LINK = 5;
const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "secondary" };
const ENTITY_SELECTS = [USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT];

/** Build all components of a message. */
export function componentNodes(message, at) {
  return (message.components ?? []).map((part) => partNode(part, message, at));
}

/** Return what a select offers as [value, label, description]; people and places go by name. */
export function choicesOf(part, entities) {
  if (!ENTITY_SELECTS.includes(part.type)) {
    return (part.options ?? []).map((o) => [o.value, emojiText(o) + o.label, o.description]);
  }
  const names = { [USER_SELECT]: entities.people, [ROLE_SELECT]: entities.roles,
    [CHANNEL_SELECT]: entities.places }[part.type] ?? [...entities.people, ...entities.roles];
  return names.map((name) => [name, name]);
}

function partNode(part, message, at) {
  const children = () => (part.components ?? []).map((child) => partNode(child, message, at));
  switch (part.type) {
    case ROW: return el("div", { class: "row" }, children());
    case BUTTON: return buttonNode(part, message, at);
    case TEXT: return el("div", {}, markdown(part.content, at));
    case CONTAINER: return el("div", { class: "embed" }, children());
    case SECTION: return el("div", { class: "section" }, el("div", {}, children()),
      partNode(part.accessory, message, at));
    case THUMBNAIL: return picture(part);
    case GALLERY: return el("div", { class: "row" }, part.items.map(picture));
    case FILE: return el("p", { class: "file" }, el("a", { href: ownAddress(part.file.url),
      download: true }, part.name ?? "File"));
    case SEPARATOR: return el("hr");
    default: return choicesOf(part, at.entities).length ? selectNode(part, message, at) : null;
  }
}

function buttonNode(part, message, at) {
  const label = emojiText(part) + (part.label ?? "");
  const style = `button ${STYLES[part.style] ?? "secondary"}`;
  if (part.style === LINK) {
    return el("a", { class: style, href: webAddress(part.url), target: "_blank",
      rel: "noreferrer noopener" }, `${label} ↗`);
  }
  return el("button", { type: "button", class: style, disabled: part.disabled,
    "data-key": part.custom_id, onclick: (event) => busy(event.currentTarget,
      () => at.press(message, part)) }, label);
}

function selectNode(part, message, at) {
  const isMany = (part.max_values ?? 1) > 1;
  const label = part.placeholder || "Choose…";
  const preset = new Set((part.options ?? []).filter((o) => o.default).map((o) => o.value));
  const send = () => busy(select, () => at.select(message, part,
    [...select.selectedOptions].map((option) => option.value)));
  const select = el("select", { "aria-label": label, multiple: isMany, disabled: part.disabled,
    "data-key": part.custom_id, onchange: isMany ? null : send },
    !isMany && el("option", { value: "", disabled: true, selected: !preset.size }, label),
    choicesOf(part, at.entities).map(([value, text, description]) => el("option",
      { value, selected: preset.has(value) }, description ? `${text}: ${description}` : text)));
  const done = isMany && el("button", { type: "button", class: "button secondary", onclick: send },
    "Choose");
  return el("div", { class: "row" }, select, done);
}

// Marked rather than disabled: a disabled control loses the keyboard's focus.
async function busy(control, act) {
  if (control.hasAttribute("aria-busy")) return;
  control.setAttribute("aria-busy", "true");
  try {
    await act();
  } finally {
    control.removeAttribute("aria-busy");
  }
}

function picture(item) {
  return el("img", { class: "embed-image", src: ownAddress(item.media.url),
    alt: item.description ?? "Image" });
}

function ownAddress(url) {
  return url?.startsWith("/") ? url : undefined;
}

function emojiText(part) {
  return part.emoji?.name && !part.emoji.id ? `${part.emoji.name} ` : "";
}
