"""Which servers have spent how much of their budgets, and which notices of it were posted."""

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from bot.domain import policy
from bot.domain.credits import Microcredits
from bot.domain.ledger import NOBODY, EntryKind, Period, period_start
from bot.domain.quota import share_reached
from bot.store import settings
from bot.store.jobs import House
from bot.store.schema import (
    IS_QUEUED,
    IS_WORKED_ON,
    accounts,
    entries,
    jobs,
    notices,
    server_settings,
)

_told = (
    sa.select(sa.func.coalesce(sa.func.max(notices.c.percent), 0))
    .where(
        notices.c.server_id == server_settings.c.server_id,
        notices.c.period_start == sa.bindparam("month"),
    )
    .scalar_subquery()
)
#: servers with a place for notices that have held something of a budget this month
WATCHED = (
    sa.select(
        server_settings.c.server_id,
        accounts.c.allowance_ucr,
        accounts.c.refilled_to_ucr,
        _told.label("told"),
    )
    .select_from(
        server_settings.join(
            accounts,
            (accounts.c.server_id == server_settings.c.server_id) & (accounts.c.user_id == NOBODY),
        )
    )
    .where(
        server_settings.c.name == "log_channel_id",
        server_settings.c.value != "0",
        accounts.c.period_start == sa.bindparam("month"),
    )
)


def _held(condition: str) -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.coalesce(-sa.func.sum(entries.c.allowance_ucr), 0))
        .select_from(jobs.join(entries, entries.c.job_id == jobs.c.id))
        .where(
            sa.text(f"jobs.{condition}"),
            jobs.c.server_id == sa.bindparam("server"),
            jobs.c.cost_ucr.is_(None),
            entries.c.server_id == sa.bindparam("server"),
            entries.c.user_id == NOBODY,
            entries.c.kind == EntryKind.HOLD,
            entries.c.period_start == sa.bindparam("month"),
        )
        .scalar_subquery()
    )


#: of a server's budget this month, what jobs under way hold
HELD = sa.select(sa.type_coerce(_held(IS_QUEUED) + _held(IS_WORKED_ON), sa.BigInteger))
_is_told = sa.exists().where(
    notices.c.server_id == sa.bindparam("server"),
    notices.c.period_start == sa.bindparam("month"),
    notices.c.percent >= sa.bindparam("share"),
)
TELL = sa.insert(notices).from_select(
    ["server_id", "period_start", "percent"],
    sa.select(
        sa.bindparam("server", type_=sa.BigInteger),
        sa.bindparam("month", type_=sa.Date),
        sa.bindparam("share", type_=sa.Integer),
    ).where(~_is_told),
)


@dataclass(frozen=True, slots=True)
class Spent:
    """A server whose moderators are to be told what it has spent of its budget."""

    server_id: int
    #: where they are told
    channel_id: int
    #: as Discord names it; empty: the server's own
    locale: str
    percent: int
    spent_ucr: int
    budget_ucr: int
    #: first day of the month
    month: date


def reached(tx: sa.Connection, house: House, least_ucr: Microcredits, now: datetime) -> list[Spent]:
    """
    Servers that have spent a share of their budgets of which nothing was posted this month.

    Args:
        least_ucr: what a plain image costs.
    """
    month = period_start(now, Period.MONTH)
    found = []
    for row in tx.execute(WATCHED, {"month": month}).all():
        gone_ucr = row.refilled_to_ucr - row.allowance_ucr
        if share_reached(row.refilled_to_ucr, gone_ucr, least_ucr) <= row.told:
            continue
        decided = settings.of_server(tx, row.server_id)
        budget = policy.budget(decided, house.budget_ucr)
        if budget is None:
            continue
        held_ucr = tx.scalar(HELD, {"server": row.server_id, "month": month}) or 0
        spent_ucr = gone_ucr - held_ucr
        percent = share_reached(budget.amount_ucr, spent_ucr, least_ucr)
        if percent > row.told:
            found.append(
                Spent(
                    row.server_id,
                    decided.log_channel_id,
                    decided.locale,
                    percent,
                    spent_ucr,
                    budget.amount_ucr,
                    month,
                )
            )
    return found


def tell(tx: sa.Connection, spent: Spent) -> bool:
    """Whether the notice is this caller's to post: nobody else has, this month."""
    given = {"server": spent.server_id, "month": spent.month, "share": spent.percent}
    return bool(tx.execute(TELL, given).rowcount)
