"""Who may decide for a server, and the commands of theirs that stand in servers alone."""

from typing import Any

import discord
from discord import app_commands

from bot.chat import wire
from bot.chat.texts import Notice, say
from bot.chat.translator import label

#: where such a command stands, and who is offered it
SERVERS = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
OF_SERVERS = app_commands.AppInstallationType(guild=True, user=False)
MODERATORS = discord.Permissions(manage_guild=True)


async def is_moderator(interaction: discord.Interaction[Any], otherwise: Notice) -> bool:
    """
    Whether this member may manage this server; whoever may not is told so. To be asked anew at
    each command, button and form: Discord hides moderators' commands from others, but a server can
    show them to anyone, and what is pressed is checked by nobody but us.

    By Manage Server: a channel's overrides cannot grant it, and what is decided counts in the
    whole server.

    Args:
        otherwise: what is told.
    """
    if interaction.guild_id is not None and interaction.permissions.manage_guild:
        return True
    await wire.tell(interaction, say(otherwise, str(interaction.locale)))
    return False


class ModeratorCommands(app_commands.Group):
    """
    Args:
        otherwise: what whoever is no moderator is told.
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

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Before each of the subcommands."""
        return await is_moderator(interaction, self._otherwise)
