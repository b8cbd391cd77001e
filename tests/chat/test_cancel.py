"""The Cancel button: free until something was submitted, for the member and for moderators."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bot.domain.ledger import EntryKind
from bot.engine import runner
from bot.playground.discord import Call, Message, NotOfferedError, Upload
from bot.playground.faults import Hold, VendorCall
from bot.playground.studio import Fails
from tests.chat.test_privacy import erase
from tests.support.easel import Easel, labels, said
from tests.support.pictures import noise, picture

PICTURE = noise()
ALLOWANCE_UCR = 1_000_000


#: what holds a job before its order: the reference that goes ahead of it
REFERENCE = {"reference1": Upload("a.png", picture())}


@pytest.fixture
async def easel(opened) -> AsyncIterator[Easel]:
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        yield easel


async def press(easel: Easel, member: str, call: Call) -> Message:
    """What the member reads after pressing Cancel."""
    pressed = await easel.discord.press(member, call.messages[0], label="Cancel")
    return await pressed.response()


async def assert_cancelled(easel: Easel, call: Call, *, orders: int) -> None:
    """Released, said so, without a button left, and never ordered."""
    message = await call.until(lambda message: "Cancelled" in said(message))
    assert "Nothing was charged." in said(message)
    await easel.idle()
    message = call.messages[0]
    assert "Cancelled" in said(message)
    assert not message.components
    jobs = await easel.rows("SELECT id FROM jobs WHERE state = 'cancelled'")
    entries = await easel.entries(EntryKind.RELEASE)
    assert [entry.job_id for entry in entries] == [job.id for job in jobs]
    assert len(jobs) == 1
    assert len(easel.providers.submissions) == orders


async def test_a_queued_job_is_cancelled_and_the_one_that_runs_goes_on(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE) as running:
        queued = await easel.imagine("Ben")
        await queued.response()
        message = await press(easel, "Ben", queued)
        assert "Cancelled" in said(message)

    assert (await easel.finished(running)).attachments
    await assert_cancelled(easel, queued, orders=1)


async def test_a_running_job_is_cancelled_while_nothing_was_ordered(easel: Easel) -> None:
    async with easel.held(VendorCall.UPLOAD, **REFERENCE) as call:
        assert "Cancelled" in said(await press(easel, "Ada", call))

    await assert_cancelled(easel, call, orders=0)
    assert await easel.balance_ucr() == ALLOWANCE_UCR
    assert (await easel.finished(await easel.imagine())).attachments


async def test_the_button_goes_with_the_order(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE) as call:
        assert labels(call.messages[0]) == ["Stop waiting"]
        assert "Drawing" in said(call.messages[0])


async def test_it_is_too_late_once_the_order_is_on_its_way(easel: Easel) -> None:
    ordered, shown = Hold(asyncio.Event()), asyncio.Event()
    easel.providers.faults.add(VendorCall.CREATE, ordered)
    easel.discord.faults.add(method="PATCH", path="/messages/@original", hold=shown)
    call = await easel.imagine()
    await ordered.reached.wait()
    message = await press(easel, "Ada", call)
    assert "too late to cancel" in said(message)
    assert message.is_ephemeral
    ordered.until.set()
    shown.set()

    assert (await easel.finished(call)).attachments
    assert await easel.balance_ucr() == ALLOWANCE_UCR - 60_000


@pytest.mark.parametrize("fails", [False, True])
async def test_what_has_ended_is_said_to_have_ended(easel: Easel, fails: bool) -> None:
    """A list of /jobs stands for as long as its member leaves it there."""
    if fails:
        easel.providers.endings.append(Fails("UPSTREAM_BUSY"))
    async with easel.held(VendorCall.UPLOAD, **REFERENCE) as call:
        listed = await (await easel.discord.run_command("Ada", "studio", "jobs")).response()
    await easel.finished(call)
    pressed = await easel.discord.press("Ada", listed, label="Cancel 1")
    assert said(await pressed.response()) == "It has ended already."


async def test_a_result_has_no_button_to_cancel_it(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    with pytest.raises(NotOfferedError):
        await easel.discord.press("Ada", message, label="Cancel")


async def test_a_stranger_cannot_cancel(easel: Easel) -> None:
    async with easel.held(VendorCall.UPLOAD, **REFERENCE) as call:
        message = await press(easel, "Ben", call)
        assert "Only whoever asked for this image" in said(message)
        assert message.is_ephemeral

    assert (await easel.finished(call)).attachments
    assert await easel.entries(EntryKind.RELEASE) == []


async def test_a_moderator_can(easel: Easel) -> None:
    async with easel.held(VendorCall.UPLOAD, **REFERENCE) as call:
        pressed = await easel.discord.press("Cleo", call.messages[0], label="Cancel")
        form = await pressed.opened_modal()
        sent = await easel.discord.submit_modal("Cleo", form, {"reason": "not *here*"})
        shown = said(await sent.response())
        assert "Cancelled" in shown
        cleo = easel.discord.world.user("Cleo").id
        assert f"A moderator, <@{cleo}>, cancelled this: “not \\*here\\*”." in shown

    await assert_cancelled(easel, call, orders=0)
    [act] = await easel.rows("SELECT action, by_id, user_id, reason FROM acts")
    ada = easel.discord.world.user("Ada").id
    assert tuple(act) == ("cancel", cleo, ada, "not *here*")


async def test_pressing_twice_cancels_once(easel: Easel) -> None:
    """Both presses are on their way before the first is answered."""
    async with easel.held(VendorCall.UPLOAD, **REFERENCE) as call:
        message = call.messages[0]
        presses = [await easel.discord.press("Ada", message, label="Cancel") for _ in range(2)]
        answers = [said(await pressed.response()) for pressed in presses]
        assert ["Cancelled" in answer for answer in answers] == [True, True]

    await assert_cancelled(easel, call, orders=0)


async def test_a_cancel_that_discord_does_not_show_counts_all_the_same(easel: Easel) -> None:
    async with easel.held(VendorCall.UPLOAD, **REFERENCE) as call:
        easel.discord.faults.add(method="POST", path="/callback", reset=True, times=9)
        await easel.discord.press("Ada", call.messages[0], label="Cancel")
        await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'cancelled'"))

    await easel.idle()
    easel.discord.faults.clear()
    assert await easel.balance_ucr() == ALLOWANCE_UCR
    assert not easel.providers.submissions
    # The worker that finds its job gone brings the message up to date.
    assert "Cancelled" in said(call.messages[0])


async def test_a_cancelled_job_is_shown_once_while_its_worker_does_not_know(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pace in ("PROGRESS_AFTER_S", "PROGRESS_S_MIN", "PROGRESS_S_MAX"):
        monkeypatch.setattr(runner, pace, 0.01)
    async with easel.held(VendorCall.UPLOAD, **REFERENCE) as call:
        await press(easel, "Ada", call)
        passes = asyncio.Event()
        passes.set()
        edits = easel.discord.faults.add(
            method="PATCH", path="/messages/@original", hold=passes, times=99
        )
        await asyncio.sleep(0.5)
        assert edits.hits <= 2
    await assert_cancelled(easel, call, orders=0)


async def test_a_late_look_at_the_queue_does_not_paint_over_a_cancelled_job(
    easel: Easel,
) -> None:
    """Discord is slow with the update of a place in the queue; meanwhile its job is cancelled."""
    go_on = asyncio.Event()
    async with easel.held(VendorCall.CREATE):
        queued = await easel.imagine("Ben")
        await queued.response()
        # Until then the worker does not know which message to bring up to date.
        handed_over = "SELECT 1 FROM jobs WHERE state = 'queued' AND message_id IS NOT NULL"
        await easel.until(lambda: easel.rows(handed_over))
        fault = easel.discord.faults.add(method="PATCH", path="/messages/@original", hold=go_on)
        looking = asyncio.create_task(easel.app.runner._duties._show_queue())
        await easel.held_by(fault)
        assert "Cancelled" in said(await press(easel, "Ben", queued))
        go_on.set()
        await looking
        await queued.until(lambda message: "Cancelled" in said(message))
        assert "Cancelled" in said(queued.messages[0])
        assert not queued.messages[0].components


async def erased(easel: Easel) -> None:
    assert "1 waiting job was cancelled" in said(await erase(easel))


async def sent_away(easel: Easel) -> None:
    guild = easel.app.client.get_guild(easel.discord.channel("studio").guild_id or 0)
    assert guild is not None
    await easel.app.client.on_guild_remove(guild)


@pytest.mark.parametrize("cancel", [erased, sent_away])
async def test_an_answer_that_comes_after_the_cancel_does_not_say_that_the_job_waits(
    easel: Easel, cancel: Callable[[Easel], Awaitable[None]]
) -> None:
    go_on = asyncio.Event()
    answer = easel.discord.faults.add(method="POST", path="/callback", hold=go_on)
    call = await easel.imagine()
    await easel.held_by(answer)
    await cancel(easel)
    go_on.set()
    await assert_cancelled(easel, call, orders=0)


async def test_the_button_works_after_a_restart_of_the_bot(easel: Easel) -> None:
    easel.providers.studio.latency_s = 1e9
    running = await easel.imagine()
    await running.until(lambda message: "Drawing" in said(message))
    queued = await easel.imagine("Ben")
    await queued.response()
    await easel.restart()

    assert "Cancelled" in said(await press(easel, "Ben", queued))
    await easel.until(lambda: easel.entries(EntryKind.RELEASE))
    [job] = await easel.rows("SELECT state FROM jobs WHERE state = 'cancelled'")
    assert job.state == "cancelled"


async def test_a_moderators_reason_that_comes_too_late_cancels_nothing(easel: Easel) -> None:
    async with easel.held(VendorCall.UPLOAD, **REFERENCE) as call:
        pressed = await easel.discord.press("Cleo", call.messages[0], label="Cancel")
        form = await pressed.opened_modal()
        await press(easel, "Ada", call)
        sent = await easel.discord.submit_modal("Cleo", form, {"reason": "not here"})
        assert "It has ended already." in said(await sent.response())
    await assert_cancelled(easel, call, orders=0)
    assert await easel.rows("SELECT * FROM acts") == []
