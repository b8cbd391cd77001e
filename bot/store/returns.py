"""What is to come back to rolling allowances, and the charges with which one begins to roll."""

from collections import defaultdict
from datetime import date, datetime, timedelta

from msgspec.structs import asdict, replace

from bot.domain.jobs import first_id, id_at
from bot.domain.ledger import Account, EntryKind, Return
from bot.domain.rolling import Charge
from bot.store.rows import LAST
from bot.store.schema import OF_A_JOB
from bot.store.sql import Transaction, insert

#: how far back jobs are looked at: few older ones were charged within the last day
OF_LATE = timedelta(days=2)

RETURNS = """
    SELECT id, amount_ucr, due_at FROM returns
    WHERE server_id = :server AND user_id = :user ORDER BY due_at
"""
NEW_RETURN = insert("returns", "server_id", "user_id", "amount_ucr", "due_at")
REMOVE_RETURN = "DELETE FROM returns WHERE id = :id"
_MOVED = f"""
    FROM jobs JOIN entries ON entries.job_id = jobs.id
    WHERE jobs.server_id = :server AND jobs.user_id = :user AND jobs.id >= :since
        AND entries.{OF_A_JOB} AND entries.user_id = jobs.user_id
"""
MOVED_OF_LATE = f"""
    SELECT entries.job_id, entries.kind, entries.allowance_ucr, entries.created_at
    {_MOVED} ORDER BY entries.id
"""
TAKEN = f"SELECT coalesce(-sum(entries.allowance_ucr), 0) {_MOVED} AND jobs.id < :until"
WRONG = """
    SELECT returns.server_id, returns.user_id, sum(returns.amount_ucr) AS to_come,
        max(accounts.allowance_ucr) AS remaining, max(accounts.refilled_to_ucr) AS given
    FROM returns LEFT JOIN accounts
        ON accounts.server_id = returns.server_id AND accounts.user_id = returns.user_id
    GROUP BY returns.server_id, returns.user_id
"""


def wrong(tx: Transaction) -> list[str]:
    """A sentence for each account that is to get back more than is gone of its allowance."""
    return [
        f"Member {row.user_id} in server {row.server_id}: {row.remaining or 0} is left and"
        f" {row.to_come} is to come back, of an allowance of {row.given or 0}."
        for row in tx.rows(WRONG)
        if (row.remaining or 0) + row.to_come > (row.given or 0)
    ]


def read(tx: Transaction, account: Account) -> Account:
    """The account with what is to come back to it, the earliest first."""
    given = {"server": account.server_id, "user": account.user_id}
    found = tuple(tx.values(Return, RETURNS, given))
    return replace(account, returns=found, written=tuple(each.id or 0 for each in found))


def write(tx: Transaction, account: Account) -> None:
    """Store the account's new returns, and remove the stored ones that it has no longer."""
    stay = {each.id for each in account.returns}
    gone = [{"id": each} for each in account.written if each not in stay]
    if gone:
        tx.executemany(REMOVE_RETURN, gone)
    whose = {"server_id": account.server_id, "user_id": account.user_id}
    new = [asdict(each) | whose for each in account.returns if each.id is None]
    if new:
        tx.executemany(NEW_RETURN, new)


def of_late(tx: Transaction, account: Account, now: datetime) -> list[Charge]:
    """What recent jobs took, or still hold, of the allowance of the account's period."""
    since = id_at(now - OF_LATE)
    if account.period_start is not None:
        since = max(since, first_id(account.period_start))
    given = {"server": account.server_id, "user": account.user_id, "since": since}
    taken: dict[str, int] = defaultdict(int)
    ended: dict[str, datetime] = {}
    for row in tx.rows(MOVED_OF_LATE, given):
        taken[row.job_id] -= row.allowance_ucr
        if row.kind != EntryKind.HOLD:
            ended.setdefault(row.job_id, row.created_at)
    return [Charge(amount, ended.get(job_id)) for job_id, amount in taken.items()]


def spent_since(tx: Transaction, account: Account, first: date) -> int:
    """
    What is gone of the allowance since this day. Within the account's period, that is what it
    lacks, also what a moderator took, or whose job was erased; before, what jobs hold or have cost.
    """
    lacks_ucr, until = 0, LAST
    if account.entered and account.entered >= first and account.refilled_to:
        lacks_ucr = account.refilled_to.amount_ucr - account.allowance_ucr
        until = first_id(account.entered)
    given = {"server": account.server_id, "user": account.user_id}
    taken_ucr: int = tx.scalar(TAKEN, given | {"since": first_id(first), "until": until})
    return lacks_ucr + taken_ucr
