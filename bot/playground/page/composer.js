// The bottom of the page: pick a command by typing "/", fill it in, send it.

import { CommandFields } from "./commands.js";
import { byId, el, newId } from "./dom.js";
import { DropZone } from "./fields.js";

const SHORTCUTS_MAX = 4;
const FILES_MAX = 10;

export class Composer {
  #root = byId("composer");
  #entries = [];
  #place = "";
  #at;
  #form = null;
  #active = 0;
  #input;
  #list;
  #problem;
  #files;
  #answered = null;
  #bar;

  /**
   * `at` has entities, run(entry, values, files), say(text, files, message it answers), and
   * suggest(entry, option, text, values).
   */
  constructor(at) {
    this.#at = at;
    document.addEventListener("paste", (event) => this.#paste(event));
    // Handle drops everywhere, so that a file dropped beside a zone does not replace the page.
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.takeFiles([...event.dataTransfer.files]);
    });
    this.#pick();
  }

  /** Offer these commands from now on; an open form stays if its command is still offered. */
  offer(entries, place) {
    const same = JSON.stringify([entries, place]) === JSON.stringify([this.#entries, this.#place]);
    this.#entries = entries;
    this.#place = place;
    const open = this.#form && entries.some((entry) => entry.name === this.#form.name);
    if (!open && !same) this.#pick();
  }

  /** Open a command's form with a text in its first text field, and with files. */
  open(name, text = "", files = []) {
    const entry = this.#entries.find((found) => found.name === name);
    if (!entry) return;
    this.#form?.fields.clear();
    const fields = new CommandFields(entry, { entities: this.#at.entities(),
      suggest: (...given) => this.#at.suggest(entry, ...given) });
    this.#form = { name, fields };
    this.#root.replaceChildren(this.#formNode(entry, fields));
    if (text) fields.text?.set(text);
    if (files.length) fields.zone?.add(files);
    if (!fields.focus()) this.#root.querySelector("[type=submit]").focus();
  }

  offers(name) {
    return this.#entries.some((entry) => entry.name === name);
  }

  /** Close an open form, even if it is filled in. */
  close() {
    this.#pick();
  }

  /** Write the next message as a reply. */
  reply(message) {
    if (this.#form) this.#pick();
    this.#answered = message;
    this.#bar.replaceChildren(el("span", {}, "Replying to ", el("strong", {}, message.author.name)),
      el("button", { type: "button", class: "plain", "aria-label": "Do not reply",
        onclick: () => this.#answerNothing() }, "×"));
    this.#bar.hidden = false;
    this.#input.focus();
  }

  /** Put files into the open form, or into the message being written. */
  takeFiles(files) {
    if (!files.length || document.querySelector("dialog[open]")) return;
    (this.#form ? this.#form.fields.zone : this.#files)?.add(files);
  }

  #answerNothing() {
    this.#answered = null;
    this.#bar.hidden = true;
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.takeFiles(files);
  }

  #pick(focus = false) {
    this.#form?.fields.clear();
    this.#files?.clear();
    this.#form = this.#answered = null;
    const id = newId();
    this.#bar = el("p", { class: "answering", hidden: true });
    this.#files = new DropZone({ label: "Files", names: ["files"], max: FILES_MAX });
    this.#files.node.classList.add("pending");
    this.#list = el("ul", { id, role: "listbox", "aria-label": "Commands", hidden: true });
    this.#input = el("input", { type: "text", role: "combobox", "aria-expanded": "false",
      "aria-controls": id, "aria-autocomplete": "list", autocomplete: "off", maxlength: 2000,
      "aria-label": "Command or message",
      placeholder: this.#entries.length ? "Type / for commands" : "The bot is logging in…",
      oninput: () => this.#filter(), onkeydown: (event) => this.#key(event),
      onblur: () => this.#showList([]) });
    this.#problem = el("p", { class: "problem", role: "alert" });
    const shortcuts = this.#entries.slice(0, SHORTCUTS_MAX).map((entry) => el("button",
      { type: "button", class: "chip", title: entry.description,
        onclick: () => this.open(entry.name) }, `/${entry.shown}`));
    this.#root.replaceChildren(this.#list, this.#bar, this.#files.node,
      el("div", { class: "line" },
        el("button", { type: "button", class: "slash", "aria-label": "Upload files",
          title: "Upload files", onclick: () => this.#files.choose() }, "+"),
        this.#input,
        el("button", { type: "button", class: "slash", "aria-label": "Show all commands",
          title: "Apps", onmousedown: (event) => event.preventDefault(),
          onclick: () => this.#showAll() }, "/")),
      this.#problem, el("div", { class: "chips own" }, shortcuts));
    if (focus) this.#input.focus();
  }

  #showAll() {
    this.#input.focus();
    if (!this.#input.value.startsWith("/")) this.#input.value = "/";
    this.#filter();
  }

  #filter() {
    const text = this.#input.value.toLowerCase();
    this.#problem.textContent = "";
    this.#active = 0;
    this.#showList(!text.startsWith("/") ? [] : this.#entries.filter((entry) =>
      [entry.shown, entry.name].some((name) =>
        `/${name}`.startsWith(text.trimEnd()) || text.startsWith(`/${name} `))));
  }

  #showList(entries) {
    this.#list.hidden = !entries.length;
    this.#input.setAttribute("aria-expanded", String(entries.length > 0));
    this.#list.replaceChildren(...entries.map((entry, index) => el("li", { role: "option",
      id: `${this.#list.id}-${index}`, "aria-selected": String(index === this.#active),
      onmousedown: (event) => event.preventDefault(), onclick: () => this.#choose(entry) },
    el("strong", {}, `/${entry.shown}`), el("span", {}, entry.description))));
    this.#mark();
  }

  #mark() {
    for (const [index, node] of [...this.#list.children].entries()) {
      node.setAttribute("aria-selected", String(index === this.#active));
    }
    const active = this.#list.children[this.#active];
    active?.scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", active?.id ?? "");
  }

  #key(event) {
    if (event.isComposing) return;
    const { length } = this.#list.children;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && length) {
      event.preventDefault();
      this.#active = (this.#active + step + length) % length;
      this.#mark();
    } else if (event.key === "Escape" && length) {
      this.#showList([]);
    } else if ((event.key === "Enter" || event.key === "Tab") && length) {
      event.preventDefault();
      this.#list.children[this.#active].click();
    } else if (event.key === "Escape" && this.#answered) {
      this.#answerNothing();
    } else if (event.key === "Enter" && (this.#input.value.trim() || this.#files.files().length)) {
      event.preventDefault();
      this.#say(this.#input.value.trim());
    }
  }

  #choose(entry) {
    const text = this.#input.value;
    const name = [entry.shown, entry.name].find((one) => text.startsWith(`/${one} `));
    this.open(entry.name, name ? text.slice(name.length + 2).trim() : "");
  }

  async #say(text) {
    const [input, problem] = [this.#input, this.#problem];
    if (text.startsWith("/")) {
      problem.textContent = "There is no such command for you here.";
      return;
    }
    problem.textContent = "";
    input.value = "";
    try {
      await this.#at.say(text, this.#files.files(), this.#answered);
      this.#files.clear();
      this.#answerNothing();
    } catch (error) {
      input.value = text;
      problem.textContent = error.message;
    }
  }

  #formNode(entry, fields) {
    const problem = el("p", { class: "problem", role: "alert" });
    const submit = el("button", { type: "submit", class: "button primary" }, "Send");
    const close = () => this.#pick(true);
    const form = el("form", { class: "command",
      onsubmit: (event) => this.#submit(event, entry, fields, submit, problem),
      onkeydown: (event) => {
        const isLine = ["TEXTAREA", "INPUT"].includes(event.target.tagName);
        if (event.key === "Escape" && fields.isEmpty) close();
        else if (event.key === "Enter" && isLine && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          form.requestSubmit();
        }
      } },
    el("header", {}, el("h3", {}, `/${entry.shown}`), el("p", {}, entry.description),
      el("button", { type: "button", class: "plain", "aria-label": "Close this command",
        onclick: close }, "×")),
    fields.node,
    el("footer", {}, problem, el("span", { class: "keys" }, "Enter sends"), submit));
    return form;
  }

  async #submit(event, entry, fields, submit, problem) {
    event.preventDefault();
    problem.textContent = "";
    if (submit.disabled || !fields.check()) return;
    submit.disabled = true;
    submit.textContent = "Sending…";
    try {
      await this.#at.run(entry, fields.values(), fields.files());
      if (this.#form?.fields === fields) this.#pick(true);
    } catch (error) {
      problem.textContent = error.message;
    } finally {
      submit.disabled = false;
      submit.textContent = "Send";
    }
  }
}
