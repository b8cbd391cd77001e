"""/settings nsfw_checker: who may, what it does, and the trail it leaves."""

import io
import logging

import pytest
from PIL import Image

from bot.chat.render import SHEET_NAME
from bot.playground.discord import (
    DM,
    Call,
    Message,
    NotOfferedError,
    Permission,
    PlaygroundDiscord,
    Upload,
)
from bot.playground.discord.world import PRIVATE_THREAD, PUBLIC_THREAD, TEXT_CHANNEL
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import picture
from tests.support.settings import set_filter

SERVER = "Lantern Community"


async def set_nsfw(easel: Easel, mode: str | None) -> str:
    message = await set_filter(easel, mode)
    assert message.is_ephemeral
    return said(message)


@pytest.mark.parametrize(
    ("mode", "channel", "checked", "covered"),
    [
        ("on", "studio", True, False),
        ("on", "after-dark", True, False),
        ("age_restricted", "studio", True, False),
        ("age_restricted", "after-dark", False, False),
        ("off", "studio", False, True),
        ("off", "after-dark", False, False),
    ],
)
async def test_the_filter_follows_the_setting_and_the_channel(
    easel: Easel, mode: str, channel: str, checked: bool, covered: bool
) -> None:
    await set_nsfw(easel, mode)
    message = await easel.finished(await easel.imagine(channel=channel))

    assert easel.providers.submissions[0].body["nsfw_checker"] is checked
    assert message.attachments[0].filename.startswith("SPOILER_") is covered
    assert ("Covered, because" in said(message)) is covered


@pytest.mark.parametrize("channel", ["studio", "after-dark"])
async def test_a_result_is_covered_by_the_channel_in_which_it_is_opened(
    easel: Easel, channel: str
) -> None:
    await set_nsfw(easel, "off")
    await easel.finished(await easel.imagine(channel=channel))
    await set_nsfw(easel, "age_restricted")
    [job] = await easel.rows("SELECT id FROM jobs")
    for place, covered in (("studio", True), ("after-dark", False), (DM, True)):
        call = await easel.discord.run_command("Ada", place, "job", {"id": job.id})
        shown = await call.response()
        assert shown.attachments[0].filename.startswith("SPOILER_") is covered
        assert ("Covered, because it was made without" in said(shown)) is covered


@pytest.mark.parametrize("channel", ["studio", "after-dark"])
async def test_what_is_shown_small_is_covered_as_the_result_is(easel: Easel, channel: str) -> None:
    await set_nsfw(easel, "off")
    reference = Upload("a.png", picture(40, 60))
    await easel.finished(await easel.imagine(channel=channel, reference1=reference))
    [job] = await easel.rows("SELECT id FROM jobs")
    for place, covered in (("studio", True), ("after-dark", False)):
        opened = await easel.discord.run_command("Ada", place, "job", {"id": job.id})
        calls = [
            await easel.discord.press("Ada", await opened.response(), label="Details"),
            await easel.discord.run_command("Ada", place, "history"),
            await easel.discord.run_command("Cleo", place, "moderation recent"),
        ]
        for call in calls:
            shown = await call.response()
            [small] = shown.attachments
            assert small.filename.startswith("SPOILER_") is covered
            assert any("image" in embed for embed in shown.embeds) is not covered


async def menu(easel: Easel, made: Message) -> Call:
    return await easel.discord.run_message_command("Ada", "after-dark", "Use as reference", made)


async def test_what_was_made_without_the_filter_is_shown_small_where_none_is_needed_alone(
    easel: Easel,
) -> None:
    await set_nsfw(easel, "age_restricted")
    made = await easel.finished(await easel.imagine(channel="after-dark"))
    for place, hidden in (("studio", True), ("after-dark", False), (DM, True)):
        assert "thumbnail" in (await (await menu(easel, made)).response()).embeds[0]
        basket = await easel.discord.run_command("Ada", place, "basket")
        assert ("thumbnail" in (await basket.response()).embeds[0]) is not hidden
        message = await easel.finished(await easel.imagine(channel=place, use_basket=True))
        names = [each.filename for each in message.attachments]
        assert (SHEET_NAME in names) is not hidden
        assert ("image" in message.embeds[0]) is not hidden


@pytest.mark.parametrize("days", [0, 1])
async def test_of_several_references_those_that_need_no_filter_are_shown_small(
    opened: OpenEasel, days: int
) -> None:
    async with opened(keep_results=days) as easel:
        await set_nsfw(easel, "age_restricted")
        made = await easel.finished(await easel.imagine(channel="after-dark"))
        await (await menu(easel, made)).response()
        own = Upload("a.png", picture(64, 64))
        message = await easel.finished(await easel.imagine(use_basket=True, reference1=own))
        [_, sheet] = message.attachments
        with Image.open(io.BytesIO(await easel.discord.read_attachment(sheet))) as opened_sheet:
            drawn = opened_sheet.convert("RGBA")
        width_px, height_px = drawn.size
        first, second = (drawn.getpixel((width_px * each // 4, height_px // 2)) for each in (1, 3))
        assert first[3] == 255
        assert second[3] < 255


FORUM = 15


@pytest.mark.parametrize("kind", [PUBLIC_THREAD, PRIVATE_THREAD])
@pytest.mark.parametrize("parent_kind", [TEXT_CHANNEL, FORUM])
@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("mode", ["age_restricted", "off"])
async def test_threads_and_posts_are_as_restricted_as_what_they_belong_to(
    opened: OpenEasel, kind: int, parent_kind: int, restricted: bool, mode: str
) -> None:
    def prepare(discord: PlaygroundDiscord) -> None:
        world = discord.world
        parent = world.add_channel(SERVER, "gallery", parent_kind, nsfw=restricted)
        about = {"bot_is_member": True} if kind == PRIVATE_THREAD else {}
        world.add_channel(SERVER, "post", kind, parent_id=parent.id, **about)

    async with opened(prepare=prepare) as easel:
        await set_nsfw(easel, mode)
        message = await easel.finished(await easel.imagine(channel="post"))

        checked = mode == "age_restricted" and not restricted
        assert easel.providers.submissions[0].body["nsfw_checker"] is checked
        covered = mode == "off" and not restricted
        assert message.attachments[0].filename.startswith("SPOILER_") is covered


@pytest.mark.parametrize("restricted", [True, False])
async def test_a_private_channel_is_like_any_other(opened: OpenEasel, restricted: bool) -> None:
    def prepare(discord: PlaygroundDiscord) -> None:
        world = discord.world
        server = world.guilds[world.channel("studio").guild_id]
        hidden = {server.id: (Permission(0), Permission.VIEW_CHANNEL)}
        seen = {
            user.id: (Permission.VIEW_CHANNEL, Permission(0))
            for user in (world.user("Ada"), world.bot)
        }
        world.add_channel(
            SERVER, "den", TEXT_CHANNEL, nsfw=restricted, overwrites={**hidden, **seen}
        )

    async with opened(prepare=prepare) as easel:
        await set_nsfw(easel, "age_restricted")
        await easel.finished(await easel.imagine(channel="den"))
        assert easel.providers.submissions[0].body["nsfw_checker"] is not restricted


async def test_in_direct_messages_the_filter_stays_on(easel: Easel) -> None:
    await set_nsfw(easel, "off")
    await easel.finished(await easel.imagine(channel=DM))
    assert easel.providers.submissions[0].body["nsfw_checker"] is True


async def test_details_and_the_log_say_whether_the_filter_was_on(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.engine")
    await set_nsfw(easel, "off")
    message = await easel.finished(await easel.imagine())
    details = await (await easel.discord.press("Ada", message, label="Details")).response()
    assert "NSFW filter: off" in said(details)
    [claimed] = [each for each in caplog.records if getattr(each, "action", "") == "job_claimed"]
    assert (claimed.nsfw_checker, claimed.spoiler) == (False, True)
    [job] = await easel.rows("SELECT nsfw_checker, spoiler FROM jobs")
    assert tuple(job) == (0, 1)


async def test_a_model_without_a_filter_is_there_once_the_filter_is_off(easel: Easel) -> None:
    await set_nsfw(easel, "off")
    message = await easel.finished(
        await easel.imagine(model="gpt-image-2", resolution="2K", aspect_ratio="1:1")
    )

    assert "· 0.03 cr" in said(message)
    body = easel.providers.submissions[0].body
    assert (body["model"], body["resolution"]) == ("gpt-image-2", "2K")
    assert "nsfw_checker" not in body


async def test_another_server_keeps_its_own_setting(easel: Easel) -> None:
    await set_nsfw(easel, "off")
    await easel.finished(await easel.imagine("Ada", "mockups"))

    assert easel.providers.submissions[0].body["nsfw_checker"] is True


async def test_every_change_is_recorded_and_shown(easel: Easel) -> None:
    assert "Nobody has changed it yet" in await set_nsfw(easel, None)
    assert "behind a spoiler cover" in await set_nsfw(easel, "off")
    await set_nsfw(easel, "off")
    shown = await set_nsfw(easel, "age_restricted")

    assert "Before: Off everywhere." in shown
    cleo = easel.discord.world.user("Cleo").id
    assert f"<@{cleo}>: **NSFW filter** On everywhere → Off everywhere" in shown
    assert f"<@{cleo}>: **NSFW filter** Off everywhere → Off in age-restricted channels" in shown
    changes = await easel.rows("SELECT user_id, old, new FROM setting_changes ORDER BY id")
    assert [tuple(change) for change in changes] == [
        (cleo, "on", "off"),
        (cleo, "off", "age_restricted"),
    ]


async def test_discord_hides_the_settings_from_members(easel: Easel) -> None:
    with pytest.raises(NotOfferedError):
        await easel.discord.run_command("Ada", "studio", "settings nsfw_checker", {"mode": "off"})


async def test_a_member_who_gets_at_the_settings_is_refused_by_us(easel: Easel) -> None:
    call = await easel.discord.run_command(
        "Ada", "studio", "settings nsfw_checker", {"mode": "off"}, check=False
    )
    message = await call.response()

    assert "Only members who may manage this server" in said(message)
    assert await easel.rows("SELECT 1 FROM setting_changes") == []


async def test_a_prompt_the_filter_refuses_is_made_once_it_is_off(easel: Easel) -> None:
    reference = Upload("a.png", picture())
    refused = await easel.finished(await easel.imagine(prompt="nsfw art", reference1=reference))
    assert "content filter" in said(refused)

    await set_nsfw(easel, "off")
    made = await easel.finished(await easel.imagine(prompt="nsfw art", reference1=reference))
    assert made.attachments
