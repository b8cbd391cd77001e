// Opens lists over the page: menus, selects and suggestions.

import { el } from "./dom.js";

const GAP_PX = 4;
const LEAVING = ["pointerdown", "keydown", "wheel", "contextmenu"];

/** Put an open popup below a box ({left, right, top, bottom}), or above if only that fits. */
export function place(popup, box, width) {
  if (width) popup.style.setProperty("width", `${Math.round(width)}px`);
  const { offsetWidth, offsetHeight } = popup;
  const left = Math.max(GAP_PX, Math.min(box.left, innerWidth - offsetWidth - GAP_PX));
  const below = box.bottom + GAP_PX;
  const fits = below + offsetHeight <= innerHeight;
  const top = fits ? below : Math.max(GAP_PX, box.top - offsetHeight - GAP_PX);
  popup.style.setProperty("left", `${Math.round(left)}px`);
  popup.style.setProperty("top", `${Math.round(top)}px`);
}

/** Open a menu at a box until something else is clicked; `items` are nodes. */
export function openMenu(box, label, items) {
  const menu = el("div", { class: "popup menu", popover: "manual", role: "menu",
    "aria-label": label, onkeydown: (event) => moveFocus(event, menu),
    ontoggle: (event) => event.newState === "closed" && close() }, items);
  // Not "auto": where a right click opens the menu on press, its release would close the menu.
  const leave = (event) => {
    if (event.type === "keydown" ? event.key === "Escape" : !menu.contains(event.target)) close();
  };
  const close = () => {
    menu.remove();
    for (const name of LEAVING) document.removeEventListener(name, leave, true);
  };
  for (const name of LEAVING) document.addEventListener(name, leave, true);
  document.body.append(menu);
  menu.showPopover();
  place(menu, box);
  menu.querySelector("button")?.focus();
  return { close };
}

/** Move the focus among a list's buttons with the arrow keys. */
export function moveFocus(event, list) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...list.querySelectorAll("button")].filter((one) => one.checkVisibility());
  const next = buttons.indexOf(document.activeElement) + step;
  buttons[(next + buttons.length) % buttons.length]?.focus();
}

/**
 * A select as Discord draws it: a button, and below it the choices.
 *
 * `spec` has id, label, placeholder, choices ({value, label, description, emoji, chosen}), min and
 * max (how many to choose), disabled, key, and onDone(values), which is called after a change.
 */
export function picker(spec) {
  const chosen = new Set(spec.choices.filter((choice) => choice.chosen));
  let before = "";
  const read = () => [...chosen].map((choice) => choice.value);
  const done = () => {
    if (JSON.stringify(read()) === before || chosen.size < (spec.min ?? 1)) return;
    spec.onDone?.(read());
  };
  const choose = (choice) => {
    if (spec.max > 1 || !(spec.min ?? 1)) {
      if (!chosen.delete(choice) && (spec.max === 1 || chosen.size < spec.max)) {
        if (spec.max === 1) chosen.clear();
        chosen.add(choice);
      }
    } else {
      chosen.clear();
      chosen.add(choice);
    }
    draw();
    if (spec.max === 1) list.hidePopover();
  };
  const list = el("div", { class: "popup options", popover: "auto", role: "listbox",
    "aria-label": spec.label, "aria-multiselectable": String(spec.max > 1),
    onkeydown: (event) => moveFocus(event, list),
    ontoggle: (event) => {
      button.setAttribute("aria-expanded", String(event.newState === "open"));
      if (event.newState === "closed") return done();
      before = JSON.stringify(read());
      const box = button.getBoundingClientRect();
      place(list, box, box.width);
      (list.querySelector('[aria-selected="true"]') ?? list.firstChild)?.focus();
    } });
  const button = el("button", { id: spec.id, type: "button", class: "picker", role: "combobox",
    "aria-expanded": "false", "aria-label": spec.label, disabled: spec.disabled,
    "data-key": spec.key });
  button.popoverTargetElement = list;
  const draw = () => {
    const names = [...chosen].map((choice) => el("span", {}, words(choice)));
    button.replaceChildren(...names.length ? names
      : [el("span", { class: "placeholder" }, spec.placeholder)]);
    list.replaceChildren(...spec.choices.map((choice) => optionNode(choice, chosen.has(choice),
      spec.max > 1, () => choose(choice))));
  };
  draw();
  return { node: el("div", { class: "picking" }, button, list), read, focus: () => button.focus() };
}

function words(choice) {
  return (choice.emoji ? `${choice.emoji} ` : "") + choice.label;
}

function optionNode(choice, isChosen, isMany, onclick) {
  return el("button", { type: "button", class: "choice", role: "option",
    "aria-selected": String(isChosen), onclick },
  choice.emoji && el("span", { class: "emoji" }, choice.emoji),
  el("span", { class: "words" }, choice.label,
    choice.description && el("small", {}, choice.description)),
  el("span", { class: isMany ? "mark box" : "mark", "aria-hidden": "true" }, isChosen && "✓"));
}
