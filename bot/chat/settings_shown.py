"""Shows a server's settings to its moderators: values, who decided them, and the trail."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import discord

from bot.chat import render
from bot.chat.texts import listed, paired, say, tell_cost
from bot.chat.texts.markdown import DESCRIPTION_CHARS_MAX, joined, shortened
from bot.chat.texts.phrases import Phrase
from bot.domain.settings import (
    FOREVER,
    SETTINGS,
    NsfwMode,
    Operator,
    PictureMenus,
    ServerSettings,
    SettingChange,
    Source,
    effective,
)

#: entries of a list that are shown, and characters of a value that cannot be read
LISTED_MAX = 25
#: entries of a list that are shown in a line of the trail
LISTED_IN_LINE_MAX = 4
#: characters and bytes of a reason in a line of the trail
REASON_CHARS, REASON_BYTES = 60, 180
#: changes on one page of the trail
PAGE_CHANGES = 10

#: field of ServerSettings -> its name in commands, where that differs
COMMAND_NAMES = {"log_channel_id": "log_channel", "paused_until": "pause"}
#: field of ServerSettings -> its title in the panel
TITLES: Mapping[str, Phrase] = {
    "nsfw_checker": Phrase.SET_NSFW_CHECKER,
    "default_model": Phrase.SET_DEFAULT_MODEL,
    "allowed_models": Phrase.SET_ALLOWED_MODELS,
    "resolution_max": Phrase.SET_RESOLUTION_MAX,
    "count_max": Phrase.SET_COUNT_MAX,
    "allowed_channels": Phrase.SET_ALLOWED_CHANNELS,
    "private_allowed": Phrase.SET_PRIVATE_ALLOWED,
    "private_seen": Phrase.SET_PRIVATE_SEEN,
    "confirm_above_ucr": Phrase.SET_CONFIRM_ABOVE,
    "picture_menus": Phrase.SET_PICTURE_MENUS,
    "locale": Phrase.SET_LOCALE,
    "log_channel_id": Phrase.SET_LOG_CHANNEL,
    "paused_until": Phrase.SET_PAUSED,
}
#: field of ServerSettings -> its title in the trail, where those of /quota stand, too
NAMES: Mapping[str, Phrase] = {
    **TITLES,
    "pause_reason": Phrase.SET_PAUSE_REASON,
    "allowance_ucr": Phrase.ALLOWANCE,
    "allowance_period": Phrase.SET_ALLOWANCE_PERIOD,
    "role_allowances_ucr": Phrase.QUOTA_ROLES,
    "budget_ucr": Phrase.QUOTA_BUDGET,
    "job_max_ucr": Phrase.SET_CEILING,
}
#: languages of public text, by their own names (Discord docs, Reference, Locales)
LANGUAGES = {
    "en-US": "English",
    "de": "Deutsch",
    "es-ES": "Español",
    "fr": "Français",
    "ja": "日本語",
    "pt-BR": "Português do Brasil",
    "zh-CN": "中文",
}
#: settings whose values a sentence explains: value -> the sentence
MEANINGS: Mapping[str, Mapping[Any, Phrase]] = {
    "nsfw_checker": {
        NsfwMode.ON: Phrase.FILTER_ON,
        NsfwMode.AGE_RESTRICTED: Phrase.FILTER_AGE_RESTRICTED,
        NsfwMode.OFF: Phrase.FILTER_OFF,
    },
    "picture_menus": {
        PictureMenus.EVERYONE: Phrase.MENUS_EVERYONE,
        PictureMenus.OWN: Phrase.MENUS_OWN,
        PictureMenus.NOBODY: Phrase.MENUS_NOBODY,
    },
}
SOURCES = {
    Source.SERVER: Phrase.FROM_SERVER,
    Source.OPERATOR: Phrase.FROM_OPERATOR,
    Source.DEFAULT: Phrase.FROM_DEFAULT,
}


def command_name(field: str) -> str:
    """What a field of ServerSettings is called in commands."""
    return COMMAND_NAMES.get(field, field.removesuffix("_ucr"))


#: name in commands -> field of ServerSettings
FIELDS = {command_name(field): field for field in SETTINGS}


def value(field: str, value: Any, locale: str, *, most: int = LISTED_MAX) -> str:
    """
    A setting's value in a line.

    Args:
        most: entries of a list that are shown.
    """
    if field in WRITERS:
        return WRITERS[field](value, locale, most)
    if isinstance(value, bool):
        return say(Phrase.YES if value else Phrase.NO, locale)
    if field.endswith("_ucr"):
        none = say(Phrase.NOT_DECIDED, locale)
        return none if value is None else tell_cost(value, locale)
    if not value:
        return say(Phrase.NOT_DECIDED, locale)
    return f"`{value}`"


def _models(value: Collection[str], locale: str, most: int) -> str:
    return _some([f"`{each}`" for each in sorted(value)], Phrase.ALL_OF_THEM, locale, most)


def _channels(value: Collection[int], locale: str, most: int) -> str:
    return _some([f"<#{each}>" for each in sorted(value)], Phrase.ALL_OF_THEM, locale, most)


def _roles(value: Mapping[int, int], locale: str, most: int) -> str:
    shown = [f"<@&{role}> {tell_cost(value[role], locale)}" for role in sorted(value)]
    return _some(shown, Phrase.NOT_DECIDED, locale, most)


def _channel(value: int, locale: str, _: int) -> str:
    return f"<#{value}>" if value else say(Phrase.NOWHERE, locale)


def _pause(value: int, locale: str, _: int) -> str:
    if not value:
        return say(Phrase.NOT_PAUSED, locale)
    if value >= FOREVER:
        return say(Phrase.PAUSED_OPENLY, locale)
    return say(Phrase.PAUSED_TO, locale, until=value)


def _language(value: str, locale: str, _: int) -> str:
    return LANGUAGES.get(value, f"`{value}`") if value else say(Phrase.SERVERS_OWN, locale)


def _words(value: str, locale: str, _: int) -> str:
    return say(Phrase.QUOTED, locale, said=value) if value else say(Phrase.NOT_DECIDED, locale)


#: field of ServerSettings -> how its value is written; called with the value, the reader's locale,
#: and how many entries of a list are shown
WRITERS: Mapping[str, Callable[[Any, str, int], str]] = {
    "allowed_models": _models,
    "allowed_channels": _channels,
    "role_allowances_ucr": _roles,
    "log_channel_id": _channel,
    "paused_until": _pause,
    "pause_reason": _words,
    "locale": _language,
}


def line(decided: ServerSettings, operator: Operator, field: str, locale: str) -> str:
    """A setting's effective value, and who decided it."""
    counts, source = effective(decided, operator, field)
    told = f"**{value(field, counts, locale)}** · {say(SOURCES[source], locale)}"
    if field == "paused_until" and decided.pause_reason:
        told += f"\n{_words(decided.pause_reason, locale, 0)}"
    return told


def overview(decided: ServerSettings, operator: Operator, locale: str) -> discord.Embed:
    """All settings of the panel, each with its effective value."""
    embed = discord.Embed(title=say(Phrase.SETTINGS_TITLE, locale), colour=render.WORKING)
    lines = {title: line(decided, operator, field, locale) for field, title in TITLES.items()}
    render.add_fields(embed, lines, locale)
    return embed


def one(decided: ServerSettings, operator: Operator, field: str, locale: str) -> discord.Embed:
    """One setting, with what it means."""
    embed = discord.Embed(title=say(TITLES[field], locale), colour=render.WORKING)
    told = [line(decided, operator, field, locale)]
    if field in MEANINGS:
        told.append(say(MEANINGS[field][getattr(decided, field)], locale))
    embed.description = "\n".join(told)
    return embed


def trail(changes: Sequence[SettingChange], locale: str) -> str:
    """Who changed what, and when; the newest first."""
    if not changes:
        return say(Phrase.NEVER_CHANGED, locale)
    return joined([_change(each, locale) for each in changes], DESCRIPTION_CHARS_MAX)


def _change(change: SettingChange, locale: str) -> str:
    old, new = (_as_kept(change.setting, text, locale) for text in (change.old, change.new))
    title, by = NAMES.get(change.setting), render.author(change.user_id, locale)
    name = say(title, locale) if title else change.setting
    asked = f"{render.stamp(change.created_at, 'f')} {by}"
    return paired(asked, f"{name} {old} → {new}", locale)


def _as_kept(field: str, text: str, locale: str) -> str:
    """A setting's value from its stored text; the text itself if this version cannot read it."""
    if field == "pause_reason":
        text = shortened(text, REASON_CHARS, REASON_BYTES)
    try:
        return value(field, SETTINGS[field].read(text), locale, most=LISTED_IN_LINE_MAX)
    except (KeyError, ValueError, TypeError, AttributeError):
        return f"`{text[:LISTED_MAX]}`"


def _some(shown: Sequence[str], none: Phrase, locale: str, most: int) -> str:
    if not shown:
        return say(none, locale)
    rest = ["…"] if len(shown) > most else []
    return listed([*shown[:most], *rest], locale)
