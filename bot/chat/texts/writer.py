"""Writes facts into sentences: numbers, amounts and lists as the reader's language writes them."""

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from bot.chat.texts.languages import FALLBACK, english, nearest, translations
from bot.chat.texts.markdown import inert
from bot.chat.texts.phrases import Phrase
from bot.domain.credits import UCR_PER_CENT, cost_cents, left_cents

if TYPE_CHECKING:
    from babel import Locale


class Writer:
    """Writes English; TranslatedWriter writes the other languages."""

    def __init__(self, language: str = FALLBACK) -> None:
        self._translations = translations(language)
        #: sentences that take no facts, by their keys
        self._always: dict[str, str] = {}
        #: format of a place in a sentence -> writes a fact there; other formats are numbers'
        self._formats: Mapping[str, Callable[[Any], str]] = {
            "": str,
            "list": self.listed,
            "and": self.joined,
            "cost": lambda amount_ucr: self._credits(amount_ucr, cost_cents(amount_ucr)),
            # "Up to less than 0.01 cr" would be two bounds.
            "most": lambda amount_ucr: self._in_cents(cost_cents(amount_ucr)),
            "left": lambda amount_ucr: self._credits(amount_ucr, left_cents(amount_ucr)),
            "offers": lambda kinds: self.listed([self._offer(each) for each in kinds]),
            "permissions": lambda names: self.listed(
                self._known(f"permissions.{each}", each) for each in names
            ),
            "name": self.name,
            # An option's value, as the choice of it is called.
            "choice": lambda value: self._known(f"choices.{value}", value),
            "mebibytes": lambda size_bytes: f"{size_bytes / 1024**2:.0f} MiB",
            "megabytes": lambda size_bytes: self.megabytes(f"{size_bytes / 1_000_000:.3g}"),
            "megapixels": lambda pixels: self.megapixels(f"{pixels / 1_000_000:.3g}"),
            "date": lambda day: self.date(date.fromisoformat(day)),
            "words": inert,
            # Seconds since 1970; Discord shows how far away that is, in the reader's language.
            "time": lambda seconds: f"<t:{seconds}:R>",
        }

    def write(self, key: str, facts: Mapping[str, Any]) -> str:
        """
        Args:
            key: a key of `english()`.

        Raises:
            KeyError: there is no such sentence, or no such fact.
            TypeError, ValueError: a fact is of another type than its place takes.
        """
        if facts:
            return self.fill(self.template(key, facts), facts)
        if key not in self._always:
            self._always[key] = self.fill(self.template(key, facts), facts)
        return self._always[key]

    def fill(self, template: str, facts: Mapping[str, Any]) -> str:
        """Write facts into their places: `{name:format}`."""
        return "".join(
            words if name is None else words + self.format_field(facts[name], format_spec or "")
            for words, name, format_spec, _ in _places(template)
        )

    def template(self, key: str, facts: Mapping[str, Any]) -> str:
        words = english()[key]
        if not words.count:
            return self._translations.pgettext(key, words.other)
        count = facts[words.count]
        return self._translations.npgettext(key, words.one, words.other, count)

    def format_field(self, value: Any, format_spec: str) -> str:
        write = self._formats.get(format_spec)
        return write(value) if write else self.number(value, format_spec)

    def listed(self, words: Iterable[str]) -> str:
        return ", ".join(words)

    def joined(self, words: Sequence[str]) -> str:
        *others, last = words
        return f"{', '.join(others)} and {last}" if others else last

    def number(self, value: Any, format_spec: str) -> str:
        return format(value, format_spec)

    def megabytes(self, number: str) -> str:
        return f"{number} MB"

    def megapixels(self, number: str) -> str:
        return f"{number} megapixels"

    def date(self, day: date) -> str:
        return f"{day.day} {day:%B %Y}"

    def name(self, name: str) -> str:
        """The name of a command or of an option, which may end in a number: `reference3`."""
        stem = name.rstrip(string.digits)
        return self._known(f"names.{stem}", stem) + name[len(stem) :]

    def summary(self, model_id: str, words: str) -> str:
        """What a model is good for; words other than the shipped catalog's stay untranslated."""
        return self._translations.pgettext(f"models.{model_id}", words)

    def _credits(self, amount_ucr: int, cents: int) -> str:
        if 0 < amount_ucr < UCR_PER_CENT:
            return self.write(f"phrases.{Phrase.LESS_THAN}", {"least_ucr": UCR_PER_CENT})
        return self._in_cents(cents)

    def _in_cents(self, cents: int) -> str:
        return self.write(f"phrases.{Phrase.CREDITS}", {"amount": Decimal(cents) / 100})

    def _offer(self, kind: str) -> str:
        """
        Args:
            kind: "resolution/quality/micro-credits", as a refusal's `fits` has it.
        """
        resolution, quality, amount = kind.split("/")
        facts = {"resolution": resolution, "quality": quality, "cost_ucr": int(amount)}
        return self.write(f"phrases.{Phrase.OFFER}", facts)

    def _known(self, key: str, otherwise: str) -> str:
        return self.write(key, {}) if key in english() else otherwise


class TranslatedWriter(Writer):
    """
    Writes another language, by the rules of Unicode's CLDR.

    Args:
        locale: Discord's name of it; CLDR's rules for it are used if there are any, or else the
            language's.
    """

    def __init__(self, language: str, locale: str) -> None:
        super().__init__(language)
        self._language = language
        self._rules = locale.replace("-", "_")

    @cached_property
    def _locale(self) -> "Locale":
        # Imported here: it takes two megabytes, which sentences without numbers do not need.
        from babel import Locale, localedata

        return Locale.parse(self._rules if localedata.exists(self._rules) else self._language)

    def template(self, key: str, facts: Mapping[str, Any]) -> str:
        """The translated words, with commands named as the reader sees them."""
        words = super().template(key, facts)
        return _mentions().sub(lambda found: self._command(found[0]), words)

    def listed(self, words: Iterable[str]) -> str:
        between: str = self._locale.list_patterns["standard"]["middle"].format("", "")
        return between.join(words)

    def joined(self, words: Sequence[str]) -> str:
        from babel.lists import format_list

        return format_list(words, locale=self._locale)

    def number(self, value: Any, format_spec: str) -> str:
        from babel.numbers import format_decimal

        ungrouped = format_spec.replace(",", "")
        number = Decimal(format(value, ungrouped))
        decimals = format(number, "f").partition(".")[2]
        pattern = "#,##0" if "," in format_spec else "0"
        pattern += f".{'0' * len(decimals)}" if decimals else ""
        return format_decimal(number, pattern, locale=self._locale)

    def megabytes(self, number: str) -> str:
        return self._unit(number, "digital-megabyte", "short")

    def megapixels(self, number: str) -> str:
        return self._unit(number, "graphics-megapixel", "long")

    def date(self, day: date) -> str:
        from babel.dates import format_date

        return format_date(day, "long", locale=self._locale)

    def _unit(self, number: str, unit: str, length: Any) -> str:
        from babel.units import format_unit

        return format_unit(Decimal(number), unit, length, locale=self._locale)

    def _command(self, mention: str) -> str:
        return "/" + " ".join(self.name(word) for word in mention[1:].split())


@cache
def _places(template: str) -> Sequence[tuple[str, str | None, str | None, str | None]]:
    """For each fact: the words before it, its name, its format; see `string.Formatter.parse`."""
    return tuple(string.Formatter().parse(template))


@cache
def _mentions() -> re.Pattern[str]:
    """Matches commands in a sentence, such as `/history`."""
    commands = [key.partition(".")[2] for key in english() if key.startswith("commands.")]
    longest_first = sorted(commands, key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9])/(?:{'|'.join(longest_first)})(?![A-Za-z0-9_])")


@cache
def writer(locale: str) -> Writer:
    """
    Args:
        locale: Discord's name of it: `de`, `en-US`.
    """
    language = nearest(locale)
    return Writer() if language == FALLBACK else TranslatedWriter(language, locale)
