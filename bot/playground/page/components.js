// Builds a message's components: buttons, selects, and what else there is to read besides its text.

import { el, webAddress } from "./dom.js";
import { markdown } from "./markdown.js";
import { mediaOf, mosaic, ownAddress, pictureNode } from "./pictures.js";
import { picker } from "./popup.js";

// Source: Discord docs, "Component Reference".
export const [ROW, BUTTON, STRING_SELECT, TEXT_INPUT, USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT,
  CHANNEL_SELECT, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR] =
  Array.from({ length: 14 }, (_, index) => index + 1);
export const CONTAINER = 17;
const LINK = 5;
const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "secondary" };
const ENTITY_SELECTS = [USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT];
const WIDE_SPACING = 2;

/** Build all components of a message. */
export function componentNodes(message, at) {
  return (message.components ?? []).map((part) => partNode(part, message, at));
}

/** Return a select's or group's options as a picker's choices; people and places by name. */
export function choicesOf(part, entities) {
  if (!ENTITY_SELECTS.includes(part.type)) {
    return (part.options ?? []).map((option) => ({ value: option.value, label: option.label,
      description: option.description, emoji: emojiText(option), chosen: option.default }));
  }
  const names = { [USER_SELECT]: entities.people, [ROLE_SELECT]: entities.roles,
    [CHANNEL_SELECT]: entities.places }[part.type] ?? [...entities.people, ...entities.roles];
  return names.map((name) => ({ value: name, label: name }));
}

function partNode(part, message, at) {
  const children = () => (part.components ?? []).map((child) => partNode(child, message, at));
  switch (part.type) {
    case ROW: return el("div", { class: "row" }, children());
    case BUTTON: return buttonNode(part, message, at);
    case TEXT: return el("div", { class: "text" }, markdown(part.content, at));
    case CONTAINER: return containerNode(part, children(), at);
    case SECTION: return el("div", { class: "section" }, el("div", {}, children()),
      partNode(part.accessory, message, at));
    case THUMBNAIL: return pictureNode(mediaOf(part), at, "thumbnail");
    case GALLERY: return mosaic(part.items.map(mediaOf), at);
    case FILE: return el("p", { class: "file" }, el("a", { href: ownAddress(part.file.url),
      download: true }, part.name ?? part.file.url?.split("/").at(-1) ?? "File"));
    case SEPARATOR: return el("hr", { class: `${part.divider === false ? "no-line" : ""}
      ${part.spacing === WIDE_SPACING ? "wide-space" : ""}` });
    default: return choicesOf(part, at.entities).length ? selectNode(part, message, at) : null;
  }
}

function containerNode(part, children, at) {
  const node = el("div", { class: "embed container" }, children);
  if (part.accent_color !== undefined && part.accent_color !== null) {
    node.style.setProperty("--bar", `#${part.accent_color.toString(16).padStart(6, "0")}`);
  }
  const key = `container ${part.id}`;
  if (part.spoiler && !at.revealed.has(key)) {
    node.classList.add("concealed");
    node.inert = true;
    const cover = el("button", { type: "button", class: "cover", onclick: () => {
      at.revealed.add(key);
      cover.replaceWith(node);
      node.classList.remove("concealed");
      node.inert = false;
    } }, node, el("span", {}, "Spoiler"));
    return cover;
  }
  return node;
}

function buttonNode(part, message, at) {
  const emoji = emojiText(part);
  const label = [emoji && el("span", { class: "emoji" }, emoji), part.label];
  const style = `button ${STYLES[part.style] ?? "secondary"}`;
  if (part.style === LINK) {
    return el("a", { class: style, href: webAddress(part.url), target: "_blank",
      rel: "noreferrer noopener" }, label, el("span", { class: "emoji" }, "↗"));
  }
  return el("button", { type: "button", class: style, disabled: part.disabled,
    "data-key": part.custom_id, onclick: (event) => busy(event.currentTarget,
      () => at.press(message, part)) }, label);
}

function selectNode(part, message, at) {
  const label = part.placeholder || "Make a selection";
  const { node } = picker({ label, placeholder: label, choices: choicesOf(part, at.entities),
    min: part.min_values ?? 1, max: part.max_values ?? 1, disabled: part.disabled,
    key: part.custom_id, onDone: (values) => busy(node.firstChild,
      () => at.select(message, part, values)) });
  return node;
}

// Mark the control as busy, not disabled: a disabled control loses the keyboard's focus.
async function busy(control, act) {
  if (control.hasAttribute("aria-busy")) return;
  control.setAttribute("aria-busy", "true");
  try {
    await act();
  } finally {
    control.removeAttribute("aria-busy");
  }
}

function emojiText(part) {
  return part.emoji?.name && !part.emoji.id ? part.emoji.name : "";
}
