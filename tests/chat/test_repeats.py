"""Discord sends an interaction twice, or somebody else answers it: one job at most, one charge."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest

from bot.chat import intake
from bot.domain.ledger import EntryKind
from bot.engine import runner
from bot.ops.log import JsonFormatter
from bot.playground.discord import Call
from bot.playground.faults import Hold, VendorCall
from bot.store.database import HEAD_REVISION, open_database
from bot.store.migrations.apply import upgrade
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said

ALLOWANCE_UCR = 1_000_000
PRICE_UCR = 60_000


def repeat(easel: Easel, call: Call) -> None:
    easel.discord.interactions.send(call.interaction)


async def assert_made_once(easel: Easel, call: Call) -> None:
    message = await easel.finished(call)
    # Whatever a repeat has started is through once a command after it is.
    await (await easel.discord.run_command("Ada", "studio", "credits")).response()
    await easel.idle()
    assert message.attachments
    assert [each.id for each in call.messages] == [message.id]
    assert len(easel.providers.submissions) == 1
    assert len(await easel.entries(EntryKind.HOLD)) == 1
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR


@pytest.mark.parametrize("defer_after_s", [0.0, intake.DEFER_AFTER_S])
async def test_a_command_that_comes_twice_at_once_is_one_job(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, defer_after_s: float
) -> None:
    monkeypatch.setattr(intake, "DEFER_AFTER_S", defer_after_s)
    call = await easel.imagine()
    repeat(easel, call)

    await assert_made_once(easel, call)


async def test_a_command_that_comes_again_later_is_one_job(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE) as call:
        repeat(easel, call)
    await easel.finished(call)
    repeat(easel, call)

    await assert_made_once(easel, call)


@pytest.mark.parametrize("defer_after_s", [0.0, intake.DEFER_AFTER_S])
async def test_a_command_that_comes_again_after_a_restart_is_one_job(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, defer_after_s: float
) -> None:
    call = await easel.imagine()
    await easel.finished(call)
    await easel.restart()
    monkeypatch.setattr(intake, "DEFER_AFTER_S", defer_after_s)
    repeat(easel, call)

    await assert_made_once(easel, call)


async def test_a_refused_command_that_comes_twice_is_answered_once(easel: Easel) -> None:
    call = await easel.imagine(resolution="4K")
    repeat(easel, call)
    await call.response()
    await (await easel.discord.run_command("Ada", "studio", "credits")).response()

    assert len(call.messages) == 1
    assert await easel.entries() == []


async def test_a_press_that_comes_twice_is_one_press(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The held order would be waited for.
    monkeypatch.setattr(runner, "STOP_GRACE_S", 0.1)
    async with opened(max_jobs_per_user=1) as easel, easel.held(VendorCall.CREATE):
        waiting = await easel.imagine()
        shown = await waiting.until(lambda message: bool(message.components))
        press = await easel.discord.press("Ada", shown, label="Cancel")
        repeat(easel, press)
        await waiting.until(lambda message: "Cancelled" in said(message))
        await easel.restart()
        repeat(easel, press)
        await (await easel.discord.run_command("Ada", "studio", "credits")).response()

        cancelled = "SELECT 1 FROM entries JOIN jobs ON jobs.id = job_id WHERE state = 'cancelled'"
        assert len(await easel.rows(f"{cancelled} AND kind = 'release'")) == 1
        assert [said(each) for each in press.messages] == [said(each) for each in waiting.messages]


@asynccontextmanager
async def answered_by_another(easel: Easel, callback: dict[str, object]) -> AsyncIterator[Call]:
    """Another process of the same token is the first to answer the command."""
    until = asyncio.Event()
    ours = easel.discord.faults.add(method="POST", path="/callback", hold=until)
    call = await easel.imagine()

    async def on_its_way() -> object:
        return ours.hits and await easel.rows("SELECT 1 FROM jobs")

    await easel.until(on_its_way)
    interaction = call.interaction
    path = f"/interactions/{interaction.id}/{interaction.token}/callback"
    async with (
        aiohttp.ClientSession() as session,
        session.post(easel.discord.api_base + path, json=callback) as answer,
    ):
        assert answer.status < 300
    until.set()
    yield call


@pytest.mark.parametrize(
    "callback",
    [{"type": 4, "data": {"content": "Another bot has it."}}, {"type": 5}],
    ids=["a message", "a deferral"],
)
async def test_what_somebody_else_has_answered_is_not_made_and_not_charged(
    easel: Easel, callback: dict[str, object]
) -> None:
    async with answered_by_another(easel, callback) as call:
        await easel.until(lambda: easel.entries(EntryKind.RELEASE))
        theirs = [said(message) for message in call.messages]
    await easel.idle()
    await easel.restart()
    await easel.idle()

    assert [said(message) for message in call.messages] == theirs
    assert not easel.providers.submissions
    assert await easel.balance_ucr() == ALLOWANCE_UCR
    [job] = await easel.rows("SELECT id, state, failure FROM jobs")
    assert (job.state, job.failure) == ("cancelled", "unanswered")
    opened = await easel.discord.run_command("Ada", "studio", "job", {"id": job.id})
    assert "Discord did not take my answer to the command" in said(await opened.response())


async def test_a_deferral_after_somebody_elses_answer_makes_nothing(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "DEFER_AFTER_S", 0.0)
    async with answered_by_another(easel, {"type": 4, "data": {"content": "Mine."}}) as call:
        await easel.until(lambda: easel.entries(EntryKind.RELEASE))
    await easel.idle()

    assert [said(message) for message in call.messages] == ["Mine."]
    assert not easel.providers.submissions


@pytest.mark.parametrize("defer_after_s", [0.0, intake.DEFER_AFTER_S])
async def test_an_answer_whose_news_was_lost_is_ours_all_the_same(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, defer_after_s: float
) -> None:
    """The second try meets 40060; the message that stands there has our button."""
    monkeypatch.setattr(intake, "DEFER_AFTER_S", defer_after_s)
    easel.discord.faults.add(method="POST", path="/callback", after_effect=True)
    call = await easel.imagine()

    await assert_made_once(easel, call)
    [job] = await easel.rows("SELECT message_id FROM jobs")
    assert job.message_id == call.messages[0].id


async def test_jobs_from_before_get_ids_of_their_time(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        upgrade(raw, "0001")
    with sqlite3.connect(path) as older:
        older.execute(
            "INSERT INTO jobs (id, server_id, channel_id, user_id, state, request, quote_ucr,"
            " nsfw_checker, spoiler, application_id, token, token_expires_at, file_bytes_max,"
            " created_at) SELECT value, 1, 1, 1, 'queued', '{}', 0, 1, 0, 1, '', 0, 1,"
            ' 1764000000000 FROM json_each(\'["a", "b"]\')'
        )
    async with open_database(f"sqlite:///{path}") as database:
        assert await database.revision() == HEAD_REVISION
    with sqlite3.connect(path) as migrated:
        first, second = migrated.execute("SELECT interaction_id FROM jobs ORDER BY id").fetchall()
        waiting = migrated.execute("SELECT party_id, user_id, waiting FROM queue").fetchall()

    assert sorted(waiting) == [(1, 0, 2), (1, 1, 2)]
    assert first != second
    times = {(each[0] >> 22) + 1_420_070_400_000 for each in (first, second)}
    assert times == {1_764_000_000_000 - 60_000}


async def test_a_press_that_comes_too_late_to_be_answered_still_shows(opened: OpenEasel) -> None:
    async with opened(max_jobs_per_user=1) as easel, easel.held(VendorCall.CREATE):
        waiting = await easel.imagine()
        shown = await waiting.until(lambda message: bool(message.components))
        gone = {"code": 10062, "message": "Unknown interaction"}
        easel.discord.faults.add(method="POST", path="/callback", status=404, body=gone)
        await easel.discord.press("Ada", shown, label="Cancel")
        await waiting.until(lambda message: "Cancelled" in said(message))


async def test_an_answer_that_somebody_else_gave_to_a_look_is_no_defect(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    taken = {"code": 40060, "message": "Interaction has already been acknowledged."}
    fault = easel.discord.faults.add(method="POST", path="/callback", status=400, body=taken)
    await easel.discord.run_command("Ada", "studio", "history")

    async def logged() -> bool:
        return "answer lost" in caplog.text or "Traceback" in caplog.text

    await easel.until(logged)
    assert fault.hits == 1
    assert "Traceback" not in caplog.text


async def test_the_line_of_a_lost_answer_says_which_it_was(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    gone = {"code": 10062, "message": "Unknown interaction"}

    async def lost(ask: Callable[[], Awaitable[Call]]) -> dict[str, object]:
        caplog.clear()
        easel.discord.faults.add(method="POST", path="/callback", status=404, body=gone)
        await ask()

        async def logged() -> bool:
            return "answer lost" in caplog.text

        await easel.until(logged)
        [line] = [json.loads(each) for each in caplog.text.splitlines() if "answer lost" in each]
        assert line["user_id"] == easel.discord.world.user("Ada").id
        assert line["channel_id"] == easel.discord.world.channel("studio").id
        return dict(line)

    ordered, shown = Hold(asyncio.Event()), asyncio.Event()
    easel.providers.faults.add(VendorCall.CREATE, ordered)
    easel.discord.faults.add(method="PATCH", path="/messages/@original", hold=shown)
    made = await easel.imagine()
    await ordered.reached.wait()
    status = made.messages[0]
    too_late = await lost(lambda: easel.discord.press("Ada", status, label="Cancel"))
    assert too_late["button"] == "cancel"
    ordered.until.set()
    shown.set()
    await easel.finished(made)

    look = await lost(lambda: easel.discord.run_command("Ada", "studio", "credits"))
    assert look["command"] == "credits"
