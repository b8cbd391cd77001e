"""Blocks, what moderators do to jobs, what members report, and the trail of it all."""

from datetime import datetime, timedelta

from msgspec.structs import asdict, replace

from bot.domain import policy
from bot.domain.budgets import limits_of_host
from bot.domain.credits import Microcredits
from bot.domain.jobs import Failure, Job
from bot.domain.ledger import Allowance, EntryKind
from bot.domain.oversight import (
    EVERYWHERE,
    REPORTS_PER_HOUR_MAX,
    Act,
    Action,
    Block,
    Done,
    Unreported,
)
from bot.errors import Facts, NotAllowed, Reason, StepLost
from bot.store import jobs as job_steps
from bot.store import ledger, settings, tasks
from bot.store.jobs import House
from bot.store.rows import JOB, LAST, find_job, read_job
from bot.store.schema import IS_REPORT
from bot.store.sql import LAST_NUMBER, Row, Transaction, insert, upsert

#: jobs that one search for those that moderators may see looks at
LOOKED_AT_MAX = 100

_lasts = "(until IS NULL OR until > :now)"
_this_block = "server_id = :server AND user_id = :user"
_lasting = f"""
    FROM blocks
    WHERE server_id IN ({EVERYWHERE}, :server) AND user_id = :user AND {_lasts}
    ORDER BY until IS NOT NULL, until DESC, server_id LIMIT 1
"""
#: The reason and the end of the block that lasts longest for a member in a server. They take the
#: parameters `server`, `user` and `now`; `blocked_for` is null if there is no block.
BLOCKED_COLUMNS = f"""
    (SELECT reason {_lasting}) AS blocked_for,
    (SELECT until {_lasting}) AS blocked_until
"""


def refuse_blocked(row: Row) -> None:
    """
    Args:
        row: from a statement with the BLOCKED_COLUMNS.
    Raises:
        NotAllowed: the member is blocked.
    """
    if row.blocked_for is None:
        return
    if row.blocked_until is None:
        raise NotAllowed(Reason.BLOCKED, because=row.blocked_for)
    until_s = int(row.blocked_until.timestamp())
    raise NotAllowed(Reason.BLOCKED, because=row.blocked_for, until=until_s)


BLOCKED = f"SELECT {BLOCKED_COLUMNS}"
_terms = ("by_id", "reason", "created_at", "until")
SET_BLOCK = upsert("blocks", ("server_id", "user_id"), *_terms)
END_BLOCK = f"DELETE FROM blocks WHERE {_this_block} RETURNING until"
#: removes a server's blocks that are over, so that none of them is kept
ENDED_BLOCKS = "DELETE FROM blocks WHERE server_id = :server AND until <= :now"
BLOCKS = f"""
    SELECT server_id, user_id, {", ".join(_terms)} FROM blocks
    WHERE server_id = :server AND user_id > :after AND {_lasts}
    ORDER BY user_id LIMIT :shown_max
"""

_act = ("server_id", "by_id", "action", "user_id", "job_id", "amount_ucr", "reason", "created_at")
NEW_ACT = insert("acts", *_act)

ACTS = f"""
    SELECT id, {", ".join(_act)} FROM acts
    WHERE server_id = :server AND id < :before
    ORDER BY id DESC LIMIT :shown_max
"""
#: how often this member has reported this job, and any job within the hour
REPORTED = f"""
    SELECT
        (
            SELECT count(*) FROM acts
            WHERE {IS_REPORT} AND job_id = :job AND by_id = :by
        ) AS before,
        (
            SELECT count(*) FROM acts
            WHERE {IS_REPORT} AND by_id = :by AND created_at > :hour
        ) AS lately
"""

_this_job = "id = :of_job AND server_id = :of_server"
OF_SERVER = f"SELECT {JOB} FROM jobs WHERE {_this_job}"
COVER = f"""
    UPDATE jobs SET covered = TRUE
    WHERE {_this_job} AND NOT covered
    RETURNING {JOB}
"""
REMOVE = f"""
    UPDATE jobs SET removed = TRUE, keeps_images = FALSE
    WHERE {_this_job} AND NOT removed
    RETURNING {JOB}
"""
#: one more shows whether there are older ones
_recent = f"id < :before ORDER BY id DESC LIMIT {LOOKED_AT_MAX + 1}"
RECENT = f"SELECT {JOB} FROM jobs WHERE server_id = :server AND {_recent}"
RECENT_OF = f"SELECT {JOB} FROM jobs WHERE server_id = :server AND user_id = :user AND {_recent}"
SEEN_SINCE = """
    SELECT max(created_at) AS since_at FROM setting_changes
    WHERE server_id = :server AND setting = 'private_seen' AND new = 'true'
"""


def check_block(tx: Transaction, server_id: int, user_id: int, now: datetime) -> None:
    """
    Raises:
        NotAllowed: the member is blocked in this server, or everywhere.
    """
    refuse_blocked(tx.one(BLOCKED, {"server": server_id, "user": user_id, "now": now}))


def record(tx: Transaction, act: Act) -> Act:
    """Write a line of the trail, in the same transaction as the act itself."""
    tx.execute(NEW_ACT, asdict(act))
    return act


def block(tx: Transaction, blocked: Block) -> Done:
    """Block a member here; this replaces a block that they have here already."""
    server_id, now = blocked.server_id, blocked.created_at
    tx.execute(ENDED_BLOCKS, {"server": server_id, "now": now})
    tx.execute(SET_BLOCK, asdict(blocked))
    by = (server_id, blocked.by_id)
    act = Act(*by, Action.BLOCK, now, blocked.user_id, reason=blocked.reason)
    return replace(_done(tx, act), until=blocked.until)


def unblock(
    tx: Transaction, server_id: int, user_id: int, by_id: int, now: datetime
) -> Done | None:
    """End a member's block; None: they are not blocked here, and nothing is recorded."""
    ended = tx.one_or_none(END_BLOCK, {"server": server_id, "user": user_id})
    if ended is None or (ended.until is not None and ended.until <= now):
        return None
    return _done(tx, Act(server_id, by_id, Action.UNBLOCK, now, user_id))


def list_blocks(
    tx: Transaction, server_id: int, now: datetime, *, after: int = 0, limit: int
) -> list[Block]:
    """A server's blocks that last, in the order of members' ids; `after`: only larger ids."""
    given = {"server": server_id, "now": now, "after": after, "shown_max": limit}
    return tx.values(Block, BLOCKS, given)


def list_acts(tx: Transaction, server_id: int, *, before: int = 0, limit: int) -> list[Act]:
    """A server's trail, newest first; `before`: an act's id, only older ones."""
    given = {"server": server_id, "before": before or LAST_NUMBER, "shown_max": limit}
    return tx.values(Act, ACTS, given)


def of_server(tx: Transaction, server_id: int, job_id: str) -> Job | None:
    """The job, if it is this server's; direct messages have no moderators."""
    return _one(tx, OF_SERVER, server_id, job_id)


def cover(tx: Transaction, server_id: int, job_id: str, by_id: int, now: datetime) -> Done | None:
    """Cover a job's images; None: that was done before, or the job is not this server's."""
    job = _one(tx, COVER, server_id, job_id)
    return _done_to(tx, job, by_id, Action.SPOILER, now) if job else None


def note_deleted(
    tx: Transaction, server_id: int, job_id: str, by_id: int, now: datetime
) -> Done | None:
    """Record that a result's message was deleted; None: the job is not this server's."""
    job = of_server(tx, server_id, job_id)
    return _done_to(tx, job, by_id, Action.DELETE, now) if job else None


def remove(
    tx: Transaction, server_id: int, job_id: str, by_id: int, reason: str, now: datetime
) -> tuple[Done | None, list[str]]:
    """
    Take a job's images away from everyone. The caller then deletes their files: if it dies before,
    the next tidying finds files that no job keeps.

    Returns:
        What was done (None: it was done before, or the job is not this server's), and the names of
        the job's image files, whether or not these exist. There are no names before the job has
        ended, because its delivery then deletes the files itself.
    """
    before = of_server(tx, server_id, job_id)
    if before is None:
        return None, []
    names: list[str] = []
    if before.finished_at:
        names = [task.image_name for task in tasks.of_job(tx, job_id) if task.image_name]
    job = _one(tx, REMOVE, server_id, job_id)
    done = _done_to(tx, job, by_id, Action.REMOVE, now, reason) if job else None
    return done, names


def refund(
    tx: Transaction, house: House, server_id: int, job_id: str, by_id: int, now: datetime
) -> Done | None:
    """
    Give back what a job was charged, but to the host's limits.

    Returns:
        None: it has not ended, has cost nothing, was paid back, or is not this server's.
    """
    job = of_server(tx, server_id, job_id)
    if job is None:
        return None
    stays_spent = limits_of_host(house.budget_ucr, server_id)
    paid, expired = job_steps.refund_ended(tx, house.allowance, job_id, now, stays_spent)
    if not paid:
        return None
    act = Act(server_id, by_id, Action.REFUND, now, job.user_id, job.id, paid)
    lost = expired + taken_again(tx, house.allowance, job, expired)
    return replace(_done(tx, act, job), expired_ucr=Microcredits(lost))


def taken_again(tx: Transaction, default: Allowance, job: Job, expired: int) -> int:
    """
    What the account's next look takes of a job's refund, because the allowance was lowered since.

    Args:
        default: the allowance where a server has decided on none.
        expired: what of it has expired already.
    """
    account = ledger.read(tx, job.server_id, job.user_id)
    decided, before = settings.of_server(tx, job.server_id), account.refilled_to
    allowance = policy.allowance(decided, (), default)
    if before is None or before.period is not allowance.period or decided.role_allowances_ucr:
        # It depends on what was spent in another period, or on roles that only Discord knows.
        return 0
    lowered = max(0, before.amount_ucr - allowance.amount_ucr)
    _, refunded = ledger.of_job(tx, job.id)[job.server_id, job.user_id][EntryKind.REFUND]
    left = account.allowance_ucr
    return min(lowered, left) - min(lowered, left - refunded.allowance_ucr + expired)


def cancel(
    tx: Transaction,
    house: House,
    server_id: int,
    job_id: str,
    by_id: int,
    reason: str,
    now: datetime,
) -> Done:
    """
    Cancel another member's job, which then says who did it and why.

    Raises:
        StepLost: it is too late, it was cancelled before, or the job is not this server's.
    """
    if of_server(tx, server_id, job_id) is None:
        raise StepLost(f"job {job_id} is none of server {server_id}")
    facts: Facts = {"by_id": by_id, "because": reason}
    job = job_steps.cancel(tx, house, job_id, now, Failure.CANCELLED, facts)
    return _done_to(tx, job, by_id, Action.CANCEL, now, reason)


def check_report(
    tx: Transaction, server_id: int, job_id: str, by_id: int, now: datetime
) -> Job | Unreported:
    """The job, or why this member cannot report it now."""
    job = of_server(tx, server_id, job_id)
    if job is None or job.removed:
        return Unreported.NOTHING_THERE
    if not settings.of_server(tx, server_id).log_channel_id:
        return Unreported.NO_CHANNEL
    hour = now - timedelta(hours=1)
    found = tx.one(REPORTED, {"job": job_id, "by": by_id, "hour": hour})
    if found.before:
        return Unreported.BEFORE
    if found.lately >= REPORTS_PER_HOUR_MAX:
        return Unreported.TOO_MANY
    return job


def report(
    tx: Transaction, server_id: int, job_id: str, by_id: int, reason: str, now: datetime
) -> Done | Unreported:
    """Record that a member wants moderators to look at a result."""
    job = check_report(tx, server_id, job_id, by_id, now)
    if isinstance(job, Unreported):
        return job
    return _done_to(tx, job, by_id, Action.REPORT, now, reason)


def recent(
    tx: Transaction, server_id: int, *, user_id: int = 0, before: str = "", limit: int
) -> tuple[list[Job], str]:
    """
    A server's latest jobs that have, or may come to have, images for moderators to act on, newest
    first. A private job is among them only if moderators may see private jobs, and its member asked
    for it after that was last turned on.

    Args:
        user_id: only this member's jobs; 0: everyone's.
        before: a job's id: only older ones; empty: from the latest on.
    Returns:
        The jobs, and the `before` of the next page; empty: there is none. Among many jobs that are
        left out, a page may be shorter, or empty.
    """
    since = _seen_since(tx, server_id)
    given = {"server": server_id, "user": user_id, "before": before or LAST}
    found: list[Job] = []
    # No more rows are read than are looked at.
    for looked_at, row in enumerate(tx.rows(RECENT_OF if user_id else RECENT, given)):
        if len(found) == limit or looked_at == LOOKED_AT_MAX:
            return found, before
        job = read_job(row)
        before = job.id
        if _has_images(job) and _is_seen(job, since):
            found.append(job)
    return found, ""


def _has_images(job: Job) -> bool:
    """Not if it has failed; and where a job of an erased member was posted, nobody knows."""
    return (job.problem is None or job.keeps_images) and job.user_id > 0


def is_seen(tx: Transaction, job: Job) -> bool:
    """Whether the moderators of the job's server may see it, wherever it is shown."""
    return _is_seen(job, _seen_since(tx, job.server_id))


def _seen_since(tx: Transaction, server_id: int) -> datetime | None:
    """Since when moderators see private jobs; None: they do not."""
    if not settings.of_server(tx, server_id).private_seen:
        return None
    since: datetime | None = tx.one(SEEN_SINCE, {"server": server_id}).since_at
    return since


def _is_seen(job: Job, since: datetime | None) -> bool:
    return not job.request.private or (since is not None and job.created_at >= since)


def _done_to(
    tx: Transaction, job: Job, by_id: int, action: Action, now: datetime, reason: str = ""
) -> Done:
    act = Act(job.server_id, by_id, action, now, job.user_id, job.id, reason=reason)
    return _done(tx, act, job)


def _done(tx: Transaction, act: Act, job: Job | None = None) -> Done:
    decided = settings.of_server(tx, act.server_id)
    return Done(record(tx, act), decided.log_channel_id, job)


def _one(tx: Transaction, statement: str, server_id: int, job_id: str) -> Job | None:
    if not server_id:
        return None
    return find_job(tx, statement, {"of_job": job_id, "of_server": server_id})
