"""Accounts and their entries: read, change within a transaction, audit."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from bot.domain import policy, rolling
from bot.domain.credits import Microcredits
from bot.domain.jobs import Job, JobState
from bot.domain.ledger import (
    NOBODY,
    Account,
    Allowance,
    Change,
    Entry,
    EntryKind,
    Period,
    Spending,
    Statement,
    release,
)
from bot.store import returns, settings
from bot.store.schema import IS_QUEUED, IS_WORKED_ON, OF_A_JOB, accounts, entries, jobs

#: spendings that a member is shown
SPENDINGS_SHOWN_MAX = 5
#: entries that are looked through for those that are shown
LATEST_MAX = 40

#: as `accounts.refill_period` has them, which has room for five letters
PERIOD_WORDS = {
    period: period.value[:4] if period is Period.ROLLING else period for period in Period
}
PERIODS = {str(word): period for period, word in PERIOD_WORDS.items()}

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
        refilled_to_ucr=sa.bindparam("refilled_to"),
        refill_period=sa.bindparam("period"),
    )
)
NEW_ENTRIES = sa.insert(entries)
OF_JOB = sa.select(entries).where(
    entries.c.job_id == sa.bindparam("job"), sa.text(f"entries.{OF_A_JOB}")
)
_of_member = (
    jobs.c.server_id == sa.bindparam("server"),
    jobs.c.user_id == sa.bindparam("user"),
)


def _held(condition: str) -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.coalesce(sa.func.sum(jobs.c.quote_ucr), 0))
        .where(sa.text(f"jobs.{condition}"), jobs.c.cost_ucr.is_(None), *_of_member)
        .scalar_subquery()
    )


#: of jobs that are queued and of those that are worked on, each by its own index
HELD = sa.select(sa.type_coerce(_held(IS_QUEUED) + _held(IS_WORKED_ON), sa.BigInteger))
SPENDINGS = (
    sa.select(jobs.c.created_at, jobs.c.cost_ucr)
    .where(jobs.c.cost_ucr > 0, *_of_member)
    .order_by(jobs.c.id.desc())
    .limit(SPENDINGS_SHOWN_MAX)
)
OF_ACCOUNT = (
    sa.select(entries)
    .where(entries.c.server_id == sa.bindparam("server"), entries.c.user_id == sa.bindparam("user"))
    .order_by(entries.c.id)
)
LATEST = (
    sa.select(entries)
    .where(entries.c.server_id == sa.bindparam("server"), entries.c.user_id == sa.bindparam("user"))
    .order_by(entries.c.id.desc())
    .limit(LATEST_MAX)
)
ALL_ENTRIES = sa.select(entries).order_by(entries.c.id)


def show(
    tx: sa.Connection,
    server_id: int,
    user_id: int,
    role_ids: Collection[int],
    default: Allowance,
    now: datetime,
) -> Account:
    """The account as a command given now would find it; writes nothing."""
    decided = settings.of_server(tx, server_id)
    allowance = policy.allowance(decided, role_ids, default)
    return renew(tx, read(tx, server_id, user_id), allowance, now)[0]


def statement(
    tx: sa.Connection,
    server_id: int,
    user_id: int,
    role_ids: Collection[int],
    default: Allowance,
    now: datetime,
) -> Statement:
    given = {"server": server_id, "user": user_id}
    spendings = tuple(
        Spending(row.created_at, row.cost_ucr) for row in tx.execute(SPENDINGS, given)
    )
    return Statement(
        show(tx, server_id, user_id, role_ids, default, now),
        tx.scalar(HELD, given) or 0,
        spendings,
        policy.best_role(settings.of_server(tx, server_id), role_ids),
        tuple((row.created_at, _entry(row)) for row in tx.execute(LATEST, given)),
    )


def read(tx: sa.Connection, server_id: int, user_id: int) -> Account:
    """The account as it stands; one that is not there yet has no period and nothing in it."""
    row = tx.execute(ACCOUNT, {"server": server_id, "user": user_id}).one_or_none()
    if row is None:
        return Account(server_id, user_id)
    account = Account(
        server_id,
        user_id,
        row.allowance_ucr,
        row.grant_ucr,
        row.period_start,
        None
        if row.refilled_to_ucr is None
        else Allowance(row.refilled_to_ucr, PERIODS[row.refill_period]),
    )
    return returns.read(tx, account) if account.rolls else account


def renew(tx: sa.Connection, account: Account, allowance: Allowance, now: datetime) -> Change:
    """Bring an account up to now, as a command finds it whose member has this allowance."""
    of_late = returns.of_late(tx, account, now) if rolling.begins(account, allowance) else ()
    return rolling.renew(account, allowance, now, of_late)


def renewed(
    tx: sa.Connection, server_id: int, user_id: int, default: Allowance, now: datetime
) -> Change:
    """
    The account, brought up to now by the allowance that it had the last time.

    Args:
        default: of an account that was written before this was remembered.
    """
    return rolling.keep_up(read(tx, server_id, user_id), default, now)


def apply(tx: sa.Connection, *changes: Change, now: datetime) -> Account:
    """Write changes that follow each other, balance and entries together."""
    explained_by = [_row(entry, now) for _, of_change in changes for entry in of_change]
    account = changes[-1][0]
    if not explained_by:
        return account
    if not _write_balance(tx, account):
        _open(tx, account)
    tx.execute(NEW_ENTRIES, explained_by)
    if account.rolls or account.written:
        returns.write(tx, account)
    return account


def of_job(
    tx: sa.Connection, job_id: str
) -> dict[tuple[int, int], dict[EntryKind, tuple[datetime, Entry]]]:
    """
    What the ledger says of a job, and since when, by server and member: of its member's account
    and of each budget that it was held from; each kind but `expire` stands there at most once for
    each.
    """
    found: dict[tuple[int, int], dict[EntryKind, tuple[datetime, Entry]]] = defaultdict(dict)
    for row in tx.execute(OF_JOB, {"job": job_id}):
        entry = _entry(row)
        found[entry.server_id, entry.user_id][entry.kind] = (row.created_at, entry)
    return found


def end_hold(
    tx: sa.Connection, default: Allowance, job: Job, cost: Microcredits | None, now: datetime
) -> None:
    """Settle at `cost`, or release where there is none; the member's account and the budgets."""
    for whose, its_entries in of_job(tx, job.id).items():
        _, held = its_entries[EntryKind.HOLD]
        account, refilled = renewed(tx, *whose, default, now)
        if cost is None:
            ending = release(account, held)
        else:
            ending = rolling.settle(account, held, cost, now)
        apply(tx, (account, refilled), ending, now=now)


def pay_back(tx: sa.Connection, default: Allowance, job_id: str, now: datetime) -> None:
    """Give back what a settled job was charged, to the member and to the budgets."""
    for whose, its_entries in of_job(tx, job_id).items():
        account, refilled = renewed(tx, *whose, default, now)
        _, held = its_entries[EntryKind.HOLD]
        settled_at, settled = its_entries[EntryKind.SETTLE]
        back = rolling.refund(account, held, settled, settled_at)
        apply(tx, (account, refilled), back, now=now)


def audit(tx: sa.Connection) -> list[str]:
    """
    Recompute balances, and what each job took, from the entries, and look whether more is to come
    back than can be; each difference a sentence.
    """
    return _wrong_balances(tx) + _wrong_charges(tx) + returns.wrong(tx)


def list_entries(tx: sa.Connection) -> list[tuple[datetime, Entry]]:
    """Every entry, oldest first: for a ledger small enough to print."""
    return [(row.created_at, _entry(row)) for row in tx.execute(ALL_ENTRIES)]


def entries_of(tx: sa.Connection, server_id: int, user_id: int) -> list[tuple[datetime, Entry]]:
    """Those of one account, oldest first."""
    rows = tx.execute(OF_ACCOUNT, {"server": server_id, "user": user_id})
    return [(row.created_at, _entry(row)) for row in rows]


def _open(tx: sa.Connection, account: Account) -> None:
    tx.execute(
        NEW_ACCOUNT,
        {
            "server_id": account.server_id,
            "user_id": account.user_id,
            "allowance_ucr": account.allowance_ucr,
            "grant_ucr": account.grant_ucr,
            "period_start": account.period_start,
            "refilled_to_ucr": account.refilled_to and account.refilled_to.amount_ucr,
            "refill_period": account.refilled_to and PERIOD_WORDS[account.refilled_to.period],
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
            "refilled_to": account.refilled_to and account.refilled_to.amount_ucr,
            "period": account.refilled_to and PERIOD_WORDS[account.refilled_to.period],
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
        f"{_whose(row.server_id, row.user_id)}: {part} is {balance}, its entries"
        f" add up to {explanation}."
        for row in rows
        for part, balance, explanation in (
            ("allowance", row.allowance_ucr, row.allowance_explained),
            ("grant", row.grant_ucr, row.grant_explained),
        )
        if balance != explanation
    ]


def _whose(server_id: int, user_id: int) -> str:
    if user_id == NOBODY:
        return f"The budget of server {server_id}" if server_id else "The budget of all servers"
    return f"Member {user_id} in server {server_id}"


def _wrong_charges(tx: sa.Connection) -> list[str]:
    """A job under way holds its quote, an ended one took its cost, a cancelled one nothing."""
    due = sa.case(
        (jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)), jobs.c.quote_ucr),
        else_=sa.func.coalesce(jobs.c.cost_ucr, 0),
    )
    taken = sa.func.coalesce(-sa.func.sum(entries.c.allowance_ucr + entries.c.grant_ucr), 0)
    # What expires on coming back was given back all the same.
    its_entries = (entries.c.job_id == jobs.c.id) & (entries.c.kind != EntryKind.EXPIRE)
    wrong = (
        sa.select(jobs.c.id, jobs.c.state, due.label("due"), taken.label("taken"))
        .group_by(jobs.c.id, entries.c.server_id)
        .having(due != taken)
    )
    of_members = wrong.outerjoin(entries, its_entries & (entries.c.user_id != NOBODY))
    # Not every job has a server with a budget.
    of_budgets = wrong.join(entries, its_entries & (entries.c.user_id == NOBODY))
    return [
        f"Job {row.id} is {row.state}: it should have taken {row.due}{whose},"
        f" its entries take {row.taken}."
        for statement, whose in ((of_members, ""), (of_budgets, " of a budget"))
        for row in tx.execute(statement)
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
        "by_id": entry.by_id,
        "reason": entry.reason,
        "created_at": now,
    }


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    values = dict(row._mapping)
    return Entry(
        kind=EntryKind(values.pop("kind")),
        **{key: values[key] for key in values if key not in ("id", "created_at")},
    )
