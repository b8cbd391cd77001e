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

_OF_MONTH = "id >= :first AND id < :end"
_HOLDS_NOTHING = f"""
    cost_ucr IS NULL AND state != '{JobState.CANCELLED}' AND NOT EXISTS (
        SELECT 1 FROM entries
        WHERE entries.job_id = jobs.id AND entries.{OF_A_JOB}
            AND entries.server_id = :server AND entries.user_id = {NOBODY}
    )
"""
#: what a month's jobs have cost, in a server and in all places
SPENT = f"SELECT coalesce(sum(cost_ucr), 0) FROM jobs WHERE server_id = :server AND {_OF_MONTH}"
SPENT_BY_ALL = f"SELECT coalesce(sum(cost_ucr), 0) FROM jobs WHERE {_OF_MONTH}"
#: those that are being made, and hold nothing of the budget yet
UNDER_WAY = f"""
    SELECT id, quote_ucr FROM jobs
    WHERE server_id = :server AND {_OF_MONTH} AND {_HOLDS_NOTHING} ORDER BY id
"""
UNDER_WAY_OF_ALL = f"""
    SELECT id, quote_ucr FROM jobs WHERE {_OF_MONTH} AND {_HOLDS_NOTHING} ORDER BY id
"""


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
    of_all = (account.server_id, account.user_id) == EVERYBODY
    spent_ucr = tx.scalar(SPENT_BY_ALL if of_all else SPENT, given)
    under_way = tx.rows(UNDER_WAY_OF_ALL if of_all else UNDER_WAY, given)
    return count_in(renewal, spent_ucr, [(row.id, row.quote_ucr) for row in under_way])


def uncount(account: Account, job_id: str, cost: Microcredits) -> Change:
    """
    Give back what a job was charged that holds nothing of this budget: if it was asked for in the
    budget's month, it was counted as that began.
    """
    if account.period_start is None:
        return account, ()
    first, end = ids_of_month(account.period_start)
    return correct(account, cost, 0) if first <= job_id < end else (account, ())
