"""Erasing by pieces: the books balance at each commit, and the file's bytes hold nothing more."""

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot.domain.ledger import Period
from bot.domain.quota import Amend, Amendment
from bot.domain.requests import ImageRequest, Mode, Reference
from bot.errors import Reason, Refusal
from bot.store import privacy, quota
from bot.store.database import Database
from bot.store.ledger import audit
from bot.store.privacy import ENTRIES_AT_ONCE, Erasure
from bot.store.sql import Transaction
from tests.store.bench import (
    ADA,
    ALLOWANCE_UCR,
    BEN,
    CLEO,
    LANTERN,
    NOW,
    OTHER_SERVER,
    SERVER,
    TOMORROW,
    Bench,
    lay,
    make_job,
)
from tests.store.plans import plan_of

ERASURE = Erasure(ADA, -77)
WORD = "quixotic-heron"


async def erase(database: Database, erasure: Erasure = ERASURE) -> None:
    for server_id in await database.read(privacy.servers_of, erasure.user_id):
        while (await database.read(privacy.next_jobs, erasure.user_id, server_id))[0]:
            await database.write(privacy.erase_jobs, erasure, server_id)
            assert await database.read(audit) == []
        while await database.write(privacy.move_entries, erasure, server_id, NOW):
            assert await database.read(audit) == []
    await database.write(privacy.settle_up, erasure)
    assert await database.read(audit) == []
    await database.write(privacy.finish, erasure)
    assert await database.read(audit) == []


def request(chance: random.Random) -> ImageRequest:
    """Of any length: rows that overflow their page, and rows that are moved within it."""
    words = " ".join([WORD] * chance.choice((1, 3, 20, 250)))
    reference = Reference(f"https://cdn.example/{WORD}.png", f"{WORD}.png", 1_000)
    return ImageRequest(Mode.GENERATE, words, "gpt-image-2-beta", references=(reference,))


async def used(bench: Bench, count: int) -> None:
    """Jobs of Ada's and Ben's in two servers, each through all its states."""
    chance = random.Random(7)
    for n in range(count):
        user, server = (ADA, BEN)[n % 3 == 0], (SERVER, OTHER_SERVER)[n % 2]
        words = request(chance) if user == ADA else ImageRequest(Mode.GENERATE, "of Ben's", "")
        costs = chance.choice(((1_000,), (1_000, 2_000), (None,)))
        job = await bench.delivering(
            *costs, job_id=f"job{n:05}", user=user, server=server, request=words, price=2_000
        )
        await bench.jobs.finish(job, 10**6 + n, NOW + timedelta(seconds=n))


@pytest.mark.parametrize("at_once", [1, 3, 1_000])
async def test_at_each_commit_entries_and_balances_agree(
    database: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(privacy, "JOBS_AT_ONCE", at_once)
    fewer, found = re.subn(rf"LIMIT {ENTRIES_AT_ONCE}\b", f"LIMIT {at_once}", privacy.ENTRIES)
    assert found == 1
    monkeypatch.setattr(privacy, "ENTRIES", fewer)
    bench = lay(database, allowance=50_000)
    await used(bench, 24)
    amended = ((Amend.GRANT, SERVER, 5_000), (Amend.CORRECT, OTHER_SERVER, -700))
    for action, server, amount in amended:
        amendment = Amendment(action, server, ADA, amount, CLEO, WORD)
        await database.write(quota.amend, bench.refills, amendment, (), NOW)
    before = [await bench.accounts.show(server, ADA, NOW) for server in (SERVER, OTHER_SERVER)]
    charged = "SELECT sum(cost_ucr) FROM jobs"
    cost = await bench.rows(charged)
    await database.write(privacy.begin, ADA, ERASURE.erased_id, NOW)
    await erase(database)

    after = [await bench.accounts.show(server, ADA, NOW) for server in (SERVER, OTHER_SERVER)]
    assert after == before
    assert await bench.rows(charged) == cost
    mine = await bench.rows(f"SELECT kind, job_id, by_id FROM entries WHERE user_id = {ADA}")
    assert mine == [("correct", None, None)] * 2
    assert await bench.rows("SELECT 1 FROM entries WHERE reason IS NOT NULL") == []
    assert await bench.rows(f"SELECT 1 FROM jobs WHERE user_id = {ADA}") == []
    assert len(await bench.rows(f"SELECT 1 FROM jobs WHERE user_id = {BEN}")) == 8
    assert (
        await bench.rows("SELECT allowance_ucr, grant_ucr FROM accounts WHERE user_id < 0")
        == [(0, 0)] * 2
    )


async def test_it_may_be_done_again_and_by_a_member_who_has_nothing(database: Database) -> None:
    bench = lay(database, allowance=50_000)
    await used(bench, 6)
    before = await bench.accounts.show(SERVER, ADA, NOW)
    for erased_id in (-77, -78, -79):
        await database.write(privacy.begin, ADA, erased_id, NOW)
        assert await database.read(privacy.pending) == [Erasure(ADA, erased_id)]
        await erase(database, Erasure(ADA, erased_id))
        assert await bench.accounts.show(SERVER, ADA, NOW) == before
    await database.write(privacy.begin, 99, -80, NOW)
    await erase(database, Erasure(99, -80))


async def test_while_it_goes_on_nothing_is_accepted(database: Database) -> None:
    bench = lay(database)
    await database.write(privacy.begin, ADA, -77, NOW)
    with pytest.raises(Refusal) as refused:
        await bench.accept("mine")
    assert refused.value.reason is Reason.ERASING
    await bench.accept("bens", user=BEN)
    # Asked a second time, it stays the one that it is.
    await database.write(privacy.begin, ADA, -78, NOW)
    assert await database.read(privacy.pending) == [ERASURE]
    await erase(database)
    await bench.accept("mine")


async def test_it_waits_for_the_members_own_jobs_alone(bench: Bench) -> None:
    for user, running in ((ADA, "mine"), (BEN, "bens")):
        await bench.running(running, user=user)
    for user, waiting in ((ADA, "my next"), (BEN, "bens next")):
        await bench.accept(waiting, user=user)
    begun = await bench.database.write(privacy.begin, ADA, -77, NOW)
    assert sorted(begun) == ["mine", "my next"]


async def test_of_a_job_nothing_is_left_that_a_vendor_knows_or_said(bench: Bench) -> None:
    job = await bench.delivering(1_000, None)
    await bench.jobs.finish(job, 5, NOW, keeps_images=True)
    await bench.database.write(privacy.begin, ADA, -77, NOW)
    await erase(bench.database)
    tasks = await bench.rows("SELECT provider_task_id, facts FROM tasks")
    assert tasks == [(None, "{}")] * 2
    assert await bench.rows("SELECT 1 FROM jobs WHERE keeps_images") == []


async def test_a_late_answer_brings_nothing_back_to_an_erased_job(bench: Bench) -> None:
    """It waited for a database that was held, and the erasure was served before it."""
    job, tasks = make_job()
    await bench.take(job, tasks)
    await bench.jobs.cancel(job.id, NOW)
    await bench.database.write(privacy.begin, ADA, -77, NOW)
    await erase(bench.database)
    await bench.jobs.hand_over({job.id: 4711})
    assert await bench.rows("SELECT user_id, message_id FROM jobs") == [(-77, None)]


async def test_the_files_bytes_hold_nothing_of_it(url: str, bench: Bench) -> None:
    """Also between the rows of a page and in pages that are free, which no statement reads."""
    path = Path(url.removeprefix("sqlite:///"))
    await used(bench, 200)
    assert await bench.database.fold()
    assert written(path).count(WORD.encode()) > 1_000
    await bench.database.write(privacy.begin, ADA, -77, NOW)
    await erase(bench.database)
    assert await bench.database.fold()
    left = written(path)
    assert WORD.encode() not in left
    assert b"of Ben's" in left
    assert path.with_name("easel.db-wal").stat().st_size == 0


def written(path: Path) -> bytes:
    return path.read_bytes()


async def test_in_direct_messages_nobody_is_taken_for_a_server(bench: Bench) -> None:
    job = await bench.delivering(1_000, server=0)
    await bench.jobs.finish(job, 5, NOW)
    await bench.database.write(privacy.begin, ADA, -77, NOW)
    await erase(bench.database)
    [row] = await bench.rows("SELECT party_id, user_id, channel_id, request FROM jobs")
    assert row[:3] == (-77, -77, 0)
    assert json.loads(row[3])["prompt"] == ""
    assert await bench.rows("SELECT * FROM queue WHERE user_id = 1 OR party_id = -1") == []


async def test_an_erasure_takes_nobody_elses_place_in_the_queue(bench: Bench) -> None:
    await bench.jobs.finish(await bench.delivering(1_000), 5, NOW)
    await bench.accept("bens", user=BEN)
    await bench.database.write(privacy.begin, ADA, ERASURE.erased_id, NOW)
    await erase(bench.database)
    claimed = await bench.claim()
    assert claimed
    assert claimed.id == "bens"


async def test_others_jobs_name_the_member_no_more_however_many_there_are(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_two = privacy.LAST_LOOKED_AT.replace(f"LIMIT {privacy.JOBS_LOOKED_AT}", "LIMIT 2")
    monkeypatch.setattr(privacy, "LAST_LOOKED_AT", of_two)
    theirs = Reference("https://cdn.example/a.png", "a.png", 5, author_id=ADA)
    for number in range(5):
        request = replace(LANTERN, references=(theirs,))
        await bench.accept(f"job{number}", user=BEN, request=request)
    after, looked_at = "", []
    while after := await bench.database.write(privacy.erase_named, ERASURE, after):
        looked_at.append(after)
    assert looked_at == ["job1", "job3", "job4"]
    for job in [await bench.jobs.job(f"job{number}") for number in range(5)]:
        assert job.request.references == (replace(theirs, author_id=ERASURE.erased_id),)


async def test_an_erased_members_job_pays_nobody_back(bench: Bench) -> None:
    job = await bench.delivering(1_000)
    await bench.jobs.finish(job, 5, NOW)
    await bench.database.write(privacy.begin, ADA, -77, NOW)
    await erase(bench.database)
    entries = await bench.entries()
    assert await bench.jobs.refund_ended(job.id, NOW) == (0, 0)
    assert await bench.entries() == entries


async def forget(bench: Bench, at: datetime) -> tuple[int, int]:
    """How many of Ada's accounts and how many erasures of hers are left after a tidying."""
    await bench.database.write(privacy.forget_accounts, bench.refills, at)
    assert await bench.differences() == []
    accounts = await bench.rows(f"SELECT 1 FROM accounts WHERE user_id = {ADA}")
    return len(accounts), len(await bench.rows("SELECT 1 FROM erasures"))


async def erased(bench: Bench, spent_ucr: int = 1_000) -> None:
    await bench.jobs.finish(await bench.delivering(spent_ucr, price=spent_ucr), 5, NOW)
    await bench.database.write(privacy.begin, ADA, ERASURE.erased_id, NOW)
    await erase(bench.database)


async def test_what_an_erased_member_has_left_is_forgotten_as_it_would_be_refilled(
    bench: Bench,
) -> None:
    await erased(bench)
    midnight = datetime(2025, 11, 21, tzinfo=UTC)
    assert await forget(bench, midnight - timedelta(milliseconds=1)) == (1, 1)
    assert await bench.balance() == 999_000
    assert await forget(bench, midnight) == (0, 0)
    assert await bench.rows(f"SELECT 1 FROM entries WHERE user_id = {ADA}") == []


async def test_an_erasure_is_remembered_until_the_last_of_the_accounts_is_forgotten(
    database: Database,
) -> None:
    """By the period that each of them has, whatever the host's is by now."""
    bench, daily = lay(database, period=Period.MONTH), lay(database)
    other = await bench.delivering(1_000, server=OTHER_SERVER)
    await bench.jobs.finish(other, 5, NOW)
    await daily.jobs.finish(await daily.delivering(1_000, job_id="daily"), 6, NOW)
    await database.write(privacy.begin, ADA, ERASURE.erased_id, NOW)
    await erase(database)
    december = datetime(2025, 12, 1, tzinfo=UTC)
    assert await forget(daily, NOW) == (2, 1)
    assert await forget(daily, december - timedelta(milliseconds=1)) == (1, 1)
    assert await forget(daily, december) == (0, 0)


async def test_what_an_erased_member_has_spent_does_not_come_back_as_the_period_changes(
    bench: Bench,
) -> None:
    await erased(bench)
    assert await lay(bench.database, period=Period.MONTH).balance() == 999_000


async def test_what_rolls_is_forgotten_once_all_has_come_back(database: Database) -> None:
    bench = lay(database, period=Period.ROLLING)
    await erased(bench)
    assert await forget(bench, TOMORROW - timedelta(milliseconds=1)) == (1, 1)
    assert await forget(bench, TOMORROW) == (0, 0)
    assert await bench.rows("SELECT 1 FROM returns") == []


async def test_who_was_erased_and_begins_afresh_keeps_their_account(bench: Bench) -> None:
    await erased(bench)
    await bench.accept("afresh")
    entries = await bench.entries()
    assert await forget(bench, TOMORROW) == (1, 0)
    assert await bench.entries() == entries


@pytest.mark.parametrize("spent_ucr", [1_000, ALLOWANCE_UCR])
async def test_what_was_granted_to_an_erased_member_stays_theirs(
    bench: Bench, spent_ucr: int
) -> None:
    grant = Amendment(Amend.GRANT, SERVER, ADA, 5_000, CLEO, "prize")
    await bench.database.write(quota.amend, bench.refills, grant, (), NOW)
    await erased(bench, spent_ucr)
    assert await bench.balance() == ALLOWANCE_UCR - spent_ucr + 5_000
    assert await forget(bench, TOMORROW) == (1, 0)
    assert await bench.balance(at=TOMORROW) == 1_005_000


async def test_servers_are_found_by_leaps(bench: Bench) -> None:
    """However many accounts there are, only the servers' first ones are looked at."""
    for user in (ADA, BEN):
        for server in (0, SERVER, OTHER_SERVER):
            await bench.accept(f"{user}-{server}", user=user, server=server)
    assert await bench.database.read(privacy.servers_of, ADA) == [0, SERVER, OTHER_SERVER]
    assert await bench.database.read(privacy.servers_of, 99) == []

    def explain(tx: Transaction) -> list[str]:
        return [
            step
            for statement in (privacy.SERVERS, privacy.UNDER_WAY, privacy.WROTE)
            for step in plan_of(tx, statement, {"user": ADA})
        ]

    plan = await bench.database.read(explain)
    bounded = ("ix_jobs_queued", "ix_jobs_worked_on", "servers", "CONSTANT")
    assert [
        step for step in plan if "SCAN" in step and not any(each in step for each in bounded)
    ] == [], plan
