"""What others may know of a member's job, and do with it, wherever it is shown."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from bot.chat import wire
from bot.engine.delivery import DELIVERY_WAIT_S
from bot.playground.discord import DM, Message, Permission, PlaygroundDiscord
from bot.playground.discord.world import TEXT_CHANNEL
from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said
from tests.support.moderation import (
    SERVER,
    card,
    filled,
    log_here,
    posted,
    press,
    with_log_channel,
)
from tests.support.pictures import noise
from tests.support.settings import decide as set_by_command

PICTURE = noise()
HIDDEN = "layoffs-of-june"


def prepare(discord: PlaygroundDiscord) -> None:
    with_log_channel(discord)
    hidden = discord.world.add_channel(SERVER, HIDDEN, TEXT_CHANNEL)
    everyone = discord.world.guild(SERVER).id
    hidden.overwrites[everyone] = (Permission(0), Permission.VIEW_CHANNEL)


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00", prepare=prepare) as easel:
        yield easel


async def shown_by_id(easel: Easel, place: str = "studio") -> Message:
    """Ada's latest job, as `/job` shows it to her."""
    ada = easel.discord.world.user("Ada").id
    job = (await easel.rows(f"SELECT id FROM jobs WHERE user_id = {ada} ORDER BY id"))[-1]
    call = await easel.discord.run_command("Ada", place, "job", {"id": job.id})
    return await call.until(lambda message: not message.is_loading)


async def publish(easel: Easel, draft: Message) -> Message:
    call = await press(easel, draft, "Publish", "Ada")
    return await call.until(lambda message: not message.is_loading)


async def edited(easel: Easel, message: Message) -> Message:
    form = await press(easel, message, "Edit", "Ada")
    modal = await form.opened_modal()
    return await easel.finished(
        await easel.discord.submit_modal("Ada", modal, {"prompt": "make it blue"})
    )


@pytest.mark.parametrize("member", ["Ben", "Ada"])
async def test_details_name_a_private_parent_to_its_member_alone(easel: Easel, member: str) -> None:
    draft = await easel.finished(await easel.imagine(private=True, prompt="my secret wish"))
    child = await publish(easel, await edited(easel, draft))
    assert not child.is_ephemeral
    told = said(await (await press(easel, child, "Details", member)).response())
    assert ("my secret wish" in told) == (member == "Ada")
    assert "make it blue" in told


@pytest.mark.parametrize("member", ["Ben", "Ada"])
async def test_details_name_no_parent_in_a_channel_that_the_member_does_not_see(
    easel: Easel, member: str
) -> None:
    world = easel.discord.world
    seen = (Permission.VIEW_CHANNEL, Permission(0))
    easel.discord.channel(HIDDEN).overwrites |= {
        each.id: seen for each in (world.user("Ada"), world.bot)
    }
    await easel.finished(await easel.imagine(channel=HIDDEN, prompt="who has to go"))
    child = await edited(easel, await shown_by_id(easel))
    assert not child.is_ephemeral
    told = said(await (await press(easel, child, "Details", member)).response())
    assert ("who has to go" in told) == (member == "Ada")


async def test_details_name_no_parent_that_was_removed(easel: Easel) -> None:
    parent = await easel.finished(await easel.imagine(prompt="awful words"))
    child = await edited(easel, parent)
    await filled(easel, await press(easel, await card(easel, parent), "Remove"), reason="no")
    told = said(await (await press(easel, child, "Details", "Ben")).response())
    assert "awful words" not in told
    assert "make it blue" in told


async def test_what_was_asked_for_in_direct_messages_goes_on_in_private(easel: Easel) -> None:
    await easel.finished(await easel.imagine(channel=DM, prompt="private words"))
    shown = await shown_by_id(easel)
    assert shown.is_ephemeral
    again = await easel.finished(await press(easel, shown, "Again", "Ada"))
    assert again.is_ephemeral
    # No moderator here could act on it, so it is not offered, not even to a changed client.
    assert "Publish" not in labels(shown)
    [job, _] = await easel.rows("SELECT id FROM jobs ORDER BY id")
    refused = await easel.forge("Ada", shown, f"publish:{job.id}").response()
    assert "does not work any more" in said(refused)
    assert not refused.attachments


async def test_publishing_minds_where_and_when_images_may_be_made(easel: Easel) -> None:
    draft = await easel.finished(await easel.imagine(private=True))
    await set_by_command(easel, "allowed_channels", allow="studio")
    elsewhere = await publish(easel, await shown_by_id(easel, "after-dark"))
    assert "does not allow making images in this channel" in said(elsewhere)
    await set_by_command(easel, "pause", reason="[free](https://evil.example) **raid**")
    paused = await publish(easel, draft)
    assert "have paused making images" in said(paused)
    # What moderators say acts as little as what members say.
    assert "](https" not in said(paused)
    assert not paused.attachments


async def test_a_copy_of_what_was_removed_gives_no_picture_to_work_from(easel: Easel) -> None:
    draft = await easel.finished(await easel.imagine(private=True))
    copy = await publish(easel, draft)
    other = await publish(easel, await shown_by_id(easel, "after-dark"))
    await filled(easel, await press(easel, await card(easel, copy), "Remove"), reason="no")
    for menu in ("Use as reference", "Edit image"):
        call = await easel.discord.run_message_command("Ben", "after-dark", menu, other)
        assert "A moderator has removed this image." in said(await call.response())


@pytest.mark.parametrize("seen", [False, True])
async def test_a_moderator_sees_a_private_job_only_where_the_server_says_so(
    easel: Easel, seen: bool
) -> None:
    if seen:
        await set_by_command(easel, "private_seen", seen=True)
    await easel.finished(await easel.imagine(private=True, prompt="my secret wish"))
    [job] = await easel.rows("SELECT id FROM jobs")
    # By a form, which a message need not offer.
    message = await easel.finished(await easel.imagine())
    form = await press(easel, await card(easel, message), "Remove")
    forged = replace(await form.opened_modal(), custom_id=f"mod_remove_why:{job.id}")
    sent = await easel.discord.submit_modal("Cleo", forged, {"reason": "x"})
    told = said(await sent.response())
    assert ("are gone" in told or "could not delete" in told) == seen
    assert bool(await easel.rows("SELECT 1 FROM jobs WHERE removed")) == seen


async def test_a_channel_s_name_is_told_to_those_who_see_it(easel: Easel) -> None:
    hidden, seen = (easel.discord.world.channel(name) for name in (HIDDEN, "studio"))
    prompt = f"a sign that reads <#{hidden.id}> and <#{seen.id}>"
    told = said(await easel.finished(await easel.imagine("Ben", prompt=prompt)))
    assert "layoffs" not in told
    assert "#channel and" in told.replace("\\", "")
    assert "#studio" in told.replace("\\", "")


async def test_many_changes_with_long_reasons_can_be_looked_at(easel: Easel) -> None:
    for number in range(10):
        reason = (f"{number} " + "(*_~|`:-) the host is moving " * 9)[:200]
        await set_by_command(easel, "pause", reason=reason)
    call = await easel.discord.run_command("Cleo", "studio", "settings trail")
    assert "the host is moving" in said(await call.response())


@pytest.mark.parametrize("label", ["Remove", "Spoiler"])
async def test_what_a_moderator_does_between_two_tries_of_a_delivery_stays_done(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    """Discord has shown the result, and its answer was lost."""
    await log_here(easel)
    go_on, waits = asyncio.Event(), asyncio.Event()
    sleep = easel.clock.sleep

    async def nap(seconds: float) -> None:
        if seconds == DELIVERY_WAIT_S and not go_on.is_set():
            waits.set()
            await go_on.wait()
        await sleep(seconds)

    monkeypatch.setattr(easel.clock, "sleep", nap)
    monkeypatch.setattr(wire, "RETRY_WAIT_S", 0.01)
    async with easel.held(VendorCall.RESULT) as call:
        await easel.until(lambda: easel.rows("SELECT 1 FROM tasks WHERE state = 'submitted'"))
        lost = {"method": "PATCH", "path": "/messages/@original"}
        easel.discord.faults.add(**lost, reset=True, after_effect=True, times=400)
    await asyncio.wait_for(waits.wait(), 20)
    easel.discord.faults._faults.clear()
    pressed = await press(easel, await card(easel, call.messages[0]), label)
    if label == "Remove":
        await filled(easel, pressed, reason="not here")
    else:
        await pressed.until(lambda message: not message.is_loading)
    go_on.set()
    await easel.idle()
    files = [
        each.filename
        for message in easel.discord.messages_for("Ada", "studio")
        for each in message.attachments
    ]
    assert [name.startswith("SPOILER_") for name in files] == ([] if label == "Remove" else [True])
    [job] = await easel.rows("SELECT state, keeps_images FROM jobs")
    assert tuple(job) == ("done", label != "Remove")


async def test_a_report_is_looked_into_although_its_image_was_deleted(easel: Easel) -> None:
    await log_here(easel)
    shown = await publish(easel, await easel.finished(await easel.imagine(private=True)))
    form = await easel.discord.run_message_command("Ben", "studio", "Report", shown)
    await filled(easel, form, "Ben", reason="rude")
    post = await posted(easel, "A member reported an image")
    await press(easel, shown, "Delete", "Ada")
    there = easel.discord.channel("studio").messages_by_id
    await easel.discord.wait_for(lambda: shown.id not in there, "its deletion")
    card_of_it = await (await press(easel, post, "Moderate")).response()
    assert "Remove" in labels(card_of_it)
