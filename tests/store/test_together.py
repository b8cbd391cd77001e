"""Steps that wait for the writer at once are committed together, and each fares as if alone."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from bot.about import about, fields_at
from bot.errors import StoreBusy
from bot.store import database as module
from bot.store.database import TOGETHER_MAX, Database, open_database
from bot.store.sql import Transaction
from tests.store.bench import Bench, lay
from tests.support.counted import counted

NAMES = "SELECT name FROM server_settings ORDER BY rowid"


def put(tx: Transaction, name: str) -> int:
    tx.execute("INSERT INTO server_settings VALUES (7, :name, '')", {"name": name})
    return len(tx.scalars(NAMES))


def fail(tx: Transaction) -> None:
    put(tx, "half")
    raise RuntimeError("halfway")


@asynccontextmanager
async def occupied(database: Database) -> AsyncIterator[None]:
    """The writer is busy until the block ends."""
    begun, goes_on = threading.Event(), threading.Event()

    def wait(_: Transaction) -> None:
        begun.set()
        assert goes_on.wait(10)

    waiting = asyncio.create_task(database.write(wait))
    await asyncio.to_thread(begun.wait, 10)
    try:
        yield
    finally:
        goes_on.set()
        await waiting


async def test_what_waits_is_written_in_one_trip_in_the_order_in_which_it_came(
    bench: Bench,
) -> None:
    with counted(bench.database) as counts:
        async with occupied(bench.database):
            writing = [
                asyncio.create_task(bench.database.write(put, str(number)))
                for number in range(TOGETHER_MAX)
            ]
            await asyncio.sleep(0)
        assert await asyncio.gather(*writing) == list(range(1, TOGETHER_MAX + 1))
    assert counts.trips == 2
    assert await bench.rows(NAMES) == [(str(number),) for number in range(TOGETHER_MAX)]


async def test_few_enough_go_together_that_the_first_need_not_wait_long(bench: Bench) -> None:
    with counted(bench.database) as counts:
        async with occupied(bench.database):
            writing = [
                asyncio.create_task(bench.database.write(put, str(number)))
                for number in range(TOGETHER_MAX + 1)
            ]
            await asyncio.sleep(0)
        await asyncio.gather(*writing)
    assert counts.trips == 3


async def test_one_that_fails_is_undone_alone_and_said_to_its_caller_alone(bench: Bench) -> None:
    async with occupied(bench.database):
        writing = [
            asyncio.create_task(bench.database.write(put, "first")),
            asyncio.create_task(bench.database.write(fail)),
            asyncio.create_task(bench.database.write(put, "last")),
        ]
        await asyncio.sleep(0)
    first, failed, last = await asyncio.gather(*writing, return_exceptions=True)
    assert (first, last) == (1, 2)
    assert str(failed) == "halfway"
    assert await bench.rows(NAMES) == [("first",), ("last",)]


async def test_after_a_failure_each_is_told_as_soon_as_its_own_is_committed(bench: Bench) -> None:
    runs, goes_on = [], threading.Event()

    def slow_when_alone(_: Transaction) -> None:
        runs.append("run")
        assert len(runs) == 1 or goes_on.wait(10)

    async with occupied(bench.database):
        first, slow, failed = (
            asyncio.create_task(bench.database.write(*each))
            for each in ((put, "first"), (slow_when_alone,), (fail,))
        )
        await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            assert await first == 1
        assert not slow.done()
    finally:
        goes_on.set()
    with pytest.raises(RuntimeError, match="halfway"):
        await failed
    assert (len(runs), slow.done()) == (2, True)


@pytest.mark.parametrize(
    ("raised", "told"), [(StopIteration, RuntimeError), (GeneratorExit, GeneratorExit)]
)
async def test_whatever_a_step_raises_others_are_written(
    bench: Bench, raised: type[BaseException], told: type[BaseException]
) -> None:
    """A future takes no StopIteration, and a task that ends with what is no Exception is gone."""

    def ends(tx: Transaction) -> None:
        put(tx, "half")
        raise raised

    async with asyncio.timeout(5):
        with pytest.raises(told):
            await bench.database.write(ends)
        assert await bench.database.write(put, "next") == 1


async def test_one_whose_caller_goes_away_holds_up_none(bench: Bench) -> None:
    async with occupied(bench.database):
        gone = asyncio.create_task(bench.database.write(put, "gone"))
        stays = asyncio.create_task(bench.database.write(put, "stays"))
        await asyncio.sleep(0)
        gone.cancel()
    assert await stays == 2
    assert gone.cancelled()
    assert await bench.rows(NAMES) == [("gone",), ("stays",)]


async def test_while_another_program_holds_the_database_all_are_told(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 1)
    async with open_database(url) as database:
        with closing(sqlite3.connect(module.database_path(url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = [database.write(put, name) for name in "abc"]
            with counted(database) as counts:
                told = await asyncio.gather(*writing, return_exceptions=True)
        assert [type(each) for each in told] == [StoreBusy] * 3
        assert (counts.trips, counts.statements) == (1, 0)
        assert await database.write(put, "d") == 1


async def test_if_the_file_is_broken_each_error_says_what_it_was_about(
    bench: Bench, url: str
) -> None:
    path = module.database_path(url)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM server_settings")
    # So the file is read again.
    assert await bench.database.fold()
    with path.open("r+b") as file:
        file.write(b"no database" * 100)

    async def write(name: str) -> object:
        with pytest.raises(sqlite3.DatabaseError) as raised, about(job_id=name):
            await bench.database.write(put, name)
        return fields_at(raised.value)["job_id"]

    assert await asyncio.gather(*map(write, "abc")) == list("abc")


async def test_what_waits_at_the_end_is_written_before_the_file_is_closed(url: str) -> None:
    """As a step that records an order, whose job is left for the next start."""
    begun, goes_on = threading.Event(), threading.Event()

    def wait(_: Transaction) -> None:
        begun.set()
        assert goes_on.wait(10)

    async with open_database(url) as database:
        writing = [asyncio.create_task(database.write(wait))]
        await asyncio.to_thread(begun.wait, 10)
        writing.append(asyncio.create_task(database.write(put, "order")))
        await asyncio.sleep(0)
        for each in writing:
            each.cancel()
        # By then, the file would be closed behind the first step.
        asyncio.get_running_loop().call_later(0.05, goes_on.set)
    async with open_database(url) as database:
        assert await lay(database).rows(NAMES) == [("order",)]
