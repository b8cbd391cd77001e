"""Posts in a server's log channel, where its moderators are kept informed."""

import logging
import secrets

import discord

from bot.chat import trail, wire
from bot.chat.intake import spoken_here
from bot.chat.wire import Interaction
from bot.domain.oversight import Done

log = logging.getLogger(__name__)


async def post(
    client: discord.Client,
    channel_id: int,
    embed: discord.Embed,
    view: discord.ui.View | None = None,
    nonce: str = "",
) -> bool:
    """
    Post once and mention nobody; a failure is logged, never raised.

    Args:
        channel_id: 0: nowhere.
        nonce: within minutes, Discord takes it once in a channel; empty: a new one.
    Returns:
        False: it did not get through, and may later.
    """
    if not channel_id:
        return True
    channel = client.get_partial_messageable(channel_id)
    # discord.py has Discord enforce the nonce, so a repeated call posts nothing.
    nonce = nonce or secrets.token_hex(12)
    try:
        await wire.call(
            lambda: channel.send(
                embed=embed,
                view=wire.or_missing(view),
                nonce=nonce,
                allowed_mentions=discord.AllowedMentions.none(),
            )
        )
    except wire.CallFailed as error:
        fields = {"action": "log_channel_failed", "channel_id": channel_id}
        log.warning("not posted in the log channel: %s", error, extra=fields)
        return error.trouble is not wire.Trouble.DOWN
    return True


async def tell(interaction: Interaction, done: Done | None, link: str | None = None) -> None:
    """
    Post what was done in the server.

    Args:
        done: None: nothing was done, and nothing is posted.
        link: leads to a message that shows the result.
    """
    if done is not None:
        embed = trail.act_embed(done, link, spoken_here(interaction))
        await post(interaction.client, done.log_channel_id, embed)
