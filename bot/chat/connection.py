"""
The connection to Discord from log-in to end; this module goes on where discord.py gives up.

discord.py 2.7's source shows three gaps. With a session that was invalidated, or with a fixed shard
count, it connects to Discord's own gateway, whatever REST root is set. It does not repeat a failed
login. A login cannot be repeated before the client is given a new connector.
"""

import asyncio
import logging
import re
import textwrap
from collections.abc import Awaitable, Callable
from typing import TypeVar

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.chat.wire import NETWORK_ERRORS, is_down
from bot.errors import GatewayLost, StartupError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: seconds for closing the gateway's connections
CLOSE_S_MAX = 2.0
#: seconds before the next try to log in, or to compare the commands; doubles up to the maximum
LOGIN_WAIT_S = 1.0
LOGIN_WAIT_S_MAX = 60.0
#: characters of Discord's reason for a refusal
REFUSAL_CHARS_MAX = 300

LOGIN_ERRORS = (
    discord.LoginFailure,
    discord.HTTPException,
    discord.GatewayNotFound,
    *NETWORK_ERRORS,
)

NOT_LET_IN = (
    "Discord does not accept DISCORD_TOKEN: open your application at"
    " https://discord.com/developers/applications, Bot, and copy a new token."
)

# Discord docs, "Gateway Close Event Codes", read 2026-08
AUTHENTICATION_FAILED = 4004
# Discord docs, "JSON Error Codes", read 2026-08
UNKNOWN_GUILD = 10004
MISSING_ACCESS = 50001
INVALID_FORM = 50035


def use_api_base(base: str) -> None:
    """Use Discord, a REST proxy or the playground. discord.py keeps one root per process."""
    Route.BASE = base


async def learn_gateway(client: discord.AutoShardedClient) -> None:
    """Take the gateway's address and the number of shards from the REST root; before connecting."""
    shards, address, _ = await client.http.get_bot_gateway()
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(address)
    client.shard_count = client.shard_count or shards


async def run(client: discord.AutoShardedClient, token: str) -> None:
    """
    Log in, however long Discord is down, and stay connected until the client is closed.

    Raises:
        StartupError: Discord refuses the token, or the REST root is not Discord's.
        GatewayLost: discord.py gave the connection up.
    """

    async def log_in() -> None:
        try:
            await client.login(token)
        except LOGIN_ERRORS:
            await client.http.close()
            # discord.py closed the connector with its session, but would use it again.
            client.http.connector = discord.utils.MISSING
            raise

    await insist(log_in)
    try:
        await client.connect()
    except Exception as error:
        if isinstance(error, discord.ConnectionClosed) and error.code == AUTHENTICATION_FAILED:
            # The token was reset while the bot was running.
            raise StartupError(NOT_LET_IN, usage=True) from error
        # A client that closed itself cannot be used again. A fresh process goes on with the jobs.
        raise GatewayLost(f"the connection to Discord ended for good: {error!r}") from error


async def attempt(ask: Callable[[], Awaitable[T]]) -> T:
    """
    Ask Discord for something once.

    Raises:
        StartupError: Discord refuses, which is `usage`, or cannot be reached.
    """
    try:
        return await ask()
    except LOGIN_ERRORS as error:
        if (sentence := _refusal(error)) is not None:
            raise StartupError(sentence, usage=True) from error
        raise StartupError(
            f"Discord cannot be reached at {Route.BASE}: {str(error) or repr(error)}."
        ) from error


async def insist(ask: Callable[[], Awaitable[T]]) -> T:
    """
    Ask Discord for something, however long it is down.

    Raises:
        StartupError: Discord refuses.
    """
    wait_s = LOGIN_WAIT_S
    while True:
        try:
            return await attempt(ask)
        except StartupError as error:
            if error.usage:
                raise
            log.warning("%s Next try in %.0f s.", error, wait_s, extra={"action": "discord_down"})
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, LOGIN_WAIT_S_MAX)


async def close(client: discord.AutoShardedClient) -> None:
    """Close the gateway's connections, but wait for its answer only briefly."""
    try:
        async with asyncio.timeout(CLOSE_S_MAX):
            await client.close()
    except TimeoutError:
        log.warning("Discord's gateway did not say goodbye", extra={"action": "close_timeout"})


def _refusal(error: Exception) -> str | None:
    """
    Why another try will not help, with the setting to look at.

    Returns:
        One sentence; None: Discord or the network is down, so another try may help.
    """
    if isinstance(error, discord.LoginFailure):
        return NOT_LET_IN
    if isinstance(error, discord.GatewayNotFound) and isinstance(error.__cause__, Exception):
        return _refusal(error.__cause__)
    if not isinstance(error, discord.HTTPException) or is_down(error):
        return None
    server = re.search(r"/guilds/(\d+)", error.response.url.path)
    if server and error.code in (MISSING_ACCESS, UNKNOWN_GUILD):
        return (
            f"DISCORD_GUILD_IDS names server {server[1]}, which the bot is not in: invite it there,"
            " or take that id out."
        )
    # The error may hold a whole web page.
    words = textwrap.shorten(str(error), REFUSAL_CHARS_MAX)
    if error.code == INVALID_FORM:
        return f"Discord refuses the commands, whose choices are made from CATALOG_FILE: {words}"
    return f"DISCORD_API_BASE {Route.BASE} refuses the bot: {words}"
