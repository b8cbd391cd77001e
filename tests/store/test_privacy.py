"""Erasing by pieces: the books balance at each commit, and the file's bytes hold nothing more."""

import json
import random
import re
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.requests import ImageRequest, Mode, Reference
from bot.errors import Reason, Refusal
from bot.store import privacy
from bot.store.database import Database
from bot.store.ledger import audit
from bot.store.privacy import ENTRIES_AT_ONCE, Erasure
from bot.store.sql import Transaction
from tests.store.bench import ADA, BEN, NOW, OTHER_SERVER, SERVER, Bench, lay
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
    before = [await bench.accounts.show(server, ADA, NOW) for server in (SERVER, OTHER_SERVER)]
    charged = "SELECT sum(cost_ucr) FROM jobs"
    cost = await bench.rows(charged)
    await database.write(privacy.begin, ADA, ERASURE.erased_id, NOW)
    await erase(database)

    after = [await bench.accounts.show(server, ADA, NOW) for server in (SERVER, OTHER_SERVER)]
    assert after == before
    assert await bench.rows(charged) == cost
    mine = await bench.rows(f"SELECT kind, job_id FROM entries WHERE user_id = {ADA}")
    assert mine == [("correct", None)] * 2
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


async def test_an_erased_members_job_pays_nobody_back(bench: Bench) -> None:
    job = await bench.delivering(1_000)
    await bench.jobs.finish(job, 5, NOW)
    await bench.database.write(privacy.begin, ADA, -77, NOW)
    await erase(bench.database)
    entries = await bench.entries()
    assert await bench.jobs.refund_ended(job.id, NOW) == (0, 0)
    assert await bench.entries() == entries


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
