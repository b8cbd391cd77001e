"""
Buttons, selects and forms whose whole state is their custom id, so that they work at any age and
after any restart: the name of what they do and its arguments, as in `vary:JOB:40000`.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import discord

Button = discord.ui.Button[Any]
#: what a press does: called with the interaction and the arguments of its custom id
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
#: of a list: one of its jobs, and another page
OPEN = "open"
PAGE = "page"
#: of the basket
TAKE_OUT = "take_out"
EMPTY = "empty"
FROM_BASKET = "from_basket"
PREFER = "prefer"
#: begin a task of /help
BEGIN = "begin"
#: of /models: one of them, or all
MODEL = "model"
#: order a draft
GO = "go"
#: open a form with the words of a job, or of a draft
WORDS = "words"
REWORD = "reword"
#: a form that was filled in
FORM = "form"
#: of the panel of a server's settings
SETTINGS = "settings"
#: what a moderator does with a result: the card with these buttons, and each of them
MODERATE = "mod_card"
MOD_SPOILER = "mod_spoiler"
MOD_REMOVE = "mod_remove"
MOD_REFUND = "mod_refund"
MOD_BLOCK = "mod_block"
#: its forms, filled in
MOD_REMOVE_WHY = "mod_remove_why"
MOD_BLOCK_WHY = "mod_block_why"
CANCEL_WHY = "cancel_why"
#: pages of /moderation, and one of the jobs that they list
MOD_RECENT = "mod_recent"
MOD_OPEN = "mod_open"
MOD_BLOCKS = "mod_blocks"
MOD_ACTS = "mod_acts"
#: a report's form, filled in
REPORT_WHY = "report_why"

#: export or erase what is stored of whoever presses
PRIVACY = "privacy"
#: a month of a server as a table
STATS = "stats"

#: these change the message that they are on, which nobody sees but whoever presses; those of
#: moderators ask first who presses
OF_OWN_LIST = frozenset({PAGE, TAKE_OUT, EMPTY, PREFER, MODEL, SETTINGS})

ROW_BUTTONS_MAX = 5
#: options of one select, and the characters of each one's description (Discord docs, String Select)
OPTIONS_MAX = 25
OPTION_CHARS_MAX = 100
#: digits of any number that Easel writes into a custom id
DIGITS_MAX = 15


class Outdated(Exception):
    """What came is not as this version writes it: of an older one, or of a changed client."""


def custom_id(action: str, *arguments: object) -> str:
    return ":".join([action, *map(str, arguments)])


def button(
    label: str,
    action: str,
    *arguments: object,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    row: int | None = None,
) -> discord.ui.Button[Any]:
    return discord.ui.Button(
        label=label, custom_id=custom_id(action, *arguments), style=style, row=row
    )


def select(
    placeholder: str, options: Sequence[discord.SelectOption], action: str, *arguments: object
) -> discord.ui.Select[Any]:
    return discord.ui.Select(
        placeholder=placeholder, options=list(options), custom_id=custom_id(action, *arguments)
    )


def view(*items: discord.ui.Item[Any]) -> discord.ui.View:
    """Must be made while an event loop runs."""
    made = discord.ui.View(timeout=None)
    for item in items:
        made.add_item(item)
    # Stopped, discord.py does not keep it: presses are answered by custom id, not by this object.
    made.stop()
    return made


def read(custom_id: str) -> tuple[str, list[str]]:
    """What it does, and with which arguments."""
    action, *arguments = custom_id.split(":")
    return action, arguments


async def press(
    presses: dict[str, Press], interaction: discord.Interaction[Any], custom_id: str
) -> None:
    """
    Do what a custom id says.

    Raises:
        Outdated: nothing does that, or not there, or not with such arguments.
    """
    action, arguments = read(custom_id)
    does = presses.get(action)
    message = interaction.message
    if action in OF_OWN_LIST and message and not message.flags.ephemeral:
        raise Outdated(action)
    if does is None or not custom_id.isascii() or not custom_id.isprintable():
        raise Outdated(action)
    try:
        inspect.signature(does).bind(interaction, *arguments)
    except TypeError as error:
        raise Outdated(action) from error
    await does(interaction, *arguments)


def number(text: str) -> int:
    """
    Raises:
        Outdated: it is none.
    """
    if not text.isascii() or not text.isdecimal() or len(text) > DIGITS_MAX:
        raise Outdated(text)
    return int(text)


def chosen(interaction: discord.Interaction[Any]) -> str | None:
    """What was chosen in the select that was pressed; None: it was a button."""
    data: Any = interaction.data
    values = data.get("values")
    return str(values[0]) if values else None


def must_choose(interaction: discord.Interaction[Any]) -> str:
    """
    The same.

    Raises:
        Outdated: nothing was chosen.
    """
    value = chosen(interaction)
    if value is None:
        raise Outdated("nothing chosen")
    return value


def written(message: discord.Message) -> Iterator[tuple[str, list[str]]]:
    """What the buttons and selects of a message do, and with which arguments."""
    for row in message.components:
        for part in getattr(row, "children", ()):
            if custom_id := getattr(part, "custom_id", None):
                yield read(custom_id)


def names(message: discord.Message | None, job_id: str) -> bool:
    """Whether a button or select of the message is about the job."""
    return message is not None and any(job_id in arguments for _, arguments in written(message))
