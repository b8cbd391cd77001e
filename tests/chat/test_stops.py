"""A stop lets the answers under way be given; what they began goes on at the next start."""

import asyncio
import signal
from pathlib import Path

import pytest

from bot.chat import client
from bot.chat.intake import TOKEN_LIFE
from bot.engine import runner
from bot.pictures import fetch
from bot.playground.discord import Call, Upload
from bot.playground.discord.faults import Fault
from bot.playground.faults import Hold, VendorCall
from tests.support.easel import Easel, said
from tests.support.pictures import noise

#: seconds; a stop without anything under way takes less
STOP_S = 0.5


def held_answer(easel: Easel) -> Fault:
    return easel.discord.faults.add(method="POST", path="/callback", hold=asyncio.Event())


async def answered_while_it_stops(easel: Easel) -> Call:
    answer = held_answer(easel)
    call = await easel.imagine()
    await easel.held_by(answer)
    stopping = asyncio.create_task(easel.bot.aclose())
    await asyncio.wait({stopping}, timeout=STOP_S)
    assert answer.hold
    answer.hold.set()
    await stopping
    return call


async def test_an_answer_under_way_is_given_before_the_end(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    call = await answered_while_it_stops(easel)
    assert "not shown" not in caplog.text
    status = call.messages[0]
    assert "Drawing" in said(status) or "Queued" in said(status)

    await easel.restart()
    done = await easel.finished(call)
    assert done.attachments
    assert done.id == status.id


async def test_the_message_of_an_answer_given_at_the_very_end_is_known_ever_after(
    easel: Easel,
) -> None:
    """Once its token has ended, the bot can find it by its id alone."""
    call = await answered_while_it_stops(easel)

    easel.clock.advance(TOKEN_LIFE.total_seconds())
    await easel.restart()
    await call.until(lambda message: "The answer is here" in said(message))


async def test_an_answer_that_takes_too_long_holds_up_no_stop(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWERS_S_MAX", 0.01)
    answer = held_answer(easel)
    call = await easel.imagine()
    await easel.held_by(answer)
    async with asyncio.timeout(5):
        await easel.bot.aclose()
    assert answer.hold
    answer.hold.set()
    await easel.restart()
    assert (await easel.finished(call)).attachments


async def test_an_update_that_hangs_holds_up_no_stop(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an order is on its way, whose answer the stop does not wait for either."""
    monkeypatch.setattr(runner, "STOP_GRACE_S", 0.1)
    update = easel.discord.faults.add(method="PATCH", path="@original", hold=asyncio.Event())
    gate = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.CREATE, gate)
    await easel.imagine()
    await gate.reached.wait()
    await easel.held_by(update)
    stopping = asyncio.create_task(easel.bot.aclose())
    await asyncio.wait({stopping}, timeout=5)
    is_stopped = stopping.done()
    assert update.hold
    update.hold.set()
    gate.until.set()
    await stopping
    assert is_stopped


def work_without_end(path: Path, *_: object) -> None:
    """As a hostile picture may keep a decoder at work."""
    path.with_suffix(".begun").touch()
    signal.pause()


async def test_a_picture_in_work_holds_up_no_stop(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "STOP_GRACE_S", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(fetch, "make_plain", work_without_end)
        call = await easel.imagine(reference1=Upload("photo.png", noise()))
        async with asyncio.timeout(5):
            while not list(easel.folder.rglob("*.begun")):  # noqa: ASYNC110 - no event for this
                await asyncio.sleep(0.001)
            await easel.bot.aclose()
    await easel.restart()
    assert (await easel.finished(call)).attachments
