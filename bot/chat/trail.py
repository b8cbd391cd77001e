"""Tells moderators, in lists and in the log channel, what moderators did."""

import discord

from bot.chat import render
from bot.chat.texts import Phrase, say, tell_cost, tell_name
from bot.chat.texts.markdown import inert, shortened
from bot.domain.oversight import Act, Action, Block, Done
from bot.domain.quota import Amend

#: characters of a reason in a line of a list
LINE_REASON_CHARS, LINE_REASON_BYTES = 90, 270


def act_line(act: Act, locale: str) -> str:
    at, by = render.stamp(act.created_at, "f"), render.author(act.by_id, locale)
    parts = [at, by, f"**{tell_name('acts', act.action, locale)}**"]
    if act.user_id:
        parts.append(render.mention(act.user_id, locale))
    if act.amount_ucr:
        parts.append(_amount(act, locale))
    if act.job_id:
        parts.append(f"`{act.job_id[-6:]}`")
    return " · ".join([*parts, *_shortened(act.reason)])


def block_line(block: Block, locale: str) -> str:
    ends = render.stamp(block.until) if block.until else say(Phrase.NO_END, locale)
    by = render.author(block.by_id, locale)
    return " · ".join([f"<@{block.user_id}>", ends, by, *_shortened(block.reason)])


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
    fields[Phrase.AMOUNT] = _amount(act, locale) if act.amount_ucr else ""
    fields[Phrase.IMAGE] = link or ""
    if act.action == Action.BLOCK:
        ends = render.stamp(done.until, "f") if done.until else say(Phrase.NO_END, locale)
        fields[Phrase.LASTS_UNTIL] = ends
    fields[Phrase.REASON] = inert(act.reason)
    render.add_fields(embed, fields, locale)
    if act.job_id:
        embed.set_footer(text=act.job_id)
    return embed


def _amount(act: Act, locale: str) -> str:
    """The act's amount; that of a correction says whether it was given or taken."""
    amount = act.amount_ucr or 0
    sign = ("-" if amount < 0 else "+") if act.action == Amend.CORRECT else ""
    return f"{sign}{tell_cost(abs(amount), locale)}"


def _shortened(reason: str) -> list[str]:
    shown = inert(shortened(reason, LINE_REASON_CHARS, LINE_REASON_BYTES))
    return [shown] if shown else []
