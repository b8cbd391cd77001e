// Joins the parts of the page: who is played, where, and what the server tells.

import { Events, fetchFile, getMessages, getWorld, send, sendForm } from "./api.js";
import { flatten } from "./commands.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { openModal, openViewer } from "./dialogs.js";
import { byId, el, refreshTimes } from "./dom.js";
import { drawHeader, drawPeople, drawPlaces, openDrawer, placesOf } from "./sidebar.js";

const MESSAGE_MENU = 3;
const NO_ANSWER = "The application did not respond.";
const PROMPTS = ["a lighthouse in the fog at dawn, oil on canvas",
  "a red fox asleep in a bookshop, soft morning light", "a paper city at night, pastel colours"];

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
    if (!answer.answered) conversation.fail(member.id, member.name, `/${entry.name}`, NO_ANSWER);
    conversation.toEnd();
    showModal(answer.modal);
  },
  say: (text) => send("messages", { ...here(), text }),
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
  open: openViewer,
});

/** Do what a click on a message asks for, and say beside it if that fails. */
async function click(message, act) {
  conversation.note(message.id, "");
  try {
    const answer = await act();
    if (!answer.answered) conversation.note(message.id, `This interaction failed. ${NO_ANSWER}`);
    showModal(answer.modal);
  } catch (error) {
    conversation.note(message.id, error.message);
  }
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

async function editImage(file) {
  try {
    const name = file.filename.replace(/^SPOILER_/, "");
    composer.edit(await fetchFile(file.url, name, file.content_type));
  } catch (error) {
    tell(error.message);
  }
}

/** Go to a message that a link names. */
async function visit(channelId, messageId) {
  const place = placesOf(state.world, state.member).find(({ id }) => id === channelId);
  if (channelId !== state.channel.id) await chooseChannel(place);
  conversation.jump(messageId);
}

/** What messages are rendered with: names, and what this person may do here. */
function facts() {
  const offered = new Set(state.world.offered[state.member.id]?.[state.channel.id]);
  const channels = state.world.servers.flatMap((server) => server.channels);
  return {
    names: state.world.names,
    channels: Object.fromEntries(channels.map((channel) => [channel.id, channel.name])),
    menus: state.world.commands.filter(({ id, type }) => offered.has(id) && type === MESSAGE_MENU),
    entities: entities(),
    places: new Set(placesOf(state.world, state.member).map((place) => place.id)),
    visit,
    edit: composer.canEdit ? editImage : null,
  };
}

/** Fetch everything anew; events that arrive meanwhile are applied afterwards. */
async function synchronise() {
  const waiting = [];
  state.waiting = waiting;
  try {
    state.world = await getWorld();
    settle();
    draw();
    const found = await getMessages(state.member.id, state.channel.id);
    // Another change of place overtook this one.
    if (waiting !== state.waiting) return;
    conversation.show(found, facts());
    state.waiting = null;
    waiting.forEach(apply);
    tell("");
  } catch (error) {
    tell(error.message);
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

/** Decide who is where: what was chosen, else what the address says, else the first. */
function settle() {
  const { people } = state.world;
  const [name, place] = decodeURIComponent(location.hash.slice(1)).split("/");
  state.member = people.find((person) => person.id === state.member?.id)
    ?? people.find((person) => person.name === name) ?? people[0];
  const places = placesOf(state.world, state.member);
  state.channel = places.find((found) => found.id === state.channel?.id)
    ?? places.find((found) => (found.server ? found.name : "dm") === place) ?? places[0];
}

function draw() {
  const { world, member, channel } = state;
  unread.delete(channel.id);
  history.replaceState(null, "", `#${member.name}/${channel.server ? channel.name : "dm"}`);
  drawPeople(world, member, chooseMember);
  drawPlaces(world, member, channel, unread, chooseChannel);
  drawHeader(member, channel);
  const offered = new Set(world.offered[member.id]?.[channel.id]);
  composer.offer(flatten(world.commands.filter((command) => offered.has(command.id))),
    `${member.id}/${channel.id}`);
  drawWelcome();
}

function drawWelcome() {
  const ideas = composer.offers("imagine") ? PROMPTS : [];
  byId("welcome").replaceChildren(
    el("img", { src: "/page/easel.svg", alt: "", width: 56, height: 56 }),
    el("h3", {}, state.channel.server ? `This is #${state.channel.name}`
      : `Your direct messages with ${state.channel.name}`),
    el("p", {}, "Type / below to see what the bot can do, or start with one of these."),
    el("ul", {}, ideas.map((idea) => el("li", {}, el("button", { type: "button", class: "idea",
      onclick: () => composer.open("imagine", idea) }, el("b", {}, "/imagine "), idea)))));
}

function chooseMember(member) {
  const wasDirect = !state.channel.server;
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

/** Hear what this member is shown; each time the connection stands, catch up. */
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

/** Until the first answer nobody is known to listen for. */
async function start() {
  await synchronise();
  if (state.member) listen();
  else setTimeout(start, 1000);
}

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
