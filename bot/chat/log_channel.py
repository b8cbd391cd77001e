"""A server's log channel, where its moderators read what was done and what was reported."""

import logging
import secrets

import discord

from bot.chat import wire

log = logging.getLogger(__name__)


async def post(
    client: discord.Client,
    channel_id: int,
    embed: discord.Embed,
    view: discord.ui.View | None = None,
) -> None:
    """
    Post in a log channel; what goes wrong is logged and never raised.

    Args:
        channel_id: 0: the server has none, and nothing is posted.
    """
    if not channel_id:
        return
    channel = client.get_partial_messageable(channel_id)
    # discord.py enforces a nonce that is given: a repeated try posts nothing more.
    nonce = secrets.token_hex(8)
    try:
        await wire.call(
            lambda: channel.send(embed=embed, view=view or discord.utils.MISSING, nonce=nonce)
        )
    except Exception as error:
        fields = {"action": "log_channel_failed", "channel_id": channel_id}
        log.warning("not posted in the log channel: %s", error, extra=fields)
