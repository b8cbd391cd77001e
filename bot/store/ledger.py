"""Accounts and their entries: read, change within a transaction, audit."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from msgspec.structs import asdict

from bot.domain import rolling
from bot.domain.budgets import stay_spent
from bot.domain.credits import Microcredits
from bot.domain.jobs import Job, JobState
from bot.domain.ledger import (
    EVERYBODY,
    NOBODY,
    Account,
    Allowance,
    Change,
    Entry,
    EntryKind,
    Period,
    Spending,
    Statement,
    period_start,
    release,
)
from bot.store import budgets, returns
from bot.store.schema import IS_QUEUED, IS_WORKED_ON, OF_A_JOB
from bot.store.sql import Row, Transaction, insert, one_of, read_as, upsert

#: spendings that a member is shown
SPENDINGS_SHOWN_MAX = 5
#: latest entries that are shown
ENTRIES_SHOWN_MAX = 8

#: period -> its word in `accounts.refill_period`, which has room for five letters
PERIOD_WORDS = {
    period: period.value[:4] if period is Period.ROLLING else period for period in Period
}
PERIODS = {str(word): period for period, word in PERIOD_WORDS.items()}

#: the columns that `_entry` needs
ENTRY = (
    "server_id, user_id, kind, allowance_ucr, grant_ucr, period_start, job_id, by_id, reason,"
    " created_at"
)
_OF_ACCOUNT = "WHERE server_id = :server AND user_id = :user"

_WHOSE = ("server_id", "user_id")
#: the columns that `_account` needs beside them, and `_balance` gives
_BALANCE = ("allowance_ucr", "grant_ucr", "period_start", "refilled_to_ucr", "refill_period")
_ACCOUNTS = f"SELECT {', '.join(_WHOSE + _BALANCE)} FROM accounts"
ACCOUNT = f"{_ACCOUNTS} {_OF_ACCOUNT}"
#: a member's account and those of budgets; in direct messages, where they have another one, too
PURSES = f"{_ACCOUNTS} WHERE server_id IN (:server, 0) AND user_id IN (:user, {NOBODY})"
SET_BALANCE = upsert("accounts", _WHOSE, *_BALANCE)
NEW_ENTRY = insert("entries", *ENTRY.split(", "))
OF_JOB = f"SELECT {ENTRY} FROM entries WHERE job_id = :job AND {OF_A_JOB}"
#: The servers where somebody has an account, and last null. A server has many accounts, so this
#: leaps from one server to the next by their key, which begins with the server.
SERVERS = """
    servers(id) AS (
        SELECT min(server_id) FROM accounts
        UNION ALL
        SELECT (SELECT min(server_id) FROM accounts WHERE server_id > servers.id)
        FROM servers WHERE servers.id IS NOT NULL
    )
"""


def _held(condition: str) -> str:
    return f"""
        SELECT coalesce(sum(quote_ucr), 0) FROM jobs
        WHERE {condition} AND +server_id = :server AND +user_id = :user AND cost_ucr IS NULL
    """


#: what queued jobs hold, and those that are worked on, each read by its own index
HELD = f"SELECT ({_held(IS_QUEUED)}) + ({_held(IS_WORKED_ON)})"
SPENDINGS = f"""
    SELECT created_at AS asked_at, cost_ucr FROM jobs {_OF_ACCOUNT} AND cost_ucr > 0
    ORDER BY id DESC LIMIT {SPENDINGS_SHOWN_MAX}
"""
OF_ACCOUNT = f"SELECT {ENTRY} FROM entries {_OF_ACCOUNT} ORDER BY id"
#: a job that cost all that was held has an entry that moves nothing
_MOVED = f"SELECT {ENTRY} FROM entries {_OF_ACCOUNT} AND (allowance_ucr != 0 OR grant_ucr != 0)"
_LAST = f"ORDER BY id DESC LIMIT {ENTRIES_SHOWN_MAX}"
LATEST = f"{_MOVED} {_LAST}"
_PARTS_OF_COSTS = one_of("kind", (EntryKind.HOLD, EntryKind.SETTLE, EntryKind.RELEASE))
LATEST_OTHERS = f"{_MOVED} AND NOT {_PARTS_OF_COSTS} {_LAST}"
ALL_ENTRIES = f"SELECT {ENTRY} FROM entries ORDER BY id"
BALANCES = """
    SELECT accounts.server_id, accounts.user_id, accounts.allowance_ucr, accounts.grant_ucr,
        coalesce(sum(entries.allowance_ucr), 0) AS allowance_explained,
        coalesce(sum(entries.grant_ucr), 0) AS grant_explained
    FROM accounts LEFT JOIN entries
        ON entries.server_id = accounts.server_id AND entries.user_id = accounts.user_id
    GROUP BY accounts.server_id, accounts.user_id, accounts.allowance_ucr, accounts.grant_ucr
"""


def _charges(entries: str) -> str:
    """
    The jobs that took another amount than they should: the quote while their images are being made,
    then the cost; nothing if cancelled. What expired on coming back counts as given back.
    """
    due = f"""
        CASE WHEN {one_of("jobs.state", (JobState.QUEUED, JobState.RUNNING))} THEN jobs.quote_ucr
        ELSE coalesce(jobs.cost_ucr, 0) END
    """
    taken = "coalesce(-sum(entries.allowance_ucr + entries.grant_ucr), 0)"
    return f"""
        SELECT jobs.id, jobs.state, {due} AS due, {taken} AS taken
        FROM jobs {entries}
            AND entries.job_id = jobs.id AND entries.kind != '{EntryKind.EXPIRE}'
        GROUP BY jobs.id, entries.server_id
        HAVING {due} != {taken}
    """


OF_MEMBERS = _charges(f"LEFT JOIN entries ON entries.user_id != {NOBODY}")
#: an inner join, because not every job's server has a budget
OF_BUDGETS = _charges(f"JOIN entries ON entries.user_id = {NOBODY}")


def statement(
    tx: Transaction, account: Account, amount: Microcredits, role_id: int | None
) -> Statement:
    """
    What becomes of an account.

    Args:
        account: brought up to now; of a member.
        amount: of the allowance in force.
        role_id: that the allowance comes from; None: from the server, or the operator.
    """
    given = {"server": account.server_id, "user": account.user_id}
    return Statement(
        account,
        amount,
        tx.scalar(HELD, given),
        tuple(tx.values(Spending, SPENDINGS, given)),
        role_id,
        tuple(_dated(row) for row in tx.rows(LATEST, given)),
        tuple(_dated(row) for row in tx.rows(LATEST_OTHERS, given)),
    )


def read(tx: Transaction, server_id: int, user_id: int) -> Account:
    """The account as it stands. One that does not exist yet is empty and has no period."""
    row = tx.one_or_none(ACCOUNT, {"server": server_id, "user": user_id})
    return Account(server_id, user_id) if row is None else _account(tx, row)


def read_purses(
    tx: Transaction, server_id: int, user_id: int, whose: Collection[tuple[int, int]]
) -> list[Account]:
    """
    A member's account and those of budgets as they stand, at once.

    Args:
        whose: (server id, user id) of each.
    """
    rows = tx.rows(PURSES, {"server": server_id, "user": user_id})
    found = {(row.server_id, row.user_id): row for row in rows}
    return [_account(tx, found[each]) if each in found else Account(*each) for each in whose]


def renew(tx: Transaction, account: Account, allowance: Allowance, now: datetime) -> Change:
    """Bring an account up to now, for a command of a member, or a budget, with this allowance."""
    if account.user_id == NOBODY:
        return budgets.renew(tx, account, allowance, now)
    of_late = returns.of_late(tx, account, now) if rolling.begins(account, allowance) else ()
    spent_ucr = 0
    if rolling.begins_period(account, allowance, now):
        spent_ucr = returns.spent_since(tx, account, period_start(now, allowance.period))
    return rolling.renew(account, allowance, now, of_late=of_late, spent_ucr=spent_ucr)


def keep_up(
    tx: Transaction, server_id: int, user_id: int, default: Allowance, now: datetime
) -> Change:
    """
    Bring an account up to now, for no command, by the allowance that it had the last time.

    Args:
        default: the allowance of an account that does not remember one.
    """
    account = read(tx, server_id, user_id)
    if account.user_id == NOBODY:
        # Its month begins with a job that is asked for, and not with the end of an older one.
        return account, ()
    return rolling.keep_up(account, default, now)


def apply(tx: Transaction, *changes: Change, now: datetime) -> Account:
    """Write an account's successive changes, balance and entries together."""
    explained_by = [
        asdict(entry) | {"created_at": now} for _, of_change in changes for entry in of_change
    ]
    account = changes[-1][0]
    if not explained_by:
        return account
    tx.execute(SET_BALANCE, _balance(account))
    tx.executemany(NEW_ENTRY, explained_by)
    if account.rolls or account.written:
        returns.write(tx, account)
    return account


def open_empty(tx: Transaction, server_id: int, user_id: int) -> None:
    """Make sure that the account has a row, to which entries can belong."""
    if tx.one_or_none(ACCOUNT, {"server": server_id, "user": user_id}) is None:
        tx.execute(SET_BALANCE, _balance(Account(server_id, user_id)))


def add_entry(tx: Transaction, entry: Entry, now: datetime) -> None:
    """Write an entry that changes no balance, because others take it back."""
    tx.execute(NEW_ENTRY, asdict(entry) | {"created_at": now})


def of_job(
    tx: Transaction, job_id: str
) -> dict[tuple[int, int], dict[EntryKind, tuple[datetime, Entry]]]:
    """
    A job's entries and when they were written, by (server id, user id) of their account: its
    member's, and each budget that it was held from. An account has each kind at most once;
    `expire` is left out.
    """
    found: dict[tuple[int, int], dict[EntryKind, tuple[datetime, Entry]]] = defaultdict(dict)
    for row in tx.rows(OF_JOB, {"job": job_id}):
        at, entry = _dated(row)
        found[entry.server_id, entry.user_id][entry.kind] = (at, entry)
    return found


def end_hold(
    tx: Transaction, default: Allowance, job: Job, cost: Microcredits | None, now: datetime
) -> int:
    """
    End a job's hold on the member's account and the budgets.

    Args:
        cost: what is settled; None: the hold is released.
    Returns:
        What the member has left.
    """
    left_ucr = 0
    for whose, its_entries in of_job(tx, job.id).items():
        _, held = its_entries[EntryKind.HOLD]
        account, refilled = keep_up(tx, *whose, default, now)
        if cost is None:
            ending = release(account, held)
        else:
            ending = rolling.settle(account, held, cost, now)
        account = apply(tx, (account, refilled), ending, now=now)
        if account.user_id != NOBODY:
            left_ucr = account.available_ucr
    return left_ucr


def pay_back(
    tx: Transaction,
    default: Allowance,
    job_id: str,
    cost: Microcredits,
    now: datetime,
    stays_spent: Collection[tuple[int, int]] = (),
) -> Microcredits:
    """
    Give back what a settled job was charged, to the member and to the budgets.

    Args:
        cost: what it was charged.
        stays_spent: (server id, NOBODY) of the budgets that are not to get it back.
    Returns:
        What of it expired at once for the member, whose allowance has been refilled since.
    """
    expired_ucr = 0
    found = of_job(tx, job_id)
    for whose, its_entries in found.items():
        account, refilled = keep_up(tx, *whose, default, now)
        _, held = its_entries[EntryKind.HOLD]
        settled_at, settled = its_entries[EntryKind.SETTLE]
        back = rolling.refund(account, held, settled, settled_at)
        if whose in stays_spent:
            back = stay_spent(back)
        elif account.user_id != NOBODY:
            expired = (each for each in back[1] if each.kind is EntryKind.EXPIRE)
            expired_ucr -= sum(each.allowance_ucr for each in expired)
        apply(tx, (account, refilled), back, now=now)
    server_id = next(server_id for server_id, user_id in found if user_id != NOBODY)
    for whose in {(server_id, NOBODY), EVERYBODY}.difference(found, stays_spent):
        apply(tx, budgets.uncount(read(tx, *whose), job_id, cost), now=now)
    return Microcredits(expired_ucr)


def audit(tx: Transaction) -> list[str]:
    """
    Recompute balances, and what each job took, from the entries, and check that no rolling
    allowance gets back more than was spent; returns a sentence for each difference.
    """
    return _wrong_balances(tx) + _wrong_charges(tx) + returns.wrong(tx)


def list_entries(tx: Transaction) -> list[tuple[datetime, Entry]]:
    """Every entry, oldest first: for a ledger small enough to print."""
    return [_dated(row) for row in tx.rows(ALL_ENTRIES)]


def entries_of(tx: Transaction, server_id: int, user_id: int) -> list[tuple[datetime, Entry]]:
    """One account's entries, oldest first."""
    rows = tx.rows(OF_ACCOUNT, {"server": server_id, "user": user_id})
    return [_dated(row) for row in rows]


def _account(tx: Transaction, row: Row) -> Account:
    refilled_to = None
    if row.refilled_to_ucr is not None:
        refilled_to = Allowance(row.refilled_to_ucr, PERIODS[row.refill_period])
    account = read_as(row, Account, refilled_to=refilled_to)
    return returns.read(tx, account) if account.rolls else account


def _balance(account: Account) -> dict[str, object]:
    return asdict(account) | {
        "refilled_to_ucr": account.refilled_to and account.refilled_to.amount_ucr,
        "refill_period": account.refilled_to and PERIOD_WORDS[account.refilled_to.period],
    }


def _wrong_balances(tx: Transaction) -> list[str]:
    return [
        f"{_whose(row.server_id, row.user_id)}: {part} is {balance}, its entries"
        f" add up to {explanation}."
        for row in tx.rows(BALANCES)
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


def _wrong_charges(tx: Transaction) -> list[str]:
    return [
        f"Job {row.id} is {row.state}: it should have taken {row.due}{whose},"
        f" its entries take {row.taken}."
        for statement, whose in ((OF_MEMBERS, ""), (OF_BUDGETS, " of a budget"))
        for row in tx.rows(statement)
    ]


def _dated(row: Row) -> tuple[datetime, Entry]:
    return row.created_at, read_as(row, Entry, written_on=row.created_at.date())
