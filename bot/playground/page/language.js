// Translates commands and writes times in the language of the member who is played.

let language = "en-US";

/** Use another language from now on; `locale` is one of Discord's. */
export function speak(locale) {
  language = locale;
  document.documentElement.lang = locale;
}

/** Return a language's name in that language. */
export function nameOf(locale) {
  return new Intl.DisplayNames([locale], { type: "language" }).of(locale);
}

// Source: Discord docs, "Application Commands", Locale Fallbacks.
const FALLBACKS = { "en-US": "en-GB", "en-GB": "en-US", "es-419": "es-ES" };

/** Return a text of a command, option or choice, in the member's language if it has that. */
export function translated(part, key) {
  const texts = part[`${key}_localizations`] ?? {};
  return texts[language] ?? texts[FALLBACKS[language]] ?? part[key];
}

const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600],
  ["minute", 60], ["second", 1]];
const STYLES = {
  t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" },
  D: { dateStyle: "long" }, f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};

/** Write a moment in one of Discord's styles. */
export function formatTime(date, style) {
  if (style !== "R") return date.toLocaleString(language, STYLES[style] ?? STYLES.f);
  const seconds = Math.round((date - Date.now()) / 1000);
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" })
    .format(Math.trunc(seconds / length), unit);
}
