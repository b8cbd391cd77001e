"""Two who want the same row at the same time, from two processes' connections: one has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bot.domain.jobs import JobState, TaskState
from bot.errors import StepLost
from bot.store.database import open_database
from tests.store.bench import ALLOWANCE_UCR, NOW, PRICE_UCR, Bench, lay

ROUNDS = 60


@pytest.fixture
async def two(url: str) -> AsyncIterator[tuple[Bench, Bench]]:
    async with AsyncExitStack() as stack:
        first, second = [
            lay(await stack.enter_async_context(open_database(url)), owner=owner)
            for owner in ("first", "second")
        ]
        yield first, second


async def test_of_cancel_and_submit_one_wins_each_time(two: tuple[Bench, Bench]) -> None:
    """Whoever wins, the books and the job say the same."""
    worker, presser = two
    wins = {"submit": 0, "cancel": 0}
    for number in range(ROUNDS):
        job, [task] = await worker.running(f"job{number:02}")
        acts = [worker.jobs.begin_submit(task), presser.jobs.cancel(job.id, NOW)]
        # Who asks first varies, and with it, now and then, who wins.
        submitted, cancelled = await both(acts, reverse=number % 2 == 1)

        assert isinstance(submitted, StepLost) is not isinstance(cancelled, StepLost)
        stands = await worker.jobs.job(job.id)
        [task] = await worker.jobs.tasks(job.id)
        if isinstance(submitted, StepLost):
            wins["cancel"] += 1
            assert (stands.state, task.state) == (JobState.CANCELLED, TaskState.FAILED)
        else:
            wins["submit"] += 1
            assert (stands.state, task.state) == (JobState.RUNNING, TaskState.SUBMITTING)
            await worker.store(await worker.jobs.submitted(task, f"vendor-{number}", NOW), cost=0)
        assert await worker.balance() == ALLOWANCE_UCR
    assert min(wins.values()) > 0, wins
    assert await worker.differences() == []


async def test_of_two_cancels_one_releases(two: tuple[Bench, Bench]) -> None:
    for number in range(ROUNDS // 3):
        job = await two[0].accept(f"job{number:02}")
        answers = await both([bench.jobs.cancel(job.id, NOW) for bench in two])
        assert sum(isinstance(answer, StepLost) for answer in answers) == 1
    assert await two[0].balance() == ALLOWANCE_UCR
    assert await two[0].differences() == []


async def test_of_two_claims_one_has_the_job(two: tuple[Bench, Bench]) -> None:
    for number in range(ROUNDS // 3):
        job = await two[0].accept(f"job{number:02}", price=0)
        claimed = await both([bench.claim(NOW) for bench in two])
        assert [each.id for each in claimed if each is not None] == [job.id]
        await two[0].jobs.cancel(job.id, NOW)


async def test_of_two_endings_one_charges(two: tuple[Bench, Bench]) -> None:
    """As when a lease ran out and both the old and the new owner fetched the image."""
    left = ALLOWANCE_UCR
    for number in range(ROUNDS // 6):
        _, [task] = await two[0].running(f"job{number:02}")
        task = await two[0].submit(task)
        answers = await both([bench.store(task) for bench in two])
        assert sum(isinstance(answer, StepLost) for answer in answers) == 1
        left -= PRICE_UCR
        assert await two[0].balance() == left
    assert await two[0].differences() == []


async def both(acts: list, *, reverse: bool = False) -> list:
    order = acts[::-1] if reverse else acts
    answers = await asyncio.gather(*order, return_exceptions=True)
    return answers[::-1] if reverse else answers
