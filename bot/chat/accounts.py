"""A member's account, as the member and the server's moderators see it."""

from collections.abc import Sequence
from datetime import datetime

import discord

from bot.chat.render import WORKING, add_fields, author, stamp
from bot.chat.texts import Phrase, paired, say, tell_cost, tell_name
from bot.chat.texts.markdown import FIELD_CHARS_MAX, fitting, inert
from bot.domain import rolling
from bot.domain.ledger import Allowance, Entry, EntryKind, Period, Statement


def shown(told: Statement, title: str, now: datetime, locale: str) -> discord.Embed:
    """
    Show what is left, where the allowance comes from, and what is held.

    Args:
        told: the account as a command given now would find it.
    """
    embed = discord.Embed(colour=WORKING, title=title)
    lines = [_allowance(told, now, locale), _source(told, locale)]
    name = tell_name("settings", "allowance_ucr", locale)
    embed.add_field(name=name, value="\n".join(lines))
    fields = {}
    if told.account.grant_ucr:
        fields[Phrase.GRANTED] = say(Phrase.GRANT_LEFT, locale, left_ucr=told.account.grant_ucr)
    if told.held_ucr:
        fields[Phrase.HELD_NOW] = say(Phrase.HELD_FOR, locale, held_ucr=told.held_ucr)
    add_fields(embed, fields, locale)
    return embed


def add_entries(
    embed: discord.Embed, entries: Sequence[tuple[datetime, Entry]], locale: str
) -> None:
    """
    Add the latest entries to the embed, with who wrote them and why.

    Args:
        entries: newest first.
    """
    lines = [_line(at, entry, locale) for at, entry in entries]
    text, _ = fitting(lines, FIELD_CHARS_MAX)
    add_fields(embed, {Phrase.LATEST_ENTRIES: text}, locale, inline=False)


def _allowance(told: Statement, now: datetime, locale: str) -> str:
    account, allowance = told.account, told.account.refilled_to
    assert allowance is not None
    facts = {"left_ucr": account.allowance_ucr, "amount_ucr": told.amount_ucr}
    if allowance.period is not Period.ROLLING:
        refills_at = int(allowance.refills_at(now).timestamp())
        return say(Phrase.ALLOWANCE_LEFT, locale, **facts, refills_at=refills_at)
    text = say(Phrase.ALLOWANCE_ROLLS, locale, **facts)
    back = rolling.next_return(account, told.amount_ucr)
    if back is None:
        return text
    when = {"back_ucr": back.amount_ucr, "back_at": int(back.due_at.timestamp())}
    return f"{text}\n{say(Phrase.NEXT_BACK, locale, **when)}"


def _source(told: Statement, locale: str) -> str:
    if told.role_id is not None:
        role = role_name(told.role_id, told.account.server_id)
        return say(Phrase.BY_ROLE, locale, role=role)
    return decider(locale, by_server=told.by_server)


def budget_left(budget: Allowance, left_ucr: int, now: datetime, locale: str) -> str:
    """What is left of a server's budget."""
    renewed_at = int(budget.refills_at(now).timestamp())
    facts = {"left_ucr": left_ucr, "amount_ucr": budget.amount_ucr}
    return say(Phrase.BUDGET_LEFT, locale, **facts, renewed_at=renewed_at)


def decider(locale: str, *, by_server: bool) -> str:
    """Who decided what the server's members get."""
    return say(Phrase.BY_SERVER if by_server else Phrase.BY_HOST, locale)


def role_name(role_id: int, server_id: int) -> str:
    """A mention of the role; the one of all members, which has the server's id, by its name."""
    return "@everyone" if role_id == server_id else f"<@&{role_id}>"


def _line(at: datetime, entry: Entry, locale: str) -> str:
    amount = entry.allowance_ucr + entry.grant_ucr
    revoked = entry.kind is EntryKind.GRANT and amount < 0
    kind = tell_name("entries", "revoke" if revoked else entry.kind, locale)
    sign = "-" if amount < 0 else "+"
    line = f"{stamp(at)} {sign}{tell_cost(abs(amount), locale)} · {kind}"
    if entry.by_id is not None:
        line += f" · {author(entry.by_id, locale)}"
    if entry.reason:
        line = paired(line, inert(entry.reason), locale)
    return line
