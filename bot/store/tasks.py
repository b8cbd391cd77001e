"""Tasks: each step is guarded by the state it starts from, and the last one ends the making."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

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
from bot.domain.ledger import Allowance
from bot.domain.ports import ImageFile
from bot.domain.pricing import Cost
from bot.errors import StepLost
from bot.store import ledger
from bot.store.rows import JOB, read_job, read_task, task_row
from bot.store.schema import jobs, tasks

NEW_TASKS = sa.insert(tasks)
TASKS = (
    sa.select(tasks)
    .where(tasks.c.job_id == sa.bindparam("of_job"))
    .order_by(tasks.c.image_index, tasks.c.id)
)
CANCEL_TASKS = (
    sa.update(tasks)
    .where(tasks.c.job_id == sa.bindparam("of_job"))
    .values(state=TaskState.FAILED, failure=sa.bindparam("why"))
)
JOB_OF = sa.select(*JOB).where(jobs.c.id == sa.bindparam("of_job"))
END_MAKING = (
    sa.update(jobs)
    .where(jobs.c.id == sa.bindparam("of_job"), jobs.c.state == JobState.RUNNING)
    .values(
        state=JobState.DELIVERING,
        cost_ucr=sa.bindparam("cost"),
        failure=sa.bindparam("why"),
        facts=sa.bindparam("its_facts"),
    )
    .returning(*JOB)
)


def _stepping(state: TaskState, *others: str) -> sa.Update:
    """A step of a task into the state, which sets these columns as well."""
    return (
        sa.update(tasks)
        # The submits too: a task may come back to a state, but never with the same count.
        .where(
            tasks.c.id == sa.bindparam("of_task"),
            tasks.c.state == sa.bindparam("from_state"),
            tasks.c.submits == sa.bindparam("from_submits"),
        )
        .values(state=state, **{name: sa.bindparam(f"new_{name}") for name in others})
    )


STEPS = {
    TaskState.SUBMITTING: _stepping(TaskState.SUBMITTING, "submits").where(
        sa.exists().where(jobs.c.id == tasks.c.job_id, jobs.c.state == JobState.RUNNING)
    ),
    TaskState.PENDING: _stepping(TaskState.PENDING),
    TaskState.SUBMITTED: _stepping(TaskState.SUBMITTED, "provider_task_id", "submitted_at"),
    TaskState.STORED: _stepping(
        TaskState.STORED,
        *("image_name", "width_px", "height_px", "size_bytes", "cost_ucr", "cost_known"),
    ),
    TaskState.FAILED: _stepping(TaskState.FAILED, "failure", "facts"),
}


def insert(tx: sa.Connection, its_tasks: Sequence[Task]) -> None:
    tx.execute(NEW_TASKS, [task_row(task) for task in its_tasks])


def of_job(tx: sa.Connection, job_id: str) -> list[Task]:
    """In the order of their images."""
    return [read_task(row) for row in tx.execute(TASKS, {"of_job": job_id})]


def cancel(tx: sa.Connection, job_id: str, failure: Failure) -> None:
    tx.execute(CANCEL_TASKS, {"of_job": job_id, "why": failure})


def begin_submit(tx: sa.Connection, task: Task) -> Task:
    """Commit that the task is about to be sent, unless its job was cancelled."""
    return _step(tx, task, TaskState.SUBMITTING, submits=task.submits + 1)


def not_accepted(tx: sa.Connection, task: Task) -> Task:
    """The submit was surely not accepted: the task may be sent again."""
    return _step(tx, task, TaskState.PENDING)


def submitted(tx: sa.Connection, task: Task, provider_task_id: str, now: datetime) -> Task:
    return _step(tx, task, TaskState.SUBMITTED, provider_task_id=provider_task_id, submitted_at=now)


def fall_back(tx: sa.Connection, task: Task, problem: Problem, onto: Task) -> Task:
    """The task gives no image, and another one on another route tries in its place."""
    _take(tx, task, TaskState.FAILED, failure=problem.failure, facts=problem.facts)
    insert(tx, [onto])
    return onto


def stored(
    tx: sa.Connection, allowance: Allowance, task: Task, image: ImageFile, cost: Cost, now: datetime
) -> Job:
    """The image is on disk. With the job's last task, its hold is settled."""
    _take(
        tx,
        task,
        TaskState.STORED,
        image_name=image.path.name,
        width_px=image.width_px,
        height_px=image.height_px,
        size_bytes=image.size_bytes,
        cost_ucr=cost.amount_ucr,
        cost_known=cost.known,
    )
    return _end_making(tx, allowance, task.job_id, now)


def failed(
    tx: sa.Connection, allowance: Allowance, task: Task, problem: Problem, now: datetime
) -> Job:
    """The task gives no image. With the job's last task, its hold ends."""
    _take(tx, task, TaskState.FAILED, failure=problem.failure, facts=problem.facts)
    return _end_making(tx, allowance, task.job_id, now)


def _step(tx: sa.Connection, task: Task, state: TaskState, **values: Any) -> Task:
    _take(tx, task, state, **values)
    return replace(task, state=state, **values)


def _take(tx: sa.Connection, task: Task, state: TaskState, **values: Any) -> None:
    """
    Raises:
        StepLost: the task has left its state; or it is to be submitted, and its job is not running.
    """
    assert state in TASK_STEPS[task.state], f"{task.state} -> {state} is no step of a task"
    given = {
        "of_task": task.id,
        "from_state": task.state,
        "from_submits": task.submits,
        **{f"new_{name}": value for name, value in values.items()},
    }
    if not tx.execute(STEPS[state], given).rowcount:
        raise StepLost(f"task {task.id} is no longer {task.state}, or its job has ended")


def _end_making(tx: sa.Connection, allowance: Allowance, job_id: str, now: datetime) -> Job:
    """With its last task the job goes on to delivery, and its hold ends."""
    assert JobState.DELIVERING in JOB_STEPS[JobState.RUNNING]
    its_tasks = of_job(tx, job_id)
    if any(task.state in OPEN_TASK_STATES for task in its_tasks):
        return read_job(tx.execute(JOB_OF, {"of_job": job_id}).one())
    costs = [task.cost_ucr for task in its_tasks if task.cost_ucr is not None]
    problem = None if costs else latest(its_tasks)[0].problem
    cost = Microcredits(sum(costs))
    given = {
        "of_job": job_id,
        "cost": cost,
        "why": problem and problem.failure,
        "its_facts": problem.facts if problem else {},
    }
    row = tx.execute(END_MAKING, given).one_or_none()
    if row is None:
        raise StepLost(f"job {job_id} is no longer {JobState.RUNNING}")
    job = read_job(row)
    ledger.end_hold(tx, allowance, job, cost if costs else None, now)
    return job
