// Fields for command options and for the bot's forms; each has a node and read() or files().

import { el, newId } from "./dom.js";
import { picker, place } from "./popup.js";

const SUGGEST_AFTER_MS = 150;
const SUGGEST_PX_MIN = 320;

/** A control under its label; in the bot's forms the hint stands above it, as in Discord. */
function labelled(spec, id, control, extra) {
  const hint = spec.hint && el("p", { class: "hint", id: `${id}-hint` }, spec.hint);
  return el("div", { class: "field" },
    el("label", { for: id }, spec.label, need(spec)),
    spec.inForm && hint, control, extra, !spec.inForm && hint);
}

function need(spec) {
  if (spec.inForm) return spec.required && el("span", { class: "needed", title: "Required" }, " *");
  return !spec.required && el("span", { class: "optional" }, " optional");
}

function base(spec) {
  const id = newId();
  return { id, name: spec.name, required: spec.required,
    "aria-describedby": spec.hint ? `${id}-hint` : null };
}

/** A line of text, or several lines if `long`. */
export function textField(spec) {
  const attributes = { ...base(spec), minlength: spec.minLength, maxlength: spec.maxLength,
    placeholder: spec.placeholder, autocomplete: "off" };
  const control = spec.long ? el("textarea", { ...attributes, rows: spec.inForm ? 4 : 2 })
    : el("input", { ...attributes, type: "text" });
  control.value = spec.value ?? "";
  return { node: labelled(spec, attributes.id, control), focus: () => control.focus(),
    set: (text) => { control.value = text; },
    // In a form, a cleared text is an answer, too.
    read: () => (spec.inForm ? control.value : control.value.trim() || undefined) };
}

/** A whole number, or any number if `step` is "any". */
export function numberField(spec) {
  const attributes = { ...base(spec), type: "number", min: spec.min, max: spec.max,
    step: spec.step ?? 1, placeholder: spec.min !== undefined && spec.max !== undefined
      ? `${spec.min} to ${spec.max}` : null };
  const control = el("input", attributes);
  return { node: labelled(spec, attributes.id, control), focus: () => control.focus(),
    read: () => (control.value === "" ? undefined : Number(control.value)) };
}

/** One of `choices` (see picker), or up to `max` of them; read() gives a list if `list`. */
export function selectField(spec) {
  const { id } = base(spec);
  const problem = el("p", { class: "problem", role: "alert" });
  const least = spec.required ? spec.min ?? 1 : 0;
  const { node, focus, read } = picker({ id, label: spec.label, choices: spec.choices,
    placeholder: spec.placeholder ?? "Make a selection", min: least, max: spec.max ?? 1 });
  return { node: labelled(spec, id, node, problem), focus,
    check: () => checkCount(problem, read().length, least, focus),
    read: () => (spec.list ? read() : read()[0]) };
}

/** Radio buttons for `choices`, or checkboxes if `list`, of which up to `max` may be chosen. */
export function groupField(spec) {
  const name = newId();
  const isMany = Boolean(spec.list);
  const problem = el("p", { class: "problem", role: "alert" });
  const inputs = spec.choices.map((choice) => el("input", { name, checked: choice.chosen,
    type: isMany ? "checkbox" : "radio", onchange: () => draw() }));
  const chosen = () => spec.choices.filter((_, index) => inputs[index].checked);
  const draw = () => inputs.forEach((input) => {
    input.disabled = isMany && !input.checked && chosen().length >= spec.max;
  });
  draw();
  const focus = () => (inputs.find((input) => input.checked) ?? inputs[0]).focus();
  const least = spec.required ? spec.min || 1 : 0;
  const node = el("fieldset", { class: "field group" },
    el("legend", {}, spec.label, need(spec)), spec.hint && el("p", { class: "hint" }, spec.hint),
    spec.choices.map((choice, index) => el("label", { class: "choice" }, inputs[index],
      el("span", { class: "words" }, choice.label,
        choice.description && el("small", {}, choice.description)))), problem);
  return { node, focus, check: () => checkCount(problem, chosen().length, least, focus),
    read: () => {
      const values = chosen().map((choice) => choice.value);
      return isMany ? values : values[0];
    } };
}

function checkCount(problem, count, least, focus) {
  const missing = count < least;
  problem.textContent = missing ? `Choose ${least > 1 ? `at least ${least}` : "one"}.` : "";
  if (missing) focus();
  return !missing;
}

/** Yes or no; read() gives nothing until an optional switch is touched. */
export function switchField(spec) {
  const { id, ...attributes } = base({ ...spec, required: false });
  let touched = Boolean(spec.required);
  const control = el("input", { id, ...attributes, type: "checkbox", role: "switch",
    checked: spec.value, onchange: () => { touched = true; } });
  const node = labelled({ ...spec, required: true }, id, control);
  node.classList.add("switch");
  return { node, focus: () => control.focus(),
    read: () => (touched ? control.checked : undefined) };
}

/** Text with suggestions: `suggest(text)` returns the bot's, each with name and value. */
export function suggestField(spec) {
  const known = new Map();
  const list = el("div", { class: "popup options", popover: "manual", role: "listbox",
    "aria-label": spec.label });
  let active = 0;
  let timer = 0;
  let asked = 0;
  const choose = (choice) => {
    control.value = choice.name;
    list.hidePopover();
  };
  const mark = () => [...list.children].forEach((node, index) => {
    node.setAttribute("aria-selected", String(index === active));
    if (index === active) node.scrollIntoView({ block: "nearest" });
  });
  const ask = async () => {
    asked += 1;
    const mine = asked;
    const found = await spec.suggest(control.value).catch(() => []);
    if (mine !== asked || document.activeElement !== control) return;
    for (const choice of found) known.set(choice.name, choice.value);
    active = 0;
    list.replaceChildren(...found.map((choice) => el("div", { class: "choice", role: "option",
      onmousedown: (event) => event.preventDefault(), onclick: () => choose(choice) },
    el("span", { class: "words" }, choice.name))));
    mark();
    list.togglePopover(found.length > 0);
    const box = control.getBoundingClientRect();
    if (found.length) place(list, box, Math.max(box.width, SUGGEST_PX_MIN));
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, SUGGEST_AFTER_MS);
  };
  const key = (event) => {
    if (!list.matches(":popover-open")) return;
    const { length } = list.children;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) active = (active + step + length) % length;
    else if (event.key === "Enter" || event.key === "Tab") list.children[active].click();
    else if (event.key === "Escape") list.hidePopover();
    else return;
    mark();
    if (event.key === "Tab") return;
    event.preventDefault();
    event.stopPropagation();
  };
  const attributes = { ...base(spec), type: "text", role: "combobox", autocomplete: "off",
    oninput: later, onfocus: later, onkeydown: key, onblur: () => list.hidePopover() };
  const control = el("input", attributes);
  return { node: labelled(spec, attributes.id, control, list), focus: () => control.focus(),
    read: () => known.get(control.value) ?? (control.value.trim() || undefined) };
}

/** Dropped, chosen or pasted files, named by `names` in turn; a single name serves all. */
export class DropZone {
  #files = [];
  #spec;
  #thumbs = el("ol", { class: "thumbs" });
  #problem = el("p", { class: "problem", role: "alert" });
  #input;

  constructor(spec) {
    this.#spec = spec;
    const id = newId();
    const hint = spec.hint && el("p", { id: `${id}-hint`, class: "hint" }, spec.hint);
    this.#input = el("input", { id, type: "file", multiple: spec.max > 1, accept: spec.accept,
      "aria-describedby": hint && hint.id, class: "hidden-text", onchange: () => this.#choose() });
    const things = spec.accept ? ["an image", "images"] : ["a file", "files"];
    const words = `Drop ${things[Number(spec.max > 1)]} here, or `;
    const zone = el("label", { for: id, class: "drop" },
      el("span", {}, words, el("u", {}, spec.max > 1 ? "choose files" : "choose a file")));
    const count = spec.max > 1 ? ` up to ${spec.max}` : "";
    this.node = el("div", { class: "field zone", role: "group", "aria-label": spec.label },
      el("span", { class: "label" }, spec.label, need(spec),
        el("span", { class: "optional" }, count)), spec.inForm && hint,
      this.#thumbs, this.#input, zone, !spec.inForm && hint, this.#problem);
    for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false],
      ["drop", false]]) {
      this.node.addEventListener(name, (event) => this.#drag(event, over));
    }
  }

  add(files) {
    const room = this.#spec.max - this.#files.length;
    const taken = this.#spec.max === 1 ? [...files].slice(0, 1) : [...files].slice(0, room);
    if (this.#spec.max === 1 && taken.length) this.clear();
    for (const file of taken) this.#files.push({ file, url: URL.createObjectURL(file) });
    const left = files.length - taken.length;
    this.#problem.textContent = left > 0 ? `At most ${this.#spec.max} here: ${left} left out.` : "";
    this.#draw();
  }

  /** Return [name, file] pairs. */
  files() {
    const { names } = this.#spec;
    return this.#files.map(({ file }, index) => [names[index] ?? names[0], file]);
  }

  /** Complain if there are fewer files than required. */
  check() {
    const least = this.#spec.required ? this.#spec.min ?? 1 : 0;
    const missing = this.#files.length < least;
    this.#problem.textContent = missing ? `Add ${least > 1 ? `${least} files` : "a file"} first.`
      : "";
    if (missing) this.focus();
    return !missing;
  }

  focus() {
    this.#input.focus();
  }

  clear() {
    for (const { url } of this.#files) URL.revokeObjectURL(url);
    this.#files = [];
    this.#draw();
  }

  /** Open the browser's dialog for choosing files. */
  choose() {
    this.#input.click();
  }

  #choose() {
    this.add([...this.#input.files]);
    this.#input.value = "";
  }

  #drag(event, isOver) {
    event.preventDefault();
    event.stopPropagation();
    this.node.classList.toggle("over", isOver);
    if (event.type === "drop") this.add([...event.dataTransfer.files]);
  }

  #remove(index) {
    URL.revokeObjectURL(this.#files[index].url);
    this.#files.splice(index, 1);
    this.#draw();
    this.focus();
  }

  #draw() {
    this.node.classList.toggle("full", this.#files.length >= this.#spec.max);
    this.#thumbs.replaceChildren(...this.#files.map(({ file, url }, index) => el("li", {},
      file.type.startsWith("image/") ? el("img", { src: url, alt: "" })
        : el("span", { class: "no-image" }, file.name.split(".").pop()),
      this.#spec.max > 1 && el("b", {}, String(index + 1)),
      el("span", { class: "file-name", title: file.name }, file.name),
      el("button", { type: "button", "aria-label": `Remove ${file.name}`,
        onclick: () => this.#remove(index) }, "×"))));
  }
}
