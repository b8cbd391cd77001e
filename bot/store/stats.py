"""A server's month in numbers: read by its ids of that month, however long the history is."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.domain.jobs import Failure, JobState, TaskState
from bot.domain.statistics import Month, OfDay, OfMember, OfRoute
from bot.store.rows import UNREADABLE_FOR, read_request
from bot.store.schema import jobs, tasks

MEMBERS_SHOWN_MAX = 5
ROUTES_SHOWN_MAX = 10
FAILURES_SHOWN_MAX = 5
#: jobs of one piece of the table
ROWS_AT_ONCE = 500
DAY_MS = 86_400_000

#: of the month: `ix_jobs_server`; what is grouped by is no plain column, so that no other index
#: promises its order and is read from its beginning
_of_month = (
    jobs.c.server_id == sa.bindparam("server"),
    jobs.c.id >= sa.bindparam("first"),
    jobs.c.id < sa.bindparam("end"),
)
_cost: sa.ColumnElement[int] = sa.func.coalesce(sa.func.sum(jobs.c.cost_ucr), 0)
_count: sa.ColumnElement[int] = sa.func.count()
_member = (jobs.c.user_id + 0).label("user_id")
_day = (
    sa.type_coerce(jobs.c.created_at, sa.BigInteger)
    // sa.literal_column(str(DAY_MS), sa.BigInteger)
).label("day")
_waited = sa.type_coerce(jobs.c.finished_at, sa.BigInteger) - sa.type_coerce(
    jobs.c.created_at, sa.BigInteger
)
_stored = tasks.c.state == TaskState.STORED
_with_tasks = jobs.join(tasks, tasks.c.job_id == jobs.c.id)

STATES = (
    sa.select(jobs.c.state, _count.label("jobs"), _cost.label("cost_ucr"))
    .where(*_of_month)
    .group_by(jobs.c.state)
)
DAYS = (
    sa.select(_day, _cost.label("cost_ucr"), _count.label("jobs"))
    .where(*_of_month)
    .group_by(sa.text("day"))
)
IMAGES = (
    sa.select(_day, _count.label("images"))
    .select_from(_with_tasks)
    .where(*_of_month, _stored)
    .group_by(sa.text("day"))
)
MEMBERS = (
    sa.select(_member, _count.label("jobs"), _cost.label("cost_ucr"))
    .where(*_of_month)
    .group_by(_member)
    .order_by(_cost.desc(), _count.desc())
    .limit(MEMBERS_SHOWN_MAX)
)
ROUTES = (
    sa.select(
        tasks.c.route_id,
        _count.label("images"),
        sa.func.coalesce(sa.func.sum(tasks.c.cost_ucr), 0).label("cost_ucr"),
    )
    .select_from(_with_tasks)
    .where(*_of_month, _stored)
    .group_by(tasks.c.route_id)
    .order_by(_count.desc())
    .limit(ROUTES_SHOWN_MAX)
)
FAILURES = (
    sa.select(jobs.c.failure, _count.label("jobs"))
    .where(*_of_month, jobs.c.state == JobState.FAILED)
    .group_by(jobs.c.failure)
    .order_by(_count.desc())
    .limit(FAILURES_SHOWN_MAX)
)
WAITED = (
    sa.select(_waited)
    .where(*_of_month, jobs.c.state == JobState.DONE)
    .order_by(_waited)
    .limit(1)
    .offset(sa.bindparam("before"))
)
SOME = (
    sa.select(
        jobs.c.id,
        jobs.c.user_id,
        jobs.c.request,
        jobs.c.state,
        jobs.c.failure,
        jobs.c.cost_ucr,
        jobs.c.created_at,
        jobs.c.finished_at,
    )
    .where(
        jobs.c.server_id == sa.bindparam("server"),
        jobs.c.id > sa.bindparam("after"),
        jobs.c.id >= sa.bindparam("first"),
        jobs.c.id < sa.bindparam("end"),
    )
    .order_by(jobs.c.id)
    .limit(ROWS_AT_ONCE)
)
MADE = (
    sa.select(tasks.c.job_id, tasks.c.route_id)
    .where(tasks.c.job_id.in_(sa.bindparam("ids", expanding=True)), _stored)
    .order_by(tasks.c.id)
)


@dataclass(frozen=True, slots=True)
class Line:
    """A job in the table of a month."""

    job_id: str
    asked_at: str
    user_id: int
    mode: str
    model: str
    routes: str
    resolution: str
    quality: str
    asked: int
    images: int
    state: str
    failure: str
    cost_ucr: int
    wait_s: float | None
    #: empty: it was private, or is kept no longer
    prompt: str
    private: bool


def month(tx: sa.Connection, server_id: int, first: str, end: str) -> Month:
    """
    Args:
        first, end: how ids begin at the month's beginning and at its end; see `id_at`.
    """
    given = {"server": server_id, "first": first, "end": end}
    states = {row.state: row for row in tx.execute(STATES, given)}
    done = states[JobState.DONE].jobs if JobState.DONE in states else 0
    failed = states[JobState.FAILED].jobs if JobState.FAILED in states else 0
    waited = tx.scalar(WAITED, given | {"before": done // 2}) if done else None
    images = {int(row.day): row.images for row in tx.execute(IMAGES, given)}
    return Month(
        jobs=sum(row.jobs for row in states.values()),
        failed=failed,
        cost_ucr=sum(row.cost_ucr for row in states.values()),
        members=[OfMember(*row) for row in tx.execute(MEMBERS, given)],
        routes=[OfRoute(*row) for row in tx.execute(ROUTES, given)],
        failures=[(_failure(row.failure), row.jobs) for row in tx.execute(FAILURES, given)],
        median_wait_s=None if waited is None else waited / 1000,
        days={
            int(row.day): OfDay(images.get(int(row.day), 0), row.cost_ucr)
            for row in tx.execute(DAYS, given)
        },
    )


def some_lines(tx: sa.Connection, server_id: int, first: str, end: str, after: str) -> list[Line]:
    """
    The next jobs of a server's month, oldest first.

    Args:
        after: the last one's id; empty: from the first on.
    """
    given = {"server": server_id, "first": first, "end": end, "after": after}
    rows = tx.execute(SOME, given).all()
    made: dict[str, list[str]] = {row.id: [] for row in rows}
    for row in tx.execute(MADE, {"ids": list(made)}):
        made[row.job_id].append(row.route_id)
    return [_line(row, made[row.id]) for row in rows]


def _line(row: Any, routes: list[str]) -> Line:
    request = read_request(row.request, job_id=row.id)
    waited = row.finished_at - row.created_at if row.finished_at else None
    private = request is None or request.private
    return Line(
        job_id=row.id,
        asked_at=row.created_at.isoformat(timespec="seconds"),
        user_id=row.user_id,
        mode=request.mode if request else "",
        model=request.model if request else "",
        routes=" ".join(dict.fromkeys(routes)),
        resolution=request.resolution if request else "",
        quality=request.quality if request else "",
        asked=request.count if request else 0,
        images=len(routes),
        state=row.state,
        failure=row.failure or "",
        cost_ucr=row.cost_ucr or 0,
        wait_s=waited.total_seconds() if waited else None,
        prompt="" if private or request is None else request.prompt,
        private=private,
    )


def _failure(name: str) -> Failure:
    try:
        return Failure(name)
    except UNREADABLE_FOR:
        # Of another version of Easel.
        return Failure.INTERNAL
