// Arranges a message's pictures side by side as Discord does, and uncovers spoilers.

import { el } from "./dom.js";

const SPOILER = 1 << 5;
const SPOILER_NAME = /^SPOILER_/;
//: as in message.css
const WIDTH_MAX = 550;
const HEIGHT_MAX = 350;

/** Describe an attachment as a picture. */
export function pictureOf(file) {
  const name = file.filename.replace(SPOILER_NAME, "");
  const spoiler = name !== file.filename || Boolean(file.flags & SPOILER);
  return { key: file.id, url: file.url, alt: file.description, name, spoiler, size: file.size,
    width: file.width, height: file.height };
}

/** Describe what a media gallery or thumbnail shows as a picture. */
export function mediaOf(item) {
  const { media, description, spoiler } = item;
  return { key: media.attachment_id ?? media.url, url: ownAddress(media.url), alt: description,
    name: media.url.split("/").at(-1), spoiler, width: media.width, height: media.height };
}

/** Return the address if it is on this page's server: the page loads no other files. */
export function ownAddress(url) {
  return url?.startsWith("/") ? url : undefined;
}

/** Arrange up to ten pictures; `at` has revealed (keys of uncovered ones) and open(picture). */
export function mosaic(pictures, at) {
  const count = pictures.length;
  const layout = count < 5 ? `of-${count}` : `many rest-${count % 3}`;
  return el("div", { class: `mosaic ${layout}` }, pictures.map((picture) =>
    pictureNode(picture, at)));
}

/** Build one picture. */
export function pictureNode(picture, at, className = "") {
  const isCovered = picture.spoiler && !at.revealed.has(picture.key);
  const alt = picture.alt || picture.name;
  const uncover = () => {
    at.revealed.add(picture.key);
    const shown = pictureNode(picture, at, className);
    figure.replaceWith(shown);
    shown.querySelector("button").focus();
  };
  const figure = el("figure", { class: `${className}${isCovered ? " covered" : ""}` },
    el("button", { type: "button", class: "picture", title: isCovered ? null : alt,
      "aria-label": isCovered ? "Show spoiler" : `Open in full size: ${alt}`,
      onclick: isCovered ? uncover : () => at.open(picture) },
    el("img", { src: picture.url, alt: isCovered ? "" : alt, ...room(picture) })),
    picture.alt && !isCovered && el("span", { class: "alt", title: picture.alt }, "ALT"));
  return figure;
}

/** Reserve a picture's space before it has loaded, so that the content below does not move. */
function room({ width, height }) {
  if (!width) return {};
  const scale = Math.min(WIDTH_MAX / width, HEIGHT_MAX / height, 1);
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}
