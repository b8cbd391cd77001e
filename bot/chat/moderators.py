"""Who may decide for a server; asked anew at each command, button and form."""

from typing import Any

import discord

from bot.chat import wire
from bot.chat.texts import Notice, say


async def may_manage(interaction: discord.Interaction[Any]) -> bool:
    """
    Whether this member may manage this server; whoever may not is told so.

    Discord hides moderators' commands from others, but a server can show them to anyone, and what
    is pressed is checked by nobody but us.
    """
    if interaction.guild_id is not None and interaction.permissions.manage_guild:
        return True
    await wire.tell(interaction, say(Notice.MODERATORS_ONLY, str(interaction.locale)))
    return False
