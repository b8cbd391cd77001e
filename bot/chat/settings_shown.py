"""Shows a server's settings to its moderators: values, who decided them, and the trail."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import Any

import discord

from bot.chat import render
from bot.chat.texts import Phrase, listed, paired, say, tell_cost, tell_name
from bot.chat.texts.markdown import DESCRIPTION_CHARS_MAX, fitting, joined, shortened
from bot.domain.policy import is_model_allowed
from bot.domain.settings import (
    FOREVER,
    SETTINGS,
    NsfwMode,
    Operator,
    PictureMenus,
    ServerSettings,
    SettingChange,
    effective,
    read_setting,
)

#: entries of a list that are shown, and characters of a value that cannot be read
LISTED_MAX = 25
#: characters of a list that is shown, so that it fits into a field with what is said of it
LISTED_CHARS_MAX = 800
#: entries of a list that are shown in a line of the trail
LISTED_IN_LINE_MAX = 4
#: characters and bytes of a reason in a line of the trail
REASON_CHARS, REASON_BYTES = 60, 180
#: changes on one page of the trail
PAGE_CHANGES = 10

#: field of ServerSettings -> its name in commands, where that differs
COMMAND_NAMES = {"log_channel_id": "log_channel", "paused_until": "pause"}
#: part of the quota that can be reset by itself -> its fields of ServerSettings
QUOTA = {
    "allowance": ("allowance_ucr", "allowance_period"),
    "roles": ("role_allowances_ucr",),
    "budget": ("budget_ucr",),
    "ceiling": ("job_max_ucr",),
}
#: settings that the panel does not show by themselves: those of /quota, and why it is paused
ELSEWHERE = {"pause_reason", *chain.from_iterable(QUOTA.values())}
PANEL = [field for field in SETTINGS if field not in ELSEWHERE]
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
#: settings that are one of a few words, which the panel explains
WORDS: Mapping[str, type[StrEnum]] = {"nsfw_checker": NsfwMode, "picture_menus": PictureMenus}
#: what is shown where nothing is decided, if it is not NOT_DECIDED
NOTHING_DECIDED = {
    "allowed_models": Phrase.ALL_OF_THEM,
    "allowed_channels": Phrase.ALL_OF_THEM,
    "log_channel_id": Phrase.NOWHERE,
    "paused_until": Phrase.NOT_PAUSED,
    "locale": Phrase.SERVERS_OWN,
}
#: name in commands -> field of ServerSettings
FIELDS = {COMMAND_NAMES.get(field, field.removesuffix("_ucr")): field for field in SETTINGS}


def value(field: str, value: Any, locale: str, *, most: int = LISTED_MAX) -> str:
    """
    A setting's value in a line.

    Args:
        most: entries of a list that are shown.
    """
    if isinstance(value, bool):
        return say(Phrase.YES if value else Phrase.NO, locale)
    if isinstance(value, int) and field.endswith("_ucr"):
        return tell_cost(value, locale)
    if not value:
        return say(NOTHING_DECIDED.get(field, Phrase.NOT_DECIDED), locale)
    if field in WORDS:
        return tell_name("choices", f"{field}_{value}", locale)
    match field:
        case "allowed_models":
            return _some([f"`{each}`" for each in sorted(value)], locale, most)
        case "allowed_channels":
            return _some([f"<#{each}>" for each in sorted(value)], locale, most)
        case "role_allowances_ucr":
            roles = [f"<@&{role}> {tell_cost(value[role], locale)}" for role in sorted(value)]
            return _some(roles, locale, most)
        case "log_channel_id":
            return f"<#{value}>"
        case "paused_until" if value >= FOREVER:
            return say(Phrase.PAUSED_OPENLY, locale)
        case "paused_until":
            return say(Phrase.PAUSED_TO, locale, until=value)
        case "pause_reason":
            return say(Phrase.QUOTED, locale, said=value)
        case "allowance_period":
            return tell_name("choices", f"period_{value}", locale)
        case "locale" if value in LANGUAGES:
            return LANGUAGES[value]
        case _:
            return f"`{value}`"


def _some(shown: Sequence[str], locale: str, most: int) -> str:
    _, left_out = fitting(shown, LISTED_CHARS_MAX)
    some = shown[: min(most, len(shown) - left_out)]
    rest = ["…"] if len(some) < len(shown) else []
    return listed([*some, *rest], locale)


def line(decided: ServerSettings, operator: Operator, field: str, locale: str) -> str:
    """A setting's effective value, and who decided it."""
    counts, source = effective(decided, operator, field)
    told = f"**{value(field, counts, locale)}** · {tell_name('sources', source, locale)}"
    if field == "paused_until" and decided.pause_reason:
        told += f"\n{value('pause_reason', decided.pause_reason, locale)}"
    if field == "default_model" and counts and not is_model_allowed(decided, counts):
        told += f"\n{say(Phrase.NOT_ALLOWED_HERE, locale)}"
    return told


def overview(decided: ServerSettings, operator: Operator, locale: str) -> discord.Embed:
    """All settings of the panel, each with its effective value."""
    embed = render.card(Phrase.SETTINGS_TITLE, locale)
    for field in PANEL:
        name = tell_name("settings", field, locale)
        embed.add_field(name=name, value=line(decided, operator, field, locale))
    return embed


def one(decided: ServerSettings, operator: Operator, field: str, locale: str) -> discord.Embed:
    """One setting, with what it means."""
    text = explained(decided, operator, field, locale)
    name = tell_name("settings", field, locale)
    return discord.Embed(colour=render.WORKING, title=name, description=text)


def explained(decided: ServerSettings, operator: Operator, field: str, locale: str) -> str:
    """A setting's effective value, who decided it, and what it means."""
    told = line(decided, operator, field, locale)
    if field in WORDS:
        told += f"\n{tell_name('meanings', f'{field}_{getattr(decided, field)}', locale)}"
    return told


def trail(
    changes: Sequence[SettingChange], locale: str, *, chars_max: int = DESCRIPTION_CHARS_MAX
) -> str:
    """Who changed what, and when; the newest first."""
    if not changes:
        return say(Phrase.NEVER_CHANGED, locale)
    return joined([_change(each, locale) for each in changes], chars_max)


def _change(change: SettingChange, locale: str) -> str:
    old, new = (_as_kept(change.setting, text, locale) for text in (change.old, change.new))
    name = tell_name("settings", change.setting, locale)
    by = render.author(change.user_id, locale)
    asked = f"{render.stamp(change.created_at, 'f')} {by}"
    return paired(asked, f"**{name}** {old} → {new}", locale)


def _as_kept(field: str, text: str, locale: str) -> str:
    """A setting's value from its stored text; the text itself if this version cannot read it."""
    if field == "pause_reason":
        text = shortened(text, REASON_CHARS, REASON_BYTES)
    try:
        return value(field, read_setting(field, text), locale, most=LISTED_IN_LINE_MAX)
    except (KeyError, ValueError):
        return f"`{text[:LISTED_MAX]}`"
