"""A server's month in numbers. Only that month's jobs are read, however long the history is."""

from collections.abc import Sequence
from datetime import date, datetime

from msgspec import Struct

from bot.domain.jobs import JobState, TaskState, ids_of_month
from bot.domain.requests import ImageRequest
from bot.domain.statistics import Tally
from bot.store.rows import read_failure, read_request
from bot.store.sql import Row, Transaction, among, listed, read_as

#: jobs in one piece of the numbers, and of the table
COUNTED_AT_ONCE = 1_000
ROWS_AT_ONCE = 500
DAY_MS = 86_400_000

#: the month's next jobs, by `ix_jobs_server`; `after` stands first because SQLite begins to read at
#: the first of two lower bounds
_next = "jobs.server_id = :server AND jobs.id > :after AND jobs.id >= :first AND jobs.id < :end"
_day = f"jobs.created_at / {DAY_MS}"
_stored = f"tasks.state = '{TaskState.STORED}'"

COUNTED = f"""
    SELECT
        id, user_id, state, failure, coalesce(cost_ucr, 0) AS cost_ucr, {_day} AS day,
        finished_at - created_at AS waited_ms
    FROM jobs
    WHERE {_next}
    ORDER BY id LIMIT :at_once
"""
#: of the same jobs; what was given back of a job was not spent on its images either
IMAGES = f"""
    SELECT
        tasks.route_id,
        {_day} AS day,
        count(*) AS images,
        coalesce(sum(CASE WHEN jobs.cost_ucr > 0 THEN tasks.cost_ucr ELSE 0 END), 0) AS cost_ucr
    FROM jobs JOIN tasks ON tasks.job_id = jobs.id
    WHERE jobs.server_id = :server AND jobs.id > :after AND jobs.id <= :last AND {_stored}
    GROUP BY tasks.route_id, day
"""
SOME = f"""
    SELECT
        id AS job_id, created_at AS asked_at, user_id, request, state, finished_at,
        coalesce(failure, '') AS failure, coalesce(cost_ucr, 0) AS cost_ucr
    FROM jobs
    WHERE {_next}
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


def some_numbers(tx: Transaction, server_id: int, of: date, after: str) -> tuple[Tally, str]:
    """
    The numbers of the next jobs of a server's month, oldest first.

    Args:
        of: the month's first day.
        after: id of the last job before them; empty: from the first on.
    Returns:
        The numbers, and the id of the last of these jobs; empty: there are no more.
    """
    given = _given(server_id, of, after)
    tally = Tally()
    last = ""
    for row in tx.rows(COUNTED, given | {"at_once": COUNTED_AT_ONCE}):
        last = row.id
        tally.jobs_of_member[row.user_id] += 1
        tally.cost_of_member[row.user_id] += row.cost_ucr
        tally.cost_of_day[row.day] += row.cost_ucr
        if row.state == JobState.DONE:
            tally.waits_ms[row.waited_ms] += 1
        elif row.state == JobState.FAILED:
            tally.failures[read_failure(row.failure)] += 1
    for row in tx.rows(IMAGES, given | {"last": last}):
        tally.images_of_route[row.route_id] += row.images
        tally.cost_of_route[row.route_id] += row.cost_ucr
        tally.images_of_day[row.day] += row.images
    return tally, last if tally.jobs_of_member.total() == COUNTED_AT_ONCE else ""


def some_lines(tx: Transaction, server_id: int, of: date, after: str) -> list[Line]:
    """
    The next jobs of a server's month, oldest first.

    Args:
        of: the month's first day.
        after: id of the last job before them; empty: from the first on.
    """
    rows = list(tx.rows(SOME, _given(server_id, of, after)))
    made: dict[str, list[str]] = {row.job_id: [] for row in rows}
    for row in tx.rows(MADE, {"ids": listed(made)}):
        made[row.job_id].append(row.route_id)
    return [_line(row, made[row.job_id]) for row in rows]


def _given(server_id: int, of: date, after: str) -> dict[str, object]:
    first, end = ids_of_month(of)
    # `first` is only the beginning of an id, so no id is equal to it.
    return {"server": server_id, "first": first, "end": end, "after": after or first}


def _line(row: Row, routes: list[str]) -> Line:
    wait_s = (row.finished_at - row.asked_at).total_seconds() if row.finished_at else None
    request = read_request(row.request, job_id=row.job_id)
    return read_as(row, Line, request=request, routes=routes, wait_s=wait_s)
