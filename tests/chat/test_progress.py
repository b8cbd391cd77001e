"""What the status message says while an image is made: at each moment the truth, and few edits."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator

import pytest

from bot.chat.messenger import DiscordMessenger
from bot.engine import runner
from bot.engine.routing import Routing
from bot.playground.discord import ApiRequest, Message, Upload
from bot.playground.faults import Hold, VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said
from tests.support.pictures import noise

PICTURE = noise()
EDIT = "/messages/@original"


@pytest.fixture(autouse=True)
def updates_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROGRESS_S_MAX", 0.01)
    monkeypatch.setattr(runner, "UPDATES_A_SECOND_MAX", 1_000.0)


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


def hold(easel: Easel, at: VendorCall, times: int = 1) -> Hold:
    held = Hold(asyncio.Event())
    easel.providers.faults.add(at, held, times=times)
    return held


def edits(easel: Easel) -> Iterator[ApiRequest]:
    return (each for each in easel.discord.requests if each.method == "PATCH")


async def test_each_picture_of_several_is_shown_as_it_is_finished(easel: Easel) -> None:
    last = hold(easel, VendorCall.RESULT)
    call = await easel.imagine(count=3)
    shown = await call.until(lambda message: len(message.attachments) == 2)
    await last.reached.wait()

    assert "2 of 3 done" in said(shown)
    assert labels(shown) == ["Stop waiting"]
    assert await easel.discord.read_attachment(shown.attachments[0]) == PICTURE
    await call.until(lambda message: "The rest is finished, and is being fetched" in said(message))
    last.until.set()
    done = await easel.finished(call)
    assert [each.filename[-6:] for each in done.attachments] == ["-1.png", "-2.png", "-3.png"]


async def test_one_of_two_being_fetched_does_not_make_both_finished(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first image teaches that its route takes no time.
    monkeypatch.setattr(Routing, "typical_s", lambda *_: 48.0)
    drawn, fetched = hold(easel, VendorCall.POLL), hold(easel, VendorCall.RESULT)
    call = await easel.imagine(count=2)
    await drawn.reached.wait()
    await fetched.reached.wait()
    seen = len(list(edits(easel)))
    await easel.discord.wait_for(lambda: len(list(edits(easel))) > seen + 1, "two updates")

    shown = said(call.messages[0])
    assert "0 of 2 done" in shown
    assert "usually about" in shown
    drawn.until.set()
    fetched.until.set()
    assert len((await easel.finished(call)).attachments) == 2


async def test_what_takes_longer_than_usual_says_so(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE) as call:
        assert "usually about" in said(call.messages[0])
        easel.clock.advance(300)
        shown = await call.until(lambda message: "takes longer than the usual" in said(message))
        assert shown.embeds[0]["description"].count("░") == 1
    assert (await easel.finished(call)).attachments


async def test_the_bar_moves_in_about_six_steps(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the pace that the bot would keep, without waiting for it."""
    monkeypatch.setattr(runner, "PROGRESS_S_MAX", 10.0)
    async with easel.held(VendorCall.CREATE):
        [row] = await easel.rows("SELECT id FROM jobs")
        job, tasks = await easel.app.runner._shop.database.read(runner.job_steps.look, row.id)
        typical_s = easel.app.runner._shop.routing.typical_s(tasks[0].route_id)
        assert 5 <= typical_s / easel.app.runner._pace_s(job, tasks) <= 7
        easel.clock.advance(3_600)
        assert easel.app.runner._pace_s(job, tasks) == 10.0


async def test_a_result_waits_for_one_update_at_most_and_for_none_of_another_job(
    easel: Easel,
) -> None:
    go_on = asyncio.Event()
    order = hold(easel, VendorCall.CREATE)
    ada = await easel.imagine()
    await order.reached.wait()
    stuck = easel.discord.faults.add(method="PATCH", path=ada.interaction.token, hold=go_on)
    await easel.held_by(stuck)

    ben = await easel.imagine("Ben")
    assert (await ben.until(lambda message: bool(message.attachments))).attachments
    order.until.set()
    user_id = easel.discord.world.user("Ada").id
    hers = f"SELECT 1 FROM jobs WHERE state = 'delivering' AND user_id = {user_id}"
    await easel.until(lambda: easel.rows(hers))
    before = [each for each in edits(easel) if ada.interaction.token in each.path]
    go_on.set()
    assert (await easel.finished(ada)).attachments
    after = [each for each in edits(easel) if ada.interaction.token in each.path]
    assert len(after) == len(before) + 1


async def test_an_update_that_fails_leaves_the_next_one_and_the_result_alone(
    easel: Easel,
) -> None:
    order = hold(easel, VendorCall.CREATE)
    call = await easel.imagine()
    await order.reached.wait()
    easel.discord.faults.add(method="PATCH", path=EDIT, reset=True, times=1)
    await call.until(lambda message: "Drawing" in said(message))
    order.until.set()
    assert (await easel.finished(call)).attachments


async def test_an_image_that_is_there_is_sent_once(easel: Easel) -> None:
    """Its status is not edited any more once the result is on its way."""
    await easel.finished(await easel.imagine())
    uploads = [each for each in edits(easel) if each.files]
    assert len(uploads) == 1


async def test_a_queue_tells_ones_own_jobs_apart(opened: OpenEasel) -> None:
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE, allowance="10.00") as easel:
        async with easel.held(VendorCall.CREATE):
            calls = [await easel.imagine(member) for member in ("Ada", "Ben", "Ada")]
            shown: list[Message] = [await call.response() for call in calls]
        assert "next in line" in said(shown[0])
        assert "2 ahead of you, 1 of them yours" in said(shown[2])
        for call in calls:
            assert (await easel.finished(call)).attachments


async def test_nothing_of_a_prompt_acts_in_a_status(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE, prompt="@everyone <#1> [a](https://example.org)"):
        bodies = json.dumps([each.body for each in edits(easel)])
    assert "@everyone" not in bodies
    assert "](http" not in bodies
    await easel.idle()


async def test_an_update_that_cannot_be_made_holds_up_no_result(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the database cannot be read for a moment: nobody needs the update."""
    tried = asyncio.Event()

    async def broken(*_: object, **__: object) -> None:
        tried.set()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(DiscordMessenger, "show_progress", broken)
    drawn = hold(easel, VendorCall.POLL)
    call = await easel.discord.run_command(
        "Ada", "studio", "edit", {"image": Upload("photo.png", PICTURE), "prompt": "in winter"}
    )
    await drawn.reached.wait()
    await tried.wait()
    drawn.until.set()
    assert (await easel.finished(call)).attachments
    assert not list((easel.folder / "images").glob("*.fetched"))
