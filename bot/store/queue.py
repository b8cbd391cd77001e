"""Which job is next: the queue in its fair order, held against the caps on running jobs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.jobs import OPEN_TASK_STATES, Job, JobState
from bot.domain.queue import QueuePlace, Turns, Waiting, expected_wait_s, fair_order
from bot.store.rows import Row, read_job
from bot.store.schema import jobs, tasks, turns

#: seconds; a job whose owner has not renewed its lease for so long is free for anyone
LEASE_S = 60
#: who shares turns and the cap of a server: a server, or one member in direct messages
PARTY = sa.case((jobs.c.server_id == 0, -jobs.c.user_id), else_=jobs.c.server_id)


@dataclass(frozen=True, slots=True)
class Caps:
    """How many jobs run at once; further ones wait in the queue."""

    running_per_user_max: int
    running_per_server_max: int
    running_max: int
    queued_max: int
    #: route id -> images under way at once; a job may go a few beyond it
    running_per_route_max: Mapping[str, int]
    #: of a route's id, the seconds that an image usually takes
    typical_s: Callable[[str], float]


async def resumable(connection: AsyncConnection, now: datetime) -> Row | None:
    """A job taken on before, that nobody works on any more."""
    rows = await connection.execute(
        sa.select(jobs)
        .where(jobs.c.state.in_((JobState.RUNNING, JobState.DELIVERING)), _free(now))
        .order_by(jobs.c.created_at, jobs.c.id)
        .limit(1)
    )
    return rows.one_or_none()


async def next_in_turn(connection: AsyncConnection, caps: Caps, now: datetime) -> Row | None:
    """The queued job whose turn it is: the order of `fair_order`, held against the caps."""
    of_server, of_member = turns.alias("of_server"), turns.alias("of_member")
    ordered = (
        sa.select(jobs)
        .outerjoin(
            of_server,
            (of_server.c.server_id == PARTY) & (of_server.c.user_id == 0),
        )
        .outerjoin(
            of_member,
            (of_member.c.server_id == PARTY) & (of_member.c.user_id == jobs.c.user_id),
        )
        .where(jobs.c.state == JobState.QUEUED, _free(now), _under_caps(caps))
        .order_by(
            sa.func.coalesce(of_server.c.turn, 0),
            sa.func.coalesce(of_member.c.turn, 0),
            jobs.c.created_at,
            jobs.c.id,
        )
        .limit(1)
    )
    full = await _full_routes(connection, caps)
    if full:
        ordered = ordered.where(
            ~sa.exists().where(tasks.c.job_id == jobs.c.id, tasks.c.route_id.in_(full))
        )
    return (await connection.execute(ordered)).one_or_none()


async def _full_routes(connection: AsyncConnection, caps: Caps) -> list[str]:
    rows = await connection.execute(
        sa.select(tasks.c.route_id, sa.func.count().label("running"))
        .join(jobs, jobs.c.id == tasks.c.job_id)
        .where(jobs.c.state == JobState.RUNNING, tasks.c.state.in_(OPEN_TASK_STATES))
        .group_by(tasks.c.route_id)
    )
    route_max = caps.running_per_route_max
    return [row.route_id for row in rows if row.running >= route_max.get(row.route_id, 0)]


async def take_turn(connection: AsyncConnection, job: Job) -> None:
    party = _party(job)
    latest = await connection.scalar(sa.select(sa.func.max(turns.c.turn)))
    await connection.execute(
        sa.delete(turns).where(turns.c.server_id == party, turns.c.user_id.in_((0, job.user_id)))
    )
    turn = {"server_id": party, "turn": (latest or 0) + 1}
    await connection.execute(
        sa.insert(turns), [turn | {"user_id": 0}, turn | {"user_id": job.user_id}]
    )


async def list_queue(
    connection: AsyncConnection, caps: Caps, *, answered: bool = False
) -> list[tuple[Job, QueuePlace]]:
    """
    Args:
        answered: leave out the jobs whose members have no status message yet.
    """
    rows = await connection.execute(
        sa.select(jobs, tasks.c.route_id)
        .join(tasks, (tasks.c.job_id == jobs.c.id) & (tasks.c.image_index == 0))
        .where(jobs.c.state == JobState.QUEUED)
        .order_by(jobs.c.created_at, jobs.c.id)
    )
    queued = {}
    unanswered = set()
    for row in rows:
        queued[row.id] = (read_job(row), row.route_id)
        if row.lease_owner is not None:
            unanswered.add(row.id)
    parties = {_party(job) for job, _ in queued.values()}
    past = await connection.execute(sa.select(turns).where(turns.c.server_id.in_(parties)))
    taken = {(row.server_id, row.user_id): row.turn for row in past}
    order = fair_order(
        [Waiting(job.id, _party(job), job.user_id) for job, _ in queued.values()],
        Turns(
            servers={key[0]: turn for key, turn in taken.items() if key[1] == 0},
            members=taken,
        ),
    )
    return [
        (queued[each.job_id][0], place(caps, ahead, queued[each.job_id][1]))
        for ahead, each in enumerate(order)
        if not (answered and each.job_id in unanswered)
    ]


def place(caps: Caps, ahead: int, route_id: str) -> QueuePlace:
    wait_s = expected_wait_s(ahead, caps.running_max, caps.typical_s(route_id))
    return QueuePlace(ahead, wait_s)


def _free(now: datetime) -> sa.ColumnElement[bool]:
    until = jobs.c.lease_until
    # Nobody takes a lease that ends so late: the clock stood ahead and was set right.
    return until.is_(None) | (until < now) | (until > now + timedelta(seconds=2 * LEASE_S))


def _under_caps(caps: Caps) -> sa.ColumnElement[bool]:
    other = jobs.alias("other")
    running = (
        sa.select(sa.func.count())
        .where(other.c.state.in_((JobState.RUNNING, JobState.DELIVERING)))
        .correlate(jobs)
    )
    of_user = running.where(other.c.user_id == jobs.c.user_id).scalar_subquery()
    of_server = running.where(other.c.server_id == jobs.c.server_id).scalar_subquery()
    return (of_user < caps.running_per_user_max) & (
        (jobs.c.server_id == 0) | (of_server < caps.running_per_server_max)
    )


def _party(job: Job) -> int:
    return job.server_id or -job.user_id
