"""What a month has cost before its budget was set: added up once, as the budget begins."""

from datetime import datetime

from bot.domain import rolling
from bot.domain.budgets import count_in
from bot.domain.credits import Microcredits
from bot.domain.jobs import JobState, ids_of_month
from bot.domain.ledger import (
    EVERYBODY,
    NOBODY,
    Account,
    Allowance,
    Change,
    Period,
    correct,
    period_start,
)
from bot.store.schema import OF_A_JOB
from bot.store.sql import Transaction

_HOLDS_NOTHING = f"""
    cost_ucr IS NULL AND state != '{JobState.CANCELLED}' AND NOT EXISTS (
        SELECT 1 FROM entries
        WHERE entries.job_id = jobs.id AND entries.{OF_A_JOB}
            AND entries.server_id = :server AND entries.user_id = {NOBODY}
    )
"""


def _of_month(server: str) -> list[str]:
    """What a month's jobs have cost, and those under way that hold nothing of the budget yet."""
    its = f"FROM jobs WHERE {server} id >= :first AND id < :end"
    return [
        f"SELECT coalesce(sum(cost_ucr), 0) {its}",
        f"SELECT id, quote_ucr {its} AND {_HOLDS_NOTHING} ORDER BY id",
    ]


#: in a server, and in all places
OF_SERVER = _of_month("server_id = :server AND")
OF_ALL = _of_month("")


def renew(tx: Transaction, account: Account, budget: Allowance, now: datetime) -> Change:
    """
    Bring the account of a budget up to now. Of a month that had no budget so far, what was asked
    for in it before counts as well.
    """
    renewal = rolling.renew(account, budget, now)
    if renewal[0].period_start == account.period_start:
        return renewal
    first, end = ids_of_month(period_start(now, Period.MONTH))
    given = {"server": account.server_id, "first": first, "end": end}
    is_for_all = (account.server_id, account.user_id) == EVERYBODY
    spent, under_way = OF_ALL if is_for_all else OF_SERVER
    spent_ucr = tx.scalar(spent, given)
    return count_in(
        renewal, spent_ucr, [(row.id, row.quote_ucr) for row in tx.rows(under_way, given)]
    )


def uncount(account: Account, job_id: str, cost: Microcredits) -> Change:
    """
    Give back what a job was charged that holds nothing of this budget: if it was asked for in the
    budget's month, it was counted as that began.
    """
    if account.period_start is None:
        return account, ()
    first, end = ids_of_month(account.period_start)
    return correct(account, cost, 0) if first <= job_id < end else (account, ())
