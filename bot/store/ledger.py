"""Accounts and their entries: read, change within a transaction, audit."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.domain.credits import Microcredits
from bot.domain.jobs import Job, JobState
from bot.domain.ledger import (
    Account,
    Change,
    Entry,
    EntryKind,
    Period,
    latest_day,
    period_start,
    refill,
    release,
    settle,
)
from bot.store.schema import OF_A_JOB, accounts, entries, jobs

ACCOUNT = sa.select(accounts).where(
    accounts.c.server_id == sa.bindparam("server"), accounts.c.user_id == sa.bindparam("user")
)
NEW_ACCOUNT = sa.insert(accounts)
NEW_BALANCE = (
    sa.update(accounts)
    .where(
        accounts.c.server_id == sa.bindparam("server"), accounts.c.user_id == sa.bindparam("user")
    )
    .values(
        allowance_ucr=sa.bindparam("allowance"),
        grant_ucr=sa.bindparam("grant"),
        period_start=sa.bindparam("begun"),
    )
)
NEW_ENTRIES = sa.insert(entries)
OF_JOB = sa.select(entries).where(
    entries.c.job_id == sa.bindparam("job"), sa.text(f"entries.{OF_A_JOB}")
)
ALL_ENTRIES = sa.select(entries).order_by(entries.c.id)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What each account is refilled to, and how often."""

    amount_ucr: Microcredits
    period: Period

    def refill(self, account: Account, now: datetime) -> Change:
        start = period_start(now, self.period)
        return refill(account, self.amount_ucr, start, latest_day(now))


def show(
    tx: sa.Connection, server_id: int, user_id: int, allowance: Allowance, now: datetime
) -> Account:
    """The account as a command given now would find it; writes nothing."""
    return allowance.refill(read(tx, server_id, user_id), now)[0]


def read(tx: sa.Connection, server_id: int, user_id: int) -> Account:
    """The account as it stands; one that is not there yet has no period and nothing in it."""
    row = tx.execute(ACCOUNT, {"server": server_id, "user": user_id}).one_or_none()
    return Account(server_id, user_id) if row is None else Account(**row._mapping)


def apply(tx: sa.Connection, *changes: Change, now: datetime) -> Account:
    """Write changes that follow each other, balance and entries together."""
    explained_by = [_row(entry, now) for _, of_change in changes for entry in of_change]
    account = changes[-1][0]
    if not explained_by:
        return account
    if not _write_balance(tx, account):
        _open(tx, account)
    tx.execute(NEW_ENTRIES, explained_by)
    return account


def of_job(tx: sa.Connection, job_id: str) -> dict[EntryKind, Entry]:
    """What the ledger says of a job; each kind but `expire` stands there at most once."""
    return {entry.kind: entry for entry in map(_entry, tx.execute(OF_JOB, {"job": job_id}))}


def end_hold(
    tx: sa.Connection, allowance: Allowance, job: Job, cost: Microcredits | None, now: datetime
) -> None:
    """Settle at `cost`, or release where there is none."""
    held = of_job(tx, job.id)[EntryKind.HOLD]
    refilled = allowance.refill(read(tx, job.server_id, job.user_id), now)
    account = refilled[0]
    change = release(account, held) if cost is None else settle(account, held, cost)
    apply(tx, refilled, change, now=now)


def audit(tx: sa.Connection) -> list[str]:
    """Recompute balances, and what each job took, from the entries; each difference a sentence."""
    return _wrong_balances(tx) + _wrong_charges(tx)


def list_entries(tx: sa.Connection) -> list[tuple[datetime, Entry]]:
    """Every entry, oldest first: for a ledger small enough to print."""
    return [(row.created_at, _entry(row)) for row in tx.execute(ALL_ENTRIES)]


def _open(tx: sa.Connection, account: Account) -> None:
    tx.execute(
        NEW_ACCOUNT,
        {
            "server_id": account.server_id,
            "user_id": account.user_id,
            "allowance_ucr": account.allowance_ucr,
            "grant_ucr": account.grant_ucr,
            "period_start": account.period_start,
        },
    )


def _write_balance(tx: sa.Connection, account: Account) -> bool:
    """Returns whether the account is there."""
    updated = tx.execute(
        NEW_BALANCE,
        {
            "server": account.server_id,
            "user": account.user_id,
            "allowance": account.allowance_ucr,
            "grant": account.grant_ucr,
            "begun": account.period_start,
        },
    )
    return bool(updated.rowcount)


def _wrong_balances(tx: sa.Connection) -> list[str]:
    sums = (
        sa.select(
            entries.c.server_id,
            entries.c.user_id,
            sa.func.sum(entries.c.allowance_ucr).label("allowance_ucr"),
            sa.func.sum(entries.c.grant_ucr).label("grant_ucr"),
        )
        .group_by(entries.c.server_id, entries.c.user_id)
        .subquery()
    )
    joined = accounts.outerjoin(
        sums,
        (accounts.c.server_id == sums.c.server_id) & (accounts.c.user_id == sums.c.user_id),
    )
    explained = [
        sa.func.coalesce(sums.c.allowance_ucr, 0).label("allowance_explained"),
        sa.func.coalesce(sums.c.grant_ucr, 0).label("grant_explained"),
    ]
    rows = tx.execute(sa.select(accounts, *explained).select_from(joined))
    return [
        f"Member {row.user_id} in server {row.server_id}: {part} is {balance}, its entries"
        f" add up to {explanation}."
        for row in rows
        for part, balance, explanation in (
            ("allowance", row.allowance_ucr, row.allowance_explained),
            ("grant", row.grant_ucr, row.grant_explained),
        )
        if balance != explanation
    ]


def _wrong_charges(tx: sa.Connection) -> list[str]:
    """A job under way holds its quote, an ended one took its cost, a cancelled one nothing."""
    due = sa.case(
        (jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)), jobs.c.quote_ucr),
        else_=sa.func.coalesce(jobs.c.cost_ucr, 0),
    )
    taken = sa.func.coalesce(-sa.func.sum(entries.c.allowance_ucr + entries.c.grant_ucr), 0)
    rows = tx.execute(
        sa.select(jobs.c.id, jobs.c.state, due.label("due"), taken.label("taken"))
        .outerjoin(
            entries,
            # What expires on coming back was given back all the same.
            (entries.c.job_id == jobs.c.id) & (entries.c.kind != EntryKind.EXPIRE),
        )
        .group_by(jobs.c.id)
        .having(due != taken)
    )
    return [
        f"Job {row.id} is {row.state}: it should have taken {row.due},"
        f" its entries take {row.taken}."
        for row in rows
    ]


def _row(entry: Entry, now: datetime) -> dict[str, object]:
    return {
        "server_id": entry.server_id,
        "user_id": entry.user_id,
        "kind": entry.kind.value,
        "allowance_ucr": entry.allowance_ucr,
        "grant_ucr": entry.grant_ucr,
        "period_start": entry.period_start,
        "job_id": entry.job_id,
        "created_at": now,
    }


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    values = dict(row._mapping)
    return Entry(
        kind=EntryKind(values.pop("kind")),
        **{key: values[key] for key in values if key not in ("id", "created_at")},
    )
