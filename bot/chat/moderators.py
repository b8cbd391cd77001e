"""Who counts as a server's moderator, and the base of moderators' commands."""

import discord
from discord import app_commands

from bot.chat import wire
from bot.chat.texts import Notice, say
from bot.chat.translator import label
from bot.chat.wire import Interaction

#: where moderators' commands are offered, and to whom
SERVERS = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
OF_SERVERS = app_commands.AppInstallationType(guild=True, user=False)
MODERATORS = discord.Permissions(manage_guild=True)


async def is_moderator(interaction: Interaction, otherwise: Notice) -> bool:
    """
    Whether this member may manage this server; if not, tell them so. Every command, button and form
    must ask anew: Discord hides moderators' commands from others, but a server can show them to
    anyone, and nobody but the bot checks who presses.

    The permission is Manage Server: a channel's overrides cannot grant it, and what moderators
    decide counts in the whole server.

    Args:
        otherwise: what the member is told if not.
    """
    if interaction.guild_id is not None and interaction.permissions.manage_guild:
        return True
    await wire.tell(interaction, say(otherwise, str(interaction.locale)))
    return False


class ModeratorCommands(app_commands.Group):
    """
    Args:
        otherwise: what a member who is no moderator is told.
    """

    def __init__(self, name: str, otherwise: Notice) -> None:
        super().__init__(
            name=name,
            description=label(f"commands.{name}"),
            allowed_installs=OF_SERVERS,
            allowed_contexts=SERVERS,
            default_permissions=MODERATORS,
        )
        self._otherwise = otherwise

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """discord.py calls this before each subcommand."""
        return await is_moderator(interaction, self._otherwise)
