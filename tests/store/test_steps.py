"""Every step of a task and a job: guarded by its state, and the hold ends with the last task."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from bot.domain.jobs import Failure, Job, JobState, Problem, Task, TaskState
from bot.errors import StepLost
from bot.store import retention
from tests.store.bench import MODERATION, NOW, PRICE_UCR, TOMORROW, Bench, make_job

UNDELIVERABLE = Problem(Failure.UNDELIVERABLE)
LATER = NOW + timedelta(seconds=48)
HELD = [("allowance", 1_000_000), ("hold", -2 * PRICE_UCR)]


async def test_a_task_walks_from_pending_to_stored(bench: Bench) -> None:
    job, (task,) = await bench.running()
    task = await bench.jobs.begin_submit(task)
    assert (task.state, task.submits) == (TaskState.SUBMITTING, 1)
    task = await bench.jobs.not_accepted(task)
    assert (task.state, task.submits) == (TaskState.PENDING, 1)
    task = await bench.jobs.begin_submit(task)
    task = await bench.jobs.submitted(task, "vendor-1", LATER)
    assert (task.state, task.submits) == (TaskState.SUBMITTED, 2)
    assert (task.provider_task_id, task.submitted_at) == ("vendor-1", LATER)
    made = await bench.store(task, cost=50_000)
    assert made
    job = made.job
    assert (job.state, job.cost_ucr, job.problem) == (JobState.DELIVERING, 50_000, None)
    (task,) = await bench.jobs.tasks(job.id)
    assert (task.state, task.image_name, task.cost_ucr) == (
        TaskState.STORED,
        "lantern-0.png",
        50_000,
    )
    assert (task.width_px, task.height_px, task.size_bytes) == (1024, 768, 200_000)


Step = Callable[[Bench, Task], Awaitable[object]]


@pytest.mark.parametrize(
    ("start", "step"),
    [
        (TaskState.PENDING, lambda bench, task: bench.jobs.begin_submit(task)),
        (TaskState.PENDING, lambda bench, task: bench.jobs.failed(task, MODERATION, NOW)),
        (TaskState.SUBMITTING, lambda bench, task: bench.jobs.not_accepted(task)),
        (TaskState.SUBMITTING, lambda bench, task: bench.jobs.submitted(task, "again", NOW)),
        (TaskState.SUBMITTING, lambda bench, task: bench.jobs.failed(task, MODERATION, NOW)),
        (TaskState.SUBMITTED, lambda bench, task: bench.store(task)),
        (TaskState.SUBMITTED, lambda bench, task: bench.jobs.failed(task, MODERATION, NOW)),
    ],
)
async def test_a_step_of_a_task_is_taken_once(bench: Bench, start: TaskState, step: Step) -> None:
    _, (task,) = await bench.running()
    if start is not TaskState.PENDING:
        task = await bench.jobs.begin_submit(task)
    if start is TaskState.SUBMITTED:
        task = await bench.jobs.submitted(task, "vendor-1", NOW)
    await step(bench, task)
    moves, after = await bench.moves(), await bench.jobs.tasks("lantern")
    with pytest.raises(StepLost, match=f"task lantern-0 is no longer {start}"):
        await step(bench, task)
    assert (await bench.moves(), await bench.jobs.tasks("lantern")) == (moves, after)


@pytest.mark.parametrize(
    ("costs", "ending", "charged", "problem"),
    [
        ((PRICE_UCR, PRICE_UCR), ("settle", 0), 120_000, None),
        ((50_000, 40_000), ("settle", 30_000), 90_000, None),
        ((0, 0), ("settle", 120_000), 0, None),
        ((PRICE_UCR, None), ("settle", 60_000), 60_000, None),
        ((None, 50_000), ("settle", 70_000), 50_000, None),
        ((None, None), ("release", 120_000), 0, MODERATION),
    ],
)
async def test_the_last_task_ends_the_hold(
    bench: Bench,
    costs: tuple[int | None, ...],
    ending: tuple[str, int],
    charged: int,
    problem: Problem | None,
) -> None:
    job = await bench.delivering(*costs)
    assert (job.state, job.cost_ucr, job.problem) == (JobState.DELIVERING, charged, problem)
    assert await bench.jobs.job(job.id) == job
    assert await bench.moves() == [*HELD, ending]
    assert await bench.balance() == 1_000_000 - charged
    assert await bench.differences() == []


async def test_before_the_last_task_the_hold_stays(bench: Bench) -> None:
    _, (first, _) = await bench.running(count=2)
    assert await bench.jobs.failed(first, MODERATION, NOW) is None
    job = await bench.jobs.job("lantern")
    assert (job.state, job.cost_ucr, job.problem) == (JobState.RUNNING, None, None)
    assert await bench.moves() == HELD


async def test_tasks_that_end_at_the_same_moment_end_the_hold_once(bench: Bench) -> None:
    _, tasks = await bench.running(count=4)
    submitted = [await bench.submit(task) for task in tasks]
    ends = await asyncio.gather(*(bench.store(task) for task in submitted))
    [made] = [each for each in ends if each]
    assert made.job.state is JobState.DELIVERING
    assert made.tasks == await bench.jobs.tasks("lantern")
    assert [kind for kind, _ in await bench.moves()] == ["allowance", "hold", "settle"]


async def test_a_cost_above_the_quote_is_not_written_at_all(bench: Bench) -> None:
    _, (task,) = await bench.running()
    task = await bench.submit(task)
    # Whichever of code and SQL speaks first.
    with pytest.raises(Exception, match=r"does not fit the hold|cost_within_quote"):
        await bench.store(task, PRICE_UCR + 1)
    assert await bench.jobs.tasks("lantern") == [task]
    assert [kind for kind, _ in await bench.moves()] == ["allowance", "hold"]


async def test_what_comes_back_after_midnight_expires(bench: Bench) -> None:
    await bench.delivering(50_000, at=TOMORROW)
    assert await bench.moves() == [
        ("allowance", 1_000_000),
        ("hold", -60_000),
        ("expire", -940_000),
        ("allowance", 1_000_000),
        ("settle", 10_000),
        ("expire", -10_000),
    ]
    assert await bench.balance(at=TOMORROW) == 1_000_000
    assert await bench.differences() == []


@pytest.mark.parametrize(("cost", "state"), [(PRICE_UCR, JobState.DONE), (None, JobState.FAILED)])
async def test_who_was_told_has_a_finished_job(
    bench: Bench, cost: int | None, state: JobState
) -> None:
    job = await bench.delivering(cost)
    finished = await bench.jobs.finish(job, 4711, LATER)
    assert (finished.state, finished.message_id, finished.problem) == (state, 4711, job.problem)
    assert await bench.rows("SELECT finished_at FROM jobs") == [(LATER,)]
    assert await bench.jobs.job(job.id) == finished


async def test_a_status_message_that_became_the_result_keeps_its_id(bench: Bench) -> None:
    job = await bench.delivering(PRICE_UCR)
    await bench.jobs.hand_over({job.id: 4711})
    finished = await bench.jobs.finish(await bench.jobs.job(job.id), None, NOW)
    assert finished.message_id == 4711


@pytest.mark.parametrize(
    ("costs", "moves"),
    [
        # Cost less than held, one image of two, nothing at all: what was charged comes back.
        ((50_000, 40_000), [("settle", 30_000), ("refund", 90_000)]),
        ((PRICE_UCR, None), [("settle", 60_000), ("refund", 60_000)]),
        ((0, 0), [("settle", 120_000)]),
        ((None, None), [("release", 120_000)]),
    ],
)
async def test_what_cannot_be_delivered_is_refunded_once(
    bench: Bench, costs: tuple[int | None, ...], moves: list[tuple[str, int]]
) -> None:
    delivering = await bench.delivering(*costs)
    for _ in range(2):
        job = await bench.jobs.refund(delivering, UNDELIVERABLE, LATER)
        assert (job.state, job.cost_ucr, job.problem) == (JobState.DELIVERING, 0, UNDELIVERABLE)
        assert await bench.moves() == HELD + moves
    assert (await bench.jobs.finish(job, None, LATER)).state is JobState.FAILED
    assert (await bench.balance(), await bench.differences()) == (1_000_000, [])


async def test_a_refund_after_midnight_does_not_fatten_the_new_allowance(bench: Bench) -> None:
    job = await bench.delivering(PRICE_UCR)
    await bench.jobs.refund(job, UNDELIVERABLE, TOMORROW)
    assert (await bench.moves())[-2:] == [("refund", PRICE_UCR), ("expire", -PRICE_UCR)]
    assert await bench.balance(at=TOMORROW) == 1_000_000
    assert await bench.differences() == []


CANCELLED = Problem(Failure.CANCELLED)


@pytest.mark.parametrize("running", [False, True])
async def test_a_job_is_cancelled_while_nothing_was_submitted(bench: Bench, running: bool) -> None:
    await (bench.running(count=2) if running else bench.accept(count=2))
    job = await bench.jobs.cancel("lantern", LATER)
    assert job == await bench.jobs.job("lantern")
    assert (job.state, job.cost_ucr, job.problem) == (JobState.CANCELLED, None, CANCELLED)
    assert await bench.moves() == [*HELD, ("release", 120_000)]
    assert await bench.differences() == []
    # Whoever was about to submit finds out in time, and nobody else takes it on.
    for task in make_job(count=2)[1]:
        with pytest.raises(StepLost):
            await bench.jobs.begin_submit(task)
    assert await bench.claim(TOMORROW) is None


async def test_what_was_surely_not_accepted_may_still_be_cancelled(bench: Bench) -> None:
    _, (task,) = await bench.running()
    await bench.jobs.not_accepted(await bench.jobs.begin_submit(task))
    assert (await bench.jobs.cancel("lantern", LATER)).state is JobState.CANCELLED


@pytest.mark.parametrize("known", [False, True])
async def test_once_an_image_is_on_its_way_it_is_too_late_to_cancel(
    bench: Bench, known: bool
) -> None:
    _, (task, _) = await bench.running(count=2)
    await (bench.submit(task) if known else bench.jobs.begin_submit(task))
    with pytest.raises(StepLost):
        await bench.jobs.cancel("lantern", LATER)
    assert await bench.moves() == HELD
    assert (await bench.jobs.job("lantern")).state is JobState.RUNNING


async def test_an_ended_job_whose_tasks_went_with_its_age_is_not_cancelled(bench: Bench) -> None:
    await bench.jobs.finish(await bench.delivering(PRICE_UCR), 4711, NOW)
    await bench.database.write(retention.reduce_some, "z")
    assert await bench.jobs.tasks("lantern") == []
    with pytest.raises(StepLost):
        await bench.jobs.cancel("lantern", LATER)
    assert await bench.balance() == 1_000_000 - PRICE_UCR
    assert await bench.differences() == []


async def test_who_has_cancelled_of_late_is_told_again_the_latest_first(bench: Bench) -> None:
    for name in ("before", "withdrawn", "erased", "first", "second"):
        await bench.accept(name)
    await bench.jobs.cancel("before", NOW - timedelta(milliseconds=1))
    await bench.jobs.cancel("withdrawn", NOW, Failure.REMOVED)
    for name in ("erased", "first"):
        await bench.jobs.cancel(name, NOW)
    await bench.jobs.cancel("second", LATER)
    # An erased member cannot be told.
    await bench.write("UPDATE jobs SET token = '' WHERE id = 'erased'")
    assert [job.id for job in await bench.jobs.cancelled_since(NOW)] == ["second", "first"]


JobStep = Callable[[Bench, Job], Awaitable[object]]


@pytest.mark.parametrize(
    ("delivering", "step"),
    [
        (False, lambda bench, job: bench.jobs.cancel(job.id, NOW)),
        (True, lambda bench, job: bench.jobs.finish(job, 4711, NOW)),
    ],
)
async def test_a_step_of_a_job_is_taken_once(bench: Bench, delivering: bool, step: JobStep) -> None:
    job = await (bench.delivering(PRICE_UCR) if delivering else bench.accept())
    await step(bench, job)
    moves, after = await bench.moves(), await bench.jobs.job(job.id)
    with pytest.raises(StepLost, match="job lantern"):
        await step(bench, job)
    assert (await bench.moves(), await bench.jobs.job(job.id)) == (moves, after)


async def test_a_step_that_is_wrong_in_itself_is_not_tried_for_ever(bench: Bench) -> None:
    await bench.write("ALTER TABLE jobs RENAME TO gone")
    with pytest.raises(sqlite3.OperationalError, match="no such table: jobs"):
        await bench.jobs.hand_over({"lantern": None})
