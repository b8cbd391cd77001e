"""A server's month in numbers. Only that month's jobs are read, however long the history is."""

from collections.abc import Sequence
from datetime import date, datetime

from msgspec import Struct

from bot.domain.jobs import JobState, TaskState, ids_of_month
from bot.domain.requests import ImageRequest
from bot.domain.statistics import Month, OfDay, OfMember, OfRoute
from bot.store.rows import read_failure, read_request
from bot.store.sql import Row, Transaction, among, listed, read_as

MEMBERS_SHOWN_MAX = 5
ROUTES_SHOWN_MAX = 10
FAILURES_SHOWN_MAX = 5
#: jobs in one piece of the table
ROWS_AT_ONCE = 500
DAY_MS = 86_400_000

#: the month's jobs, by `ix_jobs_server`; members are not grouped by the plain column, so that no
#: other index promises that order and is read from its beginning
_of_month = "jobs.server_id = :server AND jobs.id >= :first AND jobs.id < :end"
_cost = "coalesce(sum(jobs.cost_ucr), 0)"
_member = "jobs.user_id + 0"
_day = f"jobs.created_at / {DAY_MS}"
_waited = "jobs.finished_at - jobs.created_at"
_stored = f"tasks.state = '{TaskState.STORED}'"
_with_tasks = "jobs JOIN tasks ON tasks.job_id = jobs.id"

STATES = f"""
    SELECT jobs.state, count(*) AS jobs, {_cost} AS cost_ucr FROM jobs
    WHERE {_of_month}
    GROUP BY jobs.state
"""
DAYS = f"""
    SELECT {_day} AS day, {_cost} AS cost_ucr, count(*) AS jobs FROM jobs
    WHERE {_of_month}
    GROUP BY day
"""
IMAGES = f"""
    SELECT {_day} AS day, count(*) AS images FROM {_with_tasks}
    WHERE {_of_month} AND {_stored}
    GROUP BY day
"""
MEMBERS = f"""
    SELECT {_member} AS user_id, count(*) AS jobs, {_cost} AS cost_ucr FROM jobs
    WHERE {_of_month}
    GROUP BY {_member}
    ORDER BY {_cost} DESC, count(*) DESC LIMIT {MEMBERS_SHOWN_MAX}
"""
#: what was given back of a job was not spent on its images either
ROUTES = f"""
    SELECT
        tasks.route_id,
        count(*) AS images,
        coalesce(sum(CASE WHEN jobs.cost_ucr > 0 THEN tasks.cost_ucr ELSE 0 END), 0) AS cost_ucr
    FROM {_with_tasks}
    WHERE {_of_month} AND {_stored}
    GROUP BY tasks.route_id
    ORDER BY count(*) DESC LIMIT {ROUTES_SHOWN_MAX}
"""
FAILURES = f"""
    SELECT jobs.failure, count(*) AS jobs FROM jobs
    WHERE {_of_month} AND jobs.state = '{JobState.FAILED}'
    GROUP BY jobs.failure
    ORDER BY count(*) DESC LIMIT {FAILURES_SHOWN_MAX}
"""
WAITED = f"""
    SELECT {_waited} FROM jobs
    WHERE {_of_month} AND jobs.state = '{JobState.DONE}'
    ORDER BY {_waited} LIMIT 1 OFFSET :before
"""
#: `after` stands first because SQLite begins to read at the first of two lower bounds
SOME = f"""
    SELECT
        id AS job_id, created_at AS asked_at, user_id, request, state, finished_at,
        coalesce(failure, '') AS failure, coalesce(cost_ucr, 0) AS cost_ucr
    FROM jobs
    WHERE server_id = :server AND id > :after AND id >= :first AND id < :end
    ORDER BY id LIMIT {ROWS_AT_ONCE}
"""
MADE = f"""
    SELECT job_id, route_id FROM tasks
    WHERE job_id IN {among("ids")} AND {_stored}
    ORDER BY id
"""


class Line(Struct, frozen=True):
    """A job in a month's table."""

    job_id: str
    asked_at: datetime
    user_id: int
    #: None: it cannot be read
    request: ImageRequest | None
    #: one for each image
    routes: Sequence[str]
    state: str
    failure: str
    cost_ucr: int
    wait_s: float | None


def month(tx: Transaction, server_id: int, of: date) -> Month:
    """
    Args:
        of: the month's first day.
    """
    first, end = ids_of_month(of)
    given = {"server": server_id, "first": first, "end": end}
    states = {row.state: row for row in tx.rows(STATES, given)}
    done = states[JobState.DONE].jobs if JobState.DONE in states else 0
    failed = states[JobState.FAILED].jobs if JobState.FAILED in states else 0
    waited = tx.scalar(WAITED, given | {"before": done // 2}) if done else None
    images = {row.day: row.images for row in tx.rows(IMAGES, given)}
    return Month(
        jobs=sum(row.jobs for row in states.values()),
        failed=failed,
        cost_ucr=sum(row.cost_ucr for row in states.values()),
        members=tx.values(OfMember, MEMBERS, given),
        routes=tx.values(OfRoute, ROUTES, given),
        failures=[(read_failure(row.failure), row.jobs) for row in tx.rows(FAILURES, given)],
        median_wait_s=None if waited is None else waited / 1000,
        days={row.day: OfDay(images.get(row.day, 0), row.cost_ucr) for row in tx.rows(DAYS, given)},
    )


def some_lines(tx: Transaction, server_id: int, of: date, after: str) -> list[Line]:
    """
    The next jobs of a server's month, oldest first.

    Args:
        of: the month's first day.
        after: id of the last job before them; empty: from the first on.
    """
    first, end = ids_of_month(of)
    # `first` is only the beginning of an id, so no id is equal to it.
    given = {"server": server_id, "first": first, "end": end, "after": after or first}
    rows = list(tx.rows(SOME, given))
    made: dict[str, list[str]] = {row.job_id: [] for row in rows}
    for row in tx.rows(MADE, {"ids": listed(made)}):
        made[row.job_id].append(row.route_id)
    return [_line(row, made[row.job_id]) for row in rows]


def _line(row: Row, routes: list[str]) -> Line:
    wait_s = (row.finished_at - row.asked_at).total_seconds() if row.finished_at else None
    request = read_request(row.request, job_id=row.job_id)
    return read_as(row, Line, request=request, routes=routes, wait_s=wait_s)
