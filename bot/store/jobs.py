"""Jobs: accept, claim, end; every step is guarded by the state it starts from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain.credits import Microcredits
from bot.domain.jobs import (
    Claimed,
    Failure,
    Job,
    JobState,
    Problem,
    Task,
    TaskState,
)
from bot.domain.ledger import Account, Allowance
from bot.domain.queue import Caps
from bot.domain.requests import Mode
from bot.errors import Facts, StepLost
from bot.store import ledger, queue, schema, tasks
from bot.store.rows import JOB, read_job
from bot.store.schema import HAS_PARENT, IS_CANCELLED, IS_QUEUED, IS_WORKED_ON, jobs

#: how many jobs a member is shown at once
HISTORY_SHOWN_MAX = 10
#: the latest cancelled jobs whose members are told again at a start
CANCELLED_MAX = 50

_of_job = jobs.c.id == sa.bindparam("of_job")
_any_of = jobs.c.id.in_(sa.bindparam("ids", expanding=True))
FIND = sa.select(*JOB).where(_of_job)
#: what a member may look for among their jobs; empty: all of them
KINDS: Mapping[str, sa.ColumnElement[bool]] = {
    "": sa.true(),
    "generate": jobs.c.mode == Mode.GENERATE,
    "edit": jobs.c.mode == Mode.EDIT,
    "pictures": jobs.c.state == JobState.DONE,
    "failed": jobs.c.state.in_((JobState.FAILED, JobState.CANCELLED)),
    "open": jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING)),
}
HISTORY = {
    kind: sa.select(*JOB)
    .where(
        jobs.c.server_id == sa.bindparam("server"),
        jobs.c.user_id == sa.bindparam("user"),
        ~jobs.c.removed,
        its,
    )
    .order_by(jobs.c.id.desc())
    .limit(sa.bindparam("shown_max"))
    for kind, its in KINDS.items()
}
OLDER = {kind: latest.where(jobs.c.id < sa.bindparam("before")) for kind, latest in HISTORY.items()}
CHILDREN = (
    sa.select(jobs.c.id)
    .where(sa.text(f"jobs.{HAS_PARENT}"), jobs.c.parent_id == sa.bindparam("parent"))
    .order_by(jobs.c.id)
)
#: not while it is delivered: its result may be on its way to Discord
STOP_WATCHING = (
    sa.update(jobs)
    .where(_of_job, jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)))
    .values(unwatched=sa.true())
    .returning(*JOB)
)
CANCELLED_SINCE = (
    sa.select(*JOB)
    .where(
        sa.text(f"jobs.{IS_CANCELLED}"),
        jobs.c.failure == Failure.CANCELLED,
        # One whose data was erased since has nothing left to be told by.
        jobs.c.token != "",
        jobs.c.finished_at >= sa.bindparam("since"),
    )
    .order_by(jobs.c.finished_at.desc())
    .limit(CANCELLED_MAX)
)
WITHOUT_USE = sa.select(jobs.c.id).where(
    _any_of, jobs.c.finished_at.is_not(None), ~jobs.c.keeps_images
)
ENDED = sa.select(jobs.c.id).where(_any_of, jobs.c.finished_at.is_not(None))
#: if its own lease ran out meanwhile, the one it has now is somebody else's
HAND_OVER = (
    sa.update(jobs)
    .where(_of_job)
    .values(
        message_id=sa.bindparam("message"),
        **{
            name: sa.case(
                (
                    (jobs.c.state == JobState.QUEUED)
                    & (jobs.c.lease_owner == sa.bindparam("owner")),
                    None,
                ),
                else_=jobs.c[name],
            )
            for name in ("lease_owner", "lease_until")
        },
    )
)
CANCEL = (
    sa.update(jobs)
    .where(
        _of_job,
        jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)),
        ~sa.exists().where(
            schema.tasks.c.job_id == jobs.c.id, schema.tasks.c.state != TaskState.PENDING
        ),
    )
    .values(
        state=JobState.CANCELLED,
        failure=sa.bindparam("why"),
        facts=sa.bindparam("its_facts"),
        finished_at=sa.bindparam("now"),
    )
    .returning(*JOB)
)
_leased: dict[str, Any] = {
    "lease_owner": sa.bindparam("owner"),
    "lease_until": sa.bindparam("until"),
}
RESUME = sa.update(jobs).where(_of_job).values(claims=jobs.c.claims + 1, **_leased).returning(*JOB)
CLAIM = (
    sa.update(jobs)
    .where(jobs.c.id == queue.OLDEST.scalar_subquery())
    .values(
        state=JobState.RUNNING,
        started_at=sa.bindparam("now"),
        claims=jobs.c.claims + 1,
        **_leased,
    )
    .returning(*JOB)
)
RENEW = (
    sa.update(jobs)
    .where(jobs.c.lease_owner == sa.bindparam("owner"), _any_of)
    .values(lease_until=sa.bindparam("until"))
)
FREE_LEASES = [
    sa.update(jobs)
    .where(sa.text(f"jobs.{condition}"), jobs.c.lease_owner.is_not(None))
    .values(lease_owner=None, lease_until=None)
    for condition in (IS_QUEUED, IS_WORKED_ON)
]
_delivering = sa.and_(_of_job, jobs.c.state == JobState.DELIVERING)
FINISH = (
    sa.update(jobs)
    .where(_delivering)
    .values(
        state=sa.case((jobs.c.failure.is_(None), JobState.DONE), else_=JobState.FAILED),
        finished_at=sa.bindparam("now"),
        message_id=sa.func.coalesce(sa.bindparam("message"), jobs.c.message_id),
        # A moderator may have removed it as soon as it was seen.
        keeps_images=sa.and_(sa.bindparam("keeps"), ~jobs.c.removed),
    )
    .returning(*JOB)
)
IN_SERVER = sa.union_all(
    sa.select(jobs.c.id).where(
        sa.text(f"jobs.{IS_QUEUED}"), jobs.c.party_id == sa.bindparam("server")
    ),
    sa.select(jobs.c.id).where(
        sa.text(f"jobs.{IS_WORKED_ON}"), jobs.c.server_id == sa.bindparam("server")
    ),
)
CHARGED = sa.select(jobs.c.cost_ucr).where(_delivering)
PAID = sa.select(jobs.c.cost_ucr).where(_of_job, jobs.c.finished_at.is_not(None))
UNPAID = sa.update(jobs).where(_of_job).values(cost_ucr=0)
REFUND = (
    sa.update(jobs)
    .where(_delivering)
    .values(failure=sa.bindparam("why"), facts=sa.bindparam("its_facts"), cost_ucr=0)
    .returning(*JOB)
)


@dataclass(frozen=True, slots=True)
class House:
    """What the steps go by: the host's rules, and which process this is."""

    caps: Caps
    allowance: Allowance
    #: what each server may spend in a month; None: as much as its members may
    budget_ucr: Microcredits | None
    #: what all servers and direct messages together may spend in a month; None: no limit
    total_budget_ucr: Microcredits | None
    #: the name on its leases
    owner: str

    def lease(self, now: datetime) -> dict[str, object]:
        return {"owner": self.owner, "until": now + timedelta(seconds=queue.LEASE_S)}


def hand_over(tx: sa.Connection, house: House, job_id: str, message_id: int | None) -> None:
    """The member has the status message: anyone may work on the job now."""
    tx.execute(HAND_OVER, {"of_job": job_id, "message": message_id, "owner": house.owner})


def cancel(
    tx: sa.Connection,
    house: House,
    job_id: str,
    now: datetime,
    failure: Failure = Failure.CANCELLED,
    facts: Facts | None = None,
) -> Job:
    """
    End a job of which nothing was submitted, and release its hold.

    Args:
        facts: of the problem that it ends with.
    Raises:
        StepLost: it is too late; or it was cancelled before.
    """
    given = {"of_job": job_id, "why": failure, "its_facts": facts or {}, "now": now}
    row = tx.execute(CANCEL, given).one_or_none()
    if row is None:
        raise StepLost(f"job {job_id} was submitted, or has ended")
    tasks.cancel(tx, job_id, failure)
    job = read_job(row)
    if job.started_at is None:
        queue.leave(tx, job)
    ledger.end_hold(tx, house.allowance, job, None, now)
    return job


def claim(tx: sa.Connection, house: House, now: datetime, jobs_max: int) -> Claimed:
    """
    Take jobs whose owners died, and then queued ones whose turn it is among those whose members,
    servers and routes are under their caps. A queued job becomes running; a resumed one keeps its
    state.
    """
    choice = queue.Choice(house.caps, now)
    choice.look(tx)
    given = house.lease(now)
    claimed = []
    for job_id in choice.left[:jobs_max]:
        job = read_job(tx.execute(RESUME, given | {"of_job": job_id}).one())
        claimed.append((job, tasks.of_job(tx, job_id)))
    while len(claimed) < jobs_max:
        turn = choice.next_turn(tx)
        if turn is None:
            break
        job = read_job(tx.execute(CLAIM, given | turn).one())
        its_tasks = tasks.of_job(tx, job.id)
        choice.count_images([task.route_id for task in its_tasks])
        claimed.append((job, its_tasks))
        if not queue.is_anybody_waiting(tx):
            return Claimed(tuple(claimed), others_wait=False)
    return Claimed(tuple(claimed), others_wait=queue.is_anybody_waiting(tx))


def history(
    tx: sa.Connection,
    server_id: int,
    user_id: int,
    *,
    before: str = "",
    kind: str = "",
    limit: int = HISTORY_SHOWN_MAX,
) -> list[Job]:
    """
    A member's jobs, newest first.

    Args:
        before: a job's id: only older ones; empty: from the latest on.
        kind: one of KINDS.
    """
    given: dict[str, object] = {"server": server_id, "user": user_id, "shown_max": limit}
    if before:
        rows = tx.execute(OLDER[kind], given | {"before": before})
    else:
        rows = tx.execute(HISTORY[kind], given)
    return [read_job(row) for row in rows]


def children(tx: sa.Connection, job_id: str) -> list[str]:
    """The ids of the jobs that go on from a result of this one, oldest first."""
    return list(tx.scalars(CHILDREN, {"parent": job_id}))


def stop_watching(tx: sa.Connection, job_id: str) -> Job | None:
    """
    Its member waits for the job no longer: its images are kept, and nothing is posted.

    Returns:
        None: it has ended or is being delivered, or there is no such job.
    """
    row = tx.execute(STOP_WATCHING, {"of_job": job_id}).one_or_none()
    return read_job(row) if row else None


def renew_leases(tx: sa.Connection, house: House, job_ids: Sequence[str], now: datetime) -> None:
    tx.execute(RENEW, house.lease(now) | {"ids": list(job_ids)})


def free_leases(tx: sa.Connection) -> int:
    """At start, where this is the database's only process: whoever held one is dead."""
    return sum(tx.execute(statement).rowcount for statement in FREE_LEASES)


def find(tx: sa.Connection, job_id: str) -> Job | None:
    """The job, for an id that came from outside."""
    row = tx.execute(FIND, {"of_job": job_id}).one_or_none()
    return read_job(row) if row else None


def job_of(tx: sa.Connection, job_id: str) -> Job:
    return read_job(tx.execute(FIND, {"of_job": job_id}).one())


def look(tx: sa.Connection, job_id: str) -> tuple[Job, list[Task]]:
    """The job and its tasks at one moment."""
    return job_of(tx, job_id), tasks.of_job(tx, job_id)


def to_deliver(
    tx: sa.Connection, house: House, job: Job, now: datetime
) -> tuple[list[Task], Account]:
    """What a delivery shows beside the job: its tasks, and the account as it is now."""
    account, _ = ledger.renewed(tx, job.server_id, job.user_id, house.allowance, now)
    return tasks.of_job(tx, job.id), account


def finish(
    tx: sa.Connection,
    job: Job,
    message_id: int | None,
    now: datetime,
    *,
    keeps_images: bool = False,
) -> Job:
    """The member has been told: the job is done or failed."""
    given = {"of_job": job.id, "message": message_id, "now": now, "keeps": keeps_images}
    row = tx.execute(FINISH, given).one_or_none()
    if row is None:
        raise StepLost(f"job {job.id} is no longer {JobState.DELIVERING}")
    return read_job(row)


def cancelled_since(tx: sa.Connection, since: datetime) -> list[Job]:
    """The latest jobs that were cancelled in front of their members."""
    return [read_job(row) for row in tx.execute(CANCELLED_SINCE, {"since": since})]


def under_way_in(tx: sa.Connection, server_id: int) -> list[str]:
    """The ids of a server's jobs that have not ended."""
    return list(tx.scalars(IN_SERVER, {"server": server_id}))


def without_use(tx: sa.Connection, job_ids: Collection[str]) -> set[str]:
    """Of these jobs, those that have ended and keep no images."""
    return {row.id for row in tx.execute(WITHOUT_USE, {"ids": list(job_ids)})}


def ended(tx: sa.Connection, job_ids: Collection[str]) -> set[str]:
    """Of these jobs, those that have ended."""
    return {row.id for row in tx.execute(ENDED, {"ids": list(job_ids)})}


def refund(tx: sa.Connection, house: House, job: Job, problem: Problem, now: datetime) -> Job:
    """Give back what a job in delivery was charged; what is delivered then is the problem."""
    cost = tx.scalar(CHARGED, {"of_job": job.id})
    if cost is None:
        raise StepLost(f"job {job.id} is no longer {JobState.DELIVERING}")
    if cost:
        ledger.pay_back(tx, house.allowance, job.id, now)
    given = {"of_job": job.id, "why": problem.failure, "its_facts": problem.facts}
    return read_job(tx.execute(REFUND, given).one())


def refund_ended(tx: sa.Connection, default: Allowance, job_id: str, now: datetime) -> Microcredits:
    """
    Give back what a job was charged that has ended.

    Args:
        default: of an account that does not remember what it was refilled to.
    Returns:
        What that was; 0 where there is no such job, or it has cost nothing.
    """
    cost = Microcredits(tx.scalar(PAID, {"of_job": job_id}) or 0)
    if cost:
        ledger.pay_back(tx, default, job_id, now)
        tx.execute(UNPAID, {"of_job": job_id})
    return cost
