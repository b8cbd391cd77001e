// Makes forms for the commands that the bot registered; sends nothing.

import { el } from "./dom.js";
import { translated } from "./language.js";
import { DropZone, numberField, selectField, suggestField, switchField, textField }
  from "./fields.js";

// Source: Discord docs, "Application Commands", Option Types.
const [SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER,
  ATTACHMENT] = Array.from({ length: 11 }, (_, index) => index + 1);
const CHAT_INPUT = 1;
//: Optional fields that are shown at once, besides files; the others are folded.
const UNFOLDED_MAX = 3;
const LONG_CHARS_MIN = 200;
const LONG_NAMES = ["prompt", "text", "message", "description", "reason"];

/** List chat-input commands; each subcommand is a separate entry. */
export function flatten(commands) {
  return commands.filter((command) => command.type === CHAT_INPUT)
    .flatMap((command) => entriesOf(command, [], []));
}

function entriesOf(part, above, shownAbove) {
  const path = [...above, part.name];
  const shown = [...shownAbove, translated(part, "name")];
  const options = part.options ?? [];
  if (options.some((option) => [SUBCOMMAND, GROUP].includes(option.type))) {
    return options.flatMap((option) => entriesOf(option, path, shown));
  }
  const description = translated(part, "description");
  return [{ name: path.join(" "), shown: shown.join(" "), description, options }];
}

/** The fields of one command; `at` has entities and suggest(option, text, values). */
export class CommandFields {
  #fields = new Map();
  #zones = [];

  constructor(entry, at) {
    const [series, others] = splitFiles(entry.options);
    const shown = [];
    const folded = [];
    for (const option of others.filter((found) => found.required)) {
      shown.push(this.#add(option, at));
    }
    if (series.length) shown.push(this.#addZone(series));
    const optional = others.filter((option) => !option.required);
    const plain = optional.filter((option) => option.type !== ATTACHMENT);
    const keep = optional.length > UNFOLDED_MAX + 1 ? UNFOLDED_MAX : optional.length;
    for (const option of optional) {
      const place = plain.indexOf(option) >= 0 && plain.indexOf(option) < keep ? shown : folded;
      place.push(this.#add(option, at));
    }
    const rest = folded.length > 0 && el("details", { class: "more" },
      el("summary", {}, `More options (${folded.length})`), el("div", { class: "grid" }, folded));
    this.node = el("div", { class: "fields" }, el("div", { class: "grid" }, shown), rest);
  }

  /** The zone for dropped and pasted files. */
  get zone() {
    return this.#zones[0];
  }

  get text() {
    return [...this.#fields.values()].find((field) => field.set);
  }

  values() {
    const read = [...this.#fields].map(([name, field]) => [name, field.read()]);
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  }

  files() {
    return this.#zones.flatMap((zone) => zone.files());
  }

  /** Whether the form can be closed without losing anything. */
  get isEmpty() {
    return !this.files().length && !Object.keys(this.values()).length;
  }

  check() {
    return [...this.#zones, ...this.#fields.values()].every((part) => part.check?.() ?? true);
  }

  focus() {
    const first = this.text ?? [...this.#fields.values()][0] ?? this.zone;
    first?.focus();
    return Boolean(first);
  }

  clear() {
    for (const zone of this.#zones) zone.clear();
  }

  #add(option, at) {
    if (option.type === ATTACHMENT) return this.#addZone([option]);
    const field = fieldOf(option, at, () => this.values());
    this.#fields.set(option.name, field);
    return field.node;
  }

  #addZone(options) {
    const isSeries = options.length > 1;
    const label = !isSeries ? words(translated(options[0], "name")) : options[0].name === "image"
      ? "Images: the first is changed, the others are references" : "Reference images";
    const zone = new DropZone({ label, names: options.map((option) => option.name),
      hint: isSeries ? null : translated(options[0], "description"), max: options.length,
      required: options[0].required, accept: "image/*" });
    this.#zones.push(zone);
    if (isSeries || options[0].required) zone.node.classList.add("wide");
    return zone.node;
  }
}

/** Split options into the image and references, which share one zone, and all others. */
function splitFiles(options) {
  const series = options.filter((option) => option.type === ATTACHMENT
    && /^(image|reference\d*)$/.test(option.name));
  return [series, options.filter((option) => !series.includes(option))];
}

function fieldOf(option, at, values) {
  const spec = { label: words(translated(option, "name")), name: option.name,
    hint: translated(option, "description"), required: option.required };
  const { people, places, roles } = at.entities;
  const entities = { [USER]: people, [CHANNEL]: places, [ROLE]: roles,
    [MENTIONABLE]: [...people, ...roles] }[option.type];
  if (entities) {
    return selectField({ ...spec, choices: entities.map((name) => ({ value: name, label: name })) });
  }
  if (option.choices?.length) {
    const choices = option.choices.map((choice) =>
      ({ value: choice.value, label: translated(choice, "name") }));
    return selectField({ ...spec, choices });
  }
  if (option.autocomplete) {
    const suggest = (text) => at.suggest(option.name, text, values());
    return suggestField({ ...spec, suggest });
  }
  if (option.type === BOOLEAN) return switchField(spec);
  if (option.type === INTEGER || option.type === NUMBER) {
    return numberField({ ...spec, min: option.min_value, max: option.max_value,
      step: option.type === NUMBER ? "any" : 1 });
  }
  const long = option.type === STRING && (LONG_NAMES.includes(option.name)
    || (option.required && option.max_length > LONG_CHARS_MIN));
  const field = textField({ ...spec, hint: long ? null : spec.hint,
    placeholder: long ? spec.hint : null, long, minLength: option.min_length,
    maxLength: option.max_length });
  if (long) field.node.classList.add("wide");
  return field;
}

function words(name) {
  const text = name.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}
