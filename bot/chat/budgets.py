"""Tells a server's moderators, in its log channel, how much of its budget is spent."""

import discord

from bot.chat import log_channel
from bot.chat.render import WORKING
from bot.chat.texts import Notice, Phrase, say
from bot.domain.ports import BudgetShare
from bot.domain.quota import SHARES


class BudgetPosts:
    """
    Args:
        client: logged in; need not be connected.
    """

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def post(self, share: BudgetShare) -> bool:
        guild, locale = self._client.get_guild(share.server_id), share.locale
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
        return await log_channel.post(self._client, share.channel_id, embed, nonce=nonce)
