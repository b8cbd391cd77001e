"""Where an interaction comes from: its place, its member's roles, and the languages read there."""

from typing import Any

import discord

from bot.about import short
from bot.chat.wire import Interaction
from bot.domain.policy import Place, public_locale
from bot.domain.settings import ServerSettings
from bot.errors import NotAllowed, Reason

#: permissions that delivering a result needs, also after the token's end
PERMISSIONS = ("view_channel", "send_messages", "attach_files", "embed_links")


def place_of(interaction: Interaction) -> Place:
    channel: Any = interaction.channel
    # A thread has no age restriction of its own; discord.py asks its parent.
    restricted = channel.is_nsfw() if hasattr(channel, "is_nsfw") else False
    parent_id = channel.parent_id if isinstance(channel, discord.Thread) else 0
    return Place(interaction.guild_id or 0, interaction.channel_id or 0, restricted, parent_id)


def role_ids_of(user: discord.User | discord.Member) -> list[int]:
    if not isinstance(user, discord.Member):
        return []
    # Not `roles`: these are looked up in the server, which may not be known yet, or never. The role
    # of all members has the server's id.
    return [*user._roles, user.guild.id]


def spoken(interaction: Interaction, decided: ServerSettings, *, private: bool) -> str:
    """The locale of an answer: the member's, or the server's where everyone reads it."""
    if private or interaction.guild_id is None:
        return str(interaction.locale)
    return public_locale(decided, str(interaction.guild_locale or interaction.locale))


def spoken_here(interaction: Interaction) -> str:
    """The locale of public text here, by the settings in memory."""
    decided = interaction.client.easel.servers.known(interaction.guild_id or 0)
    return spoken(interaction, decided, private=False)


def check_permissions(interaction: Interaction) -> None:
    """
    Raises:
        NotAllowed: the bot could not post the result here; names the permissions that it lacks.
    """
    if interaction.guild_id is None or not interaction.is_guild_integration():
        # Where the bot is not a member, all it can ever edit is its answer.
        return
    granted, channel = interaction.app_permissions, interaction.channel
    needed = list(PERMISSIONS)
    if isinstance(channel, discord.VoiceChannel | discord.StageChannel):
        needed.append("connect")
    if isinstance(channel, discord.Thread):
        needed.append("send_messages_in_threads")
        needed.remove("send_messages")
        if channel.locked or (channel.is_private() and not _has_joined(channel)):
            needed.append("manage_threads")
    lacking = [name for name in needed if not getattr(granted, name)]
    if lacking:
        raise NotAllowed(Reason.PERMISSIONS, permissions=lacking)


def _has_joined(thread: discord.Thread) -> bool:
    """Whether the bot was added to the thread; the interaction's copy of it does not say."""
    known = thread.guild.get_thread(thread.id)
    return known is not None and known.me is not None


def fields_of(interaction: Interaction) -> dict[str, object]:
    """The fields that a log line about an interaction has."""
    return {
        "ref": ref(interaction),
        "server_id": interaction.guild_id or 0,
        "channel_id": interaction.channel_id,
        "user_id": interaction.user.id,
    }


def ref(interaction: Interaction) -> str:
    """A short text that finds a defect's log line: from the time in the id, in milliseconds."""
    return short(f"{interaction.id >> 22:x}")
