"""Short forms that ask for a reason, and what was written into them."""

from typing import Any

import discord

from bot.chat import wire
from bot.chat.fields import form, labelled
from bot.chat.texts import Notice, Phrase, say
from bot.chat.wire import Interaction
from bot.domain.oversight import REASON_CHARS_MAX, read_reason

#: custom ids of the form's fields
REASON, END = "reason", "end"
#: characters of the end of a block, as it is typed
END_CHARS_MAX = 40


async def ask(
    interaction: Interaction,
    title: Phrase,
    action: str,
    *arguments: object,
    why: Phrase = Phrase.REASON,
    end: bool = False,
) -> None:
    """
    Open a form, whose custom id is the action with its arguments.

    Args:
        why: the label of the reason's field.
        end: whether the form also asks for the end of a block.
    """
    locale = str(interaction.locale)
    reason = discord.ui.TextInput[Any](
        style=discord.TextStyle.paragraph, custom_id=REASON, max_length=REASON_CHARS_MAX
    )
    fields = [labelled(why, locale, reason)]
    if end:
        until = discord.ui.TextInput[Any](custom_id=END, required=False, max_length=END_CHARS_MAX)
        fields.append(labelled(Phrase.BLOCK_END, locale, until, Phrase.BLOCK_END_HINT))
    await wire.open_form(interaction, form(say(title, locale), fields, action, *arguments))


def checked(text: str) -> str:
    """
    A reason as it is kept, from what a moderator or member wrote.

    Raises:
        Declined: nothing is left of it.
    """
    reason = read_reason(text)
    if not reason:
        raise wire.Declined(Notice.REASON_MISSING)
    return reason
