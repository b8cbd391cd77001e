"""Stop waiting: the image is paid and kept, /history gives it out, and nothing is posted."""

import asyncio
import re
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bot.domain.ledger import EntryKind
from bot.engine import runner
from bot.playground.discord import Call, Message
from bot.playground.discord.interactions import COMPONENT
from bot.playground.discord.validation import BUTTON, STRING_SELECT, walk
from bot.playground.faults import Hold, VendorCall
from bot.playground.studio import Fails
from tests.chat.test_privacy import erase
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said
from tests.support.pictures import noise

PICTURE = noise()
ALLOWANCE_UCR = 1_000_000
PRICE_UCR = 60_000
EDIT = "/messages/@original"


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to a vendor that is held outlasts any."""
    monkeypatch.setattr(runner, "STOP_GRACE_S", 0.0)


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE) as easel:
        yield easel


async def ordered(easel: Easel, **options: object) -> tuple[Call, Hold]:
    """A job whose vendor is asked for the image, and does not answer yet."""
    poll = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.POLL, poll)
    call = await easel.imagine(**options)
    await poll.reached.wait()
    await call.until(lambda message: labels(message) == ["Stop waiting"])
    return call, poll


async def stop(easel: Easel, call: Call, member: str = "Ada") -> Message:
    pressed = await easel.discord.press(member, call.messages[0], label="Stop waiting")
    return await pressed.response()


async def send_press(easel: Easel, call: Call, member: str = "Ada") -> Call:
    """Of a button that is not there any more, as a client that was slow sends it."""
    [job] = await easel.rows("SELECT id FROM jobs")
    data = {"component_type": BUTTON, "custom_id": f"stop:{job.id}", "id": 1}
    user, channel = easel.discord.world.user(member), call.interaction.channel
    opened = easel.discord.interactions.open(
        COMPONENT, user, channel, data, source=call.messages[0]
    )
    return Call(opened, call._messages)


async def ended(easel: Easel) -> None:
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE finished_at IS NOT NULL"))
    await easel.idle()


async def assert_kept(easel: Easel, call: Call) -> None:
    """Paid once, posted nowhere, told as it is, and given out by /history."""
    await ended(easel)
    assert [message for message in call.interaction.channel.messages if message.attachments] == []
    status = call.messages[0]
    assert "Stopped waiting" in said(status)
    assert "It was made all the same and cost 0.06 cr." in said(status)
    assert not status.components
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR
    assert len(await easel.entries(EntryKind.SETTLE)) == 1
    listed = await (await easel.discord.run_command("Ada", "studio", "history")).response()
    [menu] = [part for part in walk(listed.components) if part["type"] == STRING_SELECT]
    opened = await easel.discord.select("Ada", listed, [menu["options"][0]["value"]])
    given = await opened.until(lambda message: bool(message.attachments))
    assert await easel.discord.read_attachment(given.attachments[0]) == PICTURE


@pytest.mark.parametrize("private", [False, True])
async def test_its_image_is_paid_and_kept_and_nothing_is_posted(
    easel: Easel, private: bool
) -> None:
    call, poll = await ordered(easel, private=private)
    told = await stop(easel, call)
    assert "Stopped waiting" in said(told)
    assert "It is being made all the same and costs up to 0.06 cr." in said(told)
    assert not told.components
    poll.until.set()
    await assert_kept(easel, call)


async def test_nothing_links_to_it_as_if_it_had_been_posted(easel: Easel) -> None:
    call, poll = await ordered(easel)
    await stop(easel, call)
    poll.until.set()
    await ended(easel)
    listed = await (await easel.discord.run_command("Ada", "studio", "history")).response()
    assert "a paper lantern · 0.06 cr" in said(listed)
    assert "https:" not in said(listed)
    for path in (easel.folder / "images").glob("*.png"):
        path.unlink()
    opened = await easel.discord.select(
        "Ada", listed, [job.id for job in await easel.rows("SELECT id FROM jobs")]
    )
    assert said(await opened.response()) == "These images are no longer kept."


async def test_pressing_twice_stops_once(easel: Easel) -> None:
    call, poll = await ordered(easel)
    presses = [
        await easel.discord.press("Ada", call.messages[0], label="Stop waiting") for _ in range(2)
    ]
    for pressed in presses:
        assert "Stopped waiting" in said(await pressed.response())
    poll.until.set()
    await assert_kept(easel, call)
    late = await send_press(easel, call)
    assert "This button does not work any more." in said(await late.response())


@pytest.mark.parametrize("member", ["Ben", "Cleo"])
async def test_nobody_else_stops_it(easel: Easel, member: str) -> None:
    call, poll = await ordered(easel)
    assert "Only whoever asked for this image can do" in said(await stop(easel, call, member))
    poll.until.set()
    assert (await easel.finished(call)).attachments


async def test_after_a_restart_it_stops_as_well(easel: Easel) -> None:
    call, poll = await ordered(easel)
    easel.providers.faults.add(VendorCall.POLL, again := Hold(asyncio.Event()))
    await easel.restart()
    poll.until.set()
    await again.reached.wait()
    assert "Stopped waiting" in said(await stop(easel, call))
    again.until.set()
    await assert_kept(easel, call)


async def test_a_process_that_dies_after_the_press_posts_nothing_either(easel: Easel) -> None:
    call, poll = await ordered(easel)
    await stop(easel, call)
    await easel.restart()
    poll.until.set()
    await assert_kept(easel, call)


async def test_one_that_dies_before_its_end_is_committed_charges_once(easel: Easel) -> None:
    """Discord is slow to show how it ended, and the process dies meanwhile."""
    call, poll = await ordered(easel)
    await stop(easel, call)
    go_on = asyncio.Event()
    easel.discord.faults.add(method="PATCH", path=EDIT, hold=go_on, times=9)
    poll.until.set()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'delivering'"))
    await easel.restart()
    go_on.set()
    await assert_kept(easel, call)


async def test_an_update_that_lands_after_the_press_is_painted_over(easel: Easel) -> None:
    call, poll = await ordered(easel)
    go_on = asyncio.Event()
    [job] = await easel.rows("SELECT id FROM jobs")
    look = runner.job_steps.look
    old, tasks = await easel.app.runner._shop.database.read(look, job.id)
    stuck = easel.discord.faults.add(method="PATCH", path=EDIT, hold=go_on)
    messenger = easel.app.runner._messenger
    showing = asyncio.create_task(messenger.show_progress(old, tasks))
    await easel.held_by(stuck)
    await stop(easel, call)
    go_on.set()
    await showing
    assert labels(call.messages[0]) == ["Stop waiting"]
    poll.until.set()
    await assert_kept(easel, call)


async def test_what_is_on_its_way_to_discord_is_not_stopped_any_more(easel: Easel) -> None:
    call, poll = await ordered(easel)
    go_on = asyncio.Event()
    stuck = easel.discord.faults.add(method="PATCH", path=EDIT, hold=go_on)
    poll.until.set()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'delivering'"))
    await easel.held_by(stuck)
    assert "It has ended already." in said(await stop(easel, call))
    go_on.set()
    assert (await easel.finished(call)).attachments
    assert labels(call.messages[0])[0] == "Again"


async def test_a_failure_says_that_it_cost_nothing(easel: Easel) -> None:
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    call, poll = await ordered(easel)
    await stop(easel, call)
    poll.until.set()
    await ended(easel)
    assert "Stopped waiting" in said(call.messages[0])
    assert "content filter" in said(call.messages[0])
    assert "Nothing was charged." in said(call.messages[0])
    assert "It is being made" not in said(call.messages[0])
    assert await easel.balance_ucr() == ALLOWANCE_UCR


async def test_when_to_try_again_is_said_where_discord_shows_a_time(easel: Easel) -> None:
    """In a footer, a member would read the time's code."""
    order = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.CREATE, order)
    call = await easel.imagine()
    await call.until(lambda message: labels(message) == ["Stop waiting"])
    await stop(easel, call)
    easel.providers.studio.balance_usd = Decimal(0)
    order.until.set()
    await ended(easel)
    [embed] = call.messages[0].embeds
    assert embed["title"] == "Stopped waiting"
    assert re.search(r"Please try again <t:\d+:R>\. Nothing was charged\.", embed["description"])
    assert "a paper lantern" in embed["description"]
    assert "footer" not in embed


async def test_what_is_gone_from_disk_is_given_back(easel: Easel) -> None:
    call, poll = await ordered(easel)
    await stop(easel, call)
    go_on = asyncio.Event()
    easel.discord.faults.add(method="PATCH", path=EDIT, hold=go_on, times=9)
    poll.until.set()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'delivering'"))
    await easel.bot.aclose()
    for path in (easel.folder / "images").glob("*.png"):
        path.unlink()
    go_on.set()
    await easel.restart()
    await ended(easel)
    assert await easel.balance_ucr() == ALLOWANCE_UCR
    assert "Nothing was charged." in said(call.messages[0])


async def test_after_the_answers_time_it_is_told_in_the_channel(easel: Easel) -> None:
    call, poll = await ordered(easel)
    await stop(easel, call)
    for clock in (easel.discord.clock, easel.clock):
        clock.advance(15 * 60 + 1)
    poll.until.set()
    await assert_kept(easel, call)


async def test_where_nothing_is_kept_any_more_the_result_is_posted(easel: Easel) -> None:
    """Whoever hosts the bot has turned that off since the button was shown."""
    call, poll = await ordered(easel)
    easel.settings = easel.settings.model_copy(update={"keep_results": 0})
    easel.providers.faults.add(VendorCall.POLL, again := Hold(asyncio.Event()))
    await easel.restart()
    poll.until.set()
    await again.reached.wait()
    pressed = await send_press(easel, call)
    assert "does not work any more" in said(await pressed.response())
    again.until.set()
    assert (await easel.finished(call)).attachments


async def test_a_press_before_that_was_turned_off_posts_it_too(easel: Easel) -> None:
    call, poll = await ordered(easel)
    await stop(easel, call)
    easel.settings = easel.settings.model_copy(update={"keep_results": 0})
    await easel.restart()
    poll.until.set()
    await easel.discord.wait_for(lambda: bool(call.messages[0].attachments), "the result")
    await easel.idle()
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR


async def test_who_is_being_erased_gets_what_is_made_and_is_promised_no_history(
    easel: Easel,
) -> None:
    call, poll = await ordered(easel)
    assert "1 job is being made, and is finished first." in said(await erase(easel))
    assert "does not work any more" in said(await stop(easel, call))
    poll.until.set()
    assert (await easel.finished(call)).attachments
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR
