"""
Buttons, selects and forms whose whole state is their custom id, so that they work at any age and
after any restart: the name of what they do and its arguments, as in `vary:JOB:40000`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord

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
#: order a draft
GO = "go"
#: open a form with the words of a job, or of a draft
WORDS = "words"
REWORD = "reword"
#: a form that was filled in
FORM = "form"

#: export or erase what is stored of whoever presses
PRIVACY = "privacy"
#: a month of a server as a table
STATS = "stats"

ROW_BUTTONS_MAX = 5


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
