// The left side: shows the member who is played and the place; reports a change of either.

import { avatar, byId, el } from "./dom.js";
import { nameOf } from "./language.js";

const THEMES = [["", "as the system"], ["light", "light"], ["dark", "dark"]];

/** List a member's places: channels that they see, and their direct messages with the bot. */
export function placesOf(world, member) {
  const seen = world.offered[member.id] ?? {};
  const channels = world.servers.flatMap((server) =>
    server.channels.filter((channel) => channel.id in seen).map((channel) =>
      ({ ...channel, server })));
  const hidden = world.private.filter((channel) => channel.id in seen).map((channel) =>
    ({ ...channel, server: null, isPrivate: true }));
  return [...channels, ...hidden, { id: member.dm, name: world.bot.name, nsfw: false,
    server: null }];
}

/** Show the page's own settings, not Discord's; `at` has theme, setTheme and setLocale. */
export function drawTools(world, member, server, at) {
  const locales = world.locales.map((code) => [code, nameOf(code)]);
  const rows = [
    ["Theme", THEMES, at.theme, at.setTheme],
    [`${member.name}'s language`, locales, member.locale, (locale) =>
      at.setLocale({ member: member.id, locale })],
    server && [`${server.name}'s language`, locales, server.locale, (locale) =>
      at.setLocale({ server: server.id, locale })],
  ];
  byId("tools").replaceChildren(...rows.filter(Boolean).map(([label, choices, chosen, choose]) =>
    el("label", {}, el("span", {}, label), el("select", {
      onchange: (event) => choose(event.target.value) },
    choices.map(([value, text]) => el("option", { value, selected: value === chosen }, text))))));
}

/** Show the people; `onChoose` gets the person who was chosen. */
export function drawPeople(world, chosen, onChoose) {
  const [legend] = byId("people").children;
  const focused = document.activeElement?.name === "person";
  byId("people").replaceChildren(legend, ...world.people.map((person) => {
    const role = person.roles.join(", ") || "Member";
    return el("label", { class: "person" },
      el("input", { type: "radio", name: "person", value: person.id,
        checked: person.id === chosen.id, class: "hidden-text",
        onchange: () => onChoose(person) }),
      avatar(person.id, person.name), el("span", {}, person.name, el("small", {}, role)));
  }));
  if (focused) byId("people").querySelector("input:checked")?.focus();
}

/** Show the places; `unread` has the ids of places with new messages. */
export function drawPlaces(world, member, chosen, unread, onChoose) {
  const places = placesOf(world, member);
  const groups = [...world.servers, null].map((server) => {
    const inside = places.filter((place) => place.server === server);
    return inside.length > 0 && el("section", {}, el("h2", {}, server?.name ?? "Direct messages"),
      el("ul", {}, inside.map((place) => el("li", {}, placeNode(place)))));
  });
  const focused = byId("places").contains(document.activeElement);
  byId("places").replaceChildren(...groups.filter(Boolean));
  if (focused) byId("places").querySelector("[aria-current]")?.focus();

  function placeNode(place) {
    const isNew = unread.has(place.id);
    return el("button", { type: "button", class: isNew ? "place unread" : "place",
      "aria-current": place.id === chosen.id ? "page" : null, onclick: () => onChoose(place) },
    el("span", { class: "sign", "aria-hidden": "true" }, signOf(place)), place.name,
    place.nsfw && el("span", { class: "badge warning", title: "Age-restricted" }, "18+"),
    isNew && el("span", { class: "hidden-text" }, "new messages"));
  }
}

/** Show place and member above the conversation. */
export function drawHeader(member, channel) {
  const name = signOf(channel) + channel.name;
  byId("place").textContent = name;
  byId("restricted").hidden = !channel.nsfw;
  byId("viewer-name").replaceChildren("as ", avatar(member.id, member.name), member.name);
  document.title = `${name} · Easel playground`;
}

function signOf(place) {
  return place.server ? "#" : place.isPrivate ? "" : "@";
}

/** Open or close the left side, which is a drawer on narrow screens. */
export function openDrawer(isOpen) {
  document.body.classList.toggle("drawer", isOpen);
  byId("menu").setAttribute("aria-expanded", String(isOpen));
  byId(isOpen ? "close-menu" : "menu").focus();
}
