"""Tells a server's moderators, in its log channel, how much of its budget is spent."""

import discord

from bot.chat import log_channel
from bot.chat.render import WORKING
from bot.chat.texts import Notice, Phrase, say
from bot.domain.ports import BudgetShare
from bot.domain.quota import SHARES


async def post_share(client: discord.Client, share: BudgetShare) -> bool:
    """
    Post a notice; a failure to do so is logged, never raised. What is repeated within minutes is
    posted once.

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
    return await log_channel.post(client, share.channel_id, embed, nonce=nonce)
