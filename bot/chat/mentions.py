"""Replaces Discord's markup in a text by what its writer saw: names instead of ids."""

import re
from datetime import UTC, datetime

import discord

from bot.chat.wire import Interaction

#: Discord docs, "Message Formatting"
MARKUP = re.compile(
    r"<(?:@(?P<role>&)?!?(?P<mentioned>\d{1,20})|#(?P<channel>\d{1,20})"
    r"|a?:(?P<emoji>\w{1,32}):\d{1,20}|/(?P<command>[^:<>]{1,100}):\d{1,20}"
    r"|t:(?P<time>-?\d{1,12})(?::[A-Za-z])?|id:(?P<page>[a-z-]{1,20})(?::\d{1,20})?)>"
)


def as_seen(text: str, interaction: Interaction) -> str:
    """The text as its writer saw it; without the members intent, few members' names are known."""
    return MARKUP.sub(lambda found: _name(found, interaction), text)


def _name(found: re.Match[str], interaction: Interaction) -> str:
    guild = interaction.guild
    match found.lastgroup:
        case "mentioned" if found["role"]:
            role = guild.get_role(int(found["mentioned"])) if guild else None
            return f"@{role.name}" if role else "@role"
        case "mentioned":
            return f"@{_member(int(found['mentioned']), interaction)}"
        case "channel":
            channel_id = int(found["channel"])
            channel = guild.get_channel_or_thread(channel_id) if guild else None
            return f"#{channel.name}" if channel and sees(interaction, channel_id) else "#channel"
        case "emoji":
            return f":{found['emoji']}:"
        case "command":
            return f"/{found['command']}"
        case "time":
            return _time(int(found["time"]))
        case _:
            return f"#{found['page']}"


def sees(interaction: Interaction, channel_id: int) -> bool:
    """Whether the member sees the channel; of another private thread, that is not known."""
    if channel_id == interaction.channel_id:
        return True
    channel = interaction.guild.get_channel_or_thread(channel_id) if interaction.guild else None
    if isinstance(channel, discord.Thread) and (channel.is_private() or channel.parent is None):
        return False
    user = interaction.user
    if channel is None or not isinstance(user, discord.Member):
        return False
    return channel.permissions_for(user).view_channel


def _member(user_id: int, interaction: Interaction) -> str:
    if user_id == interaction.user.id:
        return interaction.user.display_name
    known = interaction.client.get_user(user_id)
    if known is None and interaction.guild is not None:
        known = interaction.guild.get_member(user_id)
    return known.display_name if known else "someone"


def _time(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%d %B %Y %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return str(seconds)
