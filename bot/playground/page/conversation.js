// Keeps the list of messages on the page up to date with the server's events.

import { byId, el } from "./dom.js";
import { EPHEMERAL, messageNode, summary, usedNode } from "./message.js";

//: how near to the end the list must be to follow new messages
const FOLLOW_PX = 120;
const DISMISSED_MAX = 500;

export class Conversation {
  #list = byId("messages");
  #scroller = byId("scroller");
  #messages = new Map();
  #dismissed = new Set();
  #follows = true;
  #size = "";
  #at;

  /** `at` is passed on to messageNode. */
  constructor(at) {
    this.#at = { ...at, find: (id) => this.#messages.get(id), jump: (id) => this.jump(id),
      dismiss: (message) => this.#dismiss(message) };
    // Messages grow when they are edited; stay at the end if the reader was there.
    this.#scroller.addEventListener("scroll", () => this.#onScroll());
    new ResizeObserver(() => this.#onResize()).observe(this.#list);
    new ResizeObserver(() => this.#onResize()).observe(this.#scroller);
  }

  /** Replace everything, for example after a change of place or a lost connection. */
  show(messages, facts) {
    Object.assign(this.#at, facts);
    const shown = messages.filter((message) => !this.#dismissed.has(message.id));
    this.#messages = new Map(shown.map((message) => [message.id, message]));
    this.#list.replaceChildren(...shown.map((message) => messageNode(message, this.#at)));
    this.#onCount();
    this.toEnd();
  }

  put(message) {
    if (this.#dismissed.has(message.id)) return;
    const known = this.#messages.get(message.id);
    this.#messages.set(message.id, message);
    const node = messageNode(message, this.#at);
    const old = this.#node(message.id);
    if (old) this.#replace(old, node);
    else this.#list.append(node);
    // Screen readers read out results, but no progress.
    const isNews = !known || known.attachments.length < message.attachments.length;
    if (isNews) byId("announcer").replaceChildren(el("p", {}, summary(message)));
    this.#onCount();
  }

  remove(id) {
    this.#messages.delete(id);
    this.#node(id)?.remove();
    this.#onCount();
  }

  /** Say beside a message what went wrong with a click on it. */
  note(id, text) {
    const note = this.#node(id)?.querySelector(".note");
    if (!note) return;
    note.textContent = text;
    note.hidden = !text;
  }

  /** Show a command that nobody answered. */
  fail(userId, name, command, text) {
    const node = el("li", { class: "message failed" }, usedNode(userId, name, command),
      el("p", { class: "note", role: "alert" }, text, " ",
        el("button", { type: "button", class: "link", onclick: () => node.remove() }, "Dismiss")));
    this.#list.append(node);
    this.#onCount();
  }

  toEnd() {
    this.#follows = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #replace(old, node) {
    const focused = old.contains(document.activeElement) && document.activeElement.dataset.key;
    const note = old.querySelector(".note");
    old.replaceWith(node);
    if (focused) node.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    if (note && !note.hidden) node.querySelector(".note").replaceWith(note);
  }

  #dismiss(message) {
    if (!(message.flags & EPHEMERAL)) return;
    this.#dismissed.add(message.id);
    if (this.#dismissed.size > DISMISSED_MAX) {
      this.#dismissed.delete(this.#dismissed.values().next().value);
    }
    this.remove(message.id);
    this.#scroller.focus();
  }

  /** Scroll to a message and highlight it, if it is still there. */
  jump(id) {
    const node = this.#node(id);
    node?.scrollIntoView({ block: "center" });
    node?.classList.add("pointed-at");
    setTimeout(() => node?.classList.remove("pointed-at"), 1500);
  }

  #node(id) {
    return this.#list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  /** Note whether the reader left the end; if sizes changed, #onResize decides instead. */
  #onScroll() {
    if (this.#size !== this.#sizeNow()) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
  }

  #onResize() {
    this.#size = this.#sizeNow();
    if (this.#follows) this.toEnd();
  }

  #sizeNow() {
    const { scrollHeight, clientHeight } = this.#scroller;
    return `${scrollHeight} ${clientHeight}`;
  }

  #onCount() {
    byId("welcome").hidden = this.#list.childElementCount > 0;
  }
}
