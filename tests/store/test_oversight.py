"""Blocks, acts and reports in the database: who is blocked when, what happens once, and plans."""

import asyncio
import sqlite3
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bot.domain.jobs import Job, JobState
from bot.domain.oversight import EVERYWHERE, REPORTS_PER_HOUR_MAX, Act, Block, Done, Unreported
from bot.errors import InsufficientCredits, NotAllowed, Reason, StepLost
from bot.store import accept, jobs, oversight, settings
from bot.store.database import Database
from bot.store.sql import Transaction
from tests.store.bench import (
    ADA,
    ALLOWANCE_UCR,
    BEN,
    CLEO,
    LANTERN,
    NOW,
    OTHER_SERVER,
    PRICE_UCR,
    SERVER,
    TOMORROW,
    Bench,
    lay,
    make_job,
)
from tests.store.plans import plan_of, statements_of

HOUR = timedelta(hours=1)
LATER = NOW + HOUR
MANY = 300_000


def block(
    server: int = SERVER, user: int = ADA, until: datetime | None = None, reason: str = "spam"
) -> Block:
    return Block(server, user, CLEO, reason, NOW, until)


async def blocked(database: Database, server: int = SERVER, at: datetime = NOW) -> object:
    """The facts of the refusal; None: there is none."""
    try:
        await database.read(oversight.check_block, server, ADA, at)
    except NotAllowed as refused:
        return {"reason": refused.reason, **refused.facts}
    return None


async def acts(database: Database) -> list[Act]:
    """The oldest first."""
    found = await database.read(oversight.list_acts, SERVER, limit=100)
    return [replace(act, id=0) for act in reversed(found)]


async def with_log_channel(database: Database) -> None:
    await database.write(settings.change, SERVER, lambda _: {"log_channel_id": 70}, CLEO, NOW)


# Blocks.


async def test_a_block_stands_in_its_server_until_its_end(database: Database) -> None:
    await database.write(oversight.block, block(until=LATER))
    told = {"reason": Reason.BLOCKED, "because": "spam", "until": int(LATER.timestamp())}
    assert await blocked(database) == told
    assert await blocked(database, OTHER_SERVER) is None
    assert await blocked(database, EVERYWHERE) is None
    assert await blocked(database, at=LATER - timedelta(milliseconds=1)) == told
    assert await blocked(database, at=LATER) is None


async def test_the_operators_block_is_everywhere(database: Database) -> None:
    await database.write(oversight.block, block(EVERYWHERE))
    for server in (SERVER, OTHER_SERVER, EVERYWHERE):
        assert await blocked(database, server) == {"reason": Reason.BLOCKED, "because": "spam"}


@pytest.mark.parametrize(
    ("here", "everywhere", "told"),
    [(LATER, TOMORROW, "host"), (TOMORROW, LATER, "here"), (None, LATER, "here")],
)
async def test_of_two_blocks_the_one_that_lasts_longer_is_told(
    database: Database, here: datetime | None, everywhere: datetime | None, told: str
) -> None:
    await database.write(oversight.block, block(until=here, reason="here"))
    await database.write(oversight.block, block(EVERYWHERE, until=everywhere, reason="host"))
    facts = await blocked(database)
    assert isinstance(facts, dict)
    assert facts["because"] == told


async def test_a_new_block_takes_the_place_of_the_old_one(database: Database) -> None:
    await database.write(oversight.block, block(until=LATER))
    done = await database.write(oversight.block, block(reason="more spam"))
    assert await blocked(database, at=TOMORROW) == {
        "reason": Reason.BLOCKED,
        "because": "more spam",
    }
    assert done == Done(Act(SERVER, CLEO, "block", NOW, ADA, reason="more spam"), 0)
    assert len(await acts(database)) == 2


async def test_a_block_is_ended_by_hand_once(database: Database) -> None:
    await database.write(oversight.block, block())
    ended = (SERVER, ADA, CLEO, LATER)
    assert await database.write(oversight.unblock, OTHER_SERVER, *ended[1:]) is None
    assert await database.write(oversight.unblock, *ended) is not None
    assert await database.write(oversight.unblock, *ended) is None
    assert await blocked(database) is None
    assert [act.action for act in await acts(database)] == ["block", "unblock"]


async def test_a_block_that_is_over_is_neither_listed_nor_ended_nor_kept(
    database: Database,
) -> None:
    await database.write(oversight.block, block(until=LATER))
    assert await database.read(oversight.list_blocks, SERVER, LATER, limit=10) == []
    bens = replace(block(user=BEN), created_at=TOMORROW)
    await database.write(oversight.block, bens)
    assert await database.write(oversight.unblock, SERVER, ADA, CLEO, TOMORROW) is None
    listed = await database.read(oversight.list_blocks, SERVER, NOW, limit=10)
    assert listed == [bens]


async def test_a_new_block_clears_away_its_servers_blocks_that_are_over(bench: Bench) -> None:
    for server, until in [(SERVER, LATER), (OTHER_SERVER, LATER), (EVERYWHERE, LATER)]:
        await bench.database.write(oversight.block, block(server, ADA, until))
    await bench.database.write(oversight.block, block(SERVER, CLEO, TOMORROW))
    at_its_end = replace(block(SERVER, BEN), created_at=LATER)
    await bench.database.write(oversight.block, at_its_end)
    assert await bench.rows("SELECT server_id, user_id FROM blocks ORDER BY 1, 2") == [
        (EVERYWHERE, ADA),
        (SERVER, BEN),
        (SERVER, CLEO),
        (OTHER_SERVER, ADA),
    ]


async def test_blocks_are_listed_by_pages(database: Database) -> None:
    for user in (5, 3, 9, 7):
        await database.write(oversight.block, block(user=user))
    await database.write(oversight.block, block(OTHER_SERVER, user=4))

    async def page(after: int) -> list[int]:
        found = await database.read(oversight.list_blocks, SERVER, NOW, after=after, limit=2)
        return [each.user_id for each in found]

    assert await page(0) == [3, 5]
    assert await page(5) == [7, 9]
    assert await page(9) == []


async def test_a_blocked_member_leaves_no_trace_of_a_request(bench: Bench) -> None:
    await bench.database.write(oversight.block, block(until=LATER))
    job, tasks = make_job()
    with pytest.raises(NotAllowed):
        await bench.take(job, tasks)
    refused = await bench.database.write(
        accept.accept_or_keep, bench.jobs.house, job, (), lambda _: [], draft_id="kept"
    )
    assert isinstance(refused, NotAllowed)
    assert refused.draft_id == ""
    for table in ("jobs", "tasks", "entries", "accounts", "queue", "drafts"):
        assert await bench.rows(f"SELECT * FROM {table}") == []
    await bench.accept(at=LATER)
    await bench.accept("bens", user=BEN)


# What is done to jobs.


async def finished(bench: Bench, job_id: str = "lantern", **given: Any) -> Job:
    job = await bench.delivering(PRICE_UCR, job_id=job_id, **given)
    return await bench.jobs.finish(job, 700, NOW, keeps_images=True)


async def test_a_job_that_has_ended_is_refunded_once_with_its_act(bench: Bench) -> None:
    await finished(bench)
    house = bench.jobs.house
    given = (house, SERVER, "lantern", CLEO, LATER)
    done = await asyncio.gather(*(bench.database.write(oversight.refund, *given) for _ in range(3)))
    [first, *others] = sorted(done, key=lambda each: each is None)
    assert first is not None
    assert others == [None, None]
    assert await bench.balance() == ALLOWANCE_UCR
    assert await acts(bench.database) == [
        Act(SERVER, CLEO, "refund", LATER, ADA, "lantern", PRICE_UCR)
    ]
    assert await bench.differences() == []


async def test_what_is_under_way_is_not_refunded(bench: Bench) -> None:
    house = bench.jobs.house
    await bench.delivering(PRICE_UCR)
    assert await bench.database.write(oversight.refund, house, SERVER, "lantern", CLEO, NOW) is None
    assert await acts(bench.database) == []


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({}, [10 * PRICE_UCR]),
        ({"budget": 20 * PRICE_UCR}, [9 * PRICE_UCR]),
        ({"total": 20 * PRICE_UCR}, [19 * PRICE_UCR, 10 * PRICE_UCR]),
    ],
    ids=["the server's own", "the host's for a server", "the host's for all"],
)
async def test_a_refund_gives_back_to_no_budget_of_the_host(
    database: Database, limits: dict[str, int], left: list[int]
) -> None:
    bench = lay(database, **limits)
    await database.write(
        settings.change, SERVER, lambda _: {"budget_ucr": 10 * PRICE_UCR}, CLEO, NOW
    )
    await finished(bench)
    await database.write(oversight.refund, bench.jobs.house, SERVER, "lantern", CLEO, NOW)
    rows = await bench.rows("SELECT allowance_ucr FROM accounts WHERE user_id = 0 ORDER BY 1 DESC")
    assert [amount for [amount] in rows] == left
    assert await bench.balance() == ALLOWANCE_UCR
    assert await bench.differences() == []


async def test_a_refund_while_the_host_has_no_budget_stays_spent_in_the_next(
    database: Database,
) -> None:
    bench, without = lay(database, total=10 * PRICE_UCR), lay(database)
    await finished(bench, "heron")
    await finished(without)
    await database.write(oversight.refund, without.jobs.house, SERVER, "lantern", CLEO, NOW)
    with pytest.raises(InsufficientCredits) as refused:
        await bench.accept("kite", price=8 * PRICE_UCR + 1)
    assert refused.value.facts["available_ucr"] == 8 * PRICE_UCR
    assert await bench.differences() == []


async def test_what_a_refund_gives_back_to_a_budget_of_last_month_expires_once(
    database: Database,
) -> None:
    bench = lay(database, budget=10 * PRICE_UCR, total=10 * PRICE_UCR)
    await finished(bench)
    later = NOW + timedelta(days=31)
    await bench.accept("heron", at=later)
    await database.write(oversight.refund, bench.jobs.house, SERVER, "lantern", CLEO, later)
    rows = await bench.rows("SELECT allowance_ucr FROM accounts WHERE user_id = 0")
    assert rows == [(9 * PRICE_UCR,)] * 2
    expired = "kind = 'expire' AND job_id = 'lantern' AND user_id = 0"
    assert await bench.rows(f"SELECT count(*) FROM entries WHERE {expired}") == [(2,)]
    assert await bench.differences() == []


async def test_a_removed_job_is_in_no_history_and_keeps_nothing(bench: Bench) -> None:
    await finished(bench)
    await finished(bench, "heron")
    given = (SERVER, "lantern", CLEO, "rude", NOW)
    done, names = await bench.database.write(oversight.remove, *given)
    assert done is not None
    assert done.job is not None
    assert (done.job.removed, done.job.keeps_images) == (True, False)
    assert names == ["lantern-0.png"]
    # What is left of the files after a crash is deleted by the next who asks.
    assert await bench.database.write(oversight.remove, *given) == (None, names)
    for kind in jobs.KINDS:
        found = await bench.database.read(jobs.history, SERVER, ADA, kind=kind)
        assert "lantern" not in [job.id for job in found]
    assert await bench.database.read(jobs.without_use, ["lantern", "heron"]) == {"lantern"}
    assert [act.action for act in await acts(bench.database)] == ["remove"]


async def test_what_is_removed_as_it_is_delivered_keeps_nothing(bench: Bench) -> None:
    """The message stands already; the commit that says so comes after the moderator's."""
    job = await bench.delivering(PRICE_UCR)
    given = (SERVER, "lantern", CLEO, "rude", NOW)
    _, names = await bench.database.write(oversight.remove, *given)
    # They may be on their way to Discord, and whoever sends them deletes them.
    assert names == []
    told = await bench.jobs.finish(job, 700, NOW, keeps_images=True)
    assert (told.state, told.removed, told.message_id) == (JobState.DELIVERING, True, None)
    # Once the message is taken away:
    ended = await bench.jobs.finish(told, 700, NOW, keeps_images=True)
    assert (ended.state, ended.keeps_images) == (JobState.DONE, False)


async def test_a_job_is_covered_once(bench: Bench) -> None:
    await finished(bench)
    done = await bench.database.write(oversight.cover, SERVER, "lantern", CLEO, NOW)
    assert done is not None
    assert done.job is not None
    assert (done.job.covered, done.job.spoiler) == (True, True)
    assert await bench.database.write(oversight.cover, SERVER, "lantern", CLEO, NOW) is None


async def test_a_cancelled_job_says_by_whom_and_why(bench: Bench) -> None:
    await bench.accept()
    given = (bench.jobs.house, SERVER, "lantern", CLEO, "not here", NOW)
    done = await bench.database.write(oversight.cancel, *given)
    assert done.job is not None
    assert done.job.problem is not None
    assert done.job.problem.facts == {"by_id": CLEO, "because": "not here"}
    with pytest.raises(StepLost):
        await bench.database.write(oversight.cancel, *given)
    assert [act.action for act in await acts(bench.database)] == ["cancel"]
    assert await bench.balance() == ALLOWANCE_UCR


@pytest.mark.parametrize("server", [OTHER_SERVER, EVERYWHERE])
async def test_jobs_of_other_servers_are_not_touched(bench: Bench, server: int) -> None:
    """Nor those of direct messages, whose server is 0, by anyone."""
    await finished(bench, server=SERVER if server else EVERYWHERE)
    before = await bench.rows("SELECT * FROM jobs")
    house, database = bench.jobs.house, bench.database
    assert await database.read(oversight.of_server, server, "lantern") is None
    assert await database.write(oversight.cover, server, "lantern", CLEO, NOW) is None
    assert await database.write(oversight.remove, server, "lantern", CLEO, "", NOW) == (None, [])
    assert await database.write(oversight.refund, house, server, "lantern", CLEO, NOW) is None
    assert await database.write(oversight.note_deleted, server, "lantern", CLEO, NOW) is None
    reported = await database.write(oversight.report, server, "lantern", BEN, "", NOW)
    assert reported is Unreported.NOTHING_THERE
    assert await bench.rows("SELECT * FROM jobs") == before
    assert await bench.rows("SELECT * FROM acts") == []


@pytest.mark.parametrize("server", [OTHER_SERVER, EVERYWHERE])
async def test_a_job_that_waits_in_another_server_is_not_cancelled(
    bench: Bench, server: int
) -> None:
    await bench.accept(server=SERVER if server else EVERYWHERE)
    cancel = (oversight.cancel, bench.jobs.house, server, "lantern", CLEO, "", NOW)
    with pytest.raises(StepLost):
        await bench.database.write(*cancel)
    assert (await bench.jobs.job("lantern")).state is JobState.QUEUED


async def test_an_act_is_written_with_what_it_tells_or_not_at_all(bench: Bench) -> None:
    await finished(bench)
    await bench.write(
        "CREATE TRIGGER full BEFORE INSERT ON acts BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    house, database = bench.jobs.house, bench.database
    before = [await bench.rows(f"SELECT * FROM {each}") for each in ("jobs", "entries", "blocks")]
    for step, given in (
        (oversight.block, (block(),)),
        (oversight.cover, (SERVER, "lantern", CLEO, NOW)),
        (oversight.remove, (SERVER, "lantern", CLEO, "", NOW)),
        (oversight.refund, (house, SERVER, "lantern", CLEO, NOW)),
    ):
        with pytest.raises(sqlite3.IntegrityError):
            await database.write(step, *given)
    after = [await bench.rows(f"SELECT * FROM {each}") for each in ("jobs", "entries", "blocks")]
    assert after == before


# Reports.


async def report(
    bench: Bench, job_id: str = "lantern", by: int = BEN, at: datetime = NOW
) -> Done | Unreported:
    return await bench.database.write(oversight.report, SERVER, job_id, by, "rude", at)


async def test_a_report_needs_a_channel_that_it_is_posted_in(bench: Bench) -> None:
    await finished(bench)
    assert await report(bench) is Unreported.NO_CHANNEL
    await with_log_channel(bench.database)
    done = await report(bench)
    assert isinstance(done, Done)
    assert done.log_channel_id == 70
    assert done.act == Act(SERVER, BEN, "report", NOW, ADA, "lantern", reason="rude")


async def test_each_member_reports_a_result_once(bench: Bench) -> None:
    await with_log_channel(bench.database)
    await finished(bench)
    first = [await report(bench), await report(bench), await report(bench, at=TOMORROW)]
    assert [isinstance(each, Done) for each in first] == [True, False, False]
    assert first[1:] == [Unreported.BEFORE] * 2
    assert isinstance(await report(bench, by=CLEO), Done)
    with pytest.raises(sqlite3.IntegrityError):
        await bench.database.write(
            oversight.record, Act(SERVER, BEN, "report", NOW, ADA, "lantern")
        )


async def test_what_a_moderator_did_to_results_counts_as_no_report(bench: Bench) -> None:
    await with_log_channel(bench.database)
    for number in range(REPORTS_PER_HOUR_MAX):
        await bench.accept(f"job{number}")
        await bench.database.write(oversight.cover, SERVER, f"job{number}", CLEO, NOW)
    assert isinstance(await report(bench, "job0", by=CLEO), Done)


async def test_a_member_reports_a_few_results_an_hour(bench: Bench) -> None:
    await with_log_channel(bench.database)
    for number in range(REPORTS_PER_HOUR_MAX + 2):
        await finished(bench, f"job{number}")
    for number in range(REPORTS_PER_HOUR_MAX):
        assert isinstance(await report(bench, f"job{number}"), Done)
    assert await report(bench, f"job{REPORTS_PER_HOUR_MAX}") is Unreported.TOO_MANY
    assert isinstance(await report(bench, f"job{REPORTS_PER_HOUR_MAX}", at=LATER), Done)


async def test_what_is_removed_cannot_be_reported(bench: Bench) -> None:
    await with_log_channel(bench.database)
    await finished(bench)
    await bench.database.write(oversight.remove, SERVER, "lantern", CLEO, "", NOW)
    assert await report(bench) is Unreported.NOTHING_THERE


# What moderators look through.


async def test_acts_are_listed_by_pages_the_newest_first(database: Database) -> None:
    for number in range(5):
        act = Act(SERVER, CLEO, "block", NOW, ADA, reason=f"{number}")
        await database.write(oversight.record, act)
    await database.write(oversight.record, Act(OTHER_SERVER, CLEO, "block", NOW, ADA))
    first = await database.read(oversight.list_acts, SERVER, limit=3)
    rest = await database.read(oversight.list_acts, SERVER, before=first[-1].id, limit=3)
    assert [act.reason for act in first + rest] == ["4", "3", "2", "1", "0"]


async def ids(bench: Bench, **given: Any) -> tuple[list[str], str]:
    found, older = await bench.database.read(oversight.recent, SERVER, **({"limit": 10} | given))
    return [job.id for job in found], older


async def test_recent_pages_through_a_server_and_through_a_member(bench: Bench) -> None:
    for number in range(5):
        await bench.accept(f"job{number}", user=ADA if number % 2 else BEN)
    await bench.accept("other", server=OTHER_SERVER)
    assert await ids(bench) == (["job4", "job3", "job2", "job1", "job0"], "")
    assert await ids(bench, limit=2) == (["job4", "job3"], "job3")
    assert await ids(bench, limit=2, before="job3") == (["job2", "job1"], "job1")
    assert await ids(bench, limit=2, before="job1") == (["job0"], "")
    assert await ids(bench, user_id=ADA, limit=2) == (["job3", "job1"], "")


async def test_private_jobs_are_shown_from_when_members_were_told_so_on(bench: Bench) -> None:
    private = replace(LANTERN, private=True)
    await bench.accept("a", request=private)
    await bench.accept("b")
    assert await ids(bench) == (["b"], "")
    await bench.database.write(
        settings.change, SERVER, lambda _: {"private_seen": True}, CLEO, LATER
    )
    assert await ids(bench) == (["b"], "")
    await bench.accept("c", request=private, at=LATER)
    assert await ids(bench) == (["c", "b"], "")
    await bench.database.write(
        settings.change, SERVER, lambda _: {"private_seen": False}, CLEO, TOMORROW
    )
    assert await ids(bench) == (["b"], "")


async def test_a_page_goes_on_behind_many_private_jobs(database: Database) -> None:
    bench = lay(database, allowance=200 * PRICE_UCR)
    private = replace(LANTERN, private=True)
    await bench.accept("job000")
    for number in range(1, 131):
        await bench.accept(f"job{number:03}", request=private)
    found, older = await ids(bench)
    assert (found, older) == ([], "job031")
    assert await ids(bench, before=older) == (["job000"], "")


# What it costs.


def fill(tx: Transaction) -> None:
    """A server with a long history, of jobs, acts, reports and blocks."""
    numbers = range(MANY)
    tx.executemany(
        "INSERT INTO jobs (id, server_id, channel_id, user_id, state, request, quote_ucr,"
        " cost_ucr, nsfw_checker, spoiler, application_id, token, token_expires_at,"
        " file_bytes_max, created_at, finished_at)"
        " VALUES (:id, 7, 70, :user, 'done', :request, 0, 0, 1, 0, 5, '', 0, 1, :at, :at)",
        [{"id": f"{n:011x}", "user": 1 + n % 3, "at": n * 1_000, "request": "{}"} for n in numbers],
    )
    tx.executemany(
        "INSERT INTO acts (server_id, by_id, action, user_id, job_id, reason, created_at)"
        " VALUES (7, :by, 'report', 1, :job, '', :at)",
        [{"by": n % 50, "job": f"{n:011x}", "at": n * 1_000} for n in numbers],
    )
    tx.executemany(
        "INSERT INTO blocks VALUES (:server, :user, 3, '', 0, NULL)",
        [{"server": n % 3 * 7, "user": n} for n in range(1, MANY // 10)],
    )


GIVEN: dict[str, object] = {
    "server": SERVER, "user": ADA, "now": NOW, "after": 0, "before": "000000493df", "job": "x",
    "by": 1, "hour": NOW, "of_job": "00000000001", "of_server": SERVER, "shown_max": 10,
    "interaction": 1,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_no_statement_reads_a_table(database: Database) -> None:
    await database.write(fill)
    several = {
        name: statement
        for name, statement in statements_of(oversight).items()
        if not statement.startswith("INSERT")
    } | {"BEFORE": accept.BEFORE, "HISTORY": jobs.HISTORY[""]}
    assert len(several) > 13

    def plans(tx: Transaction) -> dict[str, list[str]]:
        return {name: plan_of(tx, statement, GIVEN) for name, statement in several.items()}

    found = await database.read(plans)
    told = {name: [step for step in plan if "SCAN" in step] for name, plan in found.items()}
    # What waits, and the constant rows of a statement without a table.
    bounded = ("SCAN CONSTANT ROW", "SCAN queue USING COVERING INDEX ix_queue_waiting")
    wrong = {name: steps for name, steps in told.items() if [s for s in steps if s not in bounded]}
    assert wrong == {}
    assert "uq_acts_report" in str(found["REPORTED"])
    assert "ix_acts_reports" in str(found["REPORTED"])
    # The order of the rows is that of the index.
    sorts = [name for name, plan in found.items() if "TEMP B-TREE" in str(plan)]
    assert set(sorts) <= {"BEFORE", "BLOCKED"}
