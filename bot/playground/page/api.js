// Talks to the playground's server; knows its addresses, but not how things look.

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The playground does not answer. Is it still running?");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(answer?.error ?? `The playground answered ${response.status}.`);
  return answer;
}

export function getWorld() {
  return ask("/api/world");
}

export function getMessages(member, channel) {
  return ask(`/api/messages?${new URLSearchParams({ member, channel })}`);
}

/** Send JSON to one of the API's addresses. */
export function send(name, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(`/api/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
}

/** Send a form: texts by name (objects as JSON), and files as [name, file] pairs. */
export function sendForm(name, texts, files) {
  const form = new FormData();
  for (const [key, value] of Object.entries(texts)) {
    form.append(key, typeof value === "string" ? value : JSON.stringify(value));
  }
  for (const [key, file] of files) form.append(key, file, file.name);
  return ask(`/api/${name}`, { method: "POST", body: form });
}

/** Receives what changes for a member; connects again until it is closed. */
export class Events {
  #member;
  #socket = null;
  #timer = 0;
  #waitMs = RETRY_MS_MIN;
  #on;

  /** `on` has opened(), lost(), and event(data). */
  constructor(member, on) {
    this.#member = member;
    this.#on = on;
    this.#open();
  }

  close() {
    clearTimeout(this.#timer);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }

  #open() {
    const query = new URLSearchParams({ member: this.#member });
    const socket = new WebSocket(`ws://${location.host}/api/events?${query}`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#waitMs = RETRY_MS_MIN;
      this.#on.opened();
    };
    socket.onmessage = (message) => this.#on.event(JSON.parse(message.data));
    socket.onclose = () => {
      this.#on.lost();
      this.#timer = setTimeout(() => this.#open(), this.#waitMs * (0.75 + Math.random() / 2));
      this.#waitMs = Math.min(this.#waitMs * 2, RETRY_MS_MAX);
    };
  }
}
