// Joins the parts of the page: the member who is played, the place, and the server's events.

import { Events, getMessages, getWorld, send, sendForm } from "./api.js";
import { flatten } from "./commands.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { openModal, openViewer } from "./dialogs.js";
import { byId, el, refreshTimes } from "./dom.js";
import { speak, translated } from "./language.js";
import { drawHeader, drawPeople, drawPlaces, drawTools, openDrawer, placesOf } from "./sidebar.js";

const MESSAGE_MENU = 3;
const RETRY_MS = 1000;
const NO_ANSWER = "The application did not respond.";
const PROMPTS = ["a lighthouse in the fog at dawn, oil on canvas",
  "a red fox asleep in a bookshop, soft morning light", "a paper city at night, pastel colours"];

//: `?plain` shows only the conversation, `?plain=composer` the composer, too. `?theme` is light or
//: dark, and `?locale` is the member's language.
const address = new URLSearchParams(location.search);
const state = { world: null, member: null, channel: null, waiting: null };
const unread = new Set();
const revealed = new Set();
let events = null;

const here = () => ({ member: state.member.id, channel: state.channel.id });
const entities = () => ({
  people: state.world.people.map((person) => person.name),
  roles: state.channel.server?.roles ?? [],
  places: (state.channel.server?.channels ?? []).map((channel) => channel.name),
});

const composer = new Composer({
  entities,
  async run(entry, options, files) {
    const { member } = state;
    const answer = await sendForm("commands", { ...here(), command: entry.name, options }, files);
    if (!answer.answered) conversation.fail(member.id, member.name, `/${entry.shown}`, NO_ANSWER);
    conversation.toEnd();
    showModal(answer.modal);
  },
  async say(text, files, answered) {
    const answers = answered ? { message: answered.id } : {};
    await sendForm("messages", { ...here(), text, ...answers }, files);
    conversation.toEnd();
  },
  suggest: (entry, option, text, options) => send("autocomplete",
    { ...here(), command: entry.name, option, text, options }),
});

const conversation = new Conversation({
  revealed,
  press: (message, part) => click(message, () => send("components",
    { ...here(), message: message.id, custom_id: part.custom_id })),
  select: (message, part, values) => click(message, () => send("components",
    { ...here(), message: message.id, custom_id: part.custom_id, values })),
  menu: (message, command) => click(message, () => sendForm("commands",
    { ...here(), command: command.name, message: message.id }, [])),
  reply: (message) => composer.reply(message),
  forward: (message, to) => attempt(message, () => send("forwards",
    { ...here(), message: message.id, to })),
  remove: (message) => attempt(message, () => send("deletions",
    { ...here(), message: message.id })),
  open: openViewer,
});

/** Do what a click on a message asks for; if that fails, say so beside the message. */
async function attempt(message, act) {
  conversation.note(message.id, "");
  try {
    return await act();
  } catch (error) {
    conversation.note(message.id, error.message);
    return null;
  }
}

/** Do the same for a click that the bot has to answer. */
async function click(message, act) {
  const answer = await attempt(message, act);
  if (!answer) return;
  if (!answer.answered) conversation.note(message.id, `This interaction failed. ${NO_ANSWER}`);
  showModal(answer.modal);
}

function showModal(modal) {
  if (!modal) return;
  const { member } = here();
  openModal(modal, { entities, facts,
    async submit(opened, values, files) {
      const text = { member, interaction: opened.interaction, values };
      const answer = await sendForm("modals", text, files);
      if (!answer.answered) throw new Error(NO_ANSWER);
    } });
}

/** Go to the message that a link points to. */
async function visit(channelId, messageId) {
  const place = placesOf(state.world, state.member).find(({ id }) => id === channelId);
  if (channelId !== state.channel.id) await chooseChannel(place);
  conversation.jump(messageId);
}

/** Return what rendering messages needs: names, and what this member may do here. */
function facts() {
  const { world, member, channel } = state;
  const offered = new Set(world.offered[member.id]?.[channel.id]);
  const channels = world.servers.flatMap((server) => server.channels);
  const places = placesOf(world, member);
  return {
    viewer: member.id,
    server: channel.server?.id,
    names: world.names,
    channels: Object.fromEntries([...channels, ...places].map(({ id, name }) => [id, name])),
    menus: world.commands.filter(({ id, type }) => offered.has(id) && type === MESSAGE_MENU),
    forwards: places.map(({ id, name, server }) => ({ id, label: (server ? "#" : "@") + name })),
    manages: Boolean(channel.server) && member.roles.length > 0,
    entities: entities(),
    places: new Set(places.map((place) => place.id)),
    commandName,
    visit,
  };
}

/** Return a command's name, subcommands included, in the member's language. */
function commandName(name) {
  const [first, ...path] = name.split(" ");
  const whole = state.world.commands.find((command) => command.name === name);
  let part = whole ?? state.world.commands.find((command) => command.name === first);
  if (!part) return name;
  const names = [translated(part, "name")];
  for (const below of whole ? [] : path) {
    part = part.options?.find((option) => option.name === below) ?? { name: below };
    names.push(translated(part, "name"));
  }
  return names.join(" ");
}

/** Fetch everything again, until that works; events that arrive meanwhile are applied afterwards. */
async function synchronise() {
  const waiting = [];
  state.waiting = waiting;
  // A later call replaces this one.
  while (waiting === state.waiting) {
    waiting.length = 0;
    let found;
    try {
      state.world = await getWorld();
      settle();
      draw();
      found = await getMessages(state.member.id, state.channel.id);
    } catch (error) {
      if (waiting === state.waiting) tell(error.message);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      continue;
    }
    if (waiting !== state.waiting) return;
    state.waiting = null;
    conversation.show(found, facts());
    tell("");
    waiting.forEach(apply);
  }
}

function apply(event) {
  const { kind, message } = event;
  if (state.waiting) {
    state.waiting.push(event);
  } else if (kind === "world_changed") {
    synchronise();
  } else if (message.channel_id !== state.channel.id) {
    if (kind === "message_created") unread.add(message.channel_id);
    drawPlaces(state.world, state.member, state.channel, unread, chooseChannel);
  } else if (kind === "message_deleted") {
    conversation.remove(message.id);
  } else {
    conversation.put(message);
  }
}

/** Choose member and place: as before, else from the address, else the first. */
function settle() {
  const { people } = state.world;
  const [name, place] = decodeURIComponent(location.hash.slice(1)).split("/");
  state.member = people.find((person) => person.id === state.member?.id)
    ?? people.find((person) => person.name === name) ?? people[0];
  const places = placesOf(state.world, state.member);
  state.channel = places.find((found) => found.id === state.channel?.id)
    ?? places.find((found) => placeName(found) === place) ?? places[0];
  speak(state.member.locale);
}

function placeName(place) {
  return place.server || place.isPrivate ? place.name : "dm";
}

async function setLocale(choice) {
  try {
    await send("locales", choice);
    composer.close();
    await synchronise();
  } catch (error) {
    tell(error.message);
  }
}

/** Show the page light or dark, or by the system if empty; the address keeps the theme. */
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  if (theme) address.set("theme", theme);
  else address.delete("theme");
  const query = address.size ? `?${address}` : location.pathname;
  history.replaceState(null, "", query + location.hash);
}

function draw() {
  const { world, member, channel } = state;
  unread.delete(channel.id);
  history.replaceState(null, "", `#${member.name}/${placeName(channel)}`);
  const theme = address.get("theme") ?? "";
  drawTools(world, member, channel.server, { theme, setTheme, setLocale });
  drawPeople(world, member, chooseMember);
  drawPlaces(world, member, channel, unread, chooseChannel);
  drawHeader(member, channel);
  const offered = new Set(world.offered[member.id]?.[channel.id]);
  composer.offer(flatten(world.commands.filter((command) => offered.has(command.id))),
    `${member.id}/${channel.id}/${member.locale}`);
  drawWelcome();
}

function drawWelcome() {
  const ideas = composer.offers("imagine") ? PROMPTS : [];
  byId("welcome").replaceChildren(
    el("img", { src: "/page/easel.svg", alt: "", width: 56, height: 56 }),
    el("h3", {}, placeName(state.channel) === "dm"
      ? `Your direct messages with ${state.channel.name}` : `This is #${state.channel.name}`),
    el("p", { class: "own" },
      "Type / below to see what the bot can do, or start with one of these."),
    el("ul", { class: "own" }, ideas.map((idea) => el("li", {}, el("button", { type: "button",
      class: "idea", onclick: () => composer.open("imagine", idea) }, el("b", {}, "/imagine "), idea)))));
}

function chooseMember(member) {
  const wasDirect = placeName(state.channel) === "dm";
  state.member = member;
  if (wasDirect) state.channel = { id: member.dm };
  unread.clear();
  listen();
}

function chooseChannel(channel) {
  state.channel = channel;
  if (document.body.classList.contains("drawer")) openDrawer(false);
  return synchronise();
}

/** Receive this member's events; after each connection, fetch what was missed. */
function listen() {
  events?.close();
  events = new Events(state.member.id, {
    opened: synchronise,
    lost: () => tell("The connection is lost. Trying to get it back…"),
    event: apply,
  });
}

function tell(text) {
  byId("connection").textContent = text;
  byId("connection").hidden = !text;
}

async function start() {
  // Before the world is known, no member is known to listen for.
  await synchronise();
  const locale = address.get("locale");
  if (locale) await setLocale({ member: state.member.id, locale });
  listen();
}

if (address.has("plain")) document.documentElement.dataset.plain = address.get("plain");
setTheme(address.get("theme"));
byId("menu").addEventListener("click", () => openDrawer(true));
byId("close-menu").addEventListener("click", () => openDrawer(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.classList.contains("drawer")) openDrawer(false);
});
document.addEventListener("pointerdown", (event) => {
  const isOpen = document.body.classList.contains("drawer");
  if (isOpen && !byId("sidebar").contains(event.target)) openDrawer(false);
});
setInterval(refreshTimes, 1000);
start();
