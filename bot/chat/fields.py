"""Forms and their fields, and the reason that many ask for: made, and read when filled in."""

from collections.abc import Sequence
from typing import Any

import discord

from bot.chat import wire
from bot.chat.buttons import Item, custom_id
from bot.chat.texts import Notice, Phrase, say
from bot.chat.wire import Interaction
from bot.domain.oversight import REASON_CHARS_MAX, read_reason

Field = discord.ui.Label[Any]
#: custom ids of the fields of a form that asks for a reason
REASON, END = "reason", "end"
#: characters of the end of a block, as it is typed
END_CHARS_MAX = 40


def form(title: str, fields: Sequence[Field], action: str, *arguments: object) -> discord.ui.Modal:
    made = discord.ui.Modal(title=title, custom_id=custom_id(action, *arguments), timeout=None)
    for each in fields:
        made.add_item(each)
    # discord.py keeps no stopped form: it is answered by custom id, not by this object.
    made.stop()
    return made


def labelled(name: Phrase, locale: str, field: Item, hint: Phrase | None = None) -> Field:
    described = say(hint, locale) if hint else None
    return discord.ui.Label(text=say(name, locale), description=described, component=field)


def given(interaction: Interaction) -> dict[str, Any]:
    """What was filled in, by the field's custom id: a text, or the values that were chosen."""
    data: Any = interaction.data
    fields = [each.get("component", {}) for each in data.get("components", ())]
    return {
        each["custom_id"]: each.get("value", each.get("values", []))
        for each in fields
        if "custom_id" in each
    }


def typed(interaction: Interaction, field: str) -> str:
    """What was typed into a field; empty: nothing, or there is no such field."""
    text = given(interaction).get(field)
    return text if isinstance(text, str) else ""


async def ask_reason(
    interaction: Interaction,
    title: Phrase,
    action: str,
    *arguments: object,
    why: Phrase = Phrase.REASON,
    end: bool = False,
) -> None:
    """
    Open a form that asks for a reason; its custom id is the action with its arguments.

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


def typed_reason(interaction: Interaction) -> str:
    """
    The reason that was written into the form.

    Raises:
        Declined: nothing is left of it.
    """
    return checked_reason(typed(interaction, REASON))


def checked_reason(text: str) -> str:
    """
    A reason as it is kept, from what a moderator or member wrote.

    Raises:
        Declined: nothing is left of it.
    """
    reason = read_reason(text)
    if not reason:
        raise wire.Declined(Notice.REASON_MISSING)
    return reason
