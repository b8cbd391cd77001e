"""Claiming: whose turn it is, under which caps, and what happens to a dead process's jobs."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from bot.domain.jobs import Job, JobState, TaskState
from bot.store import queue
from bot.store.database import Database, open_database
from bot.store.queue import LEASE_S
from bot.store.sql import Transaction
from tests.store.bench import (
    ADA,
    BEN,
    CLEO,
    MODERATION,
    NOW,
    OTHER_SERVER,
    SERVER,
    Bench,
    lay,
    make_job,
)
from tests.store.plans import plan_of
from tests.support.counted import counted

LEASE_OVER = NOW + timedelta(seconds=LEASE_S, milliseconds=1)


def seconds(number: float) -> datetime:
    return NOW + timedelta(seconds=number)


async def claim_all(bench: Bench, now: datetime = LEASE_OVER) -> list[str]:
    claimed = []
    while job := await bench.claim(now):
        claimed.append(job.id)
    return claimed


async def test_an_empty_queue_gives_nothing(bench: Bench) -> None:
    assert await bench.claim(NOW) is None


async def test_the_oldest_comes_first(bench: Bench) -> None:
    await bench.accept("c", at=seconds(2))
    await bench.accept("b", at=seconds(1))
    await bench.accept("a", at=seconds(2))
    await bench.accept("d", at=seconds(0))
    assert await claim_all(bench) == ["d", "b", "a", "c"]


async def test_turns_go_round_the_servers_then_round_their_members(bench: Bench) -> None:
    """Who asks for much waits for themselves; the place each member is told is the true one."""
    members = {"ada": (SERVER, ADA), "ben": (SERVER, BEN), "cleo": (OTHER_SERVER, CLEO)}
    asked = ["ada1", "ada2", "ada3", "ada4", "ben1", "ben2", "cleo1"]
    for number, job_id in enumerate(asked):
        server, user = members[job_id[:-1]]
        await bench.accept(job_id, server=server, user=user, at=seconds(number))
    fair = ["ada1", "cleo1", "ben1", "ada2", "ben2", "ada3", "ada4"]
    queue = await bench.jobs.queue()
    assert [(each.job_id, each.ahead) for each in queue] == [(x, n) for n, x in enumerate(fair)]
    assert await claim_all(bench) == fair
    # Past turns count: Ada has just had two in a row.
    await bench.accept("ada5", at=seconds(20))
    await bench.accept("ben3", user=BEN, at=seconds(21))
    assert [each.job_id for each in await bench.jobs.queue()] == ["ben3", "ada5"]
    assert await claim_all(bench) == ["ben3", "ada5"]


async def test_who_was_never_served_comes_in_the_order_in_which_they_came(bench: Bench) -> None:
    """Whatever their ids, and however often they ask before their turn."""
    newcomers = [f"{server}-{user}" for server in (9, 8, 7) for user in (3, 2, 1)]
    for number, job_id in enumerate([*newcomers, *newcomers]):
        server, user = map(int, job_id.split("-"))
        name = job_id if number < len(newcomers) else f"{job_id}-again"
        await bench.accept(name, server=server, user=user, at=seconds(number))
    firsts = ["9-3", "8-3", "7-3", "9-2", "8-2", "7-2", "9-1", "8-1", "7-1"]
    assert await claim_all(bench) == [*firsts, *(f"{each}-again" for each in firsts)]


async def test_who_leaves_before_their_turn_and_comes_back_is_new_again(bench: Bench) -> None:
    await bench.accept("ada1")
    await bench.accept("ben1", user=BEN, at=seconds(1))
    await bench.jobs.cancel("ada1", seconds(2))
    await bench.accept("ada2", at=seconds(3))
    assert await claim_all(bench) == ["ben1", "ada2"]


@pytest.mark.parametrize("crowd", ["baa", "bbaab", "abcabca", "ddadbbca", "cabbbdaac"])
async def test_the_place_told_as_a_job_is_taken_is_the_one_that_it_has(
    bench: Bench, crowd: str
) -> None:
    members = {"a": (SERVER, ADA), "b": (SERVER, BEN), "c": (OTHER_SERVER, CLEO), "d": (0, ADA)}
    for number, who in enumerate(crowd):
        server, user = members[who]
        job, tasks = make_job(f"{number}{who}", server=server, user=user, at=seconds(number))
        told = await bench.take(job, tasks)
        await bench.jobs.hand_over({job.id: None})
        assert told == next(
            each.ahead for each in await bench.jobs.queue() if each.job_id == job.id
        )


async def test_a_full_route_holds_up_only_its_own_jobs(database: Database) -> None:
    bench = lay(database, per_route=1)
    await bench.accept("first")
    await bench.accept("second", at=seconds(1))
    await bench.accept("elsewhere", at=seconds(2), route="other/route")
    assert await claim_all(bench, NOW) == ["first", "elsewhere"]


@pytest.mark.parametrize("server", [SERVER, OTHER_SERVER])
async def test_whose_jobs_all_wait_for_a_full_route_leaves_their_turn_to_others(
    database: Database, server: int
) -> None:
    bench = lay(database, per_route=1)
    await bench.running("first", user=CLEO, server=9)
    await bench.accept("ada1", at=seconds(1))
    await bench.accept("ben1", user=BEN, server=server, at=seconds(2), route="other/route")
    assert await claim_all(bench, NOW) == ["ben1"]


async def test_who_is_at_the_cap_waits_even_where_their_turn_comes_first(
    database: Database,
) -> None:
    bench = lay(database, per_user=1)
    await bench.running("ada1")
    served = await bench.delivering(1_000, job_id="ben1", user=BEN)
    await bench.jobs.finish(served, None, NOW)
    await bench.accept("ada2", at=seconds(1))
    await bench.accept("ben2", user=BEN, at=seconds(2))
    assert await claim_all(bench, NOW) == ["ben2"]


async def test_a_servers_turn_gives_the_member_a_job_of_that_server(bench: Bench) -> None:
    await bench.running("served", server=OTHER_SERVER)
    await bench.accept("there", server=OTHER_SERVER, at=seconds(1))
    await bench.accept("here", at=seconds(2))
    assert await claim_all(bench, NOW) == ["here", "there"]


async def test_of_jobs_that_were_left_the_oldest_comes_first(bench: Bench) -> None:
    await bench.running("older")
    await bench.running("newer", at=seconds(1))
    await bench.running("last", at=seconds(2))
    started = lay(bench.database, owner="second")
    assert await claim_all(started, seconds(3 + LEASE_S)) == ["older", "newer", "last"]


async def test_an_image_that_is_stored_or_failed_takes_no_place_on_its_route(
    database: Database,
) -> None:
    bench = lay(database, per_route=3)
    _, tasks = await bench.running("first", count=3)
    await bench.accept("second", at=seconds(1))
    assert await bench.claim(NOW) is None
    await bench.store(await bench.submit(tasks[0]))
    await bench.jobs.failed(tasks[1], MODERATION, NOW)
    assert await claim_all(bench, NOW) == ["second"]
    await bench.accept("third", at=seconds(2), count=2)
    await bench.accept("fourth", at=seconds(3))
    # Two images are under way, so there is room for one more job, which may go beyond the cap.
    assert await claim_all(bench, NOW) == ["third"]


async def test_a_claimed_job_is_running_from_then_on_and_nobody_elses(bench: Bench) -> None:
    await bench.accept()
    claimed = await bench.claim(seconds(9))
    assert claimed == await bench.jobs.job("lantern")
    assert (claimed.state, claimed.started_at) == (JobState.RUNNING, seconds(9))
    assert claimed.claims == 1
    assert await bench.claim(seconds(9)) is None


@pytest.mark.parametrize(
    ("caps", "claimed"),
    [
        ({"per_user": 1}, ["ada1", "ben1", "cleo1"]),
        ({"per_user": 2}, ["ada1", "ada2", "ben1", "cleo1"]),
        ({"per_server": 1}, ["ada1", "cleo1"]),
        ({"per_server": 3}, ["ada1", "ada2", "ben1", "cleo1"]),
        ({"per_user": 2, "per_server": 3}, ["ada1", "ada2", "ben1", "cleo1"]),
    ],
)
async def test_who_is_at_a_cap_waits_and_holds_up_nobody_behind(
    database: Database, caps: dict[str, int], claimed: list[str]
) -> None:
    bench = lay(database, **caps)
    for number, job_id in enumerate(("ada1", "ada2", "ada3", "ben1")):
        await bench.accept(job_id, user=ADA if "ada" in job_id else BEN, at=seconds(number))
    await bench.accept("cleo1", user=CLEO, server=OTHER_SERVER, at=seconds(9))
    assert sorted(await claim_all(bench, NOW)) == claimed


async def test_a_place_is_free_when_a_job_was_delivered_and_not_before(database: Database) -> None:
    bench = lay(database, per_user=1)
    first = await bench.delivering(1_000)
    await bench.accept("second")
    assert await bench.claim(NOW) is None
    await bench.jobs.finish(first, None, NOW)
    assert await claim_all(bench, NOW) == ["second"]


async def test_a_claim_says_whether_others_wait_that_it_could_not_take(database: Database) -> None:
    bench = lay(database, per_user=1)
    await bench.accept("first")
    claimed = await bench.jobs.claim(NOW, 5)
    assert (len(claimed.jobs), claimed.others_wait) == (1, False)
    assert not (await bench.jobs.claim(NOW, 5)).others_wait
    await bench.accept("second")
    claimed = await bench.jobs.claim(NOW, 5)
    assert (len(claimed.jobs), claimed.others_wait) == (0, True)


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.DELIVERING])
async def test_a_dead_process_s_job_is_claimed_again_as_it_was_left(
    bench: Bench, state: JobState
) -> None:
    if state is JobState.RUNNING:
        left, (task,) = await bench.running()
        task = await bench.submit(task)
    else:
        left = await bench.delivering(1_000)
        (task,) = await bench.jobs.tasks(left.id)
    other = lay(bench.database, owner="second")
    assert await other.claim(seconds(LEASE_S)) is None
    again = await other.claim(LEASE_OVER)
    assert again == replace(left, claims=2)
    assert again.state is state
    assert await other.jobs.tasks(left.id) == [task]
    assert task.state is (TaskState.SUBMITTED if state is JobState.RUNNING else TaskState.STORED)
    # It is the second's now.
    assert await bench.claim(LEASE_OVER) is None


@pytest.mark.parametrize(("per_user", "claimed"), [(100, ["left", "older"]), (1, ["left"])])
async def test_a_left_job_comes_before_the_queue_and_past_the_caps(
    database: Database, per_user: int, claimed: list[str]
) -> None:
    bench = lay(database, per_user=per_user)
    await bench.running("left", at=seconds(1))
    await bench.accept("older", at=seconds(0))
    assert await claim_all(bench, LEASE_OVER + timedelta(seconds=1)) == claimed


async def test_only_its_owner_renews_a_lease(bench: Bench) -> None:
    await bench.running()
    other = lay(bench.database, owner="second")
    await other.jobs.renew_leases(["lantern"], seconds(30))
    await bench.jobs.renew_leases([], seconds(30))
    assert await bench.rows("SELECT lease_owner FROM jobs") == [("first",)]
    await bench.jobs.renew_leases(["lantern"], seconds(20))
    assert await other.claim(seconds(20 + LEASE_S)) is None
    assert await other.claim(seconds(21 + LEASE_S))


async def test_a_lease_from_a_clock_that_stood_ahead_is_no_lease(bench: Bench) -> None:
    await bench.running("left", at=NOW + timedelta(days=3))
    other = lay(bench.database, owner="second")
    again = await other.claim(NOW)
    assert again is not None
    assert await other.claim(seconds(LEASE_S)) is None


async def test_at_start_the_only_process_frees_what_a_dead_one_held(bench: Bench) -> None:
    done = await bench.delivering(1_000, job_id="done")
    await bench.jobs.finish(done, None, NOW)
    await bench.delivering(1_000, job_id="delivering")
    await bench.running("running")
    await bench.accept("queued", at=seconds(5))
    started = lay(bench.database, owner="second")
    assert await started.jobs.free_leases() == 2
    assert await started.jobs.free_leases() == 0
    assert await claim_all(started, NOW) == ["delivering", "running", "queued"]


async def test_two_processes_never_claim_the_same_job(url: str) -> None:
    async with AsyncExitStack() as stack:
        first, second = [
            lay(await stack.enter_async_context(open_database(url)), owner=owner)
            for owner in ("first", "second")
        ]
        for number in range(10):
            await first.accept(f"job{number}")
        claims = [bench.claim(NOW) for bench in (first, second) for _ in range(10)]
        claimed = [job.id for job in await asyncio.gather(*claims) if isinstance(job, Job)]
        assert sorted(claimed) == [f"job{number}" for number in range(10)]


async def test_what_has_not_ended_is_read_without_what_has(bench: Bench) -> None:
    def plans(tx: Transaction) -> list[str]:
        return [*plan_of(tx, queue.NOT_ENDED), *plan_of(tx, queue.ON_ROUTES)]

    scans = [line for line in await bench.database.read(plans) if line.startswith("SCAN")]
    assert {line.rpartition(" ")[2] for line in scans} == {"ix_jobs_queued", "ix_jobs_worked_on"}


async def test_answers_that_come_together_are_written_in_one_go(bench: Bench) -> None:
    answered = {"first": 4711, "second": None, "third": 4713}
    for job_id in answered:
        await bench.take(*make_job(job_id))
    with counted(bench.database) as counts:
        await bench.jobs.hand_over(answered)

    assert (counts.trips, counts.statements) == (1, 1)
    assert {each.job_id for each in await bench.jobs.queue()} == set(answered)
    assert {each: (await bench.jobs.job(each)).message_id for each in answered} == answered


async def test_a_late_answer_frees_no_lease_that_is_not_its_own(bench: Bench) -> None:
    job, tasks = make_job()
    await bench.take(job, tasks)
    late = NOW + timedelta(seconds=LEASE_S + 1)
    assert await bench.claim(late)
    await bench.jobs.hand_over({job.id: 4711})

    assert await bench.claim(late) is None
    assert (await bench.jobs.job(job.id)).message_id == 4711


@pytest.mark.parametrize("told", [4711, None])
async def test_a_late_answer_takes_nothing_from_a_job_that_was_delivered_meanwhile(
    bench: Bench, told: int | None
) -> None:
    """The news that the status message is there took longer than a lease to come, or was lost."""
    job, tasks = make_job()
    await bench.take(job, tasks)
    assert await bench.claim(NOW + timedelta(seconds=LEASE_S + 1))
    made = await bench.store(await bench.submit(tasks[0]))
    assert made
    await bench.jobs.finish(made.job, 4712, NOW)
    await bench.jobs.hand_over({job.id: told})

    assert (await bench.jobs.job(job.id)).message_id == 4712


async def test_members_in_direct_messages_share_neither_cap_nor_turn(database: Database) -> None:
    bench = lay(database, per_server=1)
    for user_id in (ADA, BEN):
        for number in range(2):
            await bench.accept(f"{user_id}-{number}", server=0, user=user_id)

    claimed = [await bench.claim(NOW) for _ in range(4)]
    assert [job and job.user_id for job in claimed] == [ADA, BEN, ADA, BEN]


async def test_a_member_has_one_cap_in_all_servers(database: Database) -> None:
    bench = lay(database, per_user=1)
    await bench.accept("here", server=SERVER)
    await bench.accept("there", server=OTHER_SERVER)

    assert await bench.claim(NOW)
    assert await bench.claim(NOW) is None
