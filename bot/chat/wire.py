"""
Where discord.py leaves a gap between us and Discord; every call that matters goes through here.

What discord.py 2.7 does not handle, read in its source: a reset or closed connection surfaces as
a raw aiohttp error; a 503 is not retried on channel routes; a lost answer makes its webhook
adapter send a follow-up twice (so no result is one: Easel edits the original response); a session
that was invalidated, or a fixed shard count, connects to Discord's own gateway whatever REST root
is set; a failed login is not repeated, and cannot be before the client is given a new connector.
"""

import asyncio
import logging
import re
import textwrap
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any, TypeVar

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.about import short
from bot.errors import GatewayLost, StartupError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: tries of one call, besides discord.py's own five for most 5xx
TRIES_MAX = 3
#: seconds for one try, with discord.py's own repetitions and the waits that Discord asks for
CALL_S_MAX = 120.0
#: seconds for the end of the gateway's connections
CLOSE_S_MAX = 2.0
#: seconds before the second try; doubles
RETRY_WAIT_S = 0.5
#: seconds before the next try to log in; doubles up to the maximum
LOGIN_WAIT_S = 1.0
LOGIN_WAIT_S_MAX = 60.0
#: characters of Discord's words on why it refuses a log-in
REFUSAL_CHARS_MAX = 300

#: in an interaction's extras: its deferral had its effect, although Discord did not say so
DEFERRED = "deferred"

NETWORK_ERRORS = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
LOGIN_ERRORS = (
    discord.LoginFailure,
    discord.HTTPException,
    discord.GatewayNotFound,
    *NETWORK_ERRORS,
)

# Discord docs, "JSON Error Codes", read 2026-08
UNKNOWN_GUILD = 10004
UNKNOWN_WEBHOOK = 10015
UNKNOWN_INTERACTION = 10062
EXPLICIT_CONTENT = 20009
BLOCKED_BY_AUTOMOD = frozenset({200000, 200001})
#: of a channel in slow mode, of its announcements, and of a channel's writes
LIMITS_FOR_A_WHILE = frozenset({20016, 20022, 20028})
TOO_LARGE = 40005
ALREADY_ACKNOWLEDGED = 40060
MISSING_ACCESS = 50001
INVALID_TOKEN = 50027
INVALID_FORM = 50035


class Trouble(Enum):
    """What a refused or failed call means for the one who made it."""

    #: the interaction cannot be answered any more
    TOKEN_DEAD = auto()
    #: the interaction has its first answer: ours, if only the news of it was lost
    ANSWERED = auto()
    TOO_LARGE = auto()
    #: Discord will not show this; it may show something else in the same place
    NOT_SHOWN = auto()
    #: the channel or message is gone, or not ours to write to
    REFUSED = auto()
    #: Discord or the network; it may work later, and the call may have had its effect
    DOWN = auto()


class CallFailed(Exception):
    """
    A call to Discord failed for good.

    Args:
        trouble: what that means.
        repeated: a try before this one failed on the way, and may have had its effect.
    """

    def __init__(self, trouble: Trouble, cause: Exception, *, repeated: bool) -> None:
        super().__init__(f"{trouble.name}: {cause}")
        self.trouble = trouble
        self.repeated = repeated


def use_api_base(base: str) -> None:
    """Discord, a REST proxy, or the playground. discord.py keeps this one root per process."""
    Route.BASE = base


async def call(operation: Callable[[], Awaitable[T]]) -> T:
    """
    Make a call that may be repeated: an edit, a delete, or a message with a nonce.

    Args:
        operation: makes the call afresh each time, with files newly opened.
    Raises:
        CallFailed: it was refused, or did not get through.
    """
    wait_s = RETRY_WAIT_S
    for attempt in range(1, TRIES_MAX + 1):
        try:
            async with asyncio.timeout(CALL_S_MAX):
                return await operation()
        except discord.HTTPException as error:
            trouble = _trouble(error)
            # discord.py has slept and repeated these five times already, but for 503.
            if trouble is not Trouble.DOWN or error.status != 503 or attempt == TRIES_MAX:
                raise CallFailed(trouble, error, repeated=attempt > 1) from error
        except NETWORK_ERRORS as error:
            if attempt == TRIES_MAX:
                raise CallFailed(Trouble.DOWN, error, repeated=attempt > 1) from error
        await asyncio.sleep(wait_s)
        wait_s *= 2
    raise AssertionError("unreachable")


async def answer(
    interaction: discord.Interaction[Any],
    *,
    embed: discord.Embed,
    ephemeral: bool,
    view: discord.ui.View | None = None,
) -> int | None:
    """
    Give the interaction its first answer, or edit it in where it was deferred.

    Returns:
        The message's id, where Discord told it.
    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    if has_answer(interaction):
        edited = await call(lambda: interaction.edit_original_response(embed=embed, view=view))
        return edited.id
    sent = await call(
        lambda: interaction.response.send_message(
            embed=embed,
            ephemeral=ephemeral,
            view=discord.utils.MISSING if view is None else view,
        )
    )
    return sent.message_id


def has_answer(interaction: discord.Interaction[Any]) -> bool:
    """Whether a first answer of ours is there, be it a deferral: what comes later edits it."""
    return interaction.response.is_done() or DEFERRED in interaction.extras


async def find_answer(interaction: discord.Interaction[Any], mark: str) -> int | None:
    """
    The first answer that the interaction has, if one of its buttons is marked as ours.

    Whoever meets ANSWERED may have given that answer in a try whose own answer was lost; or it was
    another process, or another bot of the same token.

    Returns:
        The message's id; None: it is somebody else's.
    Raises:
        CallFailed: it could not be looked at.
    """
    message = await call(interaction.original_response)
    marks = [
        child.custom_id or ""
        for row in message.components
        if isinstance(row, discord.ActionRow)
        for child in row.children
    ]
    return message.id if any(mark in each for each in marks) else None


async def update(interaction: discord.Interaction[Any], *, embed: discord.Embed) -> None:
    """
    Answer a press by changing the message it was on, without its buttons.

    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    await call(lambda: interaction.response.edit_message(embed=embed, view=None))


async def defer(interaction: discord.Interaction[Any], *, ephemeral: bool) -> None:
    """Promise an answer; what comes later edits it. A failure shows when the answer is given."""
    try:
        await call(lambda: interaction.response.defer(ephemeral=ephemeral, thinking=True))
    except CallFailed as error:
        log.warning("not deferred: %s", error, extra={"action": "defer_failed"})
        if error.trouble is Trouble.ANSWERED and error.repeated:
            # A try before had its effect, and only its own answer was lost.
            interaction.extras[DEFERRED] = True


def ref(interaction: discord.Interaction[Any]) -> str:
    """What finds the log line of a defect: of the id its time alone, in milliseconds."""
    return short(f"{interaction.id >> 22:x}")


def fields_of(interaction: discord.Interaction[Any]) -> dict[str, object]:
    return {
        "ref": ref(interaction),
        "server_id": interaction.guild_id or 0,
        "channel_id": interaction.channel_id,
        "user_id": interaction.user.id,
    }


async def tell(interaction: discord.Interaction[Any], text: str) -> None:
    """Answer with a sentence for this member alone; a failure to do so is logged, not raised."""
    embed = discord.Embed(description=text)
    try:
        await answer(interaction, embed=embed, ephemeral=True)
    except CallFailed as error:
        log.warning("answer lost: %s", error, extra={"action": "answer_lost"})


async def tell_beside(interaction: discord.Interaction[Any], text: str) -> None:
    """Tell this member alone, and leave an answer that is there as it is."""
    if not has_answer(interaction):
        await tell(interaction, text)
        return
    embed = discord.Embed(description=text)
    try:
        await call(lambda: interaction.followup.send(embed=embed, ephemeral=True, wait=True))
    except CallFailed as error:
        log.warning("answer lost: %s", error, extra={"action": "answer_lost"})


async def tell_instead(interaction: discord.Interaction[Any], text: str) -> None:
    """
    After a public deferral: take the "thinking" away and tell this member alone.

    discord.py may send a follow-up twice where an answer is lost; this one does no harm then.
    """
    embed = discord.Embed(description=text)
    try:
        await call(interaction.delete_original_response)
        await call(lambda: interaction.followup.send(embed=embed, ephemeral=True, wait=True))
    except CallFailed as error:
        log.warning("answer lost: %s", error, extra={"action": "answer_lost"})


def _trouble(error: discord.HTTPException) -> Trouble:
    if _is_down(error):
        return Trouble.DOWN
    if error.code in (UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION, INVALID_TOKEN):
        return Trouble.TOKEN_DEAD
    if error.code == ALREADY_ACKNOWLEDGED:
        return Trouble.ANSWERED
    if error.status == 413 or error.code == TOO_LARGE:
        return Trouble.TOO_LARGE
    if error.code == EXPLICIT_CONTENT or error.code in BLOCKED_BY_AUTOMOD:
        return Trouble.NOT_SHOWN
    return Trouble.REFUSED


def _is_down(error: discord.HTTPException) -> bool:
    return error.status >= 500 or error.status == 429 or error.code in LIMITS_FOR_A_WHILE


async def learn_gateway(client: discord.AutoShardedClient) -> None:
    """Take the gateway's address and the number of shards from the REST root, once, before use."""
    shards, address, _ = await client.http.get_bot_gateway()
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(address)
    client.shard_count = client.shard_count or shards


async def run(client: discord.AutoShardedClient, token: str) -> None:
    """
    Log in, however long Discord is down, and stay connected until the client is closed.

    Raises:
        StartupError: Discord refuses the token, a server or the commands, or is not at its root.
        GatewayLost: discord.py gave the connection up.
    """
    await _log_in(client, token)
    try:
        await client.connect()
    except Exception as error:
        # A client that closed itself cannot be used again; a fresh process can, and its jobs go on.
        raise GatewayLost(f"the connection to Discord ended for good: {error!r}") from error


async def log_in(client: discord.AutoShardedClient, token: str) -> None:
    """
    Log in with one try, without a connection to the gateway.

    Raises:
        StartupError: Discord refuses, or cannot be reached.
    """
    try:
        await client.login(token)
    except LOGIN_ERRORS as error:
        sentence = refusal(error) or f"Discord cannot be reached at {Route.BASE}: {error!r}."
        raise StartupError(sentence) from error


async def close(client: discord.AutoShardedClient) -> None:
    """Say goodbye to the gateway, but do not wait for long for its answer."""
    try:
        async with asyncio.timeout(CLOSE_S_MAX):
            await client.close()
    except TimeoutError:
        log.warning("Discord's gateway did not say goodbye", extra={"action": "close_timeout"})


async def _log_in(client: discord.AutoShardedClient, token: str) -> None:
    wait_s = LOGIN_WAIT_S
    while True:
        try:
            await client.login(token)
            return
        except LOGIN_ERRORS as error:
            if (sentence := refusal(error)) is not None:
                raise StartupError(sentence) from error
            log.warning(
                "Discord cannot be reached, next try in %.0f s: %r",
                wait_s,
                error,
                extra={"action": "login_failed"},
            )
        await client.http.close()
        # Closed with its session, and kept all the same.
        client.http.connector = discord.utils.MISSING
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, LOGIN_WAIT_S_MAX)


def refusal(error: Exception) -> str | None:
    """
    Why logging in will not work later either, with the setting to look at.

    Returns:
        One sentence; None: Discord or the network is down.
    """
    if isinstance(error, discord.LoginFailure):
        return (
            "Discord does not accept DISCORD_TOKEN: open your application at"
            " https://discord.com/developers/applications, Bot, and copy a new token."
        )
    if isinstance(error, discord.GatewayNotFound) and isinstance(error.__cause__, Exception):
        return refusal(error.__cause__)
    if not isinstance(error, discord.HTTPException) or _is_down(error):
        return None
    server = re.search(r"/guilds/(\d+)", error.response.url.path)
    if server and error.code in (MISSING_ACCESS, UNKNOWN_GUILD):
        return (
            f"DISCORD_GUILD_IDS names server {server[1]}, which the bot is not in: invite it there,"
            " or take that id out."
        )
    # It may hold a whole web page.
    words = textwrap.shorten(str(error), REFUSAL_CHARS_MAX)
    if error.code == INVALID_FORM:
        return f"Discord refuses the commands, whose choices are made from CATALOG_FILE: {words}"
    return f"DISCORD_API_BASE {Route.BASE} refuses the bot: {words}"
