"""Compares Discord's list of the commands with the bot's, and writes it where they differ."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.http import Route

from bot.chat.connection import INVALID_FORM
from bot.chat.translator import EaselTranslator
from bot.engine.easel import Easel

log = logging.getLogger(__name__)

Tree = app_commands.CommandTree[Any]

#: fields of a command, its options and their choices that change what members see or may do; what
#: Discord adds (ids, versions) or derives is left out (Discord docs, Application Commands, read
#: 2026-11)
COMPARED = (
    "name",
    "name_localizations",
    "type",
    "description",
    "description_localizations",
    "options",
    "nsfw",
    "contexts",
    "integration_types",
    "default_member_permissions",
    "required",
    "choices",
    "value",
    "channel_types",
    "autocomplete",
    "min_value",
    "max_value",
    "min_length",
    "max_length",
)
#: a command's type where Discord names none
CHAT_INPUT = 1


async def sync(
    tree: Tree, easel: Easel, server_ids: Sequence[int], *, everywhere: bool = False
) -> list[str]:
    """
    Compare the commands with Discord's list, and write each scope that differs. Discord offers a
    command twice if it is in two scopes, so a scope that is not used is cleared.

    Args:
        easel: remembers which servers were given commands of their own.
        server_ids: servers that get the commands; empty: they are global.
        everywhere: look at each server the bot is in, not only at those that are remembered.
    Returns:
        A line on each scope that was looked at.
    """
    if tree.translator is None:
        await tree.set_translator(EaselTranslator())
    application = f"{Route.BASE}/{tree.client.application_id}"
    remembered = await easel.synced_servers(application)
    used = set(server_ids)
    # Remembered first: what is written now must be taken back later, even if this process dies.
    await easel.remember_synced(application, remembered | used)
    lines = [await _scope(tree, None, wanted=not used)]
    lines += [await _scope(tree, server_id, wanted=True) for server_id in server_ids]
    others = remembered | (await _servers(tree.client) if everywhere else set())
    for server_id in sorted(others - used):
        try:
            lines.append(await _scope(tree, server_id, wanted=False))
        except (discord.Forbidden, discord.NotFound):
            lines.append(f"server {server_id}: the bot is not in it any more")
    await easel.remember_synced(application, used)
    return lines


async def _scope(tree: Tree, server_id: int | None, *, wanted: bool) -> str:
    place = "global" if server_id is None else f"server {server_id}"
    server = discord.Object(server_id) if server_id is not None else None
    if wanted and server is not None:
        tree.copy_global_to(guild=server)
    ours = tree.get_commands(guild=server) if wanted else []
    assert tree.translator is not None
    commands = [await each.get_translated_payload(tree, tree.translator) for each in ours]
    of_server = "" if server_id is None else f"/guilds/{server_id}"
    path = f"/applications/{tree.client.application_id}{of_server}/commands"
    # With the names in every language, which discord.py's own calls leave out.
    found: Sequence[Mapping[str, Any]] = await tree.client.http.request(
        Route("GET", path), params={"with_localizations": "true"}
    )
    if len(commands) == len(found) and _by_name(commands) == _by_name(found):
        return f"{place}: {len(commands)} commands, as they should be"
    try:
        await tree.client.http.request(Route("PUT", path), json=commands)
    except discord.HTTPException as error:
        if error.code != INVALID_FORM:
            raise
        raise app_commands.CommandSyncFailure(error, ours) from error
    log.info("commands synced", extra={"action": "commands_synced", "scope": place})
    if not wanted:
        return f"{place}: {len(found)} commands taken back, for they stand elsewhere"
    return f"{place}: {len(commands)} commands written; Discord had {len(found)}, or others"


async def _servers(client: discord.Client) -> set[int]:
    """Ids of the servers that the bot is in."""
    return {server.id async for server in client.fetch_guilds(limit=None, with_counts=False)}


def _by_name(commands: Sequence[Mapping[str, Any]]) -> dict[tuple[int, str], Any]:
    return {(each.get("type", CHAT_INPUT), each["name"]): _compared(each) for each in commands}


def _compared(value: Any) -> Any:
    """The compared fields of a command; empty ones count as absent."""
    if isinstance(value, Mapping):
        kept = {key: _compared(value[key]) for key in COMPARED if key in value}
        if kept.get("default_member_permissions") is not None:
            # Discord writes it as a string.
            kept["default_member_permissions"] = int(kept["default_member_permissions"])
        for key in ("contexts", "integration_types", "channel_types"):
            if kept.get(key):
                kept[key] = sorted(kept[key])
        for key in ("name_localizations", "description_localizations"):
            if value.get(key):
                kept[key] = dict(value[key])
        return {key: each for key, each in kept.items() if each not in (None, False, "", [], {})}
    if isinstance(value, list | tuple):
        return [_compared(each) for each in value]
    return value
