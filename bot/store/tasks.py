"""Tasks' steps, each guarded by the state it starts from; a job's last task ends its making."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import asdict, replace

from bot.domain.credits import Microcredits
from bot.domain.jobs import (
    OPEN_TASK_STATES,
    TASK_STEPS,
    Failure,
    JobState,
    Made,
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
from bot.store.rows import JOB, TASK, find_job, problem_row, read_task
from bot.store.sql import Transaction, among, listed
from bot.store.sql import insert as insert_into

NEW_TASKS = insert_into("tasks", "id", "job_id", "image_index", "route_id", "price_ucr", "state")
TASKS = f"SELECT {TASK} FROM tasks WHERE job_id = :job ORDER BY image_index, id"
OF_JOBS = f"SELECT {TASK} FROM tasks WHERE job_id IN {among('ids')} ORDER BY image_index, id"
CANCEL_TASKS = f"UPDATE tasks SET state = '{TaskState.FAILED}', failure = :why WHERE job_id = :job"
END_MAKING = f"""
    UPDATE jobs SET
        state = '{JobState.DELIVERING}', cost_ucr = :cost, failure = :failure, facts = :facts
    WHERE id = :job AND state = '{JobState.RUNNING}'
    RETURNING {JOB}
"""


def _stepping(state: TaskState, *others: str, where: str = "") -> str:
    """A statement that moves a task into the state, and sets these other columns."""
    # The submits are compared too: a task may come back to a state, but never with the same count.
    return f"""
        UPDATE tasks SET {", ".join([f"state = '{state}'", *(f"{it} = :{it}" for it in others)])}
        WHERE id = :task AND state = :from_state AND submits = :from_submits {where}
    """


STEPS = {
    TaskState.SUBMITTING: _stepping(
        TaskState.SUBMITTING,
        "submits",
        where="AND EXISTS (SELECT 1 FROM jobs"
        f" WHERE jobs.id = tasks.job_id AND jobs.state = '{JobState.RUNNING}')",
    ),
    TaskState.PENDING: _stepping(TaskState.PENDING),
    TaskState.SUBMITTED: _stepping(TaskState.SUBMITTED, "provider_task_id", "submitted_at"),
    TaskState.STORED: _stepping(
        TaskState.STORED,
        *("image_name", "width_px", "height_px", "size_bytes", "cost_ucr", "cost_known"),
    ),
    TaskState.FAILED: _stepping(TaskState.FAILED, "failure", "facts"),
}


def insert(tx: Transaction, its_tasks: Sequence[Task]) -> None:
    tx.executemany(NEW_TASKS, [asdict(task) for task in its_tasks])


def of_job(tx: Transaction, job_id: str) -> list[Task]:
    """A job's tasks, in the order of their images."""
    return [read_task(row) for row in tx.rows(TASKS, {"job": job_id})]


def of_jobs(tx: Transaction, job_ids: Collection[str]) -> dict[str, list[Task]]:
    """Job id -> its tasks, in the order of their images."""
    found: dict[str, list[Task]] = {job_id: [] for job_id in job_ids}
    for row in tx.rows(OF_JOBS, {"ids": listed(job_ids)}):
        found[row.job_id].append(read_task(row))
    return found


def cancel(tx: Transaction, job_id: str, failure: Failure) -> None:
    tx.execute(CANCEL_TASKS, {"job": job_id, "why": failure})


def begin_submit(tx: Transaction, task: Task) -> Task:
    """Record that the task is about to be sent, if its job is still running."""
    return _step(tx, task, TaskState.SUBMITTING, submits=task.submits + 1)


def not_accepted(tx: Transaction, task: Task) -> Task:
    """Record that the submit was certainly not accepted: the task may be sent again."""
    return _step(tx, task, TaskState.PENDING)


def submitted(tx: Transaction, task: Task, provider_task_id: str, now: datetime) -> Task:
    return _step(tx, task, TaskState.SUBMITTED, provider_task_id=provider_task_id, submitted_at=now)


def fall_back(tx: Transaction, task: Task, problem: Problem, onto: Task) -> Task:
    """Record that the task gives no image, and add one on another route in its place."""
    _take(tx, task, TaskState.FAILED, **problem_row(problem))
    insert(tx, [onto])
    return onto


def stored(
    tx: Transaction, allowance: Allowance, task: Task, image: ImageFile, cost: Cost, now: datetime
) -> Made | None:
    """
    Record that the image is on disk. The job's last task settles its hold.

    Returns:
        The job, to be delivered; None: other tasks of it are open.
    """
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
    tx: Transaction, allowance: Allowance, task: Task, problem: Problem, now: datetime
) -> Made | None:
    """
    Record that the task gives no image. The job's last task ends its hold.

    Returns:
        As `stored`.
    """
    _take(tx, task, TaskState.FAILED, **problem_row(problem))
    return _end_making(tx, allowance, task.job_id, now)


def _step(tx: Transaction, task: Task, state: TaskState, **values: Any) -> Task:
    _take(tx, task, state, **values)
    return replace(task, state=state, **values)


def _take(tx: Transaction, task: Task, state: TaskState, **values: Any) -> None:
    """
    Raises:
        StepLost: the task has left its state; or it is to be submitted, and its job is not running.
    """
    assert state in TASK_STEPS[task.state], f"{task.state} -> {state} is no step of a task"
    given = {"task": task.id, "from_state": task.state, "from_submits": task.submits, **values}
    if not tx.execute(STEPS[state], given):
        raise StepLost(f"task {task.id} is no longer {task.state}, or its job has ended")


def _end_making(tx: Transaction, allowance: Allowance, job_id: str, now: datetime) -> Made | None:
    """If no task of the job is open, move the job on to delivery and end its hold."""
    its_tasks = of_job(tx, job_id)
    if any(task.state in OPEN_TASK_STATES for task in its_tasks):
        return None
    costs = [task.cost_ucr for task in its_tasks if task.cost_ucr is not None]
    problem = None if costs else latest(its_tasks)[0].problem
    cost = Microcredits(sum(costs))
    job = find_job(tx, END_MAKING, {"job": job_id, "cost": cost} | problem_row(problem))
    if job is None:
        raise StepLost(f"job {job_id} is no longer {JobState.RUNNING}")
    left_ucr = ledger.end_hold(tx, allowance, job, cost if costs else None, now)
    return Made(job, its_tasks, left_ucr)
