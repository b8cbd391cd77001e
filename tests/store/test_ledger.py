"""Accounts as they are shown, and the audit that proves balances and entries agree."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.jobs import id_at
from bot.domain.ledger import Account, Period, Spending
from bot.domain.quota import Amend, Amendment
from bot.store import quota
from bot.store.database import Database
from bot.store.ledger import list_entries
from bot.store.quota import statement
from tests.store.bench import ADA, BEN, CLEO, NOW, PRICE_UCR, SERVER, TOMORROW, Bench, lay
from tests.support.counted import counted


async def test_a_new_member_is_shown_the_allowance_and_nothing_is_written(bench: Bench) -> None:
    shown = await bench.accounts.show(SERVER, BEN, NOW)
    assert shown == Account(SERVER, BEN, 1_000_000, 0, NOW.date(), bench.refills)
    assert await bench.rows("SELECT * FROM accounts") == []


async def test_an_account_is_shown_as_the_next_command_would_find_it(bench: Bench) -> None:
    await bench.accept()
    assert await bench.balance() == 940_000
    assert await bench.balance(at=TOMORROW) == 1_000_000
    assert len(await bench.entries()) == 2


@pytest.mark.parametrize(
    ("period", "days", "balance"),
    [
        (Period.WEEK, 3, 940_000),  # 20 November 2025 is a Thursday
        (Period.WEEK, 4, 1_000_000),
        (Period.MONTH, 10, 940_000),
        (Period.MONTH, 11, 1_000_000),
    ],
)
async def test_the_allowance_lasts_for_its_period(
    database: Database, period: Period, days: int, balance: int
) -> None:
    bench = lay(database, period=period)
    await bench.accept()
    assert await bench.balance(at=NOW + timedelta(days=days)) == balance


async def test_a_statement_tells_what_is_held_and_what_was_spent_the_latest_first(
    bench: Bench,
) -> None:
    asked = (bench.jobs.house, SERVER, ADA, (), TOMORROW)
    assert (await bench.database.read(statement, *asked)).held_ucr == 0
    # What is being delivered has been charged, and holds nothing any more.
    await bench.delivering(40_000, job_id="1")
    await bench.delivering(0, job_id="2")
    await bench.delivering(50_000, job_id="3")
    await bench.running("4")
    await bench.accept("5")
    await bench.accept("6")
    await bench.accept("bens", user=BEN)
    told = await bench.database.read(statement, *asked)
    assert told.held_ucr == 3 * PRICE_UCR
    assert told.spendings == (Spending(NOW, 50_000), Spending(NOW, 40_000))
    assert [entry.job_id for _, entry in told.latest] == [*"65433221"]


async def test_a_statement_tells_of_a_grant_behind_many_jobs(bench: Bench) -> None:
    granted = Amendment(Amend.GRANT, SERVER, ADA, 10_000, CLEO, "a gift")
    await bench.database.write(quota.amend, bench.jobs.house.allowance, granted, (), NOW)
    for number in range(15):
        await bench.delivering(40_000, job_id=f"{number:02}")
    told = await bench.database.read(statement, bench.jobs.house, SERVER, ADA, (), NOW)
    assert [entry.kind for _, entry in told.latest_others] == ["grant", "allowance"]
    assert {entry.kind for _, entry in told.latest} == {"hold", "settle"}


async def test_entries_are_listed_oldest_first_with_their_time(bench: Bench) -> None:
    await bench.accept("first")
    await bench.accept("second", at=NOW + timedelta(milliseconds=1_234))
    listed = await bench.database.read(list_entries)
    assert [(time, entry.job_id) for time, entry in listed] == [
        (NOW, None),
        (NOW, "first"),
        (NOW + timedelta(milliseconds=1_234), "second"),
    ]


@pytest.mark.parametrize(
    ("tampering", "difference"),
    [
        (
            "UPDATE accounts SET allowance_ucr = 940001 WHERE user_id = 1",
            "Member 1 in server 7: allowance is 940001, its entries add up to 940000.",
        ),
        (
            "UPDATE accounts SET grant_ucr = 5 WHERE user_id = 2",
            "Member 2 in server 7: grant is 5, its entries add up to 0.",
        ),
        (
            "DELETE FROM entries WHERE user_id = 1 AND job_id IS NULL",
            "Member 1 in server 7: allowance is 940000, its entries add up to -60000.",
        ),
        (
            "UPDATE jobs SET quote_ucr = 70000 WHERE id = 'first'",
            "Job first is queued: it should have taken 70000, its entries take 60000.",
        ),
        (
            "UPDATE jobs SET state = 'cancelled', finished_at = 1 WHERE id = 'second'",
            "Job second is cancelled: it should have taken 0, its entries take 60000.",
        ),
        (
            "UPDATE entries SET job_id = NULL, kind = 'correct' WHERE job_id = 'first'",
            "Job first is queued: it should have taken 60000, its entries take 0.",
        ),
    ],
)
async def test_the_audit_names_each_difference(
    bench: Bench, tampering: str, difference: str
) -> None:
    await bench.accept("first", user=ADA)
    await bench.accept("second", user=BEN)
    assert await bench.differences() == []
    await bench.write(tampering)
    assert await bench.differences() == [difference]


async def test_an_account_from_a_clock_that_stood_ahead_has_its_allowance(bench: Bench) -> None:
    """It was a month ahead, and is set right: nobody waits for that month to come."""
    await bench.accept("ahead", at=NOW + timedelta(days=30))
    assert await bench.balance(at=NOW + timedelta(days=30)) == 940_000
    assert await bench.balance() == 1_000_000
    await bench.accept("now")
    assert await bench.balance() == 940_000
    assert await bench.balance(at=TOMORROW) == 1_000_000
    assert await bench.differences() == []


async def test_a_period_that_was_made_longer_is_no_future(database: Database) -> None:
    """A day's allowance was begun, and the host turns to months: it is not given twice."""
    await lay(database).accept()
    assert await lay(database, period=Period.MONTH).balance() == 940_000


def id_of(at: datetime, number: int) -> str:
    """A job's id, as one that was asked for then has it."""
    return f"{id_at(at)}{number:08}"


@pytest.mark.parametrize("between", [Period.DAY, Period.WEEK, Period.ROLLING])
async def test_what_a_month_has_spent_stays_spent_after_another_period_in_between(
    database: Database, between: Period
) -> None:
    month = lay(database, period=Period.MONTH, allowance=100_000)
    other = lay(database, period=between, allowance=100_000)
    early, midnight = NOW - timedelta(days=8), NOW + timedelta(hours=12)
    await month.delivering(90_000, price=90_000, job_id=id_of(early, 1), at=early)
    # What was spent more than a week ago does not count here, and this does.
    await other.accept(id_of(NOW, 2), price=30_000)
    assert await other.balance() == 70_000
    if between is Period.ROLLING:
        await month.accept(id_of(NOW, 3), price=0)
    assert await month.balance(at=midnight) == 0
    await month.accept(id_of(midnight, 4), price=0, at=midnight)
    assert await other.balance(at=midnight) == (100_000 if between is Period.DAY else 70_000)
    assert await month.balance(at=midnight) == 0
    assert await month.balance(at=datetime(2025, 12, 1, tzinfo=UTC)) == 100_000
    assert await month.differences() == []


@pytest.mark.parametrize("first", Period)
@pytest.mark.parametrize("then", [Period.DAY, Period.WEEK, Period.MONTH])
async def test_what_is_held_as_the_period_changes_comes_back(
    database: Database, first: Period, then: Period
) -> None:
    """If it counts in the new one; what rolls goes on until midnight."""
    before, after = lay(database, period=first), lay(database, period=then)
    await before.accept(id_of(NOW, 1))
    at = NOW
    if first is Period.ROLLING:
        await after.accept(id_of(NOW, 2), price=0)
        at = NOW + timedelta(hours=12)
    await after.accept(id_of(at, 3), price=0, at=at)
    counts = first is not Period.ROLLING or then is not Period.DAY
    assert await after.balance(at=at) == (940_000 if counts else 1_000_000)
    await after.jobs.cancel(id_of(NOW, 1), at)
    assert await after.balance(at=at) == 1_000_000
    assert await after.differences() == []


async def test_what_a_month_has_spent_today_does_not_come_back_as_it_rolls_by_way_of_a_day(
    database: Database,
) -> None:
    month, day, rolls = (
        lay(database, period=each) for each in (Period.MONTH, Period.DAY, Period.ROLLING)
    )
    await month.delivering(60_000, job_id=id_of(NOW, 1))
    await day.accept(id_of(NOW, 2), price=0)
    assert await rolls.balance() == 940_000
    await rolls.accept(id_of(NOW, 3), price=0)
    assert await rolls.balance(at=TOMORROW) == 1_000_000
    assert await rolls.differences() == []


@pytest.mark.parametrize("then", [Period.WEEK, Period.MONTH])
async def test_what_a_moderator_took_today_stays_taken_as_the_period_changes(
    bench: Bench, then: Period
) -> None:
    yesterday = NOW - timedelta(days=1)
    await bench.delivering(60_000, job_id=id_of(yesterday, 1), at=yesterday)
    taken = Amendment(Amend.CORRECT, SERVER, ADA, -100_000, CLEO, "a mistake")
    await bench.database.write(quota.amend, bench.refills, taken, (), NOW)
    assert await bench.balance() == 900_000
    assert await lay(bench.database, period=then).balance() == 840_000


async def test_what_was_spent_is_added_up_once_where_the_period_changes(
    database: Database,
) -> None:
    await lay(database).accept("first")
    bench = lay(database, period=Period.MONTH)
    with counted(database) as changes:
        await bench.accept("second")
    with counted(database) as goes_on:
        await bench.accept("third")
    assert changes.statements == goes_on.statements + 1


async def test_an_account_older_than_its_memory_is_refilled_to_what_the_host_gives(
    bench: Bench,
) -> None:
    await bench.accept()
    await bench.write("UPDATE accounts SET refilled_to_ucr = NULL, refill_period = NULL")
    await bench.jobs.cancel("lantern", TOMORROW)
    assert await bench.rows("SELECT allowance_ucr FROM accounts") == [(1_000_000,)]
    assert await bench.balance(at=TOMORROW) == 1_000_000
    assert await bench.differences() == []
