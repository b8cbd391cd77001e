"""Allowances that roll, as rows: what is to come back, what begins it, and what it costs."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.domain.jobs import Failure, Problem, id_at
from bot.domain.ledger import Period
from bot.errors import InsufficientCredits, Reason
from bot.store import returns, settings
from bot.store.database import Database
from bot.store.sql import Transaction
from tests.store.bench import (
    ADA,
    BEN,
    CLEO,
    NOW,
    OTHER_SERVER,
    SERVER,
    TOMORROW,
    Bench,
    lay,
)
from tests.store.plans import plan_of
from tests.support.counted import counted

HOUR = timedelta(hours=1)


@pytest.fixture
def bench(database: Database) -> Bench:
    return lay(database, period=Period.ROLLING, allowance=100_000)


async def waiting(bench: Bench) -> list[tuple[int, int]]:
    """Amounts, and in how many hours from NOW they come back."""
    rows = await bench.rows("SELECT amount_ucr, due_at FROM returns ORDER BY due_at, id")
    return [(amount, (due - NOW) // HOUR) for amount, due in rows]


async def decide(bench: Bench, name: str, value: Any) -> None:
    await bench.database.write(settings.change, SERVER, lambda _: {name: value}, CLEO, NOW)


async def test_what_is_settled_comes_back_a_day_later_and_is_gone_from_the_table(
    bench: Bench,
) -> None:
    await bench.delivering(40_000)
    assert await bench.balance() == 60_000
    assert await waiting(bench) == [(40_000, 24)]
    assert await bench.balance(at=TOMORROW - timedelta(milliseconds=1)) == 60_000
    assert await bench.balance(at=TOMORROW) == 100_000
    assert await waiting(bench) == [(40_000, 24)]

    await bench.accept("next", at=TOMORROW)
    assert await waiting(bench) == []
    assert await bench.moves() == [
        ("allowance", 100_000),
        ("hold", -60_000),
        ("settle", 20_000),
        ("allowance", 40_000),
        ("hold", -60_000),
    ]
    assert await bench.differences() == []


async def test_what_is_cancelled_or_refunded_comes_back_at_once_and_once(bench: Bench) -> None:
    await bench.accept("cancelled")
    await bench.jobs.cancel("cancelled", NOW)
    assert await bench.balance() == 100_000
    job = await bench.delivering(40_000)
    await bench.jobs.refund(job, Problem(Failure.UNDELIVERABLE), NOW + HOUR)
    assert await bench.balance() == 100_000
    assert await waiting(bench) == []
    assert await bench.balance(at=TOMORROW) == 100_000
    assert await bench.differences() == []


async def test_a_refund_of_what_has_come_back_gives_nothing_twice(bench: Bench) -> None:
    job = await bench.delivering(40_000)
    await bench.jobs.finish(job, None, NOW)
    await bench.jobs.refund_ended(job.id, TOMORROW)
    assert await bench.balance(at=TOMORROW) == 100_000
    assert (await bench.moves())[-3:] == [
        ("allowance", 40_000),
        ("refund", 40_000),
        ("expire", -40_000),
    ]
    assert await bench.differences() == []


async def test_a_refusal_says_what_comes_back_next(bench: Bench) -> None:
    await bench.delivering(40_000)
    with pytest.raises(InsufficientCredits) as refused:
        await bench.accept("second", price=70_000, at=NOW + HOUR)
    assert refused.value.reason is Reason.ROLLING_CREDITS
    assert refused.value.facts == {
        "needed_ucr": 70_000,
        "available_ucr": 60_000,
        "back_ucr": 40_000,
        "back_at": int(TOMORROW.timestamp()),
    }


@pytest.mark.parametrize(
    ("period", "hours", "expected"),
    [
        # Spent 30 hours ago, in a week that lasts: back at once. Within the last day: a day later.
        (Period.WEEK, 30, 100_000),
        (Period.WEEK, 23, 60_000),
        (Period.DAY, 11, 60_000),
        # A day that has ended owes nothing.
        (Period.DAY, 13, 100_000),
    ],
)
async def test_an_account_that_begins_to_roll_has_back_what_was_spent_a_day_ago(
    database: Database, period: Period, hours: int, expected: int
) -> None:
    # What the job took of the server's budget is none of the member's.
    bench = lay(database, period=period, allowance=100_000, budget=1_000_000)
    # A day's midnight is 12 hours after NOW.
    await bench.delivering(40_000, job_id=f"{id_at(NOW)}lantern")
    then = NOW + timedelta(hours=hours)
    await decide(bench, "allowance_period", Period.ROLLING)
    assert await bench.balance(at=then) == expected
    await bench.accept("later", at=then, price=10_000)
    assert await waiting(bench) == ([(40_000, 24)] if expected < 100_000 else [])
    assert await bench.balance(at=then) == expected - 10_000
    assert await bench.differences() == []


async def test_what_comes_back_to_a_member_is_their_own_in_this_server(bench: Bench) -> None:
    await bench.delivering(40_000)
    await bench.delivering(40_000, job_id="bens", user=BEN)
    await bench.delivering(40_000, job_id="elsewhere", server=OTHER_SERVER)
    assert await bench.differences() == []
    await bench.accept("next", price=10_000, at=TOMORROW)
    assert await bench.balance(at=TOMORROW) == 90_000
    assert await waiting(bench) == [(40_000, 24), (40_000, 24)]
    assert await bench.balance(BEN, TOMORROW) == 100_000
    assert await bench.differences() == []


async def test_an_account_that_begins_to_roll_owes_for_its_own_jobs_alone(
    database: Database,
) -> None:
    bench = lay(database, period=Period.WEEK, allowance=100_000, budget=1_000_000)
    later = NOW + 10 * HOUR
    await bench.delivering(50_000, job_id=f"{id_at(NOW)}0", at=later, server=OTHER_SERVER)
    await bench.delivering(50_000, job_id=f"{id_at(NOW)}1", at=later, user=BEN)
    await bench.delivering(20_000, job_id=f"{id_at(NOW)}2")
    await bench.delivering(40_000, job_id=f"{id_at(NOW)}3", at=later)
    await decide(bench, "allowance_period", Period.ROLLING)
    await bench.accept("next", at=NOW + 30 * HOUR)
    # What was spent thirty hours ago is back at once.
    assert await waiting(bench) == [(40_000, 34)]
    assert await bench.differences() == []


async def test_a_day_that_begins_to_roll_owes_nothing_for_the_day_before(
    database: Database,
) -> None:
    bench = lay(database, allowance=100_000)
    await bench.delivering(40_000, job_id=f"{id_at(NOW)}1")
    in_the_night = NOW + 13 * HOUR
    job_id = f"{id_at(in_the_night)}2"
    await bench.accept(job_id, at=in_the_night)
    await decide(bench, "allowance_period", Period.ROLLING)
    await bench.accept("next", price=10_000, at=in_the_night)
    # What is held, at the end of the day.
    assert await waiting(bench) == [(60_000, 36)]
    assert await bench.differences() == []


async def test_what_is_held_as_it_begins_comes_back_by_itself(database: Database) -> None:
    bench = lay(database, allowance=100_000)
    await bench.accept("held")
    await decide(bench, "allowance_period", Period.ROLLING)
    await bench.accept("next", price=10_000, at=NOW + HOUR)
    # At the end of the day that it was held in.
    assert await waiting(bench) == [(60_000, 12)]
    await bench.jobs.cancel("held", NOW + HOUR)
    assert await bench.balance(at=NOW + HOUR) == 30_000
    assert await bench.balance(at=NOW + timedelta(hours=12)) == 90_000
    assert await bench.differences() == []


async def test_an_account_with_periods_again_rolls_on_until_midnight(bench: Bench) -> None:
    await bench.delivering(40_000)
    await decide(bench, "allowance_period", Period.MONTH)
    await bench.accept("found", price=10_000, at=NOW + HOUR)
    assert await bench.balance(at=NOW + HOUR) == 50_000
    assert await bench.balance(at=NOW + timedelta(hours=11, minutes=59)) == 50_000
    midnight = NOW + timedelta(hours=12)
    # What was spent in the month stays spent.
    assert await bench.balance(at=midnight) == 50_000
    await bench.accept("new", price=10_000, at=midnight)
    await bench.jobs.cancel("found", midnight)
    assert await waiting(bench) == []
    assert await bench.balance(at=midnight) == 50_000
    assert await bench.balance(at=TOMORROW) == 50_000
    assert await bench.balance(at=datetime(2025, 12, 1, tzinfo=NOW.tzinfo)) == 100_000
    assert await bench.differences() == []


async def test_the_audit_finds_what_is_to_come_back_too_much(bench: Bench) -> None:
    await bench.delivering(40_000)
    await bench.write("UPDATE returns SET amount_ucr = 40001")
    assert await bench.differences() == [
        "Member 1 in server 7: 60000 is left and 40001 is to come back, of an allowance of 100000."
    ]


async def test_the_audit_finds_what_is_to_come_back_to_nobody(bench: Bench) -> None:
    await bench.write(f"INSERT INTO returns VALUES (1, {SERVER}, {BEN}, 5, 0)")
    assert await bench.differences() == [
        "Member 2 in server 7: 0 is left and 5 is to come back, of an allowance of 0."
    ]


async def test_the_column_has_room_for_its_name(bench: Bench) -> None:
    await bench.accept()
    assert await bench.rows("SELECT refill_period FROM accounts") == [("roll",)]


async def statements(bench: Bench, job_id: str, at: datetime) -> int:
    with counted(bench.database) as counts:
        await bench.accept(job_id, price=10, at=at)
    return counts.statements


async def test_only_what_rolls_asks_for_what_is_to_come_back(database: Database) -> None:
    periods, rolls = lay(database), lay(database, period=Period.ROLLING)
    await periods.accept("first")
    without = await statements(periods, "second", NOW)
    # What jobs took of late, and that what they hold comes back.
    assert await statements(rolls, "begins", NOW) == without + 2
    # Read once; written only where something has come back.
    assert await statements(rolls, "rolls", NOW) == without + 1


async def test_none_of_its_statements_reads_what_grows(bench: Bench) -> None:
    given: dict[str, dict[str, object]] = {
        returns.RETURNS: {"server": SERVER, "user": ADA},
        returns.REMOVE_RETURN: {"id": 1},
        returns.MOVED_OF_LATE: {"server": SERVER, "user": ADA, "since": "0"},
        returns.TAKEN: {"server": SERVER, "user": ADA, "since": "0", "until": "z"},
    }

    def plans(tx: Transaction) -> list[str]:
        return [step for each in given for step in plan_of(tx, each, given[each])]

    plan = await bench.database.read(plans)
    assert plan
    assert [step for step in plan if step.startswith("SCAN")] == []
