"""Posts in a server's log channel, where its moderators are kept informed."""

import logging
import secrets

import discord

from bot.chat import render, wire
from bot.chat.origin import spoken_here
from bot.chat.texts import Notice, Phrase, say, tell_cost, tell_name
from bot.chat.texts.markdown import inert
from bot.chat.wire import Interaction
from bot.domain.budgets import SHARES, BudgetShare
from bot.domain.oversight import Act, Action, Done
from bot.domain.quota import Amend

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
        embed = act_embed(done, link, spoken_here(interaction))
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
    embed = discord.Embed(colour=render.WORKING, title=say(title, locale, percent=share.percent))
    facts = {"spent_ucr": share.spent_ucr, "budget_ucr": share.budget_ucr}
    renewed_at = int(share.renewed_at.timestamp())
    embed.description = say(text, locale, **facts, renewed_at=renewed_at)
    nonce = f"budget-{share.renewed_at:%Y%m%d}-{share.percent}"
    return await post(client, share.channel_id, embed, nonce=nonce)


def act_embed(done: Done, link: str | None, locale: str) -> discord.Embed:
    """An act for the log channel. Only the trail says who reported, as others may read here."""
    act = done.act
    reported = act.action == Action.REPORT
    name = tell_name("acts", act.action, locale)
    title = say(Phrase.REPORTED_IMAGE, locale) if reported else name
    embed = discord.Embed(title=title, timestamp=act.created_at)
    if done.job and not done.job.request.private and act.action != Action.REMOVE:
        embed.description = render.quote_prompt(done.job.request)
    fields = {Phrase.BY_MODERATOR: "" if reported else render.author(act.by_id, locale)}
    fields[Phrase.OF_MEMBER] = render.mention(act.user_id, locale) if act.user_id else ""
    fields[Phrase.AMOUNT] = amount(act, locale) if act.amount_ucr else ""
    fields[Phrase.IMAGE] = link or ""
    if act.action == Action.BLOCK:
        ends = render.stamp(done.until, "f") if done.until else say(Phrase.NO_END, locale)
        fields[Phrase.LASTS_UNTIL] = ends
    fields[Phrase.REASON] = inert(act.reason)
    render.add_fields(embed, fields, locale)
    if act.job_id:
        embed.set_footer(text=act.job_id)
    return embed


def amount(act: Act, locale: str) -> str:
    """The act's amount; that of a correction says whether it was given or taken."""
    signed_ucr = act.amount_ucr or 0
    sign = ("-" if signed_ucr < 0 else "+") if act.action == Amend.CORRECT else ""
    return f"{sign}{tell_cost(abs(signed_ucr), locale)}"
