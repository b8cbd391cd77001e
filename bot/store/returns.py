"""What is to come back to allowances that roll, and what begins it."""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.domain.jobs import id_at
from bot.domain.ledger import Account, EntryKind, Return
from bot.domain.rolling import Charge
from bot.store.schema import OF_A_JOB, accounts, entries, jobs, returns

#: jobs that were asked for earlier were not charged within the last day, but for rare ones
OF_LATE = timedelta(days=2)

RETURNS = (
    sa.select(returns.c.id, returns.c.amount_ucr, returns.c.due_at)
    .where(returns.c.server_id == sa.bindparam("server"), returns.c.user_id == sa.bindparam("user"))
    .order_by(returns.c.due_at)
)
NEW_RETURNS = sa.insert(returns)
REMOVE_RETURNS = sa.delete(returns).where(returns.c.id == sa.bindparam("of_return"))
MOVED_OF_LATE = (
    sa.select(
        entries.c.job_id,
        entries.c.kind,
        entries.c.allowance_ucr,
        entries.c.period_start,
        entries.c.created_at,
    )
    .select_from(jobs.join(entries, entries.c.job_id == jobs.c.id))
    .where(
        jobs.c.server_id == sa.bindparam("server"),
        jobs.c.user_id == sa.bindparam("user"),
        jobs.c.id >= sa.bindparam("since"),
        sa.text(f"entries.{OF_A_JOB}"),
        entries.c.user_id == jobs.c.user_id,
    )
    .order_by(entries.c.id)
)


WRONG = (
    sa.select(
        returns.c.server_id,
        returns.c.user_id,
        sa.func.sum(returns.c.amount_ucr).label("to_come"),
        sa.func.max(accounts.c.allowance_ucr).label("left"),
        sa.func.max(accounts.c.refilled_to_ucr).label("given"),
    )
    .select_from(
        returns.outerjoin(
            accounts,
            (accounts.c.server_id == returns.c.server_id)
            & (accounts.c.user_id == returns.c.user_id),
        )
    )
    .group_by(returns.c.server_id, returns.c.user_id)
)


def wrong(tx: sa.Connection) -> list[str]:
    """A sentence on each account to which more is to come back than is gone of its allowance."""
    return [
        f"Member {row.user_id} in server {row.server_id}: {row.left or 0} is left and {row.to_come}"
        f" is to come back, of an allowance of {row.given or 0}."
        for row in tx.execute(WRONG)
        if (row.left or 0) + row.to_come > (row.given or 0)
    ]


def read(tx: sa.Connection, account: Account) -> Account:
    """The account with what is to come back to it, the next first."""
    given = {"server": account.server_id, "user": account.user_id}
    found = tuple(Return(row.amount_ucr, row.due_at, row.id) for row in tx.execute(RETURNS, given))
    return replace(account, returns=found, written=tuple(each.id or 0 for each in found))


def write(tx: sa.Connection, account: Account) -> None:
    """Write down what is new among what is to come back, and remove what is not there any more."""
    stay = {each.id for each in account.returns}
    gone = [{"of_return": each} for each in account.written if each not in stay]
    if gone:
        tx.execute(REMOVE_RETURNS, gone)
    new = [
        {
            "server_id": account.server_id,
            "user_id": account.user_id,
            "amount_ucr": each.amount_ucr,
            "due_at": each.due_at,
        }
        for each in account.returns
        if each.id is None
    ]
    if new:
        tx.execute(NEW_RETURNS, new)


def of_late(tx: sa.Connection, account: Account, now: datetime) -> list[Charge]:
    """What jobs of the last days took, or hold, of the allowance in its period."""
    given = {
        "server": account.server_id,
        "user": account.user_id,
        "since": id_at(now - OF_LATE),
    }
    taken: dict[str, int] = defaultdict(int)
    ended: dict[str, datetime] = {}
    for row in tx.execute(MOVED_OF_LATE, given):
        if row.kind == EntryKind.HOLD and row.period_start != account.period_start:
            # Of an older period, whose allowance has expired.
            continue
        if row.kind == EntryKind.HOLD or row.job_id in taken:
            taken[row.job_id] -= row.allowance_ucr
        if row.kind != EntryKind.HOLD:
            ended.setdefault(row.job_id, row.created_at)
    return [Charge(amount, ended.get(job_id)) for job_id, amount in taken.items() if amount > 0]
