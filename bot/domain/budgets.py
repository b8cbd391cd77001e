"""
Budgets: what a server, or all of them together, may spend in a month.

A budget is an account of nobody's, from which each job is held as from its member's. Its rule: what
is left is its amount less what the jobs of its month hold or have cost, whenever it was set.

- As an account begins a month, what was asked for in that month before counts as well.
- From then on each job is held from it until the month ends, also while there is no budget.
"""

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from bot.domain import ledger
from bot.domain.credits import Microcredits
from bot.domain.ledger import Account, Allowance, Change, EntryKind, Period

#: percent of a server's budget; when each is reached, the moderators are told
SHARES = (50, 80, 100)
#: more than any budget that can be set
NO_END = Allowance(Microcredits(10**15), Period.MONTH)


def without_end(account: Account, now: datetime) -> Allowance | None:
    """
    What the account of a budget is refilled to once the budget was taken away: until the month
    ends it goes on counting, and refuses nothing. None: it counts nothing.
    """
    return NO_END if account.period_start == ledger.period_start(now, Period.MONTH) else None


def limits_of_host(budget_ucr: Microcredits | None, server_id: int) -> list[tuple[int, int]]:
    """
    The budgets by which the host limits what jobs in a server cost, as (server id, user id). No
    refund of an image goes back to these: the vendor is paid for it, and whoever can have images
    paid back again and again, as by removing the bot's message, would make it pay without end.

    Args:
        budget_ucr: what the host lets each server spend; None: no limit.
    """
    of_server = [] if budget_ucr is None else [(server_id, ledger.NOBODY)]
    return [ledger.EVERYBODY, *of_server]


def count_in(renewal: Change, spent_ucr: int, under_way: Collection[tuple[str, int]]) -> Change:
    """
    An account that was just refilled, with what came before it in its period. It then is as if it
    had been there, and had been lowered to its amount.

    Args:
        spent_ucr: by jobs that have been charged.
        under_way: ids of those that are being made, and what each is to hold.
    """
    account, entries = renewal
    assert account.refilled_to is not None
    gone_ucr = spent_ucr + sum(quote_ucr for _, quote_ucr in under_way)
    given_ucr = Microcredits(max(account.refilled_to.amount_ucr, gone_ucr))
    steps = [ledger.adjust(account, replace(account.refilled_to, amount_ucr=given_ucr))]
    steps.append(ledger.give_or_take(steps[-1][0], -spent_ucr))
    for job_id, quote_ucr in under_way:
        steps.append(ledger.hold(steps[-1][0], job_id, Microcredits(quote_ucr)))
    return steps[-1][0], (*entries, *(entry for _, more in steps for entry in more))


def stay_spent(back: Change) -> Change:
    """A refund to a budget from which nothing may be spent again: it expires at once."""
    account, entries = back
    kept = sum(each.allowance_ucr for each in entries)
    if not kept:
        return back
    changed, expired = ledger.change(account, EntryKind.EXPIRE, -kept, 0, entries[0].job_id)
    return changed, entries + expired


class BudgetShare(Struct, frozen=True):
    """What a server has spent of its budget, for its moderators to be told."""

    server_id: int
    #: where they are told: the server's log channel
    channel_id: int
    #: language, as Discord names it; empty: the server's own
    locale: str
    #: the share that it has reached: 50, 80 or 100
    percent: int
    spent_ucr: int
    budget_ucr: int
    renewed_at: datetime


def share_reached(budget_ucr: int, spent_ucr: int, least_ucr: int) -> int:
    """
    The highest of SHARES that was spent; 0: none.

    Args:
        least_ucr: what a plain image costs; a rest that does not pay for one counts as spent.
    """
    if spent_ucr + max(least_ucr, 1) > budget_ucr:
        return SHARES[-1]
    return max((each for each in SHARES if spent_ucr * 100 >= budget_ucr * each), default=0)
