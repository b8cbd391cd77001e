"""Blocks, what moderators do to jobs, what members report, and the trail of it all."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain.jobs import Failure, Job
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
from bot.store import settings, tasks
from bot.store.jobs import House
from bot.store.rows import JOB, read_job
from bot.store.schema import IS_REPORT, acts, blocks, jobs, setting_changes

#: jobs that are read at once in the search for those that moderators may see, and how often
LOOKED_AT = 25
LOOKS_MAX = 4

_whose = blocks.c.user_id == sa.bindparam("user")
_lasts = sa.or_(blocks.c.until.is_(None), blocks.c.until > sa.bindparam("now"))
_this_block = sa.and_(blocks.c.server_id == sa.bindparam("server"), _whose)


def blocked_columns() -> tuple[sa.ColumnElement[Any], ...]:
    """
    Why a member is blocked in a server, and until when: of the block that lasts longest.

    They take the parameters `server`, `user` and `now`; `blocked_for` is null where there is none.
    """
    lasting = (
        sa.select(blocks)
        .where(blocks.c.server_id.in_((EVERYWHERE, sa.bindparam("server"))), _whose, _lasts)
        .order_by(blocks.c.until.is_not(None), blocks.c.until.desc(), blocks.c.server_id)
        .limit(1)
    )
    return (
        lasting.with_only_columns(blocks.c.reason).scalar_subquery().label("blocked_for"),
        lasting.with_only_columns(blocks.c.until).scalar_subquery().label("blocked_until"),
    )


def refuse_blocked(row: Any) -> None:
    """
    Args:
        row: of a statement with the `blocked_columns`.
    Raises:
        NotAllowed: there is a block.
    """
    if row.blocked_for is None:
        return
    if row.blocked_until is None:
        raise NotAllowed(Reason.BLOCKED, because=row.blocked_for)
    until = int(row.blocked_until.timestamp())
    raise NotAllowed(Reason.BLOCKED, because=row.blocked_for, until=until)


BLOCKED = sa.select(*blocked_columns())
NEW_BLOCK = sa.insert(blocks)
END_BLOCK = sa.delete(blocks).where(_this_block).returning(blocks.c.until)
#: those of a server that are over, so that it keeps none of them
ENDED_BLOCKS = sa.delete(blocks).where(
    blocks.c.server_id == sa.bindparam("server"), blocks.c.until <= sa.bindparam("now")
)
BLOCKS = (
    sa.select(blocks)
    .where(
        blocks.c.server_id == sa.bindparam("server"),
        blocks.c.user_id > sa.bindparam("after"),
        _lasts,
    )
    .order_by(blocks.c.user_id)
    .limit(sa.bindparam("shown_max"))
)

NEW_ACT = sa.insert(acts)
_of_server = acts.c.server_id == sa.bindparam("server")
ACTS = sa.select(acts).where(_of_server).order_by(acts.c.id.desc()).limit(sa.bindparam("shown_max"))
OLDER_ACTS = ACTS.where(acts.c.id < sa.bindparam("before"))
_is_report = sa.text(f"acts.{IS_REPORT}")
#: whether this member has reported this job, and how much else within the hour
REPORTED = sa.select(
    sa.select(sa.func.count())
    .select_from(acts)
    .where(_is_report, acts.c.job_id == sa.bindparam("job"), acts.c.by_id == sa.bindparam("by"))
    .scalar_subquery()
    .label("before"),
    sa.select(sa.func.count())
    .select_from(acts)
    .where(_is_report, acts.c.by_id == sa.bindparam("by"), acts.c.created_at > sa.bindparam("hour"))
    .scalar_subquery()
    .label("lately"),
)

_this_job = sa.and_(
    jobs.c.id == sa.bindparam("of_job"), jobs.c.server_id == sa.bindparam("of_server")
)
OF_SERVER = sa.select(*JOB).where(_this_job)
COVER = sa.update(jobs).where(_this_job, ~jobs.c.covered).values(covered=sa.true()).returning(*JOB)
REMOVE = (
    sa.update(jobs)
    .where(_this_job, ~jobs.c.removed)
    .values(removed=sa.true(), keeps_images=sa.false())
    .returning(*JOB)
)
_recent = (
    sa.select(*JOB)
    .where(jobs.c.server_id == sa.bindparam("server"))
    .order_by(jobs.c.id.desc())
    .limit(LOOKED_AT)
)
_older = jobs.c.id < sa.bindparam("before")
_members = jobs.c.user_id == sa.bindparam("user")
#: by whether they are of one member, and whether they are older ones
RECENT = {
    (False, False): _recent,
    (False, True): _recent.where(_older),
    (True, False): _recent.where(_members),
    (True, True): _recent.where(_members, _older),
}
SEEN_SINCE = sa.select(sa.func.max(setting_changes.c.created_at)).where(
    setting_changes.c.server_id == sa.bindparam("server"),
    setting_changes.c.setting == "private_seen",
    setting_changes.c.new == "true",
)


def check_block(tx: sa.Connection, server_id: int, user_id: int, now: datetime) -> None:
    """
    Raises:
        NotAllowed: the member is blocked in this server, or everywhere.
    """
    refuse_blocked(tx.execute(BLOCKED, {"server": server_id, "user": user_id, "now": now}).one())


def record(tx: sa.Connection, act: Act) -> Act:
    """Write a line of the trail, in the transaction of what it tells."""
    row = asdict(act)
    del row["id"]
    tx.execute(NEW_ACT, row)
    return act


def block(tx: sa.Connection, blocked: Block) -> Done:
    """Block a member, in the place of a block that they have here."""
    server_id, now = blocked.server_id, blocked.created_at
    tx.execute(END_BLOCK, {"server": server_id, "user": blocked.user_id})
    tx.execute(ENDED_BLOCKS, {"server": server_id, "now": now})
    tx.execute(NEW_BLOCK, asdict(blocked))
    by = (server_id, blocked.by_id)
    act = Act(*by, Action.BLOCK, now, blocked.user_id, reason=blocked.reason)
    return replace(_done(tx, act), until=blocked.until)


def unblock(
    tx: sa.Connection, server_id: int, user_id: int, by_id: int, now: datetime
) -> Done | None:
    """None: the member is not blocked here; nothing is recorded."""
    ended = tx.execute(END_BLOCK, {"server": server_id, "user": user_id}).one_or_none()
    if ended is None or (ended.until is not None and ended.until <= now):
        return None
    return _done(tx, Act(server_id, by_id, Action.UNBLOCK, now, user_id))


def list_blocks(
    tx: sa.Connection, server_id: int, now: datetime, *, after: int = 0, limit: int
) -> list[Block]:
    """Those of a server that last, by their members' ids; `after`: from the next one on."""
    given = {"server": server_id, "now": now, "after": after, "shown_max": limit}
    return [Block(**row._mapping) for row in tx.execute(BLOCKS, given)]


def list_acts(tx: sa.Connection, server_id: int, *, before: int = 0, limit: int) -> list[Act]:
    """A server's trail, newest first; `before`: an act's id, only older ones."""
    given = {"server": server_id, "shown_max": limit}
    asked = given | {"before": before} if before else given
    rows = tx.execute(OLDER_ACTS if before else ACTS, asked)
    return [Act(**row._mapping) for row in rows]


def of_server(tx: sa.Connection, server_id: int, job_id: str) -> Job | None:
    """The job, if it is this server's; direct messages have no moderators."""
    return _one(tx, OF_SERVER, server_id, job_id)


def cover(tx: sa.Connection, server_id: int, job_id: str, by_id: int, now: datetime) -> Done | None:
    """None: it is covered already, or no job of this server."""
    job = _one(tx, COVER, server_id, job_id)
    if job is None:
        return None
    return _done(tx, Act(server_id, by_id, Action.SPOILER, now, job.user_id, job.id), job)


def note_deleted(
    tx: sa.Connection, server_id: int, job_id: str, by_id: int, now: datetime
) -> Done | None:
    """None: no job of this server."""
    job = of_server(tx, server_id, job_id)
    if job is None:
        return None
    return _done(tx, Act(server_id, by_id, Action.DELETE, now, job.user_id, job.id), job)


def remove(
    tx: sa.Connection, server_id: int, job_id: str, by_id: int, reason: str, now: datetime
) -> tuple[Done | None, list[str]]:
    """
    Let nobody have a job's images any more. Whoever calls this deletes their files after: should
    they die before, whatever tidies up finds files that no job keeps.

    Returns:
        None: it is removed already, or no job of this server; and the names of its images' files,
        whether or not they are there. A delivery that is not through deletes them itself.
    """
    before = of_server(tx, server_id, job_id)
    if before is None:
        return None, []
    names: list[str] = []
    if before.finished_at:
        names = [task.image_name for task in tasks.of_job(tx, job_id) if task.image_name]
    job = _one(tx, REMOVE, server_id, job_id)
    if job is None:
        return None, names
    whose = (job.user_id, job.id)
    act = Act(server_id, by_id, Action.REMOVE, now, *whose, reason=reason)
    return _done(tx, act, job), names


def refund(
    tx: sa.Connection, house: House, server_id: int, job_id: str, by_id: int, now: datetime
) -> Done | None:
    """None: it has not ended, has cost nothing or was paid back, or is no job of this server."""
    job = of_server(tx, server_id, job_id)
    if job is None:
        return None
    amount = job_steps.refund_ended(tx, house.allowance, job_id, now)
    if not amount:
        return None
    whose = (job.user_id, job.id, amount)
    return _done(tx, Act(server_id, by_id, Action.REFUND, now, *whose), job)


def cancel(
    tx: sa.Connection,
    house: House,
    server_id: int,
    job_id: str,
    by_id: int,
    reason: str,
    now: datetime,
) -> Done:
    """
    Cancel another member's job, which then says by whom and why.

    Raises:
        StepLost: it is too late, it was cancelled before, or it is no job of this server.
    """
    if of_server(tx, server_id, job_id) is None:
        raise StepLost(f"job {job_id} is none of server {server_id}")
    facts: Facts = {"by_id": by_id, "because": reason}
    job = job_steps.cancel(tx, house, job_id, now, Failure.CANCELLED, facts)
    whose = (job.user_id, job.id)
    return _done(tx, Act(server_id, by_id, Action.CANCEL, now, *whose, reason=reason), job)


def check_report(
    tx: sa.Connection, server_id: int, job_id: str, by_id: int, now: datetime
) -> Job | Unreported:
    """The job, or why this member cannot report it now."""
    job = of_server(tx, server_id, job_id)
    if job is None or job.removed:
        return Unreported.NOTHING_THERE
    if not settings.of_server(tx, server_id).log_channel_id:
        return Unreported.NO_CHANNEL
    hour = now - timedelta(hours=1)
    found = tx.execute(REPORTED, {"job": job_id, "by": by_id, "hour": hour}).one()
    if found.before:
        return Unreported.BEFORE
    if found.lately >= REPORTS_PER_HOUR_MAX:
        return Unreported.TOO_MANY
    return job


def report(
    tx: sa.Connection, server_id: int, job_id: str, by_id: int, reason: str, now: datetime
) -> Done | Unreported:
    """Write down that a member finds that moderators should look at a result."""
    job = check_report(tx, server_id, job_id, by_id, now)
    if isinstance(job, Unreported):
        return job
    whose = (job.user_id, job.id)
    return _done(tx, Act(server_id, by_id, Action.REPORT, now, *whose, reason=reason), job)


def recent(
    tx: sa.Connection, server_id: int, *, user_id: int = 0, before: str = "", limit: int
) -> tuple[list[Job], str]:
    """
    A server's latest jobs, newest first, with the private ones only if they were asked for while
    moderators were said to see them.

    Args:
        user_id: of one member; 0: of all.
        before: a job's id: only older ones; empty: from the latest on.
    Returns:
        The jobs, and where the next page begins, as its `before`; empty: there is none. A page
        may be shorter, or empty, where it stands among many private jobs.
    """
    since = None
    if settings.of_server(tx, server_id).private_seen:
        since = tx.scalar(SEEN_SINCE, {"server": server_id})
    found: list[Job] = []
    for job in _looked_through(tx, server_id, user_id, before):
        if len(found) == limit:
            return found, before
        before = job.id
        if not job.request.private or (since is not None and job.created_at >= since):
            found.append(job)
    return found, before if _is_more(tx, server_id, user_id, before) else ""


def _looked_through(tx: sa.Connection, server_id: int, user_id: int, before: str) -> Iterator[Job]:
    for _ in range(LOOKS_MAX):
        page = _page(tx, server_id, user_id, before)
        yield from page
        if len(page) < LOOKED_AT:
            return
        before = page[-1].id


def _is_more(tx: sa.Connection, server_id: int, user_id: int, before: str) -> bool:
    return bool(before) and bool(_page(tx, server_id, user_id, before))


def _page(tx: sa.Connection, server_id: int, user_id: int, before: str) -> list[Job]:
    given = {"server": server_id, "user": user_id, "before": before}
    asked = {"server"} | ({"user"} if user_id else set()) | ({"before"} if before else set())
    statement = RECENT[bool(user_id), bool(before)]
    rows = tx.execute(statement, {name: given[name] for name in asked})
    return [read_job(row) for row in rows]


def _done(tx: sa.Connection, act: Act, job: Job | None = None) -> Done:
    decided = settings.of_server(tx, act.server_id)
    return Done(record(tx, act), decided.log_channel_id, job)


def _one(tx: sa.Connection, statement: Any, server_id: int, job_id: str) -> Job | None:
    if not server_id:
        return None
    row = tx.execute(statement, {"of_job": job_id, "of_server": server_id}).one_or_none()
    return read_job(row) if row else None
