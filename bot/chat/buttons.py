"""Buttons whose whole state is their custom id, so that they work after any restart."""

from collections.abc import Awaitable, Callable
from typing import Any

import discord

#: what a press does: called with the interaction and the job's id
Press = Callable[[discord.Interaction[Any], str], Awaitable[None]]

CANCEL = "cancel"
IMAGES = "images"


def cancel(job_id: str) -> discord.ui.Button[Any]:
    return discord.ui.Button(label="Cancel", custom_id=f"{CANCEL}:{job_id}")


def images(job_id: str, label: str) -> discord.ui.Button[Any]:
    return discord.ui.Button(label=label, custom_id=f"{IMAGES}:{job_id}")


def view(*items: discord.ui.Button[Any]) -> discord.ui.View:
    """Must be made while an event loop runs."""
    made = discord.ui.View(timeout=None)
    for item in items:
        made.add_item(item)
    # Stopped, discord.py does not keep it: presses are answered by custom id, not by this object.
    made.stop()
    return made


def read(custom_id: str) -> tuple[str, str]:
    """What the button does, and the id of its job."""
    action, _, job_id = custom_id.partition(":")
    return action, job_id
