"""A member's jobs page by page, what goes on from one, and who stopped waiting for theirs."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bot.domain.jobs import Job, JobState, id_at
from bot.domain.requests import ImageRequest, Mode, Reference
from bot.store import jobs, ledger, notices
from bot.store.database import Database, database_path, open_database
from bot.store.jobs import HISTORY_SHOWN_MAX, KINDS
from bot.store.rows import write_json
from bot.store.sql import Transaction
from tests.store.bench import (
    ADA,
    BEN,
    LANTERN,
    NOW,
    OTHER_SERVER,
    SERVER,
    Bench,
    at_revision,
    rows,
)
from tests.store.plans import plan_of

EDIT = replace(LANTERN, mode=Mode.EDIT, references=(Reference("https://cdn.example/a", "a", 5),))


def job_id(number: int) -> str:
    return f"{id_at(NOW + timedelta(seconds=number))}{number:08x}"


async def accept(bench: Bench, number: int, **given: Any) -> Job:
    return await bench.accept(job_id(number), price=0, **given)


async def page(bench: Bench, before: str = "", **given: Any) -> Sequence[Job]:
    found: Sequence[Job] = await bench.database.read(
        jobs.history, SERVER, ADA, before=before, **given
    )
    return found


async def test_pages_show_each_job_once_while_new_ones_arrive(bench: Bench) -> None:
    for number in range(25):
        await accept(bench, number)
    await accept(bench, 100, user=BEN)
    await accept(bench, 101, server=OTHER_SERVER)
    seen, arriving = [], 25
    found = await page(bench)
    while found:
        assert len(found) <= HISTORY_SHOWN_MAX
        seen += [job.id for job in found]
        await accept(bench, arriving)
        arriving += 1
        found = await page(bench, before=seen[-1])
    assert seen == [job_id(number) for number in reversed(range(25))]
    assert [job.id for job in await page(bench, limit=2)] == [job_id(27), job_id(26)]


async def test_each_kind_is_found_among_the_others(bench: Bench) -> None:
    """In one server, of one member: two of each state, one of which is an edit."""
    numbers = iter(range(100))
    of_state: dict[JobState, list[str]] = {}
    for request in (LANTERN, EDIT):
        given = {"request": request, "price": 0}
        for cost in (0, None):
            name = job_id(next(numbers))
            job = await bench.delivering(cost, job_id=name, **given)
            job = await bench.jobs.finish(job, 1, NOW)
            of_state.setdefault(job.state, []).append(job.id)
        delivering = await bench.delivering(0, job_id=job_id(next(numbers)), **given)
        running, _ = await bench.running(job_id(next(numbers)), **given)
        for job in (delivering, running):
            of_state.setdefault(job.state, []).append(job.id)
        gone = await accept(bench, next(numbers), request=request)
        of_state.setdefault(JobState.CANCELLED, []).append(gone.id)
        await bench.jobs.cancel(gone.id, NOW)
    # Its images are made, and Discord did not take them.
    failed = await bench.delivering(None, job_id=job_id(next(numbers)))
    kept = await bench.jobs.finish(failed, 1, NOW, keeps_images=True)
    for request in (LANTERN, EDIT):
        queued = await accept(bench, next(numbers), request=request)
        of_state.setdefault(JobState.QUEUED, []).append(queued.id)
    assert set(of_state) == set(JobState)

    async def found(kind: str, **given: Any) -> set[str]:
        return {job.id for job in await page(bench, kind=kind, limit=50, **given)}

    def of(*states: JobState) -> set[str]:
        return {each for state in states for each in of_state[state]}

    generated = {kept.id, *(each[0] for each in of_state.values())}
    assert await found("") == of(*JobState) | {kept.id}
    assert await found("generate") == generated
    assert await found("edit") == of(*JobState) - generated
    assert await found("pictures") == of(JobState.DONE) | {kept.id}
    assert await found("failed") == of(JobState.FAILED, JobState.CANCELLED)
    assert await found("pictures") == of(JobState.DONE) | {kept.id}
    assert await found("failed") == of(JobState.FAILED, JobState.CANCELLED)
    assert await found("open") == of(JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING)
    for kind in KINDS:
        everything = await found(kind)
        newest = max(everything)
        assert await found(kind, before=newest) == everything - {newest}


async def test_children_are_found_by_their_parent(bench: Bench) -> None:
    for number, parent in enumerate(["", job_id(0), job_id(1), job_id(0)]):
        await accept(bench, number, request=replace(EDIT, parent_id=parent))
    assert await bench.jobs.children(job_id(0)) == [job_id(1), job_id(3)]
    assert await bench.jobs.children(job_id(1)) == [job_id(2)]
    assert await bench.jobs.children(job_id(3)) == []
    assert await bench.jobs.children("") == []
    assert (await bench.jobs.job(job_id(1))).request.parent_id == job_id(0)
    assert await bench.rows("SELECT mode, parent_id FROM jobs WHERE parent_id IS NULL") == [
        ("edit", None)
    ]


async def test_a_member_stops_waiting_for_a_job_that_has_not_ended(bench: Bench) -> None:
    queued = await bench.accept("queued")
    assert queued.unwatched is False
    stopped = await bench.jobs.stop_watching("queued")
    assert stopped == replace(await bench.jobs.job("queued"), unwatched=True)
    running = await bench.claim()
    assert running
    assert (running.id, running.unwatched) == ("queued", True)
    # Once more changes nothing.
    assert await bench.jobs.stop_watching("queued") == await bench.jobs.job("queued")
    [task] = await bench.jobs.tasks("queued")
    made = await bench.store(await bench.submit(task))
    assert made
    assert made.job.unwatched is True
    done = await bench.jobs.finish(made.job, None, NOW, keeps_images=True)
    assert (done.state, done.unwatched) == (JobState.DONE, True)
    assert await bench.jobs.stop_watching("queued") is None
    assert await bench.jobs.stop_watching("nobody's") is None


async def test_it_may_be_under_way_by_then(bench: Bench) -> None:
    await bench.running()
    stopped = await bench.jobs.stop_watching("lantern")
    assert stopped == await bench.jobs.job("lantern")
    assert (stopped.state, stopped.unwatched) == (JobState.RUNNING, True)


async def test_what_is_being_delivered_is_not_stopped_any_more(bench: Bench) -> None:
    """Its result may be on its way to Discord already."""
    await bench.delivering(0)
    assert await bench.jobs.stop_watching("lantern") is None
    assert (await bench.jobs.job("lantern")).unwatched is False


async def test_who_stopped_waiting_as_it_ended_was_too_late(bench: Bench) -> None:
    await bench.accept()
    await bench.jobs.cancel("lantern", NOW)
    assert await bench.jobs.stop_watching("lantern") is None
    assert (await bench.jobs.job("lantern")).unwatched is False


OF_ONE_JOB = re.compile(r"\((.* AND )?(id|job_id)=\?")
BY_MEMBER = re.compile(r"SEARCH jobs USING INDEX ix_jobs_member \(server_id=\? AND user_id=\?.*")


@pytest.mark.parametrize("analyzed", [False, True])
async def test_no_page_reads_more_than_its_members_jobs(database: Database, analyzed: bool) -> None:
    """With so many jobs, and with statistics on them, as without."""

    def plans(tx: Transaction) -> list[tuple[str, list[str]]]:
        fill(tx, 3_000)
        if analyzed:
            tx.execute("ANALYZE")
        asked = {
            "server": SERVER,
            "user": ADA,
            "before": job_id(9),
            "shown_max": 10,
            "parent": "x",
        }
        # Of those that have not ended there are few; the next test looks at them.
        ended = [each for kind, each in jobs.HISTORY.items() if kind != "open"]
        of_member = [*ended, ledger.SPENDINGS]
        return [(each, plan_of(tx, each, asked)) for each in [*of_member, jobs.CHILDREN]]

    found = await database.write(plans)
    assert len(found) == len(KINDS) + 1
    children = found.pop()[1]
    assert children == [
        "SEARCH jobs USING COVERING INDEX ix_jobs_parent (parent_id=?)",
    ]
    # One step each: nothing is sorted.
    assert [each for each in found if len(each[1]) != 1 or not BY_MEMBER.match(each[1][0])] == []
    paged = [steps[0] for text, steps in found if "id < :before" in text]
    assert len(paged) == len(KINDS) - 1
    assert all(step.endswith("AND id<?)") for step in paged)


@pytest.mark.parametrize("analyzed", [False, True])
async def test_what_is_under_way_is_read_without_what_has_ended(
    database: Database, analyzed: bool
) -> None:
    given = {"server": SERVER, "user": ADA, "before": "z", "shown_max": 10, "month": "2025-11-01"}

    def plans(tx: Transaction) -> dict[str, list[str]]:
        fill(tx, 3_000)
        if analyzed:
            tx.execute("ANALYZE")
        several = [jobs.HISTORY["open"], jobs.IN_SERVER, ledger.HELD, notices.HELD]
        return {each: plan_of(tx, each, given) for each in several}

    for statement, steps in (await database.write(plans)).items():
        read = [each for each in steps if re.match("(SCAN|SEARCH) (jobs|entries) ", each)]
        assert any("ix_jobs_queued" in each for each in read), statement
        assert any("ix_jobs_worked_on" in each for each in read), statement
        others = [each for each in read if "ix_jobs_queued" not in each]
        others = [each for each in others if "ix_jobs_worked_on" not in each]
        assert [each for each in others if not OF_ONE_JOB.search(each)] == [], statement


def fill(tx: Transaction, many: int) -> None:
    """Jobs that were delivered, a third of them Ada's."""
    tx.executemany(
        "INSERT INTO jobs (id, server_id, channel_id, user_id, state, request, quote_ucr,"
        " cost_ucr, nsfw_checker, spoiler, application_id, token, token_expires_at,"
        " file_bytes_max, created_at, finished_at)"
        " VALUES (:id, 7, 70, :user, 'done', '{}', 0, 0, 1, 0, 5, '', 0, 1, :at, :at)",
        [
            {"id": job_id(number), "user": 1 + number % 3, "at": number * 1_000}
            for number in range(many)
        ],
    )


OLD_JOB = (
    "INSERT INTO jobs (id, server_id, channel_id, user_id, state, request, quote_ucr,"
    " nsfw_checker, spoiler, application_id, token, token_expires_at, file_bytes_max, created_at)"
    " VALUES (:id, 7, 70, 1, 'queued', :request, 0, 1, 0, 5, '', 0, 1, 0)"
)


def as_before(request: ImageRequest) -> str:
    """As a version wrote it that knew of no parent."""
    later = ', "parent_id": "", "turn": "", "prefers": "", "wishes": {}}'
    text = write_json(request)
    assert text.endswith(later)
    return text.removesuffix(later) + "}"


async def test_old_jobs_have_a_mode_no_parent_and_members_who_wait(url: str) -> None:
    path = database_path(url).with_name("old.db")
    tricky = replace(LANTERN, prompt='{"mode": "edit"')
    old = {
        "a": as_before(LANTERN),
        "b": as_before(EDIT),
        "c": as_before(tricky),
        "d": "",
        "e": "{}",
        "f": '["mode", "edit"]',
    }
    with at_revision(path, "0006") as raw:
        raw.executemany(OLD_JOB, [{"id": each, "request": old[each]} for each in old])
    async with open_database(f"sqlite:///{path}") as database:
        kept = await database.read(
            rows, "SELECT id, mode, parent_id, unwatched FROM jobs ORDER BY id"
        )
        found = await database.read(jobs.history, SERVER, ADA)
        edits = await database.read(jobs.history, SERVER, ADA, kind="edit")
    expected = {"b": "edit"}
    assert kept == [(each, expected.get(each, "generate"), None, 0) for each in old]
    assert [job.request for job in found if job.id in "abc"] == [tricky, EDIT, LANTERN]
    assert {job.unwatched for job in found} == {False}
    assert [job.id for job in edits] == ["b"]
