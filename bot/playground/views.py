"""Writes the playground's Discord as JSON for its page; must not know HTTP."""

import re
from typing import Any

from bot.playground.discord import (
    DM,
    Call,
    Channel,
    Json,
    Message,
    Permission,
    PlaygroundDiscord,
    User,
    World,
)
from bot.playground.discord.commands import CHAT_INPUT, MESSAGE_MENU
from bot.playground.discord.payloads import has
from bot.playground.discord.world import LOCALE, LOCALES
from bot.playground.guard import FILES_PATH

SUBCOMMANDS = (1, 2)  #: option types: subcommand, group of subcommands
FILE_LINK = re.compile(r"/(?:ephemeral-)?attachments/\d+/(\d+)/([^/?]+)")


def people(discord: PlaygroundDiscord) -> list[User]:
    """Return who can be played: not the bot, nor servers' owners, who may do everything."""
    owners = {guild.owner_id for guild in discord.world.guilds.values()}
    return [u for u in discord.world.users.values() if not u.bot and u.id not in owners]


def sees(world: World, member: User, channel: Channel) -> bool:
    """Say whether a member can read a channel."""
    if channel.guild_id is None:
        return member in (channel.recipient, *channel.people)
    return has(world.permissions(member, channel), Permission.VIEW_CHANNEL)


def show_world(discord: PlaygroundDiscord) -> Json:
    """Write people, servers, commands, and which commands each member is offered in each place."""
    world, played = discord.world, people(discord)
    commands = [command for scope in world.commands.values() for command in scope.values()]
    return {
        "bot": {"id": str(world.bot.id), "name": world.bot.name},
        "names": {str(user.id): user.name for user in world.users.values()},
        "people": [_person(discord, user) for user in played],
        "servers": [
            {
                "id": str(guild.id),
                "name": guild.name,
                "locale": world.locales.get(guild.id, LOCALE),
                "roles": [role.name for role in guild.roles.values()],
                "channels": [_channel(world.channels[found]) for found in guild.channel_ids],
            }
            for guild in world.guilds.values()
        ],
        "private": [_channel(channel) for channel in world.channels.values() if channel.people],
        "locales": LOCALES,
        "commands": commands,
        "offered": {
            str(user.id): {
                str(channel.id): [
                    command["id"]
                    for kind in (CHAT_INPUT, MESSAGE_MENU)
                    for command in discord.commands_for(user, channel, kind)
                ]
                for channel in list(world.channels.values())
                if sees(world, user, channel)
            }
            for user in played
        },
    }


def show_message(discord: PlaygroundDiscord, message: Message, calls: dict[int, Call]) -> Json:
    """
    Write a message as Discord does, but with links to files on the page's own server.

    Args:
        calls: interaction id -> the call; names the subcommands, which Discord leaves out.
    """
    written: Json = _own_links(discord.message_json(message), discord.base_url)
    written["author"]["name"] = message.author.name
    used = written.get("interaction_metadata")
    call = calls.get(int(used["id"])) if used else None
    if used and call and "name" in used:
        used["name"] = _command_line(call.interaction.data)
    return written


def _person(discord: PlaygroundDiscord, user: User) -> Json:
    guilds = discord.world.guilds.values()
    roles = [guild.roles[found].name for guild in guilds for found in guild.members[user.id]]
    return {
        "id": str(user.id),
        "name": user.name,
        "roles": sorted(set(roles)),
        "locale": discord.world.locales.get(user.id, LOCALE),
        "dm": str(discord.channel(DM, user).id),
    }


def _channel(channel: Channel) -> Json:
    return {"id": str(channel.id), "name": channel.name, "nsfw": channel.nsfw}


def _own_links(node: Any, base_url: str) -> Any:
    """Replace links to the CDN, which has another origin, by links to the page's server."""
    if isinstance(node, list):
        return [_own_links(child, base_url) for child in node]
    if isinstance(node, dict):
        return {key: _own_links(child, base_url) for key, child in node.items()}
    if isinstance(node, str) and node.startswith(base_url):
        match = FILE_LINK.match(node, len(base_url))
        return f"{FILES_PATH}/{match[1]}/{match[2]}" if match else node
    return node


def _command_line(data: Json) -> str:
    """Return a command's name followed by the names of its group and subcommand, if any."""
    name, options = str(data["name"]), data.get("options") or []
    while options and options[0]["type"] in SUBCOMMANDS:
        name += f" {options[0]['name']}"
        options = options[0]["options"]
    return name
