"""What a server may spend beside its members, and what roles give them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bot.domain.budgets import BudgetShare
from bot.domain.credits import Microcredits
from bot.domain.jobs import Failure, Offer, Problem, id_at
from bot.domain.ledger import NOBODY, Period
from bot.errors import InsufficientCredits, Reason
from bot.store import notices, quota, settings
from bot.store.database import Database
from tests.store.bench import ADA, BEN, CLEO, NOW, OTHER_SERVER, SERVER, Bench, lay, make_job

NEXT_MONTH = datetime(2025, 12, 1, tzinfo=UTC)
PAINTER, PATRON = 501, 502


@pytest.fixture
def bench(database: Database) -> Bench:
    """Each server may spend two and a half images a month."""
    return lay(database, budget=150_000)


async def left(bench: Bench, server: int = SERVER) -> int:
    rows = await bench.rows(
        f"""
        SELECT allowance_ucr + grant_ucr FROM accounts
        WHERE server_id = {server} AND user_id = {NOBODY}
        """
    )
    return rows[0][0] if rows else -1


async def decide(bench: Bench, name: str, value: Any) -> None:
    await bench.database.write(settings.change, SERVER, lambda _: {name: value}, CLEO, NOW)


@pytest.mark.parametrize("is_host_s", [False, True])
async def test_a_job_is_held_settled_and_paid_back_but_for_the_host_s_limit(
    database: Database, is_host_s: bool
) -> None:
    bench = lay(database, budget=150_000 if is_host_s else None)
    if not is_host_s:
        await decide(bench, "budget_ucr", 150_000)
    job = await bench.delivering(40_000)
    assert await left(bench) == 110_000
    assert await bench.balance() == 960_000
    await bench.jobs.refund(job, Problem(Failure.UNDELIVERABLE), NOW)
    assert await left(bench) == (110_000 if is_host_s else 150_000)
    assert await bench.balance() == 1_000_000
    kinds = [(entry.user_id, entry.kind.value) for entry in await bench.entries()]
    both = ["allowance", "hold", "settle", "refund"]
    expected = [(user, kind) for user in (ADA, NOBODY) for kind in both]
    assert sorted(kinds) == sorted(expected + [(NOBODY, "expire")] * is_host_s)
    assert await bench.differences() == []


async def test_a_cancelled_job_takes_nothing_of_the_budget(bench: Bench) -> None:
    await bench.accept()
    assert await left(bench) == 90_000
    await bench.jobs.cancel("lantern", NOW)
    assert await left(bench) == 150_000
    assert await bench.differences() == []


async def test_what_the_budget_does_not_cover_is_refused_whoever_asks(bench: Bench) -> None:
    await bench.accept("first")
    await bench.accept("second", user=BEN)
    with pytest.raises(InsufficientCredits) as refused:
        await bench.accept("third", user=CLEO)
    assert refused.value.reason is Reason.BUDGET
    assert refused.value.facts == {
        "needed_ucr": 60_000,
        "available_ucr": 30_000,
        "refills_at": int(NEXT_MONTH.timestamp()),
    }
    assert await bench.balance(CLEO) == 1_000_000
    assert await bench.rows(f"SELECT * FROM accounts WHERE user_id = {CLEO}") == []
    await bench.accept("elsewhere", server=OTHER_SERVER)
    await bench.accept("direct", server=0)
    assert await left(bench, 0) == -1

    await bench.accept("next month", user=CLEO, at=NEXT_MONTH)
    assert await left(bench) == 90_000
    assert await bench.differences() == []


async def test_of_the_routes_one_that_the_budget_covers_is_taken(bench: Bench) -> None:
    dear, cheap = make_job(price=200_000), make_job(price=100_000)
    offers = [Offer(job, tuple(tasks)) for job, tasks in (dear, cheap)]
    offer, _ = await bench.jobs.accept(dear[0], (), lambda _: offers)
    assert offer.job.quote_ucr == 100_000


async def test_a_server_decides_for_itself_and_at_once(bench: Bench) -> None:
    await bench.accept("first")
    await decide(bench, "budget_ucr", 60_000)
    with pytest.raises(InsufficientCredits):
        await bench.accept("second")
    await decide(bench, "budget_ucr", 120_000)
    await bench.accept("second")
    assert await left(bench) == 0
    await decide(bench, "budget_ucr", None)
    await bench.accept("third", price=30_000)
    assert await left(bench) == 0


async def test_all_servers_together_have_an_end_too(database: Database) -> None:
    bench = lay(database, budget=150_000, total=130_000)
    await bench.accept("here")
    await bench.accept("elsewhere", server=OTHER_SERVER)
    for server in (SERVER, OTHER_SERVER, 0):
        with pytest.raises(InsufficientCredits) as refused:
            await bench.accept("one more", user=BEN, server=server)
        assert refused.value.reason is Reason.TOTAL_BUDGET
    rows = await bench.rows("SELECT count(*) FROM entries WHERE job_id = 'here'")
    assert rows == [(3,)]
    await bench.jobs.cancel("elsewhere", NOW)
    await bench.accept("direct", server=0, user=BEN)
    assert await left(bench, 0) == 10_000
    assert await bench.differences() == []


@pytest.mark.parametrize(
    ("budget", "rest"), [(150_000, 50_000), (100_000, 0), (70_000, 0)], ids=["more", "all", "less"]
)
@pytest.mark.parametrize("of_all", [False, True])
async def test_a_budget_that_begins_in_a_month_counts_what_was_spent_in_it(
    database: Database, budget: int, rest: int, of_all: bool
) -> None:
    before = lay(database)
    await before.delivering(40_000, job_id=id_of(NOW, 1), at=NOW)
    await before.delivering(60_000, job_id=id_of(NOW, 2), at=NOW)
    await before.delivering(60_000, job_id=id_of(NOW, 3), server=OTHER_SERVER if not of_all else 0)
    last_month = NOW - timedelta(days=25)
    await before.delivering(60_000, job_id=id_of(last_month, 4), at=last_month)
    bench = lay(database, **{"total" if of_all else "budget": budget + 60_000 * of_all})
    server = 0 if of_all else SERVER

    with pytest.raises(InsufficientCredits) as refused:
        await bench.accept(id_of(NOW, 5), price=rest + 1)
    assert refused.value.facts["available_ucr"] == rest
    if rest:
        await bench.accept(id_of(NOW, 6), price=rest)
        assert await left(bench, server) == 0
    else:
        # It is added up once, and not for each refusal.
        job, tasks = make_job(id_of(NOW, 7))
        offers = [Offer(job, tuple(tasks))]
        refusal = await bench.jobs.accept_or_keep(job, (), lambda _: offers)
        assert isinstance(refusal, InsufficientCredits)
        assert await left(bench, server) == 0
    assert await bench.differences() == []


async def test_a_budget_that_begins_spent_and_is_raised_gives_the_difference(bench: Bench) -> None:
    before = lay(bench.database)
    await before.delivering(170_000, price=170_000, job_id=id_of(NOW, 1), at=NOW)
    _, budget = await bench.database.read(quota.of_server, bench.jobs.house, SERVER, NOW)
    assert budget is not None
    assert budget.allowance_ucr == 0
    bench = lay(bench.database, budget=200_000)
    with pytest.raises(InsufficientCredits):
        await bench.accept(id_of(NOW, 2), price=30_001)
    await bench.accept(id_of(NOW, 3), price=30_000)
    assert await left(bench) == 0
    await bench.accept(id_of(NEXT_MONTH, 4), price=200_000, at=NEXT_MONTH)
    assert await left(bench) == 0
    assert await bench.differences() == []


@pytest.mark.parametrize("of", ["server", "host", "all"])
async def test_a_budget_that_was_taken_away_and_is_set_again_counts_what_was_spent_meanwhile(
    database: Database, of: str
) -> None:
    server = 0 if of == "all" else SERVER

    async def opened(budget: int | None) -> Bench:
        """With no other budget than this one; the host's are changed by a restart."""
        bench = lay(
            database, **{"server": {}, "host": {"budget": budget}, "all": {"total": budget}}[of]
        )
        if of == "server":
            await decide(bench, "budget_ucr", budget)
        return bench

    bench = await opened(150_000)
    await bench.delivering(40_000, job_id=id_of(NOW, 1), at=NOW)
    held = await bench.accept(id_of(NOW, 2))
    bench = await opened(None)
    # More than the budget was, but not more than the member has.
    await bench.delivering(300_000, price=300_000, job_id=id_of(NOW, 3), user=BEN, at=NOW)
    bench = await opened(500_000)
    await bench.jobs.cancel(held.id, NOW)
    with pytest.raises(InsufficientCredits) as refused:
        await bench.accept(id_of(NOW, 4), price=160_001)
    assert refused.value.facts["available_ucr"] == 160_000
    await bench.accept(id_of(NOW, 5), price=160_000)
    assert await left(bench, server) == 0
    # There and back at once gives and takes nothing.
    bench = await opened(None)
    bench = await opened(500_000)
    with pytest.raises(InsufficientCredits):
        await bench.accept(id_of(NOW, 6), price=1)
    assert await bench.differences() == []


async def test_a_month_that_begins_without_a_budget_is_counted_when_it_has_one_again(
    bench: Bench,
) -> None:
    old, _ = await bench.running(id_of(NOW, 1))
    without = lay(bench.database)
    await without.delivering(70_000, price=70_000, job_id=id_of(NEXT_MONTH, 2), at=NEXT_MONTH)
    # The end of last month's job begins no month.
    await without.jobs.cancel(old.id, NEXT_MONTH)
    with pytest.raises(InsufficientCredits) as refused:
        await bench.accept(id_of(NEXT_MONTH, 3), price=80_001, at=NEXT_MONTH)
    assert refused.value.facts["available_ucr"] == 80_000
    assert await bench.differences() == []


@pytest.mark.parametrize("of", ["budget", "total"])
async def test_what_is_cancelled_or_of_another_month_is_not_held_as_a_budget_begins(
    database: Database, of: str
) -> None:
    bench, without = lay(database, **{of: 150_000}), lay(database)
    server = SERVER if of == "budget" else 0
    last_month = NOW - timedelta(days=25)
    await without.accept(id_of(last_month, 1), at=last_month)
    await bench.accept(id_of(NOW, 2))
    assert await left(bench, server) == 90_000

    await without.accept(id_of(NEXT_MONTH, 3), at=NEXT_MONTH)
    await without.accept(id_of(NEXT_MONTH, 4), at=NEXT_MONTH)
    await without.jobs.cancel(id_of(NEXT_MONTH, 4), NEXT_MONTH)
    await bench.accept(id_of(NEXT_MONTH, 5), price=1, at=NEXT_MONTH)
    assert await left(bench, server) == 150_000 - 60_000 - 1
    assert await bench.differences() == []


async def test_a_month_that_begins_again_after_a_clock_stood_ahead_holds_nothing_twice(
    bench: Bench,
) -> None:
    await bench.accept(id_of(NOW, 1))
    await bench.accept(id_of(NEXT_MONTH, 2), at=NEXT_MONTH)
    await bench.accept(id_of(NOW, 3))
    assert await bench.differences() == []


async def test_a_budget_that_begins_holds_what_is_being_made(bench: Bench) -> None:
    without = lay(bench.database)
    for number, user in enumerate((ADA, BEN, CLEO)):
        await without.accept(id_of(NOW, number), user=user)
    # Of these three, two are covered: they are made all the same, and nothing else is.
    with pytest.raises(InsufficientCredits) as refused:
        await bench.accept(id_of(NOW, 4), price=1)
    assert refused.value.facts["available_ucr"] == 0
    refusal = await bench.jobs.accept_or_keep(*offered(id_of(NOW, 5)))
    assert isinstance(refusal, InsufficientCredits)
    await bench.jobs.cancel(id_of(NOW, 0), NOW)
    job = await bench.claim()
    assert job is not None
    (task,) = await bench.jobs.tasks(job.id)
    await bench.store(await bench.submit(task), 20_000)
    await bench.accept(id_of(NOW, 6), price=70_000)
    assert await left(bench) == 0
    assert await bench.differences() == []


def offered(job_id: str) -> tuple[Any, ...]:
    job, tasks = make_job(job_id)
    return job, (), lambda _: [Offer(job, tuple(tasks))]


async def test_a_refund_of_what_was_spent_before_the_budget_began_comes_back_to_it(
    bench: Bench,
) -> None:
    without = lay(bench.database)
    job = await without.delivering(170_000, price=170_000, job_id=id_of(NOW, 1), at=NOW)
    await without.accept(id_of(NOW, 2))
    await decide(without, "budget_ucr", 150_000)
    await without.jobs.accept_or_keep(*offered(id_of(NOW, 4)))
    assert await left(without) == 0
    await without.jobs.refund(job, Problem(Failure.UNDELIVERABLE), NOW)
    await without.accept(id_of(NOW, 3), price=90_000)
    assert await left(without) == 0
    assert await without.differences() == []


async def test_a_refund_of_another_months_job_that_the_budget_never_held_gives_it_nothing(
    bench: Bench,
) -> None:
    without = lay(bench.database)
    last_month = NOW - timedelta(days=25)
    for at, place in ((last_month, without), (NOW, bench), (NEXT_MONTH, without)):
        _, (task,) = await place.running(id_of(at, 1), at=at)
        made = await place.store(await place.submit(task), 60_000, at)
        assert made is not None
        await place.jobs.finish(made.job, None, at)
    for at in (last_month, NEXT_MONTH):
        paid_ucr, _ = await bench.jobs.refund_ended(id_of(at, 1), NEXT_MONTH)
        assert paid_ucr == 60_000
        assert await left(bench) == 90_000
    await bench.accept(id_of(NEXT_MONTH, 4), price=150_000, at=NEXT_MONTH)
    assert await left(bench) == 0
    assert await bench.differences() == []


def id_of(at: datetime, number: int) -> str:
    """A job's id, as one that was asked for then has it."""
    return f"{id_at(at)}{number:08}"


async def test_a_host_gives_back_what_an_ended_job_was_charged(bench: Bench) -> None:
    job = await bench.delivering(40_000)
    assert await bench.jobs.refund_ended(job.id, NOW) == (0, 0)
    await bench.jobs.finish(job, None, NOW)
    assert await bench.jobs.refund_ended(job.id, NOW) == (40_000, 0)
    assert await bench.jobs.refund_ended(job.id, NOW) == (0, 0)
    assert await bench.jobs.refund_ended("nobody's", NOW) == (0, 0)
    assert await bench.balance() == 1_000_000
    assert await left(bench) == 150_000
    assert await bench.differences() == []


async def test_what_was_held_last_month_does_not_come_back_to_this_one(bench: Bench) -> None:
    await bench.accept("old")
    await bench.accept("new", at=NEXT_MONTH)
    await bench.jobs.cancel("old", NEXT_MONTH)
    assert await left(bench) == 90_000
    assert await bench.differences() == []


async def test_each_server_is_told_of_its_own_budget_and_once_a_month(bench: Bench) -> None:
    async def reached(at: datetime = NOW) -> dict[int, BudgetShare]:
        asked = (notices.reached, bench.jobs.house, Microcredits(1), at)
        return {spent.server_id: spent for spent in await bench.database.read(*asked)}

    for server in (SERVER, OTHER_SERVER):
        await bench.database.write(
            settings.change, server, lambda _: {"log_channel_id": 70}, CLEO, NOW
        )
        job = await bench.delivering(80_000, price=80_000, job_id=f"{server}", server=server)
        await bench.jobs.finish(job, None, NOW)
    found = await reached()
    assert {server: spent.percent for server, spent in found.items()} == {
        SERVER: 50,
        OTHER_SERVER: 50,
    }
    for _ in range(2):
        await bench.database.write(notices.told, found[SERVER], NOW)
    assert list(await reached()) == [OTHER_SERVER]
    await bench.database.write(notices.told, found[OTHER_SERVER], NOW)
    assert await reached() == {}

    # Eight tenths are told after the half, and once as well.
    await decide(bench, "budget_ucr", 100_000)
    found = await reached()
    assert {server: spent.percent for server, spent in found.items()} == {SERVER: 80}
    await bench.database.write(notices.told, found[SERVER], NOW)
    assert await reached() == {}
    await decide(bench, "budget_ucr", None)

    _, (task,) = await bench.running("new", price=80_000, at=NEXT_MONTH)
    assert await reached(NEXT_MONTH) == {}
    await bench.store(await bench.submit(task), 80_000, NEXT_MONTH)
    assert list(await reached(NEXT_MONTH)) == [SERVER]


async def test_a_server_that_gave_up_its_log_channel_is_told_once_it_has_one_again(
    database: Database,
) -> None:
    # What else it decides is no channel, and a member's month is no budget.
    bench = lay(database, budget=150_000, period=Period.MONTH)
    await decide(bench, "count_max", 2)

    async def reached() -> list[int]:
        asked = (notices.reached, bench.jobs.house, Microcredits(1), NOW)
        return [spent.channel_id for spent in await bench.database.read(*asked)]

    await bench.delivering(80_000, price=80_000)
    for channel_id, told in [(70, [70]), (0, []), (71, [71])]:
        await decide(bench, "log_channel_id", channel_id)
        assert await reached() == told
    # The host's budget is the only one, and may be gone before the month is.
    bench.jobs.house = replace(bench.jobs.house, budget_ucr=None)
    assert await reached() == []


async def test_the_best_role_counts_then_the_server_then_the_operator(bench: Bench) -> None:
    async def shown(*role_ids: int) -> int:
        return (await bench.accounts.show(SERVER, ADA, NOW, role_ids)).available_ucr

    assert await shown() == 1_000_000
    await decide(bench, "allowance_ucr", 200_000)
    await decide(bench, "role_allowances_ucr", {PAINTER: 300_000, PATRON: 100_000})
    assert await shown() == 200_000
    assert await shown(PATRON) == 100_000
    assert await shown(PATRON, PAINTER, 7) == 300_000


async def test_a_role_that_comes_and_goes_gives_nothing_twice(bench: Bench) -> None:
    await decide(bench, "budget_ucr", 10_000_000)
    await decide(bench, "allowance_ucr", 60_000)
    await decide(bench, "role_allowances_ucr", {PAINTER: 120_000})
    for number, role_ids in enumerate([(), (PAINTER,)]):
        await bench.take(*make_job(f"job{number}"), role_ids)
    for role_ids in [(), (PAINTER,), ()]:
        with pytest.raises(InsufficientCredits):
            await bench.take(*make_job("one more", price=1), role_ids)
    assert await bench.differences() == []


async def test_a_worker_refills_to_what_was_given_the_last_time(bench: Bench) -> None:
    """It knows no roles."""
    await decide(bench, "role_allowances_ucr", {PAINTER: 300_000})
    await bench.take(*make_job(), (PAINTER,))
    await bench.jobs.cancel("lantern", datetime(2025, 11, 21, tzinfo=UTC))
    rows = await bench.rows(f"SELECT allowance_ucr FROM accounts WHERE user_id = {ADA}")
    assert rows == [(300_000,)]


async def test_the_audit_finds_a_budget_that_was_tampered_with(bench: Bench) -> None:
    await bench.delivering(40_000)
    await bench.write(f"UPDATE accounts SET allowance_ucr = 7 WHERE user_id = {NOBODY}")
    await bench.write(
        f"UPDATE entries SET allowance_ucr = -1 WHERE user_id = {NOBODY} AND kind = 'hold'"
    )
    found = await bench.differences()
    assert found[0].startswith("The budget of server 7: allowance is 7, its entries add up to")
    assert "of a budget" in found[1]
