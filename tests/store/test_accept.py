"""Accepting a job: hold and rows in one transaction, or nothing at all."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from msgspec.structs import replace

from bot.domain.jobs import JobState, Offer, Task
from bot.domain.ledger import Entry, EntryKind
from bot.errors import Busy, InsufficientCredits, Repeated
from bot.store.database import Database, open_database
from bot.store.queue import LEASE_S
from tests.store.bench import (
    ADA,
    BEN,
    CLEO,
    NOW,
    OTHER_SERVER,
    PRICE_UCR,
    SERVER,
    TOMORROW,
    Bench,
    lay,
    make_job,
)


async def test_the_quote_is_held_and_the_job_inserted(bench: Bench) -> None:
    job, tasks = make_job(count=2)
    assert await bench.take(job, tasks) == 0
    assert await bench.jobs.job(job.id) == job
    assert await bench.jobs.tasks(job.id) == tasks
    today = NOW.date()
    assert await bench.entries() == [
        Entry(SERVER, ADA, EntryKind.ALLOWANCE, 1_000_000, 0, today, written_on=today),
        Entry(SERVER, ADA, EntryKind.HOLD, -120_000, 0, today, job.id, written_on=today),
    ]
    assert await bench.balance() == 880_000


async def test_a_member_hears_how_many_are_queued_before(bench: Bench) -> None:
    accepted = [make_job(f"job{number}") for number in range(3)]
    assert [await bench.take(*job) for job in accepted] == [0, 1, 2]


async def test_without_credits_nothing_is_left_behind(database: Database) -> None:
    bench = lay(database, allowance=0)
    with pytest.raises(InsufficientCredits, match="needed_ucr 60000, available_ucr 0"):
        await bench.accept(user=BEN)
    await assert_empty(bench)


async def test_a_quote_above_the_allowance_leaves_nothing_behind(bench: Bench) -> None:
    with pytest.raises(InsufficientCredits, match="needed_ucr 1010000, available_ucr 1000000"):
        await bench.accept(price=1_010_000)
    await assert_empty(bench)


async def test_a_row_that_cannot_be_inserted_holds_nothing(bench: Bench) -> None:
    job, (task,) = make_job()
    with pytest.raises(sqlite3.IntegrityError):
        await bench.take(job, [replace(task, image_index=4)])
    await assert_empty(bench)


async def test_a_full_queue_is_busy_and_holds_nothing(database: Database) -> None:
    bench = lay(database, queued=2)
    await bench.accept("first")
    await bench.accept("second", user=BEN)
    with pytest.raises(Busy, match="queue_full"):
        await bench.accept("third", user=CLEO)
    assert [kind for kind, _ in await bench.moves()] == ["allowance", "hold"] * 2
    # One that runs has left the queue.
    assert await bench.claim(NOW)
    await bench.accept("third", user=CLEO)


@pytest.mark.parametrize("processes", [1, 2])
async def test_fifty_at_once_against_credits_for_five_yield_five(url: str, processes: int) -> None:
    async with AsyncExitStack() as stack:
        benches = [
            lay(await stack.enter_async_context(open_database(url)), allowance=5 * PRICE_UCR)
            for _ in range(processes)
        ]
        outcomes = await asyncio.gather(
            *(benches[n % processes].accept(f"job{n:02}") for n in range(50)),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert {type(outcome) for outcome in refused} == {InsufficientCredits}
        assert len(refused) == 45
        bench = benches[0]
        assert await bench.rows("SELECT count(*) FROM jobs") == [(5,)]
        assert await bench.moves() == [("allowance", 5 * PRICE_UCR)] + [("hold", -PRICE_UCR)] * 5
        assert (await bench.balance(), await bench.differences()) == (0, [])


async def test_nobody_works_on_a_job_before_its_member_has_an_answer(bench: Bench) -> None:
    await bench.take(*make_job())
    assert await bench.claim(NOW) is None
    await bench.jobs.hand_over({"lantern": 4711})
    claimed = await bench.claim(NOW)
    assert claimed
    assert (claimed.id, claimed.state, claimed.message_id) == ("lantern", JobState.RUNNING, 4711)


async def test_a_job_whose_process_died_before_its_answer_is_found(bench: Bench) -> None:
    await bench.take(*make_job())
    assert await bench.claim(NOW + timedelta(seconds=LEASE_S)) is None
    assert await bench.claim(NOW + timedelta(seconds=LEASE_S + 1))


async def test_credits_of_one_server_are_not_those_of_another(bench: Bench) -> None:
    await bench.accept("here", price=1_000_000)
    with pytest.raises(InsufficientCredits):
        await bench.accept("again")
    await bench.accept("there", server=OTHER_SERVER, price=1_000_000)


async def test_a_new_day_refills_once_and_expires_what_was_left(bench: Bench) -> None:
    await bench.accept("first")
    await bench.accept("second", at=TOMORROW)
    await bench.accept("third", at=TOMORROW)
    assert await bench.moves() == [
        ("allowance", 1_000_000),
        ("hold", -PRICE_UCR),
        ("expire", -940_000),
        ("allowance", 1_000_000),
        ("hold", -PRICE_UCR),
        ("hold", -PRICE_UCR),
    ]
    assert await bench.differences() == []


async def test_a_grant_pays_for_what_the_allowance_does_not_cover(bench: Bench) -> None:
    await bench.accept("first")
    await bench.write("UPDATE accounts SET grant_ucr = 200000")
    await bench.write(
        "INSERT INTO entries VALUES (NULL, 7, 1, 'grant', 0, 200000, NULL, NULL, 0, NULL, NULL)"
    )
    await bench.accept("second", price=1_000_000)
    held = (await bench.entries())[-1]
    assert (held.kind, held.allowance_ucr, held.grant_ucr) == (EntryKind.HOLD, -940_000, -60_000)
    assert await bench.differences() == []


async def test_tasks_come_in_the_order_of_their_images(bench: Bench) -> None:
    job, tasks = make_job(count=4)
    await bench.take(job, tasks[::-1])
    indexes: list[Task] = await bench.jobs.tasks(job.id)
    assert [task.image_index for task in indexes] == [0, 1, 2, 3]


async def assert_empty(bench: Bench) -> None:
    for table in ("accounts", "entries", "jobs", "tasks"):
        assert await bench.rows(f"SELECT * FROM {table}") == []


async def test_an_interaction_has_one_job_whoever_else_takes_it_up(bench: Bench) -> None:
    """Another process of the same database, as two gateways' sessions overlap."""
    other = lay(bench.database, owner="other")
    job, tasks = make_job()
    again, its_tasks = make_job("again")
    await bench.take(job, tasks)
    with pytest.raises(Repeated):
        await other.take(replace(again, interaction_id=job.interaction_id), its_tasks)

    assert [entry.kind for entry in await bench.entries()] == ["allowance", "hold"]
    assert len(await bench.rows("SELECT id FROM jobs")) == 1


async def test_what_waits_in_another_server_is_told_as_everybodys_at_first_and_later(
    bench: Bench,
) -> None:
    await bench.accept("first", server=SERVER)
    await bench.accept("elsewhere", server=OTHER_SERVER)
    job, its_tasks = make_job("second", server=SERVER)
    _, at_first = await bench.jobs.accept(job, (), lambda _: [Offer(job, tuple(its_tasks))])
    await bench.jobs.hand_over({"second": None})
    later = {each.job_id: (each.ahead, each.own) for each in await bench.jobs.queue()}
    assert at_first == later["second"] == (2, 1)
