"""Who counts as a server's moderator, and the base of moderators' commands."""

from typing import Any

from discord import app_commands

from bot.chat.texts import Notice
from bot.chat.translator import label
from bot.chat.wire import Declined, Interaction

Offered = app_commands.Command[Any, ..., Any] | app_commands.ContextMenu | app_commands.Group


def offer_in_servers(offered: Offered) -> None:
    """Offer it only where the bot is a member."""
    app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)(offered)
    app_commands.allowed_installs(guilds=True, users=False)(offered)


def offer_to_moderators(offered: Offered) -> None:
    offer_in_servers(offered)
    app_commands.default_permissions(manage_guild=True)(offered)


def is_moderator(interaction: Interaction) -> bool:
    """
    Whether this member may manage this server. The permission is Manage Server: a channel's
    overrides cannot grant it, and what moderators decide counts in the whole server.
    """
    return interaction.guild_id is not None and interaction.permissions.manage_guild


def check_moderator(interaction: Interaction) -> None:
    """
    Check that this member is a moderator. Every command, button and form must ask anew: Discord
    hides moderators' commands from others, but a server can show them to anyone, and nobody but the
    bot checks who presses.

    Raises:
        Declined: they are none.
    """
    if not is_moderator(interaction):
        raise Declined(Notice.MODERATORS_ONLY)


class ModeratorCommands(app_commands.Group):
    def __init__(self, name: str) -> None:
        super().__init__(name=name, description=label(f"commands.{name}"))
        offer_to_moderators(self)

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """discord.py calls this before each subcommand."""
        check_moderator(interaction)
        return True
