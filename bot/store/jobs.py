"""Jobs and tasks: accept, claim, advance; every step is one transaction guarded by its state."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import ledger
from bot.domain.credits import Microcredits
from bot.domain.jobs import (
    JOB_STEPS,
    OPEN_TASK_STATES,
    TASK_STEPS,
    Failure,
    Job,
    JobState,
    Problem,
    Task,
    TaskState,
    latest,
)
from bot.domain.ledger import EntryKind
from bot.domain.ports import ImageFile
from bot.domain.pricing import Cost
from bot.domain.queue import QueuePlace
from bot.errors import Busy, Repeated, StepLost
from bot.store import queue
from bot.store.accounts import AccountStore
from bot.store.database import Database, kept
from bot.store.rows import job_row, read_job, read_task, task_row
from bot.store.schema import ACTIVE, jobs, tasks

#: how many jobs a member is shown
HISTORY_SHOWN_MAX = 10
#: the latest cancelled jobs whose members are told again at a start
CANCELLED_MAX = 50


class JobStore:
    """
    The engine's port `Jobs`, which documents its methods, on the database.

    Args:
        owner: this process; the name on its leases.
    """

    def __init__(
        self, database: Database, account_store: AccountStore, caps: queue.Caps, owner: str
    ) -> None:
        self._database = database
        self._accounts = account_store
        self._caps = caps
        self._owner = owner

    async def accept(self, job: Job, its_tasks: Sequence[Task]) -> QueuePlace:
        now = job.created_at
        async with self._database.transaction() as connection:
            await self._expect_new(connection, job.interaction_id)
            queued = await connection.scalar(
                sa.select(sa.func.count()).where(jobs.c.state == JobState.QUEUED)
            )
            if (queued or 0) >= self._caps.queued_max:
                raise Busy("So many images are waiting already that this one would wait too long.")
            account = await self._accounts.open(connection, job.server_id, job.user_id, now)
            held = ledger.hold(account, job.id, job.quote_ucr)
            await connection.execute(sa.insert(jobs).values(self._leased(job_row(job), now)))
            await connection.execute(sa.insert(tasks), [task_row(task) for task in its_tasks])
            await self._accounts.apply(connection, held, now)
            if not queued:
                return queue.place(self._caps, 0, its_tasks[0].route_id)
            places = {
                job.id: place for job, place in await queue.list_queue(connection, self._caps)
            }
            return places[job.id]

    @kept
    async def hand_over(self, job_id: str, message_id: int | None) -> None:
        async with self._database.transaction() as connection:
            of_job = sa.update(jobs).where(jobs.c.id == job_id)
            await connection.execute(of_job.values(message_id=message_id))
            # If our lease ran out meanwhile, the one it has now is somebody else's.
            await connection.execute(
                of_job.where(
                    jobs.c.state == JobState.QUEUED, jobs.c.lease_owner == self._owner
                ).values(lease_owner=None, lease_until=None)
            )

    @kept
    async def cancel(self, job_id: str, now: datetime, failure: Failure = Failure.CANCELLED) -> Job:
        touched = sa.exists().where(tasks.c.job_id == job_id, tasks.c.state != TaskState.PENDING)
        async with self._database.transaction() as connection:
            updated = await connection.execute(
                sa.update(jobs)
                .where(
                    jobs.c.id == job_id,
                    jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)),
                    ~touched,
                )
                .values(state=JobState.CANCELLED, failure=failure, finished_at=now)
                .returning(jobs)
            )
            row = updated.one_or_none()
            if row is None:
                raise StepLost(f"job {job_id} was submitted, or has ended")
            await connection.execute(
                sa.update(tasks)
                .where(tasks.c.job_id == job_id)
                .values(state=TaskState.FAILED, failure=failure)
            )
            job = read_job(row)
            await self._end_hold(connection, job, None, now)
            return job

    async def claim(self, now: datetime) -> Job | None:
        async with self._database.transaction() as connection:
            row = await queue.resumable(connection, now)
            row = row or await queue.next_in_turn(connection, self._caps, now)
            if row is None:
                return None
            values: dict[str, Any] = self._leased({"claims": jobs.c.claims + 1}, now)
            if row.state == JobState.QUEUED:
                values |= {"state": JobState.RUNNING, "started_at": now}
                await queue.take_turn(connection, read_job(row))
            updated = await connection.execute(
                sa.update(jobs).where(jobs.c.id == row.id).values(values).returning(jobs)
            )
            return read_job(updated.one())

    async def queue(self) -> list[tuple[Job, QueuePlace]]:
        async with self._database.reading() as connection:
            return await queue.list_queue(connection, self._caps, answered=True)

    async def history(self, server_id: int, user_id: int) -> list[Job]:
        async with self._database.reading() as connection:
            rows = await connection.execute(
                sa.select(jobs)
                .where(jobs.c.server_id == server_id, jobs.c.user_id == user_id)
                .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
                .limit(HISTORY_SHOWN_MAX)
            )
            return [read_job(row) for row in rows]

    async def renew_leases(self, job_ids: Sequence[str], now: datetime) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(jobs)
                .where(jobs.c.lease_owner == self._owner, jobs.c.id.in_(job_ids))
                .values(self._leased({}, now))
            )

    async def free_leases(self) -> int:
        """At start, where this is the database's only process: whoever held one is dead."""
        async with self._database.transaction() as connection:
            freed = await connection.execute(
                sa.update(jobs)
                .where(jobs.c.lease_owner.is_not(None), sa.text(ACTIVE))
                .values(lease_owner=None, lease_until=None)
            )
            return freed.rowcount

    async def find(self, job_id: str) -> Job | None:
        async with self._database.reading() as connection:
            rows = await connection.execute(sa.select(jobs).where(jobs.c.id == job_id))
            row = rows.one_or_none()
            return read_job(row) if row else None

    async def job(self, job_id: str) -> Job:
        async with self._database.reading() as connection:
            return read_job(
                (await connection.execute(sa.select(jobs).where(jobs.c.id == job_id))).one()
            )

    async def tasks(self, job_id: str) -> list[Task]:
        async with self._database.reading() as connection:
            return await self._tasks(connection, job_id)

    async def begin_submit(self, task: Task) -> Task:
        async with self._database.transaction() as connection:
            running = await connection.scalar(
                sa.select(sa.func.count()).where(
                    jobs.c.id == task.job_id, jobs.c.state == JobState.RUNNING
                )
            )
            if not running:
                raise StepLost(f"job {task.job_id} is not running")
            return await self._step(
                connection, task, TaskState.SUBMITTING, submits=task.submits + 1
            )

    @kept
    async def not_accepted(self, task: Task) -> Task:
        async with self._database.transaction() as connection:
            return await self._step(connection, task, TaskState.PENDING)

    @kept
    async def submitted(self, task: Task, provider_task_id: str, now: datetime) -> Task:
        async with self._database.transaction() as connection:
            return await self._step(
                connection,
                task,
                TaskState.SUBMITTED,
                provider_task_id=provider_task_id,
                submitted_at=now,
            )

    @kept
    async def fall_back(self, task: Task, problem: Problem, onto: Task) -> Task:
        async with self._database.transaction() as connection:
            await self._step(
                connection,
                task,
                TaskState.FAILED,
                failure=problem.failure,
                detail=problem.detail,
            )
            await connection.execute(sa.insert(tasks).values(task_row(onto)))
            return onto

    @kept
    async def stored(self, task: Task, image: ImageFile, cost: Cost, now: datetime) -> Job:
        async with self._database.transaction() as connection:
            await self._step(
                connection,
                task,
                TaskState.STORED,
                image_name=image.path.name,
                width_px=image.width_px,
                height_px=image.height_px,
                size_bytes=image.size_bytes,
                cost_ucr=cost.amount_ucr,
                cost_known=cost.known,
            )
            return await self._end_making(connection, task.job_id, now)

    @kept
    async def failed(self, task: Task, problem: Problem, now: datetime) -> Job:
        async with self._database.transaction() as connection:
            await self._step(
                connection,
                task,
                TaskState.FAILED,
                failure=problem.failure,
                detail=problem.detail,
            )
            return await self._end_making(connection, task.job_id, now)

    @kept
    async def finish(
        self, job: Job, message_id: int | None, now: datetime, *, keeps_images: bool = False
    ) -> Job:
        async with self._database.transaction() as connection:
            failure = await connection.scalar(sa.select(jobs.c.failure).where(jobs.c.id == job.id))
            return await self._advance(
                connection,
                job.id,
                JobState.DELIVERING,
                JobState.FAILED if failure else JobState.DONE,
                finished_at=now,
                message_id=sa.func.coalesce(message_id, jobs.c.message_id),
                keeps_images=keeps_images,
            )

    async def cancelled_since(self, since: datetime) -> list[Job]:
        async with self._database.reading() as connection:
            rows = await connection.execute(
                sa.select(jobs)
                .where(
                    jobs.c.state == JobState.CANCELLED,
                    jobs.c.failure == Failure.CANCELLED,
                    jobs.c.finished_at >= since,
                )
                .order_by(jobs.c.finished_at.desc())
                .limit(CANCELLED_MAX)
            )
            return [read_job(row) for row in rows]

    async def without_use(self, job_ids: Collection[str]) -> set[str]:
        async with self._database.reading() as connection:
            rows = await connection.execute(
                sa.select(jobs.c.id).where(
                    jobs.c.id.in_(job_ids), jobs.c.finished_at.is_not(None), ~jobs.c.keeps_images
                )
            )
            return {row.id for row in rows}

    @kept
    async def refund(self, job: Job, problem: Problem, now: datetime) -> Job:
        async with self._database.transaction() as connection:
            delivering = (jobs.c.id == job.id) & (jobs.c.state == JobState.DELIVERING)
            cost = await connection.scalar(sa.select(jobs.c.cost_ucr).where(delivering))
            if cost is None:
                raise StepLost(f"job {job.id} is no longer delivering")
            if cost:
                of_job = await self._accounts.job_entries(connection, job.id)
                account = await self._accounts.open(connection, job.server_id, job.user_id, now)
                change = ledger.refund(account, of_job[EntryKind.HOLD], of_job[EntryKind.SETTLE])
                await self._accounts.apply(connection, change, now)
            refunded = await connection.execute(
                sa.update(jobs)
                .where(delivering)
                .values(failure=problem.failure, detail=problem.detail, cost_ucr=0)
                .returning(jobs)
            )
            return read_job(refunded.one())

    async def _expect_new(self, connection: AsyncConnection, interaction_id: int) -> None:
        found = await connection.scalar(
            sa.select(jobs.c.id).where(jobs.c.interaction_id == interaction_id)
        )
        if found is not None:
            raise Repeated(f"interaction {interaction_id} is job {found} already")

    def _leased(self, values: dict[str, Any], now: datetime) -> dict[str, Any]:
        return values | {
            "lease_owner": self._owner,
            "lease_until": now + timedelta(seconds=queue.LEASE_S),
        }

    async def _tasks(self, connection: AsyncConnection, job_id: str) -> list[Task]:
        rows = await connection.execute(
            sa.select(tasks)
            .where(tasks.c.job_id == job_id)
            .order_by(tasks.c.image_index, tasks.c.id)
        )
        return [read_task(row) for row in rows]

    async def _step(
        self, connection: AsyncConnection, task: Task, state: TaskState, **values: object
    ) -> Task:
        assert state in TASK_STEPS[task.state], f"{task.state} -> {state} is no step of a task"
        updated = await connection.execute(
            sa.update(tasks)
            # The submits too: a task may come back to a state, but never with the same count.
            .where(
                tasks.c.id == task.id,
                tasks.c.state == task.state,
                tasks.c.submits == task.submits,
            )
            .values(state=state, **values)
            .returning(tasks)
        )
        row = updated.one_or_none()
        if row is None:
            raise StepLost(f"task {task.id} is no longer {task.state}")
        return read_task(row)

    async def _advance(
        self,
        connection: AsyncConnection,
        job_id: str,
        old: JobState,
        new: JobState,
        **values: object,
    ) -> Job:
        assert new in JOB_STEPS[old], f"{old} -> {new} is no step of a job"
        updated = await connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state == old)
            .values(state=new, **values)
            .returning(jobs)
        )
        row = updated.one_or_none()
        if row is None:
            raise StepLost(f"job {job_id} is no longer {old}")
        return read_job(row)

    async def _end_making(self, connection: AsyncConnection, job_id: str, now: datetime) -> Job:
        """With its last task the job goes on to delivery, and its hold ends."""
        its_tasks = await self._tasks(connection, job_id)
        if any(task.state in OPEN_TASK_STATES for task in its_tasks):
            return read_job(
                (await connection.execute(sa.select(jobs).where(jobs.c.id == job_id))).one()
            )
        costs = [task.cost_ucr for task in its_tasks if task.cost_ucr is not None]
        problem = None if costs else latest(its_tasks)[0].problem
        cost = Microcredits(sum(costs))
        job = await self._advance(
            connection,
            job_id,
            JobState.RUNNING,
            JobState.DELIVERING,
            cost_ucr=cost,
            failure=problem and problem.failure,
            detail=problem.detail if problem else "",
        )
        await self._end_hold(connection, job, cost if costs else None, now)
        return job

    async def _end_hold(
        self, connection: AsyncConnection, job: Job, cost: Microcredits | None, now: datetime
    ) -> None:
        """Settle at `cost`, or release where there is none."""
        held = (await self._accounts.job_entries(connection, job.id))[EntryKind.HOLD]
        account = await self._accounts.open(connection, job.server_id, job.user_id, now)
        change = (
            ledger.release(account, held) if cost is None else ledger.settle(account, held, cost)
        )
        await self._accounts.apply(connection, change, now)
