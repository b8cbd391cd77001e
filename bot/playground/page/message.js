// Builds one message with its embeds and files; calls back for every click and decides nothing.

import { componentNodes } from "./components.js";
import { avatar, el, timeNode, webAddress } from "./dom.js";
import { translated } from "./language.js";
import { inline, markdown } from "./markdown.js";
import { mediaOf, mosaic, ownAddress, pictureNode, pictureOf } from "./pictures.js";
import { openMenu } from "./popup.js";

export const EPHEMERAL = 1 << 6;
const LOADING = 1 << 7;
const REPLY = 19;
const FORWARD = 1;

/**
 * Build a message.
 *
 * `at` says where it is shown: the ids of viewer and server, names and channels by id, entities to
 * choose from, menus (commands for messages), forwards (places to forward to), manages (whether all
 * messages can be deleted), revealed (keys of uncovered pictures), places (ids of places that links
 * may lead to), commandName(name), find(id), and the callbacks press, select, menu, reply, forward,
 * remove, dismiss, jump, visit and open.
 */
export function messageNode(message, at) {
  const isEphemeral = Boolean(message.flags & EPHEMERAL);
  const isPing = !isEphemeral && (message.mention_everyone
    || message.mentions.some((user) => user.id === at.viewer));
  const { author } = message;
  const time = timeNode(new Date(message.timestamp), "t");
  const shown = { ...at, everyone: message.mention_everyone };
  const body = el("div", { class: "body" },
    el("p", { class: "head" },
      el("strong", {}, author.name), author.bot && el("span", { class: "badge" }, "App"), time,
      message.edited_timestamp && !(message.flags & LOADING)
        && el("span", { class: "edited" }, "(edited)")),
    el("div", { class: "content" }, contentNodes(message, shown)),
    el("p", { class: "note", role: "alert", hidden: true }),
    isEphemeral && el("p", { class: "only-you" }, "👁 Only you can see this · ",
      el("button", { type: "button", class: "link", onclick: () => at.dismiss(message) },
        "Dismiss message")));
  const kind = `${isEphemeral ? " ephemeral" : ""}${isPing ? " ping" : ""}`;
  const node = el("li", { class: `message${kind}`, "data-id": message.id },
    contextLine(message, at), avatar(author.id, author.name, author.bot), body,
    isEphemeral ? null : toolsNode(message, at));
  if (!isEphemeral) node.addEventListener("contextmenu", (event) => {
    if (event.target.closest("a, input, textarea")) return;
    event.preventDefault();
    const { clientX: left, clientY: top } = event;
    openTools(message, at, { left, top, bottom: top });
  });
  return node;
}

/** Describe a message in plain words for screen readers. */
export function summary(message) {
  const files = message.attachments.length;
  const said = textOf(message).slice(0, 300);
  if (message.flags & LOADING) return `${message.author.name} is thinking`;
  return `${message.author.name}: ${said}${files ? ` (files: ${files})` : ""}`;
}

function textOf(message) {
  const shown = (part) => [part.content, ...(part.components ?? []).flatMap(shown)];
  const texts = [...shown(message), ...message.embeds.flatMap((e) => [e.title, e.description])];
  return texts.filter(Boolean).map((text) => text.replaceAll(/<[@t][^>]*>|^(> |-# |#+ )/gm, ""))
    .join(" ");
}

/** Build the line that says who used a command. */
export function usedNode(user, name, command) {
  return el("p", { class: "context" }, avatar(user, name), el("strong", {}, name), " used ",
    el("span", { class: "mention" }, command));
}

function contextLine(message, at) {
  const used = usedIn(message.interaction_metadata);
  if (used?.name && message.type !== REPLY) {
    const slash = used.command_type === 1 ? "/" : "";
    return usedNode(used.user.id, at.names[used.user.id], slash + at.commandName(used.name));
  }
  const reference = message.message_reference;
  if (!reference || reference.type === FORWARD) return null;
  const original = at.find(reference.message_id);
  if (!original) return el("p", { class: "context" }, el("i", {}, "Original message was deleted"));
  const { author } = original;
  const pings = message.mentions.some((user) => user.id === author.id);
  return el("p", { class: "context" }, avatar(author.id, author.name, author.bot),
    el("strong", {}, `${pings ? "@" : ""}${author.name}`),
    el("button", { type: "button", class: "link", onclick: () => at.jump(original.id) },
      textOf(original).slice(0, 120) || "Click to see attachment"));
}

/** Return the first interaction: for a form's answer, the one that opened the form. */
function usedIn(metadata) {
  const opener = metadata?.triggering_interaction_metadata;
  return opener ? usedIn(opener) : metadata;
}

function contentNodes(message, at) {
  if (message.flags & LOADING) {
    return el("p", { class: "thinking" }, el("span", { class: "dots", "aria-hidden": "true" },
      el("i"), el("i"), el("i")), `${message.author.name} is thinking…`);
  }
  const images = message.attachments.filter(isImage).map(pictureOf);
  const others = message.attachments.filter((file) => !isImage(file));
  return [
    (message.message_snapshots ?? []).map((snapshot) => forwardNode(message, snapshot, at)),
    markdown(message.content, at),
    images.length > 0 && mosaic(images, at),
    others.map(fileNode),
    message.embeds.map((embed) => embedNode(embed, at)),
    componentNodes(message, at),
  ];
}

function forwardNode(message, { message: forwarded }, at) {
  const { channel_id: channel, message_id: id } = message.message_reference;
  const time = timeNode(new Date(forwarded.timestamp), "f");
  const place = at.channels[channel];
  return el("div", { class: "forward" }, el("p", { class: "subtext" }, el("i", {}, "↱ Forwarded")),
    contentNodes({ ...forwarded, author: message.author }, at),
    el("p", { class: "subtext" }, place && at.places.has(channel) ? el("button", { type: "button",
      class: "link", onclick: () => at.visit(channel, id) }, `#${place} · `, time) : time));
}

function isImage(file) {
  return /^image\/(png|jpeg|webp|gif)$/.test(file.content_type ?? "");
}

function fileNode(file) {
  return el("p", { class: "file" }, el("a", { href: file.url, download: file.filename },
    file.filename), ` · ${bytes(file.size)}`);
}

function bytes(size) {
  if (size < 1024) return `${size} B`;
  if (size < 1024 ** 2) return `${Math.round(size / 1024)} KB`;
  return `${(size / 1024 ** 2).toFixed(1)} MB`;
}

function embedNode(embed, at) {
  const title = embed.title && inline(embed.title, at);
  const href = webAddress(embed.url);
  const author = embed.author?.name;
  const node = el("article", { class: "embed" },
    embedPicture(embed.thumbnail, "thumbnail", at),
    author && el("p", { class: "embed-author" }, author),
    title && el("h3", {}, href ? el("a", { href, target: "_blank", rel: "noreferrer" }, title)
      : title),
    embed.description && el("div", {}, markdown(embed.description, at)),
    embed.fields?.length > 0 && el("dl", {}, embed.fields.map((field) =>
      el("div", { class: field.inline ? "inline" : "" }, el("dt", {}, inline(field.name, at)),
        el("dd", {}, markdown(field.value, at))))),
    embedPicture(embed.image, "embed-image", at),
    (embed.footer || embed.timestamp) && el("p", { class: "embed-footer" },
      embed.footer?.text, embed.footer && embed.timestamp && " · ",
      embed.timestamp && timeNode(new Date(embed.timestamp), "f")));
  if (embed.color) {
    node.style.setProperty("--bar", `#${embed.color.toString(16).padStart(6, "0")}`);
  }
  return node;
}

function embedPicture(picture, className, at) {
  // The page loads no pictures from other hosts.
  if (!ownAddress(picture?.url)) return null;
  return pictureNode(mediaOf({ media: picture, description: picture.description }), at, className);
}

/** Open the menu of a message's three dots, or of a right click on the message. */
function openTools(message, at, box) {
  const item = (label, act, className) => el("button", { type: "button", role: "menuitem",
    class: className, onclick: () => {
      menu.close();
      act();
    } }, label);
  const apps = at.menus.map((command) => item(el("span", { class: "app" },
    el("img", { src: "/page/easel.svg", alt: "" }), translated(command, "name")),
  () => at.menu(message, command)));
  const places = at.forwards.map((place) => item(place.label, () => at.forward(message, place.id)));
  const isOwn = message.author.id === at.viewer;
  const path = [at.server ?? "@me", message.channel_id, message.id].join("/");
  const link = `https://discord.com/channels/${path}`;
  const menu = openMenu(box, "Message actions", [
    item("Reply", () => at.reply(message)),
    folder("Forward", places),
    item("Copy Message Link", () => navigator.clipboard?.writeText(link)),
    apps.length > 0 && folder("Apps", apps),
    (isOwn || at.manages) && item("Delete Message", () => at.remove(message), "dangerous"),
  ].filter(Boolean));
}

function folder(label, items) {
  return el("details", {}, el("summary", { role: "menuitem", tabindex: 0 }, label), items);
}

function toolsNode(message, at) {
  const open = (event) => openTools(message, at, event.currentTarget.getBoundingClientRect());
  return el("button", { type: "button", class: "tools", "aria-label": "More", title: "More",
    "aria-haspopup": "menu", onclick: open }, "⋯");
}
