// Builds one message with its embeds and files; decides nothing, calls back for every click.

import { componentNodes } from "./components.js";
import { avatar, el, timeNode, webAddress } from "./dom.js";
import { inline, markdown } from "./markdown.js";

export const EPHEMERAL = 1 << 6;
const LOADING = 1 << 7;
const DEFAULT_COLOUR = 0x8a8178;
//: pixels; as in message.css
const PICTURE_HEIGHT_MAX = 440;

/**
 * Build a message.
 *
 * `at` is where it is shown: names and channels by id, entities to choose from, menus (commands for
 * messages), revealed (ids of uncovered files), places (ids of those that links may lead to),
 * find(id), and the callbacks press, select, menu, dismiss, jump, visit, open and, where images can
 * be changed, edit.
 */
export function messageNode(message, at) {
  const isEphemeral = Boolean(message.flags & EPHEMERAL);
  const { author } = message;
  const time = timeNode(new Date(message.timestamp), "t");
  const body = el("div", { class: "body" },
    el("p", { class: "head" },
      el("strong", {}, author.name), author.bot && el("span", { class: "badge" }, "App"), time,
      message.edited_timestamp && !(message.flags & LOADING)
        && el("span", { class: "edited" }, "(edited)")),
    el("div", { class: "content" }, contentNodes(message, at)),
    el("p", { class: "note", role: "alert", hidden: true }),
    isEphemeral && el("p", { class: "only-you" }, "Only you can see this · ",
      el("button", { type: "button", class: "link", onclick: () => at.dismiss(message) },
        "Dismiss")));
  return el("li", { class: `message${isEphemeral ? " ephemeral" : ""}`, "data-id": message.id },
    contextLine(message, at), avatar(author.id, author.name, author.bot), body,
    isEphemeral ? null : menuNode(message, at));
}

/** Say in plain words what a message is, for those who hear the page. */
export function summary(message) {
  const texts = [message.content, ...message.embeds.flatMap((e) => [e.title, e.description])];
  const files = message.attachments.length;
  const said = texts.filter(Boolean).join(". ").slice(0, 300);
  if (message.flags & LOADING) return `${message.author.name} is thinking`;
  return `${message.author.name}: ${said}${files ? ` (${files} files)` : ""}`;
}

/** The line of a person who used a command. */
export function usedNode(user, name, command) {
  return el("p", { class: "context" }, avatar(user, name), el("strong", {}, name), " used ",
    el("span", { class: "mention" }, command));
}

function contextLine(message, at) {
  const used = message.interaction_metadata;
  if (used?.name && !message.message_reference) {
    const slash = used.command_type === 1 ? "/" : "";
    return usedNode(used.user.id, at.names[used.user.id], slash + used.name);
  }
  const original = at.find(message.message_reference?.message_id);
  if (!original) return null;
  const jump = () => at.jump(original.id);
  return el("p", { class: "context" }, "↪ ",
    el("button", { type: "button", class: "link", onclick: jump },
      summary(original).slice(0, 80) || "a message"));
}

function contentNodes(message, at) {
  if (message.flags & LOADING) {
    return el("p", { class: "thinking" }, el("span", { class: "dots", "aria-hidden": "true" },
      el("i"), el("i"), el("i")), `${message.author.name} is thinking…`);
  }
  const images = message.attachments.filter(isImage);
  const others = message.attachments.filter((file) => !isImage(file));
  return [
    markdown(message.content, at),
    images.length > 0 && el("div", { class: images.length > 1 ? "gallery many" : "gallery" },
      images.map((file) => imageNode(file, at))),
    others.map(fileNode),
    message.embeds.map((embed) => embedNode(embed, at)),
    componentNodes(message, at),
  ];
}

function isImage(file) {
  return /^image\/(png|jpeg|webp|gif)$/.test(file.content_type ?? "");
}

function imageNode(file, at) {
  const alt = file.description || `Image ${file.filename}`;
  const name = file.filename.replace(/^SPOILER_/, "");
  const covered = name !== file.filename && !at.revealed.has(file.id);
  const size = file.width ? ` · ${file.width}×${file.height}` : "";
  const uncover = () => {
    at.revealed.add(file.id);
    const shown = imageNode(file, at);
    figure.replaceWith(shown);
    shown.querySelector("button").focus();
  };
  const figure = el("figure", { class: covered ? "covered" : "" },
    el("button", { type: "button", class: "picture",
      "aria-label": covered ? "Show spoiler" : `Open in full size: ${alt}`,
      onclick: covered ? uncover : () => at.open(file) },
    el("img", { src: file.url, alt: covered ? "" : alt, ...room(file) })),
    el("figcaption", {},
      el("span", { class: "file-name" }, `${name}${size} · ${bytes(file.size)}`),
      at.edit && el("button", { type: "button", class: "small", onclick: () => at.edit(file),
        title: "This page's own shortcut, not Discord's: fills in /edit with the image" },
      "Edit this"),
      el("a", { class: "button small", href: file.url, download: name }, "Download")));
  return figure;
}

/** Size a picture before it has arrived, so that what follows it does not move. */
function room({ width, height }) {
  if (!width) return {};
  const scale = Math.min(PICTURE_HEIGHT_MAX / height, 1);
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
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
    author && el("p", { class: "embed-author" }, author),
    title && el("h3", {}, href ? el("a", { href, target: "_blank", rel: "noreferrer" }, title)
      : title),
    embed.description && el("div", {}, markdown(embed.description, at)),
    embed.fields?.length > 0 && el("dl", {}, embed.fields.map((field) =>
      el("div", { class: field.inline ? "inline" : "" }, el("dt", {}, inline(field.name, at)),
        el("dd", {}, markdown(field.value, at))))),
    embedPicture(embed.image, "embed-image"), embedPicture(embed.thumbnail, "embed-thumbnail"),
    (embed.footer || embed.timestamp) && el("p", { class: "embed-footer" },
      embed.footer?.text, embed.footer && embed.timestamp && " · ",
      embed.timestamp && timeNode(new Date(embed.timestamp), "f")));
  const colour = (embed.color ?? DEFAULT_COLOUR).toString(16).padStart(6, "0");
  node.style.setProperty("--bar", `#${colour}`);
  return node;
}

function embedPicture(picture, className) {
  // The page loads nothing from elsewhere.
  if (!picture?.url?.startsWith("/")) return null;
  return el("img", { class: className, src: picture.url, width: picture.width,
    height: picture.height, alt: picture.description ?? "Embedded image" });
}

function menuNode(message, at) {
  if (!at.menus.length) return null;
  const run = (command, details) => {
    details.open = false;
    at.menu(message, command);
  };
  const details = el("details", { class: "tools" },
    el("summary", { "aria-label": "Apps for this message", title: "Apps" }, "⋯"),
    el("div", {}, at.menus.map((command) => el("button", { type: "button",
      onclick: () => run(command, details) }, command.name))));
  return details;
}
