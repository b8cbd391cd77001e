"""Makes commands with their descriptions, and translates these into Discord's languages."""

import string
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from discord import Locale, app_commands
from discord.app_commands import Choice, locale_str
from discord.app_commands import TranslationContextLocation as Location

from bot.chat.texts import Phrase
from bot.chat.texts.languages import FALLBACK, english, nearest
from bot.chat.texts.writer import Writer, writer
from bot.domain.catalog import Model
from bot.domain.requests import IMAGES_MAX
from bot.errors import Fact

#: what a command does, called with the interaction and the options that were given
Callback = Callable[..., Coroutine[Any, Any, Any]]
Command = app_commands.Command[Any, ..., Any]
Choices = list[Choice[str]]

#: choices of an option, and characters of a choice (Discord docs, Application Command Option)
CHOICES_MAX = 25
CHOICE_CHARS_MAX = 100


def label(key: str, **facts: Fact) -> locale_str:
    """
    The English of a description, a choice or a menu's entry, to be translated by its key.

    Args:
        key: an entry of en.toml, with its table: `choices.kind_edit`.
    """
    return locale_str(writer(FALLBACK).write(key, facts), key=key, facts=facts)


def command(name: str) -> Callable[[Callback], Command]:
    """
    Decorates what a command does: makes the command, with its and its options' descriptions.

    Args:
        name: the command's whole name: `presets save`.
    """

    def make(callback: Callback) -> Command:
        own_name, description = name.split()[-1], label(f"commands.{name}")
        made: Command = app_commands.Command(
            name=own_name, description=description, callback=callback
        )
        options = {}
        for each in made.parameters:
            option = each.display_name
            number = option.removeprefix("reference")
            key = option_key(name, option)
            options[each.name] = label(key, images_max=IMAGES_MAX, number=number)
        return app_commands.describe(**options)(made)

    return make


def option_key(command: str, option: str) -> str:
    """
    The key of an option's description: the command's own, or the one that all options with this
    name share.

    Args:
        option: numbered options, such as reference3, share one key.
    """
    name = option.rstrip(string.digits)
    own = f"options.{command} {name}"
    return own if own in english() else f"options.{name}"


def choices(kind: str, values: Iterable[str]) -> Choices:
    """Choices that are words: `choices.period_day` for the value `day` of the kind `period`."""
    return [Choice(name=label(f"choices.{kind}_{each}"), value=str(each)) for each in values]


def plain(words: Iterable[str]) -> Choices:
    """Choices that are called as their values are."""
    return [Choice(name=each, value=each) for each in words]


def model_label(model: Model, from_ucr: int | None = None) -> locale_str:
    """
    A choice that says what a model is good for.

    Args:
        from_ucr: what the model's cheapest image costs here; None: it is not said.
    """
    line = _model_line(model, from_ucr, writer(FALLBACK))
    return locale_str(line, model=model, from_ucr=from_ucr)


class EaselTranslator(app_commands.Translator):
    def __init__(self) -> None:
        #: writers of the locales that have a translation; looked up about 20,000 times at a start
        self._readers = {
            locale: writer(str(locale)) for locale in Locale if nearest(str(locale)) != FALLBACK
        }

    async def translate(
        self, string: locale_str, locale: Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        """The translation; None: there is none, or it is the same as the English."""
        reader = self._readers.get(locale)
        if reader is None:
            return None
        text = _translated(string, reader, context)
        return text if text != string.message else None


def _translated(
    string: locale_str, reader: Writer, context: app_commands.TranslationContext[Any, Any]
) -> str | None:
    known = string.extras
    if "model" in known:
        return _model_line(known["model"], known["from_ucr"], reader)
    if "key" in known:
        return reader.write(known["key"], known["facts"])
    if context.location is not Location.choice_name:
        return reader.name(string.message)
    key = f"choices.{context.data.value}"
    return reader.write(key, {}) if key in english() else None


def _model_line(model: Model, from_ucr: int | None, reader: Writer) -> str:
    price = ""
    if from_ucr is not None:
        price = f" · {reader.write(f'phrases.{Phrase.FROM_PRICE}', {'price_ucr': from_ucr})}"
    facts = {"name": model.id, "value": reader.summary(model.id, model.summary)}
    line = reader.write(f"phrases.{Phrase.PAIR}", facts)
    return line[: CHOICE_CHARS_MAX - len(price)] + price
