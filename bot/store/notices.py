"""How much servers have spent of their budgets, and which notices of that were posted."""

from datetime import datetime

from bot.domain import policy
from bot.domain.budgets import BudgetShare, share_reached
from bot.domain.credits import Microcredits
from bot.domain.ledger import NOBODY, EntryKind, Period, period_start
from bot.domain.settings import read_settings
from bot.store import settings
from bot.store.jobs import House
from bot.store.schema import IS_QUEUED, IS_WORKED_ON, OF_A_JOB
from bot.store.sql import Transaction, insert

#: servers with a log channel and a budget that was held from this month
WATCHED = f"""
    SELECT
        server_settings.server_id,
        accounts.allowance_ucr,
        accounts.refilled_to_ucr,
        (
            SELECT coalesce(max(notices.percent), 0) FROM notices
            WHERE notices.server_id = server_settings.server_id AND notices.period_start = :month
        ) AS told,
        (
            SELECT decided.value FROM server_settings AS decided
            WHERE decided.server_id = server_settings.server_id AND decided.name = 'budget_ucr'
        ) AS budget
    FROM server_settings
    JOIN accounts
        ON accounts.server_id = server_settings.server_id AND accounts.user_id = {NOBODY}
    WHERE server_settings.name = 'log_channel_id' AND server_settings.value != '0'
        AND accounts.period_start = :month
"""


def _held(condition: str) -> str:
    return f"""(
        SELECT coalesce(-sum(entries.allowance_ucr), 0)
        FROM jobs CROSS JOIN entries
        WHERE jobs.{condition} AND +jobs.server_id = :server AND jobs.cost_ucr IS NULL
            AND entries.job_id = jobs.id AND entries.{OF_A_JOB}
            AND entries.server_id = :server AND entries.user_id = {NOBODY}
            AND entries.kind = '{EntryKind.HOLD}' AND entries.period_start = :month
    )"""


#: What jobs under way hold of a server's budget for the month. CROSS JOIN: SQLite begins with them.
HELD = f"SELECT {_held(IS_QUEUED)} + {_held(IS_WORKED_ON)}"
TOLD = f"{insert('notices', 'server_id', 'period_start', 'percent')} ON CONFLICT DO NOTHING"


def reached(
    tx: Transaction, house: House, least_ucr: Microcredits, now: datetime
) -> list[BudgetShare]:
    """
    Servers that have spent a share of their budgets for which no notice was posted this month.

    Args:
        least_ucr: what a plain image costs.
    """
    month = period_start(now, Period.MONTH)
    found = []
    for row in list(tx.rows(WATCHED, {"month": month})):
        # The account follows a changed budget only with its next job, so it is not asked for it.
        budget = policy.budget(read_settings({"budget_ucr": row.budget or ""}), house.budget_ucr)
        gone_ucr = row.refilled_to_ucr - row.allowance_ucr
        if budget is None or share_reached(budget.amount_ucr, gone_ucr, least_ucr) <= row.told:
            continue
        held_ucr = tx.scalar(HELD, {"server": row.server_id, "month": month})
        spent_ucr = gone_ucr - held_ucr
        percent = share_reached(budget.amount_ucr, spent_ucr, least_ucr)
        if percent > row.told:
            decided = settings.of_server(tx, row.server_id)
            found.append(
                BudgetShare(
                    row.server_id,
                    decided.log_channel_id,
                    decided.locale,
                    percent,
                    spent_ucr,
                    budget.amount_ucr,
                    budget.refills_at(now),
                )
            )
    return found


def told(tx: Transaction, share: BudgetShare, now: datetime) -> None:
    """
    Record that a notice was posted.

    Args:
        now: as its share was read.
    """
    month = period_start(now, Period.MONTH)
    given = {"server_id": share.server_id, "period_start": month, "percent": share.percent}
    tx.execute(TOLD, given)
