"""Posts in a server's log channel, where its moderators are kept informed."""

import secrets

import discord

from bot.chat import trail, wire
from bot.chat.intake import spoken_here
from bot.chat.wire import Interaction
from bot.domain.oversight import Done


async def post(
    client: discord.Client,
    channel_id: int,
    embed: discord.Embed,
    view: discord.ui.View | None = None,
) -> None:
    """
    Post once and mention nobody; a failure is logged, never raised.

    Args:
        channel_id: 0: nowhere.
    """
    if not channel_id:
        return
    channel = client.get_partial_messageable(channel_id)
    # discord.py has Discord enforce the nonce, so a repeated call posts nothing.
    nonce = secrets.token_hex(12)
    with wire.logged("not posted in the log channel", "log_channel_failed", channel_id=channel_id):
        await wire.call(
            lambda: channel.send(
                embed=embed,
                view=wire.or_missing(view),
                nonce=nonce,
                allowed_mentions=discord.AllowedMentions.none(),
            )
        )


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
