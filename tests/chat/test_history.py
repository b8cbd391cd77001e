"""/history: what became of a member's jobs, and the images that could not be posted."""

from collections.abc import AsyncIterator

import pytest

from bot.domain.ledger import EntryKind
from bot.playground.discord import Message, Permission
from bot.playground.discord.interactions import COMPONENT
from bot.playground.discord.validation import BUTTON
from bot.playground.faults import VendorCall
from bot.playground.studio import Fails
from tests.support.easel import Easel, said
from tests.support.pictures import noise

PICTURE = noise()
DAY_S = 24 * 3_600


@pytest.fixture
async def easel(opened) -> AsyncIterator[Easel]:
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        yield easel


async def history(easel: Easel, member: str = "Ada", channel: str = "after-dark") -> Message:
    call = await easel.discord.run_command(member, channel, "history")
    message = await call.response()
    assert message.is_ephemeral
    return message


async def undelivered(easel: Easel) -> None:
    """Ada's image is made, and Discord takes it nowhere."""
    missing = {"code": 10015, "message": "Unknown Webhook"}
    async with easel.held(VendorCall.CREATE):
        easel.discord.set_bot_permissions("studio", deny=Permission.SEND_MESSAGES)
        easel.discord.faults.add(
            method="PATCH", path="/messages/@original", status=404, body=missing, times=99
        )
    await easel.until(lambda: easel.entries(EntryKind.REFUND))
    await easel.idle()
    easel.discord.faults.clear()


async def test_without_jobs_it_says_where_to_begin(easel: Easel) -> None:
    assert "None yet: try `/imagine`." in said(await history(easel))


async def test_it_shows_how_each_job_ended_newest_first(easel: Easel) -> None:
    done = await easel.finished(await easel.imagine(prompt="first"))
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await easel.finished(await easel.imagine(prompt="second"))
    async with easel.held(VendorCall.CREATE, prompt="third"):
        fourth = await easel.imagine(prompt="fourth")
        await easel.discord.press("Ada", await fourth.response(), label="Cancel")
        await fourth.until(lambda message: "Cancelled" in said(message))
        await (await easel.imagine("Ben", prompt="not Ada's")).response()
        lines = said(await history(easel)).splitlines()[1:]

    assert len(lines) == 4
    assert "fourth" in lines[0]
    assert "cancelled" in lines[0]
    assert "third" in lines[1]
    assert "under way" in lines[1]
    assert "second" in lines[2]
    assert "content filter" in lines[2]
    assert "Nothing was charged." in lines[2]
    assert "[first](https://discord.com/channels/" in lines[3]
    assert f"/{done.id})" in lines[3]
    assert "0.06 cr" in lines[3]


async def test_it_shows_no_other_servers_jobs(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    assert "None yet" in said(await history(easel, channel="mockups"))


async def test_images_that_could_not_be_posted_are_there_for_their_member(easel: Easel) -> None:
    await undelivered(easel)
    shown = await history(easel)
    assert "Discord would not take the result here" in said(shown)

    pressed = await easel.discord.press("Ada", shown)
    message = await pressed.until(lambda message: bool(message.attachments))
    assert message.is_ephemeral
    assert message.visible_to_id == easel.discord.world.user("Ada").id
    assert await easel.discord.read_attachment(message.attachments[0]) == PICTURE
    assert await easel.balance_ucr() == 1_000_000


async def test_the_button_works_after_a_restart(easel: Easel) -> None:
    await undelivered(easel)
    shown = await history(easel)
    await easel.restart()

    pressed = await easel.discord.press("Ada", shown)
    message = await pressed.until(lambda message: bool(message.attachments))
    assert await easel.discord.read_attachment(message.attachments[0]) == PICTURE


@pytest.mark.parametrize("member", ["Ben", "Cleo"])
async def test_nobody_else_can_fetch_them_not_even_a_moderator(easel: Easel, member: str) -> None:
    """The message is Ada's alone; a changed client could send the press all the same."""
    await undelivered(easel)
    shown = await history(easel)
    [row] = shown.components
    [button] = row["components"]
    user = easel.discord.world.user(member)
    easel.discord.interactions.open(
        COMPONENT,
        user,
        easel.discord.channel("after-dark"),
        {"component_type": BUTTON, "custom_id": button["custom_id"], "id": button["id"]},
        source=shown,
    )
    message = await easel.discord.wait_for_message(
        "after-dark", lambda message: message.visible_to_id == user.id
    )
    assert "Only whoever asked for this image" in said(message)
    assert not message.attachments


async def test_pressing_several_times_at_once_gives_the_images_each_time(opened) -> None:
    """Each press makes a copy of its own: what was kept is too large to post."""
    large = noise(400)
    async with opened(paint=lambda _: large) as easel:
        easel.discord.interactions.file_bytes_max = len(large) // 2
        assert "smaller copy" in said(await easel.finished(await easel.imagine()))
        shown = await history(easel)
        presses = [await easel.discord.press("Ada", shown) for _ in range(4)]
        for pressed in presses:
            message = await pressed.until(lambda message: not message.is_loading)
            assert len(message.attachments) == 1, said(message)

        async def copies_are_gone() -> bool:
            return not list((easel.folder / "images").glob("*.webp"))

        await easel.until(copies_are_gone)
        assert len(list((easel.folder / "images").glob("*.png"))) == 1


async def test_images_that_were_posted_are_not_offered_again(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    assert not (await history(easel)).components


async def test_after_a_week_they_are_gone_and_the_button_says_so(easel: Easel) -> None:
    await undelivered(easel)
    shown = await history(easel)
    easel.clock.advance(8 * DAY_S)
    await easel.restart()
    await easel.until(lambda: gone(easel))

    pressed = await easel.discord.press("Ada", shown)
    assert "no longer kept" in said(await pressed.response())
    assert not (await history(easel)).components


async def gone(easel: Easel) -> bool:
    return not list((easel.folder / "images").glob("*.png"))


async def test_a_button_of_a_job_that_nobody_knows_says_so(easel: Easel) -> None:
    shown = await (await easel.imagine()).response()
    easel.discord.interactions.open(
        COMPONENT,
        easel.discord.world.user("Ada"),
        easel.discord.channel("studio"),
        {"component_type": BUTTON, "custom_id": "cancel:unheard-of", "id": 1},
        source=shown,
    )
    message = await easel.discord.wait_for_message("studio", lambda m: m.is_ephemeral)
    assert "does not work any more" in said(message)
