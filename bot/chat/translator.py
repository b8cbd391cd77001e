"""Translates the commands' names and descriptions into Discord's languages."""

import string
from typing import Any

from discord import Locale, app_commands
from discord.app_commands import TranslationContextLocation as Location
from discord.app_commands import locale_str

from bot.chat.texts.languages import FALLBACK, english, nearest
from bot.chat.texts.phrases import Phrase
from bot.chat.texts.writer import Writer, writer
from bot.domain.catalog import Model
from bot.errors import Fact

#: choices of an option, and characters of a choice (Discord docs, Application Command Option)
CHOICES_MAX = 25
CHOICE_CHARS_MAX = 100


def label(key: str, **facts: Fact) -> locale_str:
    """
    The English of a description, a choice or a menu's entry, to be translated by its key.

    Args:
        key: an entry of en.toml, with its table: `choices.nsfw_on`.
    """
    return locale_str(writer(FALLBACK).write(key, facts), key=key, facts=facts)


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
        self,
        string: locale_str,
        locale: Locale,
        context: app_commands.TranslationContextTypes,
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
    if "model" in string.extras:
        return _model_line(string.extras["model"], string.extras["from_ucr"], reader)
    key = string.extras.get("key") or _key(context)
    if key is None:
        return reader.name(string.message)
    return reader.write(key, string.extras.get("facts", {})) if key in english() else None


def _key(context: app_commands.TranslationContext[Any, Any]) -> str | None:
    """The key of a plain string, by where discord.py uses it; None: it is a name."""
    about = context.data
    match context.location:
        case Location.command_name if isinstance(about, app_commands.ContextMenu):
            return f"menus.{about.name.lower().replace(' ', '_')}"
        case Location.command_description | Location.group_description:
            return f"commands.{about.qualified_name}"
        case Location.parameter_description:
            return option_key(about.command.qualified_name, about.name)
        case Location.choice_name:
            return f"choices.{about.value}"
        case _:
            return None


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


def _model_line(model: Model, from_ucr: int | None, reader: Writer) -> str:
    price = ""
    if from_ucr is not None:
        price = f" · {reader.write(f'phrases.{Phrase.FROM_PRICE}', {'price_ucr': from_ucr})}"
    facts = {"name": model.id, "value": reader.summary(model.id, model.summary)}
    line = reader.write(f"phrases.{Phrase.PAIR}", facts)
    return line[: CHOICE_CHARS_MAX - len(price)] + price
