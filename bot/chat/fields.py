"""Forms and their fields: made, and read when a member has filled them in."""

from collections.abc import Sequence
from typing import Any

import discord

from bot.chat.buttons import custom_id
from bot.chat.texts import Phrase, say
from bot.chat.wire import Interaction

Field = discord.ui.Label[Any]


def form(title: str, fields: Sequence[Field], action: str, *arguments: object) -> discord.ui.Modal:
    made = discord.ui.Modal(title=title, custom_id=custom_id(action, *arguments), timeout=None)
    for each in fields:
        made.add_item(each)
    # discord.py keeps no stopped form: it is answered by custom id, not by this object.
    made.stop()
    return made


def labelled(
    name: Phrase, locale: str, field: discord.ui.Item[Any], hint: Phrase | None = None
) -> Field:
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
