"""
Allowances that roll: what is spent comes back a day after it was spent.

In an account that rolls, what is left, what is to come back and what jobs hold add up to what it
is refilled to. All else follows from these rules:

- What a job is charged comes back a day after it was settled, as an entry `allowance`. What is
  released or refunded comes back at once; if it is back already, it expires.
- A raised allowance gives the difference at once. A lowered one takes the difference from what is
  left at once, and the rest from each part that comes back, because what is spent is spent.
- An account that begins to roll keeps what it has. What its period's jobs were charged within the
  last day comes back a day after the charge; what they were charged earlier, at once. What they
  still hold comes back when the period would have ended, or in a day if that is earlier; how they
  end then gives nothing more.
- An account that is to have periods again rolls on until the midnight after the first job that
  found it so. Then it is refilled, which includes what was to come back, less what was spent since
  the first day of its period.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct
from msgspec.structs import replace

from bot.domain import ledger
from bot.domain.credits import Microcredits
from bot.domain.ledger import (
    CLOCK_AHEAD_MAX,
    Account,
    Allowance,
    Change,
    Entry,
    EntryKind,
    Period,
    Return,
    latest_day,
    period_end,
)

#: time after which a part that was spent comes back
ROUND = timedelta(days=1)


class Charge(Struct, frozen=True):
    """What a recent job took of the allowance of its period."""

    amount_ucr: int
    #: None: it is still held
    settled_at: datetime | None


def renew(
    account: Account,
    allowance: Allowance,
    now: datetime,
    *,
    of_late: Sequence[Charge] = (),
    spent_ucr: int = 0,
) -> Change:
    """
    Bring the account up to now, for a command of a member who has this allowance.

    Args:
        of_late: what jobs took within the last day and longer; needed only if `begins`.
        spent_ucr: what is gone since the period's first day; needed only if `begins_period`.
    """
    if begins_period(account, allowance, now):
        return ledger.begin(replace(account, returns=()), allowance, spent_ucr, now)
    if begins(account, allowance):
        return _begin(account, allowance, now, of_late)
    if account.rolls:
        found_on = None if allowance.period is Period.ROLLING else _found_on(account, now)
        rolls_on = Allowance(allowance.amount_ucr, Period.ROLLING)
        return _roll_on(replace(account, period_start=found_on), rolls_on, now)
    return ledger.renew(account, allowance, now)


def begins(account: Account, allowance: Allowance) -> bool:
    """Whether the account begins to roll with this allowance."""
    return allowance.period is Period.ROLLING and not account.rolls


def begins_period(account: Account, allowance: Allowance, now: datetime) -> bool:
    """Whether the account begins with another kind of period than it had, or with one at all."""
    before = account.refilled_to
    if before is None or allowance.period in (before.period, Period.ROLLING):
        return False
    return not account.rolls or _found_on(account, now) < now.date()


def keep_up(account: Account, default: Allowance, now: datetime) -> Change:
    """
    Bring the account up to now by the allowance that it had the last time.

    Args:
        default: the allowance of an account that does not remember one.
    """
    if account.rolls:
        return _come_back(account, now)
    return renew(account, account.refilled_to or default, now)


def next_return(account: Account, amount_ucr: int) -> Return | None:
    """
    The part that comes back first, less what a lowered allowance takes of it.

    Args:
        amount_ucr: of the allowance in force.
    Returns:
        None: nothing comes back.
    """
    given_ucr = account.refilled_to.amount_ucr if account.refilled_to else 0
    taken_ucr = max(0, given_ucr - amount_ucr)
    for each in sorted(account.returns, key=lambda each: each.due_at):
        if each.amount_ucr > taken_ucr:
            return replace(each, amount_ucr=each.amount_ucr - taken_ucr)
        taken_ucr -= each.amount_ucr
    return None


def settle(account: Account, held: Entry, cost: Microcredits, now: datetime) -> Change:
    """
    Charge what the job cost, to the allowance first, and give back the rest of the hold.

    Raises:
        ValueError: the cost is more than was held.
    """
    settled, entries = ledger.settle(account, held, cost)
    if settled.rolls and held.period_start is None:
        settled = _owe(settled, min(cost, -held.allowance_ucr), now + ROUND)
    return settled, entries


def refund(account: Account, held: Entry, settled: Entry, settled_at: datetime) -> Change:
    """Give back what a settled job was charged; what is back already expires."""
    if not account.rolls:
        return ledger.refund(account, held, settled)
    charged, granted = ledger.charged_of(held, settled)
    awaited = (charged, settled_at + ROUND)
    waits = [each for each in account.returns if (each.amount_ucr, each.due_at) == awaited]
    if waits:
        others = tuple(each for each in account.returns if each is not waits[0])
        account = replace(account, returns=others)
    refunded, entries = ledger.change(account, EntryKind.REFUND, charged, granted, held.job_id)
    if charged and not waits:
        refunded, expired = ledger.change(refunded, EntryKind.EXPIRE, -charged, 0, held.job_id)
        entries += expired
    return refunded, entries


def correct(account: Account, amount_ucr: int, now: datetime) -> Change:
    """
    Correct what was found wrong. What is given is granted and does not expire. What is taken comes
    from grants first, and the rest from the allowance, which then refills as after a job.

    Args:
        amount_ucr: signed.
    Raises:
        ValueError: the account has less than is to be taken.
    """
    of_grant = max(amount_ucr, -account.grant_ucr)
    of_allowance = amount_ucr - of_grant
    corrected, entries = ledger.correct(account, of_allowance, of_grant)
    if corrected.rolls:
        corrected = _owe(corrected, -of_allowance, now + ROUND)
    return corrected, entries


def _begin(
    account: Account, allowance: Allowance, now: datetime, of_late: Sequence[Charge]
) -> Change:
    before = account.refilled_to or Allowance(allowance.amount_ucr, Period.DAY)
    ends_at = now
    if account.period_start is not None:
        ends_at = datetime.combine(period_end(account.period_start, before.period), time(), UTC)
    rolling = replace(
        account,
        period_start=None,
        refilled_to=Allowance(before.amount_ucr, Period.ROLLING),
        returns=(),
    )
    if ends_at > now:
        for charge in of_late:
            held_until = min(ends_at, now + ROUND)
            due_at = charge.settled_at + ROUND if charge.settled_at else held_until
            rolling = _owe(rolling, charge.amount_ucr, due_at)
    return _roll_on(_owe(rolling, rolling.room_ucr, now), allowance, now)


def _found_on(account: Account, now: datetime) -> date:
    """The day on which it was found that an account that rolls is to have periods again."""
    found_on = account.period_start
    return now.date() if found_on is None or found_on > latest_day(now) else found_on


def _roll_on(account: Account, allowance: Allowance, now: datetime) -> Change:
    """
    Args:
        allowance: a rolling one.
    """
    back, entries = _come_back(account, now)
    adjusted, more = ledger.adjust(back, allowance)
    return adjusted, entries + more


def _come_back(account: Account, now: datetime) -> Change:
    """Give back what is due, and what a clock that was ahead has put off for too long."""
    latest = now + ROUND + CLOCK_AHEAD_MAX
    waiting = tuple(each for each in account.returns if now < each.due_at <= latest)
    if waiting == account.returns:
        return account, ()
    due = sum(each.amount_ucr for each in account.returns if each not in waiting)
    return ledger.change(replace(account, returns=waiting), EntryKind.ALLOWANCE, due, 0)


def _owe(account: Account, amount_ucr: int, due_at: datetime) -> Account:
    """Let a spent amount come back, except for what is to come back already."""
    amount = min(amount_ucr, account.room_ucr)
    if amount <= 0:
        return account
    return replace(account, returns=(*account.returns, Return(amount, due_at)))
