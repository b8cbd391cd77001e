"""Posts in a server's log channel, where its moderators are kept informed."""

import logging
import secrets

import discord

from bot.chat import trail, wire
from bot.chat.origin import spoken_here
from bot.chat.render import WORKING
from bot.chat.texts import Notice, Phrase, say
from bot.chat.wire import Interaction
from bot.domain.budgets import SHARES, BudgetShare
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


async def post_share(client: discord.Client, share: BudgetShare) -> bool:
    """
    Post how much of its budget a server has spent. What is repeated within minutes is posted once.

    Args:
        client: logged in; need not be connected.
    Returns:
        False: it did not get through, and may later.
    """
    guild, locale = client.get_guild(share.server_id), share.locale
    if not locale and guild is not None:
        locale = str(guild.preferred_locale)
    title, text = Phrase.BUDGET_SHARE, Notice.BUDGET_SPENT
    if share.percent == SHARES[-1]:
        title, text = Phrase.BUDGET_USED_UP, Notice.BUDGET_USED_UP
    embed = discord.Embed(colour=WORKING, title=say(title, locale, percent=share.percent))
    facts = {"spent_ucr": share.spent_ucr, "budget_ucr": share.budget_ucr}
    renewed_at = int(share.renewed_at.timestamp())
    embed.description = say(text, locale, **facts, renewed_at=renewed_at)
    nonce = f"budget-{share.renewed_at:%Y%m%d}-{share.percent}"
    return await post(client, share.channel_id, embed, nonce=nonce)
