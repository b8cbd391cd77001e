// Form fields for command options and for the bot's forms: each has a node and read().

import { el, newId } from "./dom.js";

const SUGGEST_AFTER_MS = 150;

function labelled(spec, id, control, extra) {
  return el("div", { class: "field" },
    el("label", { for: id }, spec.label, !spec.required && el("span", { class: "optional" },
      " optional")),
    control, extra, spec.hint && el("p", { class: "hint", id: `${id}-hint` }, spec.hint));
}

function base(spec) {
  const id = newId();
  return { id, name: spec.name, required: spec.required,
    "aria-describedby": spec.hint ? `${id}-hint` : null };
}

/** A line or, if `long`, several lines of text. */
export function textField(spec) {
  const attributes = { ...base(spec), minlength: spec.minLength, maxlength: spec.maxLength,
    placeholder: spec.placeholder, autocomplete: "off" };
  const control = spec.long ? el("textarea", { ...attributes, rows: 2 })
    : el("input", { ...attributes, type: "text" });
  control.value = spec.value ?? "";
  return { node: labelled(spec, attributes.id, control), focus: () => control.focus(),
    set: (text) => { control.value = text; }, read: () => control.value.trim() || undefined };
}

/** A whole or, if `step` is "any", any number. */
export function numberField(spec) {
  const attributes = { ...base(spec), type: "number", min: spec.min, max: spec.max,
    step: spec.step ?? 1, placeholder: spec.min !== undefined && spec.max !== undefined
      ? `${spec.min} to ${spec.max}` : null };
  const control = el("input", attributes);
  return { node: labelled(spec, attributes.id, control), focus: () => control.focus(),
    read: () => (control.value === "" ? undefined : Number(control.value)) };
}

/** One of `choices`, which are [value, label]; several if `many`. */
export function selectField(spec) {
  const attributes = { ...base(spec), multiple: spec.many };
  const empty = !spec.many && el("option", { value: "" }, spec.required ? "Choose…" : "Default");
  const control = el("select", attributes, empty, spec.choices.map(([, label], index) =>
    el("option", { value: index, selected: spec.chosen?.includes(index) }, label)));
  const read = () => {
    const values = [...control.selectedOptions].filter((option) => option.value !== "")
      .map((option) => spec.choices[option.value][0]);
    return spec.list ? values : values[0];
  };
  return { node: labelled(spec, attributes.id, control), focus: () => control.focus(), read };
}

/** Yes or no; says nothing until it is touched. */
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

/** Text for which `suggest(text)` returns what the bot offers: dicts of name and value. */
export function suggestField(spec) {
  const listId = newId();
  const list = el("datalist", { id: listId });
  let offered = new Map();
  let timer = 0;
  let asked = 0;
  const ask = async () => {
    asked += 1;
    const mine = asked;
    const found = await spec.suggest(control.value).catch(() => []);
    if (mine !== asked) return;
    offered = new Map(found.map((choice) => [choice.name, choice.value]));
    list.replaceChildren(...found.map((choice) => el("option", { value: choice.name })));
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, SUGGEST_AFTER_MS);
  };
  const attributes = { ...base(spec), type: "text", list: listId, autocomplete: "off",
    oninput: later, onfocus: later };
  const control = el("input", attributes);
  return { node: labelled(spec, attributes.id, control, list), focus: () => control.focus(),
    read: () => offered.get(control.value) ?? (control.value.trim() || undefined) };
}

/** Files by dropping, choosing or pasting; they take `names` in turn, or all the only one. */
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
    const words = spec.max > 1 ? "Drop images here, paste, or " : "Drop an image here, or ";
    const zone = el("label", { for: id, class: "drop" },
      el("span", {}, words, el("u", {}, spec.max > 1 ? "choose files" : "choose a file")));
    const count = spec.max > 1 ? ` up to ${spec.max}` : spec.required ? "" : " optional";
    this.node = el("div", { class: "field zone", role: "group", "aria-label": spec.label },
      el("span", { class: "label" }, spec.label, el("span", { class: "optional" }, count)),
      this.#thumbs, this.#input, zone, hint, this.#problem);
    for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false],
      ["drop", false]]) {
      this.node.addEventListener(name, (event) => this.#drag(event, over));
    }
  }

  add(files) {
    const room = this.#spec.max - this.#files.length;
    const taken = this.#spec.max === 1 ? [...files].slice(0, 1) : [...files].slice(0, room);
    if (this.#spec.max === 1) this.clear();
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

  /** Complain if there has to be a file and is none. */
  check() {
    const missing = this.#spec.required && !this.#files.length;
    this.#problem.textContent = missing ? "Add an image first." : "";
    if (missing) this.focus();
    return !missing;
  }

  focus() {
    this.#input.focus();
  }

  clear() {
    for (const { url } of this.#files) URL.revokeObjectURL(url);
    this.#files = [];
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
      el("button", { type: "button", "aria-label": `Remove image ${index + 1}, ${file.name}`,
        title: file.name, onclick: () => this.#remove(index) }, "×"))));
  }
}
