"""What a vendor does wrong for a while is waited out: limits, late results, an end unheard."""

import asyncio

import pytest

from bot.playground.discord import Upload
from bot.playground.faults import Hold, Respond, VendorCall
from bot.store import learned
from tests.support.easel import Easel, said
from tests.support.pictures import picture

SLOW_DOWN = Respond(429, {"code": 429, "msg": "slow down"})


async def test_a_rate_limit_is_waited_out(easel: Easel) -> None:
    easel.providers.faults.add(VendorCall.CREATE, SLOW_DOWN, times=6)
    message = await easel.finished(await easel.imagine())

    assert message.attachments, said(message)
    assert round(easel.clock.naps[0]) == 5
    assert easel.providers.calls[VendorCall.CREATE] == 7


async def test_a_wish_to_wait_is_followed_whatever_its_length(easel: Easel) -> None:
    later = Respond(429, SLOW_DOWN.body, headers={"Retry-After": "300"})
    easel.providers.faults.add(VendorCall.CREATE, later)
    message = await easel.finished(await easel.imagine())

    assert message.attachments, said(message)
    assert round(easel.clock.naps[0]) == 300


@pytest.mark.parametrize(("asked_s", "waited_s"), [(30, 30), (600, 60)])
async def test_an_upload_waits_as_it_is_asked_to_for_a_minute_at_most(
    easel: Easel, asked_s: int, waited_s: int
) -> None:
    later = Respond(429, SLOW_DOWN.body, headers={"Retry-After": str(asked_s)})
    easel.providers.faults.add(VendorCall.UPLOAD, later)
    message = await easel.finished(await easel.imagine(reference1=Upload("a.png", picture())))

    assert message.attachments, said(message)
    assert round(easel.clock.naps[0]) == waited_s


@pytest.mark.parametrize("by_moderator", [False, True])
async def test_a_cancelled_job_waits_for_no_vendor(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, by_moderator: bool
) -> None:
    """Otherwise cancelled jobs would take the places of those that could be made elsewhere."""
    waits = asyncio.Event()

    async def long(seconds: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(easel.clock, "sleep", long)
    later = Respond(429, SLOW_DOWN.body, headers={"Retry-After": "300"})
    easel.providers.faults.add(VendorCall.CREATE, later)
    await easel.imagine()
    await waits.wait()
    waits.clear()
    call = await easel.imagine("Ben")
    await waits.wait()
    assert len(easel.app.runner.job_ids) == 2
    member = "Cleo" if by_moderator else "Ben"
    pressed = await easel.discord.press(member, call.messages[0], label="Cancel")
    if by_moderator:
        form = await pressed.opened_modal()
        await easel.discord.submit_modal(member, form, {"reason": "no"})

    async def is_let_go() -> bool:
        return len(easel.app.runner.job_ids) == 1

    await easel.until(is_let_go)
    assert easel.providers.calls[VendorCall.CREATE] == 1


@pytest.mark.parametrize(("status", "times"), [(403, 5), (404, 3), (410, 3), (503, 9)])
async def test_a_result_that_is_there_late_is_fetched(
    easel: Easel, status: int, times: int
) -> None:
    easel.providers.faults.add(VendorCall.RESULT, Respond(status, b"", "text/html"), times=times)
    message = await easel.finished(await easel.imagine())

    assert message.attachments, said(message)
    # The vendor is asked for the links anew before each further try.
    assert easel.providers.calls[VendorCall.POLL] == 1 + times


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The poll that is held outlasts any."""
    monkeypatch.setattr("bot.engine.runner.STOP_GRACE_S", 0.0)


@pytest.mark.usefixtures("no_grace")
async def test_an_image_done_in_time_is_not_lost_to_a_poll_that_failed(easel: Easel) -> None:
    polled = Hold(until=asyncio.Event())
    easel.providers.faults.add(VendorCall.POLL, polled)
    call = await easel.imagine()
    await polled.reached.wait()
    easel.clock.advance(601)
    easel.providers.faults.add(VendorCall.POLL, Respond(502, b"bad gateway", "text/html"), times=3)
    await easel.restart()
    polled.until.set()
    message = await easel.finished(call)

    assert message.attachments, said(message)


@pytest.mark.usefixtures("no_grace")
async def test_the_time_that_we_were_away_is_not_learned(easel: Easel) -> None:
    polled = Hold(until=asyncio.Event())
    easel.providers.faults.add(VendorCall.POLL, polled)
    call = await easel.imagine()
    await polled.reached.wait()
    easel.clock.advance(500)
    await easel.restart()
    polled.until.set()
    assert (await easel.finished(call)).attachments
    await easel.restart()

    assert await easel.app.database.read(learned.load) == {}
