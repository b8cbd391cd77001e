"""
Buttons, selects and forms that keep their whole state in their custom id, so that they work at any
age and after any restart. A custom id is an action's name and its arguments: `vary:JOB:40000`.
"""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import discord
from discord import ButtonStyle

from bot.chat.wire import Interaction, controls

Item = discord.ui.Item[Any]
Button = discord.ui.Button[Any]
Select = discord.ui.Select[Any]
#: what a press does; called with the interaction and the custom id's arguments
Press = Callable[..., Awaitable[None]]

CANCEL = "cancel"
STOP = "stop"
IMAGES = "images"
AGAIN = "again"
EDIT = "edit"
VARY = "vary"
LARGER = "larger"
DETAILS = "details"
PUBLISH = "publish"
DELETE = "delete"
#: in a list of jobs: open one, and turn the page
OPEN = "open"
PAGE = "page"
#: in the basket
TAKE_OUT = "take_out"
EMPTY = "empty"
FROM_BASKET = "from_basket"
PREFER = "prefer"
#: begin a task that /help names
BEGIN = "begin"
#: in /models: show one model, or all
MODEL = "model"
#: order a draft
GO = "go"
#: open a form with a job's words, or with a draft's
WORDS = "words"
REWORD = "reword"
#: a request's form that was filled in
FORM = "form"
#: every control of the panel of a server's settings
SETTINGS = "settings"
#: a moderator's card of a result, and each button on it
MODERATE = "mod_card"
MOD_SPOILER = "mod_spoiler"
MOD_REMOVE = "mod_remove"
MOD_REFUND = "mod_refund"
MOD_BLOCK = "mod_block"
#: a moderator's forms that were filled in
MOD_REMOVE_WHY = "mod_remove_why"
MOD_BLOCK_WHY = "mod_block_why"
CANCEL_WHY = "cancel_why"
#: pages of /moderation; MOD_OPEN opens one of the jobs that it lists
MOD_RECENT = "mod_recent"
MOD_OPEN = "mod_open"
MOD_BLOCKS = "mod_blocks"
MOD_ACTS = "mod_acts"
#: a report's form that was filled in
REPORT_WHY = "report_why"

#: export or erase what is stored of the member who presses
PRIVACY = "privacy"
#: download a server's month as a table
STATS = "stats"

#: actions that change the message that they are on, so they count only where nobody but the presser
#: sees it; the moderators' pages are not among them, because they check who presses
OF_OWN_LIST = frozenset({PAGE, TAKE_OUT, EMPTY, PREFER, MODEL, SETTINGS})

SECONDARY, PRIMARY, DANGER = ButtonStyle.secondary, ButtonStyle.primary, ButtonStyle.danger
ROW_BUTTONS_MAX = 5
#: options of a select, and characters of an option's description (Discord docs, String Select)
OPTIONS_MAX = 25
OPTION_CHARS_MAX = 100
#: digits of a number that `number` reads: an amount or an index, but no Discord id
DIGITS_MAX = 15


class Outdated(Exception):
    """An older version, or a changed client, sent what this version does not write."""


def custom_id(action: str, *arguments: object) -> str:
    return ":".join([action, *map(str, arguments)])


def button(label: str, action: str, *arguments: object, style: ButtonStyle = SECONDARY) -> Button:
    return discord.ui.Button(label=label, custom_id=custom_id(action, *arguments), style=style)


def select(
    placeholder: str, options: Sequence[discord.SelectOption], action: str, *arguments: object
) -> Select:
    return discord.ui.Select(
        placeholder=placeholder, options=list(options), custom_id=custom_id(action, *arguments)
    )


def options(labels: Mapping[str, str], chosen: Collection[str]) -> list[discord.SelectOption]:
    """
    As many options as a select takes.

    Args:
        labels: by the options' values.
        chosen: the values that are chosen already.
    """
    shown = list(labels.items())[:OPTIONS_MAX]
    return [
        discord.SelectOption(label=label, value=value, default=value in chosen)
        for value, label in shown
    ]


def view(*items: Item) -> discord.ui.View:
    """A view of these items; it must be made while an event loop runs."""
    made = discord.ui.View(timeout=None)
    for item in items:
        made.add_item(item)
    # discord.py keeps no stopped view: presses are answered by custom id, not by this object.
    made.stop()
    return made


def read(custom_id: str) -> tuple[str, list[str]]:
    """The custom id's action and its arguments."""
    action, *arguments = custom_id.split(":")
    return action, arguments


async def press(presses: dict[str, Press], interaction: Interaction, custom_id: str) -> None:
    """
    Do what a custom id says.

    Raises:
        Outdated: there is no such action, not on this message, or not with these arguments.
    """
    action, arguments = read(custom_id)
    does = presses.get(action)
    message = interaction.message
    if action in OF_OWN_LIST and message and not message.flags.ephemeral:
        raise Outdated(action)
    if interaction.type is discord.InteractionType.component and not _is_offered(interaction):
        raise Outdated(action)
    if does is None or not custom_id.isascii() or not custom_id.isprintable():
        raise Outdated(action)
    try:
        inspect.signature(does).bind(interaction, *arguments)
    except TypeError as error:
        raise Outdated(action) from error
    await does(interaction, *arguments)


def _is_offered(interaction: Interaction) -> bool:
    """Whether the message has what was pressed; a changed client may send anything."""
    data: Any = interaction.data
    for part in controls(interaction.message):
        if part.custom_id == data["custom_id"]:
            options = getattr(part, "options", ())
            values = {option.value for option in options}
            return not options or values.issuperset(data.get("values") or ())
    return False


def number(text: str) -> int:
    """
    Raises:
        Outdated: the text is no number, or has too many digits.
    """
    if not text.isascii() or not text.isdecimal() or len(text) > DIGITS_MAX:
        raise Outdated(text)
    return int(text)


def chosen(interaction: Interaction) -> str | None:
    """The value that was chosen in a select; None: a button was pressed, or nothing is chosen."""
    data: Any = interaction.data
    values = data.get("values")
    return str(values[0]) if values else None


def must_choose(interaction: Interaction) -> str:
    """
    The value that was chosen in a select.

    Raises:
        Outdated: nothing was chosen.
    """
    value = chosen(interaction)
    if value is None:
        raise Outdated("nothing chosen")
    return value


def written(message: discord.Message | None) -> Iterator[tuple[str, list[str]]]:
    """The action and the arguments of each button and select of a message."""
    for part in controls(message):
        yield read(part.custom_id)


def offers(message: discord.Message | None, action: str, *arguments: str) -> bool:
    """Whether the message has a button with exactly this action and these arguments."""
    return (action, list(arguments)) in written(message)


def names(message: discord.Message | None, job_id: str) -> bool:
    """Whether a button or select of the message is about the job."""
    return any(job_id in arguments for _, arguments in written(message))
