"""Room is taken before anything is decoded; who finds none waits, who never would is refused."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from bot.errors import UnusableImage
from bot.pictures.pool import Need, Pool


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(budget_bytes=100)
    yield pool
    pool.close()


class Work:
    """Goes on until it is let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.let.wait(10)
        return "done"

    async def is_begun(self) -> bool:
        return await asyncio.to_thread(self.begun.wait, 10)


def need(size: int) -> Need:
    return Need(size, 1)


async def test_what_fits_together_is_done_together(pool: Pool) -> None:
    first, second = Work(), Work()
    running = [asyncio.create_task(pool.run(lambda: need(50), work)) for work in (first, second)]
    assert await first.is_begun()
    assert await second.is_begun()
    first.let.set()
    second.let.set()
    assert await asyncio.gather(*running) == ["done", "done"]


async def test_what_does_not_fit_waits_and_is_not_overtaken(pool: Pool) -> None:
    small, large, late = Work(), Work(), Work()
    running = [asyncio.create_task(pool.run(lambda: need(30), small))]
    assert await small.is_begun()
    running.append(asyncio.create_task(pool.run(lambda: need(80), large)))
    running.append(asyncio.create_task(pool.run(lambda: need(30), late)))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not large.begun.is_set()
    small.let.set()
    assert await large.is_begun()
    assert not late.begun.is_set()
    large.let.set()
    assert await late.is_begun()
    late.let.set()
    assert await asyncio.gather(*running) == ["done"] * 3


async def test_what_takes_the_whole_budget_is_done_and_a_byte_more_is_refused(pool: Pool) -> None:
    assert await pool.run(lambda: Need(20, 4.0, file_bytes=20), lambda: 7) == 7
    with pytest.raises(UnusableImage):
        await pool.run(lambda: Need(20, 4.0, file_bytes=21), lambda: 7)


async def test_what_would_never_fit_is_refused_with_the_limit(pool: Pool) -> None:
    asked = Need(pixels=40_000_000, bytes_a_pixel=1.6e-5, file_bytes=20)
    with pytest.raises(UnusableImage) as refused:
        await pool.run(lambda: asked, lambda: None)
    assert str(refused.value) == "too_many_pixels_of_its_kind, pixels_max 5000000"


async def test_room_is_given_back_whatever_becomes_of_the_work(pool: Pool) -> None:
    def fail() -> None:
        raise OSError("damaged")

    for _ in range(3):
        with pytest.raises(OSError, match="damaged"):
            await pool.run(lambda: need(100), fail)
    assert await pool.run(lambda: need(100), lambda: 7) == 7


async def test_who_is_cancelled_waits_for_the_thread_and_gives_the_room_back(pool: Pool) -> None:
    work = Work()
    running = asyncio.create_task(pool.run(lambda: need(100), work))
    assert await work.is_begun()
    waiting = asyncio.create_task(pool.run(lambda: need(100), lambda: 7))
    running.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not running.done()
    assert not waiting.done()
    work.let.set()
    assert await waiting == 7
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_who_is_cancelled_in_the_queue_leaves_it(pool: Pool) -> None:
    first, second, never = Work(), Work(), Work()
    running = [asyncio.create_task(pool.run(lambda: need(50), work)) for work in (first, second)]
    assert await first.is_begun()
    assert await second.is_begun()
    queued = asyncio.create_task(pool.run(lambda: need(50), never))
    await asyncio.sleep(0)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    first.let.set()
    second.let.set()
    assert await asyncio.gather(*running) == ["done", "done"]
    assert await pool.run(lambda: need(100), lambda: 7) == 7
    assert not never.begun.is_set()
