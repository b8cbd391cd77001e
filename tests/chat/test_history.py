"""/history: what became of a member's jobs, and the images that could not be posted."""

from collections.abc import AsyncIterator

import pytest

from bot.chat.commands.jobs import PAGE_JOBS
from bot.domain.ledger import EntryKind
from bot.playground.discord import Call, Message, Permission
from bot.playground.discord.interactions import COMPONENT
from bot.playground.discord.validation import BUTTON, STRING_SELECT, walk
from bot.playground.faults import VendorCall
from bot.playground.studio import Fails
from tests.support.disk import no_room_for
from tests.support.easel import Easel, labels, said
from tests.support.pictures import noise

PICTURE = noise()
DAY_S = 24 * 3_600


@pytest.fixture
async def easel(opened) -> AsyncIterator[Easel]:
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        yield easel


async def history(easel: Easel, member: str = "Ada", channel: str = "after-dark") -> Message:
    call = await easel.discord.run_command(member, channel, "history")
    message = await call.until(lambda message: not message.is_loading)
    assert message.is_ephemeral
    return message


async def open_latest(easel: Easel, shown: Message) -> Call:
    """Choose the first of the listed jobs that can be opened."""
    [menu] = [part for part in walk(shown.components) if part["type"] == STRING_SELECT]
    return await easel.discord.select("Ada", shown, [menu["options"][0]["value"]])


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
    assert "There are none yet: try `/imagine`." in said(await history(easel))


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
    assert "There are none yet" in said(await history(easel, channel="mockups"))


async def test_images_that_could_not_be_posted_are_there_for_their_member(easel: Easel) -> None:
    await undelivered(easel)
    shown = await history(easel)
    assert "Not taken by Discord" in said(shown)

    pressed = await open_latest(easel, shown)
    message = await pressed.until(lambda message: bool(message.attachments))
    assert message.is_ephemeral
    assert message.visible_to_id == easel.discord.world.user("Ada").id
    assert await easel.discord.read_attachment(message.attachments[0]) == PICTURE
    assert await easel.balance_ucr() == 1_000_000


async def test_the_button_works_after_a_restart(easel: Easel) -> None:
    await undelivered(easel)
    shown = await history(easel)
    await easel.restart()

    pressed = await open_latest(easel, shown)
    message = await pressed.until(lambda message: bool(message.attachments))
    assert await easel.discord.read_attachment(message.attachments[0]) == PICTURE


@pytest.mark.parametrize("member", ["Ben", "Cleo"])
async def test_nobody_else_can_fetch_them_not_even_a_moderator(easel: Easel, member: str) -> None:
    """The message is Ada's alone; a changed client could send the press all the same."""
    await undelivered(easel)
    shown = await history(easel)
    user = easel.discord.world.user(member)
    [menu] = [part for part in walk(shown.components) if part["type"] == STRING_SELECT]
    easel.discord.interactions.open(
        COMPONENT,
        user,
        easel.discord.channel("after-dark"),
        {
            "component_type": STRING_SELECT,
            "custom_id": menu["custom_id"],
            "id": menu["id"],
            "values": [menu["options"][0]["value"]],
        },
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
        presses = [await open_latest(easel, shown) for _ in range(4)]
        for pressed in presses:
            message = await pressed.until(lambda message: not message.is_loading)
            assert len(message.attachments) == 1, said(message)

        async def copies_are_gone() -> bool:
            return not list((easel.folder / "images").glob("*.webp"))

        await easel.until(copies_are_gone)
        assert len(list((easel.folder / "images").glob("*.png"))) == 1


async def test_a_damaged_file_that_must_shrink_is_said_to_be_gone(opened) -> None:
    large = noise(400)
    async with opened(paint=lambda _: large) as easel:
        await easel.finished(await easel.imagine())
        [kept] = (easel.folder / "images").glob("*.png")
        kept.write_bytes(large[: len(large) // 2])
        easel.discord.interactions.file_bytes_max = len(large) // 4
        pressed = await open_latest(easel, await history(easel))
        message = await pressed.until(lambda message: not message.is_loading)
        assert said(message) == "These images are no longer kept."


async def test_a_full_disk_leaves_the_list_without_pictures_and_the_result_for_later(
    opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = noise(400)

    async with opened(paint=lambda _: large) as easel:
        await easel.finished(await easel.imagine())
        no_room_for(monkeypatch, "_draw")
        shown = await history(easel)
        assert "a paper lantern" in said(shown)
        assert not shown.attachments
        no_room_for(monkeypatch, "_copy")
        easel.discord.interactions.file_bytes_max = len(large) // 2
        pressed = await open_latest(easel, shown)
        message = await pressed.until(lambda message: not message.is_loading)
        assert said(message) == "Please try again in a few minutes."


async def test_what_was_posted_can_be_had_again_with_its_buttons(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    opened = await open_latest(easel, await history(easel, channel="studio"))
    message = await opened.until(lambda message: bool(message.attachments))
    assert message.is_ephemeral
    assert labels(message) == ["Again", "Edit", "Vary", "Details", "Publish", "Delete"]


async def test_a_private_image_can_be_had_again_after_its_message_is_gone(easel: Easel) -> None:
    private = await easel.finished(await easel.imagine(private=True))
    await easel.discord.press("Ada", private, label="Delete")
    opened = await open_latest(easel, await history(easel, channel="studio"))
    message = await opened.until(lambda message: bool(message.attachments))
    assert await easel.discord.read_attachment(message.attachments[0]) == PICTURE


async def test_its_pages_show_each_job_once(easel: Easel) -> None:
    prompts = [f"picture {number:02}" for number in range(PAGE_JOBS + 2)]
    for prompt in prompts:
        await easel.finished(await easel.imagine(prompt=prompt))
    call = await easel.discord.run_command("Ada", "studio", "history")
    first = await call.until(lambda message: not message.is_loading)
    shown = said(first)
    await easel.discord.press("Ada", first, label="Older")
    older = await call.until(lambda message: prompts[0] in said(message))
    assert [(shown + said(older)).count(prompt) for prompt in prompts] == [1] * len(prompts)


async def test_after_a_week_they_are_gone_and_the_button_says_so(easel: Easel) -> None:
    await undelivered(easel)
    shown = await history(easel)
    easel.clock.advance(8 * DAY_S)
    await easel.restart()
    await easel.until(lambda: gone(easel))

    pressed = await open_latest(easel, shown)
    assert "no longer kept" in said(await pressed.response())


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
