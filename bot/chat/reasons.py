"""Short forms that ask for a reason, and what was written into them."""

from typing import Any

import discord

from bot.chat.texts import Notice, say
from bot.chat.texts.phrases import Phrase
from bot.chat.wire import Declined, Interaction
from bot.domain.oversight import REASON_CHARS_MAX, read_reason

#: custom ids of the form's fields
REASON, END = "reason", "end"
#: characters of the end of a block, as it is typed
END_CHARS_MAX = 40


def reason_form(
    title: Phrase, why: Phrase, locale: str, custom_id: str, *, end: bool = False
) -> discord.ui.Modal:
    """
    Args:
        why: the label of the reason's field.
        end: whether the form also asks for the end of a block.
    """
    form = discord.ui.Modal(title=say(title, locale), custom_id=custom_id, timeout=None)
    reason = discord.ui.TextInput[Any](
        style=discord.TextStyle.paragraph, custom_id=REASON, max_length=REASON_CHARS_MAX
    )
    form.add_item(discord.ui.Label(text=say(why, locale), component=reason))
    if end:
        until = discord.ui.TextInput[Any](custom_id=END, required=False, max_length=END_CHARS_MAX)
        hint = say(Phrase.BLOCK_END_HINT, locale)
        form.add_item(
            discord.ui.Label(text=say(Phrase.BLOCK_END, locale), description=hint, component=until)
        )
    # discord.py keeps no stopped form: it is answered by custom id, not by this object.
    form.stop()
    return form


def checked(text: str) -> str:
    """
    A reason as it is kept, from what a moderator or member wrote.

    Raises:
        Declined: nothing is left of it.
    """
    reason = read_reason(text)
    if not reason:
        raise Declined(Notice.REASON_MISSING)
    return reason


def written(interaction: Interaction, field: str) -> str:
    """What was written into a field; empty: nothing, or there is no such field."""
    data: Any = interaction.data
    for part in data.get("components", ()):
        found = part.get("component", {})
        if found.get("custom_id") == field:
            return str(found.get("value") or "")
    return ""
