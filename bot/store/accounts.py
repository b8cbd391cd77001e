"""Accounts and their entries: read, change within a transaction, audit."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.credits import Microcredits
from bot.domain.jobs import JobState
from bot.domain.ledger import (
    Account,
    Change,
    Entry,
    EntryKind,
    Period,
    latest_day,
    period_start,
    refill,
)
from bot.store.database import Database
from bot.store.schema import accounts, entries, jobs


class AccountStore:
    def __init__(self, database: Database, allowance: Microcredits, period: Period) -> None:
        self._database = database
        self._allowance = allowance
        self._period = period

    async def show(self, server_id: int, user_id: int, now: datetime) -> Account:
        """The account as a command given now would find it; writes nothing."""
        async with self._database.reading() as connection:
            account = await self._read(connection, server_id, user_id)
        return self._refill(account, now)[0]

    async def open(
        self, connection: AsyncConnection, server_id: int, user_id: int, now: datetime
    ) -> Account:
        """The account, created or refilled if that is due."""
        account = await self._read(connection, server_id, user_id)
        return await self.apply(connection, self._refill(account, now), now)

    async def apply(self, connection: AsyncConnection, change: Change, now: datetime) -> Account:
        """Write a change: balance and entries together."""
        account, explained_by = change
        if not explained_by:
            return account
        values = {
            "allowance_ucr": account.allowance_ucr,
            "grant_ucr": account.grant_ucr,
            "period_start": account.period_start,
        }
        updated = await connection.execute(
            sa.update(accounts)
            .where(accounts.c.server_id == account.server_id, accounts.c.user_id == account.user_id)
            .values(values)
        )
        if not updated.rowcount:
            await connection.execute(
                sa.insert(accounts).values(
                    server_id=account.server_id, user_id=account.user_id, **values
                )
            )
        await connection.execute(sa.insert(entries), [_row(entry, now) for entry in explained_by])
        return account

    async def job_entries(self, connection: AsyncConnection, job_id: str) -> dict[EntryKind, Entry]:
        """What the ledger says of a job; each kind but `expire` stands there at most once."""
        rows = await connection.execute(sa.select(entries).where(entries.c.job_id == job_id))
        return {entry.kind: entry for entry in map(_entry, rows)}

    async def _read(self, connection: AsyncConnection, server_id: int, user_id: int) -> Account:
        row = (
            await connection.execute(
                sa.select(accounts).where(
                    accounts.c.server_id == server_id, accounts.c.user_id == user_id
                )
            )
        ).one_or_none()
        return Account(server_id, user_id) if row is None else Account(**row._mapping)

    def _refill(self, account: Account, now: datetime) -> Change:
        start = period_start(now, self._period)
        return refill(account, self._allowance, start, latest_day(now))


async def audit(database: Database) -> list[str]:
    """Recompute balances, and what each job took, from the entries; each difference a sentence."""
    async with database.reading() as connection:
        return await _wrong_balances(connection) + await _wrong_charges(connection)


async def _wrong_balances(connection: AsyncConnection) -> list[str]:
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
    rows = await connection.execute(sa.select(accounts, *explained).select_from(joined))
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


async def _wrong_charges(connection: AsyncConnection) -> list[str]:
    """A job under way holds its quote, an ended one took its cost, a cancelled one nothing."""
    due = sa.case(
        (jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)), jobs.c.quote_ucr),
        else_=sa.func.coalesce(jobs.c.cost_ucr, 0),
    )
    taken = sa.func.coalesce(-sa.func.sum(entries.c.allowance_ucr + entries.c.grant_ucr), 0)
    rows = await connection.execute(
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


async def list_entries(database: Database) -> list[tuple[datetime, Entry]]:
    """Every entry, oldest first: for a ledger small enough to print."""
    async with database.reading() as connection:
        rows = await connection.execute(sa.select(entries).order_by(entries.c.id))
        return [(row.created_at, _entry(row)) for row in rows]


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
