// Opens dialogs over the page: the bot's forms (modals), and pictures in full size.

import { CHANNEL_SELECT, MENTIONABLE_SELECT, ROLE_SELECT, ROW, STRING_SELECT, TEXT, TEXT_INPUT,
  USER_SELECT, choicesOf } from "./components.js";
import { byId, el } from "./dom.js";
import { DropZone, groupField, selectField, switchField, textField } from "./fields.js";
import { markdown } from "./markdown.js";

// Source: Discord docs, "Component Reference": parts that only forms have.
const [LABEL, FILE_UPLOAD] = [18, 19];
const [RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX] = [21, 22, 23];
const SELECTS = [STRING_SELECT, USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT];
const PARAGRAPH = 2;

/** Show a picture in full size. */
export function openViewer({ url, alt, name }) {
  const dialog = byId("viewer");
  dialog.replaceChildren(
    el("img", { src: url, alt: alt || name, onclick: () => dialog.close() }),
    el("footer", {}, el("p", {}, alt || name),
      el("a", { class: "button secondary", href: url, download: name }, "Download"),
      el("button", { type: "button", class: "button primary", onclick: () => dialog.close() },
        "Close")));
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.showModal();
}

/** Open a form of the bot; `at` has entities(), facts() and submit(modal, values, files). */
export function openModal(modal, at) {
  const dialog = byId("modal");
  const parts = modal.components.flatMap((part) => modalPart(part, at)).filter(Boolean);
  const problem = el("p", { class: "problem", role: "alert" });
  const send = el("button", { type: "submit", class: "button primary" }, "Submit");
  const submit = async (event) => {
    event.preventDefault();
    if (send.disabled || !parts.every((part) => (part.zone ?? part).check?.() ?? true)) return;
    send.disabled = true;
    problem.textContent = "";
    try {
      await at.submit(modal, ...readParts(parts));
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
    } finally {
      send.disabled = false;
    }
  };
  dialog.setAttribute("aria-label", modal.title);
  dialog.replaceChildren(el("form", { onsubmit: submit },
    el("header", {}, el("h3", {}, modal.title), el("button", { type: "button", class: "plain",
      "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    el("div", { class: "fields" }, parts.map((part) => part.node)),
    el("footer", {}, problem, el("button", { type: "button", class: "button secondary",
      onclick: () => dialog.close() }, "Cancel"), send)));
  dialog.onclose = () => parts.forEach((part) => part.zone?.clear());
  dialog.showModal();
  parts.find((part) => part.focus)?.focus();
}

function readParts(parts) {
  const values = parts.filter((part) => part.read).map((part) => [part.name, part.read()]);
  const files = parts.flatMap((part) => part.zone?.files() ?? []);
  return [Object.fromEntries(values.filter(([, value]) => value !== undefined)), files];
}

function modalPart(part, at, label = part.label, hint = null) {
  if (part.type === ROW) return part.components.flatMap((child) => modalPart(child, at));
  if (part.type === LABEL) return modalPart(part.component, at, part.label, part.description);
  if (part.type === TEXT) return { node: el("div", {}, markdown(part.content, at.facts())) };
  const name = part.custom_id;
  const required = part.required !== false && part.type !== CHECKBOX;
  const spec = { name, label: label ?? "", hint, required, inForm: true, min: part.min_values };
  if (part.type === TEXT_INPUT) {
    return { name, ...textField({ ...spec, long: part.style === PARAGRAPH, value: part.value,
      placeholder: part.placeholder, minLength: part.min_length, maxLength: part.max_length }) };
  }
  if (part.type === CHECKBOX) return { name, ...switchField({ ...spec, value: part.default }) };
  if (part.type === FILE_UPLOAD) {
    const zone = new DropZone({ ...spec, names: [name], max: part.max_values ?? 1 });
    return { name, node: zone.node, zone };
  }
  const choices = choicesOf(part, at.entities());
  if (part.type === RADIO_GROUP) return { name, ...groupField({ ...spec, choices, max: 1 }) };
  if (part.type === CHECKBOX_GROUP) {
    return { name, ...groupField({ ...spec, choices, list: true,
      max: part.max_values ?? choices.length }) };
  }
  if (!SELECTS.includes(part.type)) return null;
  return { name, ...selectField({ ...spec, choices, list: true, max: part.max_values ?? 1,
    placeholder: part.placeholder }) };
}
