"""The panel's controls for each of a server's settings, and the reading of what was chosen."""

from collections.abc import Sequence
from typing import Any

import discord
from discord import ButtonStyle

from bot.chat import buttons, fields
from bot.chat.buttons import SECONDARY, Item
from bot.chat.settings_shown import LANGUAGES, PANEL, WORDS
from bot.chat.texts import Phrase, say, tell_name
from bot.chat.texts.markdown import capital
from bot.chat.wire import Interaction
from bot.chat.wire import controls as controls_of
from bot.domain.credits import UCR_PER_CREDIT, Microcredits, parse_credits
from bot.domain.policy import is_model_allowed
from bot.domain.requests import IMAGES_MAX, RESOLUTIONS
from bot.domain.settings import Decide, ServerSettings, fixed, read_setting, write_setting

#: an option's value for "nothing chosen", because Discord takes no empty value
NOTHING = "-"
REASON_CHARS_MAX = 200
HOURS_MIN, HOURS_MAX = 0.01, 8_760.0
#: credits
CONFIRM_ABOVE_MAX = 1_000_000.0
#: channels in which members give commands; their threads count with them
CHANNEL_KINDS = [
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.forum,
    discord.ChannelType.voice,
    discord.ChannelType.stage_voice,
]
LOG_KINDS = [discord.ChannelType.text, discord.ChannelType.news]

FLAGS = ("private_allowed", "private_seen")


def choices(field: str, models: Sequence[str], locale: str) -> dict[str, str]:
    """A setting's possible values, as they are kept, with their labels; empty: it has no list."""
    if field in WORDS:
        return {each: tell_name("choices", f"{field}_{each}", locale) for each in WORDS[field]}
    match field:
        case "resolution_max":
            return {each: each for each in RESOLUTIONS}
        case "count_max":
            return {str(each): str(each) for each in range(1, IMAGES_MAX + 1)}
        case "locale":
            return {NOTHING: capital(say(Phrase.SERVERS_OWN, locale)), **LANGUAGES}
        case "default_model":
            nothing = capital(say(Phrase.NOT_DECIDED, locale))
            return {NOTHING: nothing} | {each: each for each in models}
        case _:
            return {}


def settings_select(field: str, locale: str) -> Item:
    """
    A select of the setting to open.

    Args:
        field: the setting that is open; empty: none.
    """
    names = {each: tell_name("settings", each, locale) for each in PANEL}
    options = buttons.options(names, {field})
    return buttons.select(say(Phrase.WHICH_SETTING, locale), options, buttons.SETTINGS, "open")


def controls(field: str, decided: ServerSettings, models: Sequence[str], locale: str) -> list[Item]:
    """The controls that change this setting."""
    if field == "allowed_models":
        return [_models(decided, models, locale)]
    if field in ("allowed_channels", "log_channel_id"):
        return [_channels(field, decided, locale)]
    if field in FLAGS:
        yes = button(Phrase.YES, locale, "flag", field, "true")
        return [yes, button(Phrase.NO, locale, "flag", field, "false")]
    if field == "confirm_above_ucr":
        return [button(Phrase.CHANGE_IT, locale, "form", field)]
    if field == "paused_until":
        pause = button(Phrase.PAUSE, locale, "form", field)
        return [pause, button(Phrase.RESUME, locale, "resume")]
    now = write_setting(getattr(decided, field)) or NOTHING
    models = [each for each in models if is_model_allowed(decided, each)]
    options = buttons.options(choices(field, models, locale), {now})
    title = tell_name("settings", field, locale)
    return [buttons.select(title, options, buttons.SETTINGS, "set", field)]


def button(name: Phrase, locale: str, *arguments: str, style: ButtonStyle = SECONDARY) -> Item:
    """A button of the panel; the first argument says what it does."""
    return buttons.button(capital(say(name, locale)), buttons.SETTINGS, *arguments, style=style)


def form(field: str, locale: str) -> discord.ui.Modal:
    """A form for what has to be typed: an amount, or a pause's length and reason."""
    if field == "paused_until":
        parts = [
            _text(Phrase.PAUSE_HOURS, "hours", 10, locale),
            _text(Phrase.PAUSE_REASON, "reason", REASON_CHARS_MAX, locale),
        ]
    else:
        parts = [_text(Phrase.CONFIRM_AMOUNT, "amount", 17, locale, required=True)]
    title = tell_name("settings", field, locale)
    return fields.form(title, parts, buttons.SETTINGS, "filled", field)


def chosen(field: str, interaction: Interaction) -> Decide:
    """
    What a select's choice decides. For a list, this is what was added and what was taken out, so
    that another moderator's changes meanwhile stay.

    Raises:
        Outdated: the setting cannot have that value.
    """
    data: Any = interaction.data
    values: list[str] = data.get("values") or []
    if field in ("allowed_models", "allowed_channels"):
        kept = channel_id if field == "allowed_channels" else str
        return amended(field, set(map(kept, values)), set(map(kept, _shown(interaction))))
    if field == "log_channel_id":
        return fixed(field, channel_id(values[0] if values else "0"))
    text = buttons.must_choose(interaction)
    return read(field, "" if text == NOTHING else text)


def read(field: str, kept: str) -> Decide:
    """
    Args:
        kept: a value as it is stored.
    Raises:
        Outdated: the setting cannot have that value.
    """
    try:
        return fixed(field, read_setting(field, kept))
    except (ValueError, KeyError) as error:
        raise buttons.Outdated(field) from error


def channel_id(text: str) -> int:
    """
    Raises:
        Outdated: the text is no id.
    """
    try:
        return int(text)
    except ValueError as error:
        raise buttons.Outdated(text) from error


def amended(field: str, after: set[Any], before: set[Any]) -> Decide:
    """Add to a list what is only in `after`, and take out what is only in `before`."""

    def decide(now: ServerSettings) -> dict[str, object]:
        return {field: frozenset((getattr(now, field) | (after - before)) - (before - after))}

    return decide


def given_hours(text: str) -> float | None:
    """
    Read hours as a moderator types them; None: without an end.

    Raises:
        ValueError: it is no number of hours from HOURS_MIN to HOURS_MAX.
    """
    if not text.strip():
        return None
    hours = float(text.strip().replace(",", "."))
    if not HOURS_MIN <= hours <= HOURS_MAX:
        raise ValueError("not a number of hours")
    return hours


def given_amount(text: str) -> Microcredits:
    """
    Raises:
        ValueError: the text is no number of credits up to CONFIRM_ABOVE_MAX.
    """
    amount = parse_credits(text.strip().replace(",", "."))
    if amount > CONFIRM_ABOVE_MAX * UCR_PER_CREDIT:
        raise ValueError("too many credits")
    return amount


def _models(decided: ServerSettings, models: Sequence[str], locale: str) -> Item:
    options = buttons.options({each: each for each in models}, decided.allowed_models)
    return discord.ui.Select(
        placeholder=say(Phrase.NONE_MEANS_ALL, locale),
        options=options,
        min_values=0,
        max_values=len(options),
        custom_id=buttons.custom_id(buttons.SETTINGS, "set", "allowed_models"),
    )


def _channels(field: str, decided: ServerSettings, locale: str) -> Item:
    log = field == "log_channel_id"
    ids = [decided.log_channel_id] if log else sorted(decided.allowed_channels)
    return discord.ui.ChannelSelect(
        channel_types=LOG_KINDS if log else CHANNEL_KINDS,
        placeholder=capital(say(Phrase.NOWHERE if log else Phrase.NONE_MEANS_ALL, locale)),
        min_values=0,
        max_values=1 if log else buttons.OPTIONS_MAX,
        default_values=[discord.Object(each) for each in ids[: buttons.OPTIONS_MAX] if each],
        custom_id=buttons.custom_id(buttons.SETTINGS, "set", field),
    )


def _text(
    name: Phrase, custom_id: str, chars_max: int, locale: str, *, required: bool = False
) -> fields.Field:
    field = discord.ui.TextInput[Any](custom_id=custom_id, max_length=chars_max, required=required)
    return fields.labelled(name, locale, field)


def _shown(interaction: Interaction) -> set[str]:
    """What the pressed select showed as chosen before the press."""
    data: Any = interaction.data
    for part in controls_of(interaction.message):
        if isinstance(part, discord.SelectMenu) and part.custom_id == data["custom_id"]:
            of_words = {each.value for each in part.options if each.default}
            return of_words | {str(each.id) for each in part.default_values}
    return set()
