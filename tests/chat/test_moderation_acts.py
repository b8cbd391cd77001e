"""What moderators do: blocks, the acts on a result, what they look through, and who may not."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from bot.chat.wire import TRIES_MAX
from bot.domain.ledger import EntryKind
from bot.playground.discord import Message, NotOfferedError, Upload
from bot.playground.discord.validation import STRING_SELECT, walk
from bot.playground.faults import VendorCall
from bot.playground.studio import Fails
from bot.store import oversight
from tests.chat.test_history import undelivered
from tests.chat.test_privacy import erase
from tests.conftest import OpenEasel
from tests.support.easel import Easel, images, labels, said
from tests.support.moderation import (
    acts,
    card,
    command,
    decide,
    filled,
    log_here,
    logged,
    posted,
    press,
    server_id,
    user_id,
    with_log_channel,
)
from tests.support.pictures import noise, picture

PICTURE = noise()
ALLOWANCE_UCR = 10_000_000
GONE = {"code": 10008, "message": "Unknown Message"}
FORBIDDEN = {"code": 50001, "message": "Missing Access"}


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(
        paint=lambda _: PICTURE, allowance="10.00", prepare=with_log_channel
    ) as easel:
        yield easel


def current(easel: Easel, message: Message) -> Message | None:
    return easel.discord.world.channels[message.channel_id].messages_by_id.get(message.id)


def files(easel: Easel) -> list[str]:
    """Of jobs; the sheet of a list goes once its answer is known to be there."""
    names = {path.name for path in (easel.folder / "images").glob("*-*.*")}
    return sorted(name for name in names if not name.endswith("-list.fetched"))


async def block(easel: Easel, member: str = "Ada", reason: str = "spam", **given: str) -> str:
    given = {"member": member, "reason": reason} | given
    return said(await command(easel, "block", **given))


# Blocks.


async def test_a_blocked_member_is_told_why_and_until_when_and_nothing_is_held(
    easel: Easel,
) -> None:
    result = await easel.finished(await easel.imagine(private=True))
    entries = await easel.entries()
    assert "The block ends <t:" in await block(easel, reason="too *many*", end="2d")
    await easel.restart()

    refused = await easel.finished(await easel.imagine())
    assert refused.is_ephemeral
    words = said(refused)
    assert "You are blocked from making images here. The block ends <t:" in words
    assert "“too \\*many\\*”. Nothing was charged." in words
    assert "a paper lantern" in words
    for label in ("Again", "Edit", "Publish"):
        pressed = await press(easel, result, label, member="Ada")
        assert "You are blocked" in said(await pressed.response())
    empty = await easel.discord.run_command("Ada", "studio", "imagine", {})
    assert "You are blocked" in said(await empty.response())
    assert await easel.entries() == entries
    assert (await easel.finished(await easel.imagine("Ben"))).attachments


async def test_a_form_that_was_open_before_the_block_is_refused(easel: Easel) -> None:
    opened = await easel.discord.run_command("Ada", "studio", "imagine", {})
    form = await opened.opened_modal()
    await block(easel)
    sent = await easel.discord.submit_modal("Ada", form, {"prompt": "a lantern"})
    words = said(await sent.response())
    assert "You are blocked from making images here. The reason" in words
    assert await easel.entries() == []


async def test_a_confirmation_that_was_asked_before_the_block_is_refused(
    opened: OpenEasel,
) -> None:
    async with opened(allowance="10.00", confirm_above="0.01") as easel:
        result = await easel.finished(await easel.imagine())
        asked = await (await press(easel, result, "Again", member="Ada")).response()
        await block(easel)
        pressed = await press(easel, asked, "Yes, go on", member="Ada")
        assert "You are blocked" in said(await pressed.response())
        await command(easel, "unblock", member="Ada")
        # The draft was not used up.
        assert (
            await easel.finished(await press(easel, asked, "Yes, go on", member="Ada"))
        ).attachments


async def test_a_block_is_of_one_server(easel: Easel) -> None:
    await block(easel)
    assert (await easel.finished(await easel.imagine(channel="mockups"))).attachments
    assert (await easel.finished(await easel.imagine(channel="dm"))).attachments


async def test_whom_the_operator_blocks_is_blocked_everywhere(easel: Easel) -> None:
    now = easel.clock.now()
    ada = user_id(easel, "Ada")
    blocked = oversight.Block(oversight.EVERYWHERE, ada, 0, "abuse", now)
    await easel.app.database.write(oversight.block, blocked)
    for channel in ("studio", "mockups", "dm"):
        assert "You are blocked" in said(await easel.finished(await easel.imagine(channel=channel)))
    assert "is not blocked here" in said(await command(easel, "unblock", member="Ada"))


async def test_the_end_of_a_servers_block_promises_nothing_of_the_operators(easel: Easel) -> None:
    await block(easel)
    ada = user_id(easel, "Ada")
    blocked = oversight.Block(oversight.EVERYWHERE, ada, 0, "abuse", easel.clock.now())
    await easel.app.database.write(oversight.block, blocked)
    told = said(await command(easel, "unblock", member="Ada"))
    assert told == f"This server no longer blocks <@{ada}>."
    assert "You are blocked" in said(await easel.finished(await easel.imagine()))


async def test_a_block_ends_by_time_and_by_hand(easel: Easel) -> None:
    await block(easel, end="2 hours")
    listed = said(await command(easel, "blocks"))
    for each in (f"<@{user_id(easel, 'Ada')}>", f"<@{user_id(easel, 'Cleo')}>", "<t:", "spam"):
        assert each in listed
    easel.clock.advance(timedelta(hours=2, seconds=1).total_seconds())
    assert "Nobody is blocked here." in said(await command(easel, "blocks"))
    assert (await easel.finished(await easel.imagine())).attachments

    await block(easel)
    assert "no end set" in said(await command(easel, "blocks"))
    assert "no longer blocks" in said(await command(easel, "unblock", member="Ada"))
    assert "is not blocked here" in said(await command(easel, "unblock", member="Ada"))
    assert (await easel.finished(await easel.imagine())).attachments
    assert [each[0] for each in await acts(easel)] == ["block", "block", "unblock"]


@pytest.mark.parametrize("end", ["soon", "0d", "2020-01-01", "99999w"])
async def test_an_end_that_cannot_be_is_asked_for_again(easel: Easel, end: str) -> None:
    assert "I cannot read when the block is to end" in await block(easel, end=end)
    assert await acts(easel) == []


# What can be done with a result.


async def test_a_card_shows_a_result_and_what_can_be_done(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine(count=2))
    await easel.restart()
    shown = await card(easel, message)
    assert shown.is_ephemeral
    assert labels(shown) == ["Spoiler", "Remove", "Refund", "Block the member"]
    words = said(shown)
    for each in ("a paper lantern", f"/{message.id}", "Cost: 0.12 cr", await job_id(easel)):
        assert each in words
    assert "moderator has" not in words
    assert "Covered" not in words
    assert "references.webp" in shown.embeds[0]["image"]["url"]


async def test_what_is_not_made_yet_is_neither_removed_nor_refunded(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE):
        listed = await command(easel, "recent")
        opened = await easel.discord.select("Cleo", listed, [first_option(listed)])
        assert labels(await opened.response()) == ["Spoiler", "Block the member"]


@pytest.mark.parametrize("kept", [True, False])
async def test_spoiler_covers_the_message_and_whatever_is_shown_later(
    easel: Easel, kept: bool
) -> None:
    references = {"reference1": Upload("1.png", picture(40, 60))}
    message = await easel.finished(await easel.imagine(count=2, **references))
    if not kept:
        for path in (easel.folder / "images").glob("*.png"):
            path.unlink()
    await easel.restart()
    pressed = await press(easel, await card(easel, message), "Spoiler")
    answer = await pressed.response()
    assert "The images are covered, here" in said(answer)
    assert answer.is_ephemeral

    covered = current(easel, message)
    assert covered is not None
    names = [each.filename for each in covered.attachments]
    assert len(names) == 2
    assert all(name.startswith("SPOILER_easel-") for name in names)
    assert await easel.discord.read_attachment(covered.attachments[0]) == PICTURE
    assert "Covered by a moderator." in said(covered)
    assert "image" not in covered.embeds[0]
    assert labels(covered) == labels(message)
    shown = await card(easel, covered)
    assert "Spoiler" not in labels(shown)
    assert "Covered by a moderator." in said(shown)
    assert [each[:3] for each in await acts(easel)] == [("spoiler", "Cleo", "Ada")]
    if kept:
        call = await easel.discord.run_command("Ada", "studio", "job", {"id": await job_id(easel)})
        again = await call.until(lambda message: bool(message.attachments))
        assert all(each.filename.startswith("SPOILER_") for each in images(again))
        assert "Covered by a moderator." in said(again)


@pytest.mark.parametrize("label", ["Again", "Vary"])
async def test_what_is_covered_is_shown_beneath_no_later_result(easel: Easel, label: str) -> None:
    parent = await easel.finished(await easel.imagine())
    message = await easel.finished(await press(easel, parent, "Vary", "Ben"))
    assert "image" in message.embeds[0]
    await (await press(easel, await card(easel, parent), "Spoiler")).response()
    pressed = await press(easel, message if label == "Again" else parent, label, "Ben")
    later = await easel.finished(pressed)
    assert len(later.attachments) == 1
    assert "image" not in later.embeds[0]


async def test_what_was_removed_is_not_said_to_be_covered(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    shown = await card(easel, message)
    await filled(easel, await press(easel, shown, "Remove"), reason="no")
    late = await press(easel, shown, "Spoiler")
    assert said(await late.response()) == "A moderator has removed this image."
    assert [each[0] for each in await acts(easel)] == ["remove"]


async def job_id(easel: Easel) -> str:
    [row] = await easel.rows("SELECT id FROM jobs ORDER BY id DESC LIMIT 1")
    return str(row.id)


async def test_a_message_that_cannot_be_changed_is_said_so_and_tried_again(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    shown = await card(easel, message)
    easel.discord.faults.add(method="PATCH", path="/channels/", status=403, body=FORBIDDEN, times=1)
    pressed = await press(easel, shown, "Spoiler")
    assert "could not change their message" in said(await pressed.response())
    again = await press(easel, shown, "Spoiler")
    assert "The images are covered, here" in said(await again.response())
    assert len(await acts(easel)) == 1


async def test_remove_takes_message_files_and_history(easel: Easel) -> None:
    references = {"reference1": Upload("1.png", picture(40, 60))}
    message = await easel.finished(await easel.imagine(**references))
    other = await easel.finished(await easel.imagine(prompt="a heron"))
    await easel.restart()
    before = files(easel)
    form = await press(easel, await card(easel, message), "Remove")
    direct = easel.discord.world.dm(easel.discord.world.user("Ada")).messages
    done = await filled(easel, form, reason="not ours")

    assert "The message and the kept images are gone." in said(done)
    assert done.is_ephemeral
    assert current(easel, message) is None
    assert current(easel, other) is not None
    assert len(before) - len(files(easel)) == 2
    call = await easel.discord.run_command("Ada", "studio", "history")
    listed = said(await call.until(lambda message: not message.is_loading))
    assert "a heron" in listed
    assert "a paper lantern" not in listed
    [removed] = await easel.rows("SELECT id FROM jobs WHERE removed")
    opened = await easel.discord.run_command("Ada", "studio", "job", {"id": removed.id})
    assert "A moderator has removed this image." in said(await opened.response())
    assert await acts(easel) == [("remove", "Cleo", "Ada", None, "not ours")]
    recent = said(await command(easel, "recent"))
    assert f"/{message.id}" not in recent
    assert f"/{other.id}" in recent
    # The member is not written to.
    assert easel.discord.world.dm(easel.discord.world.user("Ada")).messages == direct


@pytest.mark.parametrize(("label", "method"), [("Spoiler", "PATCH"), ("Remove", "DELETE")])
async def test_a_moderator_is_answered_while_discord_is_still_at_it(
    easel: Easel, label: str, method: str
) -> None:
    go_on = asyncio.Event()
    shown = await card(easel, await easel.finished(await easel.imagine()))
    request = easel.discord.faults.add(method=method, path="/channels/", hold=go_on)
    call = await press(easel, shown, label)
    if label == "Remove":
        form = await call.opened_modal()
        call = await easel.discord.submit_modal("Cleo", form, {"reason": "no"})
    await easel.held_by(request)
    assert [each.is_loading for each in call.messages] == [True]
    go_on.set()
    await call.response()


@pytest.mark.parametrize("label", ["Spoiler", "Remove"])
async def test_what_is_opened_from_the_list_is_found_where_it_stands(
    easel: Easel, label: str
) -> None:
    message = await easel.finished(await easel.imagine())
    listed = await command(easel, "recent")
    opened = await easel.discord.select("Cleo", listed, [first_option(listed)])
    call = await press(easel, await opened.response(), label)
    if label == "Remove":
        assert "are gone" in said(await filled(easel, call, reason="no"))
        assert current(easel, message) is None
    else:
        assert "are covered, here" in said(await call.response())
        [image] = images(current(easel, message) or message)
        assert image.filename.startswith("SPOILER_")


@pytest.mark.parametrize("readable", [True, False])
async def test_what_was_published_again_after_it_was_deleted_is_removed_from_the_list(
    easel: Easel, *, readable: bool
) -> None:
    result = await easel.finished(await easel.imagine())
    await press(easel, result, "Delete")
    await easel.discord.wait_for(lambda: current(easel, result) is None, "the message is gone")
    own_id = await job_id(easel)
    call = await easel.discord.run_command("Ada", "studio", "job", {"id": own_id})
    own = await call.until(lambda message: bool(message.attachments))
    pressed = await press(easel, own, "Publish", member="Ada")
    published = await pressed.until(lambda message: bool(message.attachments))

    listed = await command(easel, "recent")
    opened = await easel.discord.select("Cleo", listed, [own_id])
    shown = await opened.until(lambda message: not message.is_loading)
    if not readable:
        easel.discord.faults.add(method="GET", path="/messages", status=403)
    removed = await filled(easel, await press(easel, shown, "Remove"), reason="cruel")
    told = "The message and the kept images are gone." if readable else "I could not delete"
    assert told in said(removed)
    assert (current(easel, published) is None) is readable


async def test_a_copy_of_what_was_removed_gives_nothing_out(easel: Easel) -> None:
    draft = await easel.finished(await easel.imagine(private=True))
    pressed = await press(easel, draft, "Publish", member="Ada")
    copy = await pressed.until(lambda message: bool(message.attachments))
    await filled(easel, await press(easel, await card(easel, copy), "Remove"), reason="no")
    assert current(easel, copy) is None
    # Its own message, which its member alone sees, went as well.
    assert current(easel, draft) is None


async def test_a_private_message_that_stays_with_its_member_is_said(easel: Easel) -> None:
    """Nobody can delete it once the interaction's token has ended."""
    draft = await easel.finished(await easel.imagine(private=True))
    pressed = await press(easel, draft, "Publish", member="Ada")
    copy = await pressed.until(lambda message: bool(message.attachments))
    for clock in (easel.clock, easel.discord.clock):
        clock.advance(15 * 60 + 1)
    form = await press(easel, await card(easel, copy), "Remove")
    done = await filled(easel, form, reason="no")
    assert "could not delete the message" in said(done)
    assert current(easel, copy) is None
    assert files(easel) == []


@pytest.mark.parametrize("label", ["Remove", "Spoiler"])
@pytest.mark.parametrize("way", ["edited", "posted", "posted, but the answers are lost"])
async def test_what_is_decided_about_a_result_on_its_way_holds_for_it(
    easel: Easel, label: str, way: str
) -> None:
    """Its upload has begun when a moderator decides, and the bot hears of its end after that."""
    go_on = asyncio.Event()
    on = {"method": "PATCH", "path": "/messages/@original", "hold": go_on}
    async with easel.held(VendorCall.CREATE):
        if way != "edited":
            easel.clock.advance(15 * 60)
            studio = easel.discord.channel("studio")
            on |= {"method": "POST", "path": f"/channels/{studio.id}/messages"}
        if "lost" in way:
            on |= {"reset": True, "after_effect": True, "times": TRIES_MAX}
        upload = easel.discord.faults.add(**on)
    await easel.held_by(upload)
    listed = await command(easel, "recent")
    [menu] = [part for part in walk(listed.components) if part["type"] == STRING_SELECT]
    opened = await easel.discord.select("Cleo", listed, [menu["options"][0]["value"]])
    shown = await opened.until(lambda each: not each.is_loading)
    assert labels(shown) == ["Spoiler", "Remove", "Block the member"]
    pressed = await press(easel, shown, label)
    if label == "Remove":
        assert "are gone" in said(await filled(easel, pressed, reason="no"))
    else:
        assert "are covered" in said(await pressed.until(lambda each: not each.is_loading))
    go_on.set()
    await easel.idle()
    public = [each for each in easel.discord.channel("studio").messages if not each.is_ephemeral]
    results = [image.filename for message in public for image in images(message)]
    assert upload.hits == upload.times
    if label == "Remove":
        assert (results, files(easel)) == ([], [])
    else:
        [image] = results
        assert image.startswith("SPOILER_")


@pytest.mark.parametrize(("label", "method"), [("Remove", "DELETE"), ("Spoiler", "PATCH")])
async def test_what_is_decided_about_a_result_on_its_way_is_done_after_a_restart(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, label: str, method: str
) -> None:
    """The process ends just as it is to take the message away, or to cover it."""
    monkeypatch.setattr("bot.engine.runner.STOP_GRACE_S", 0.01)
    go_on, never = asyncio.Event(), asyncio.Event()
    async with easel.held(VendorCall.CREATE):
        upload = easel.discord.faults.add(method="PATCH", path="@original", hold=go_on)
    await easel.held_by(upload)
    by = (server_id(easel), await job_id(easel), user_id(easel, "Cleo"))
    step = partial(oversight.remove, reason="no") if label == "Remove" else oversight.cover
    await easel.app.database.write(step, *by, now=easel.clock.now())
    done = easel.discord.faults.add(method=method, path="/channels/", hold=never)
    go_on.set()
    await easel.held_by(done)
    await easel.restart()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE finished_at IS NOT NULL"))
    await easel.idle()
    public = [each for each in easel.discord.channel("studio").messages if not each.is_ephemeral]
    results = [image.filename for message in public for image in images(message)]
    never.set()
    assert all(name.startswith("SPOILER_") for name in results)
    assert len(results) == (label == "Spoiler")


async def test_a_removal_whose_message_stays_can_be_tried_again(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    shown = await card(easel, message)
    easel.discord.faults.add(method="DELETE", path="/channels/", status=403, body=FORBIDDEN)
    done = await filled(easel, await press(easel, shown, "Remove"), reason="no")
    assert "could not delete the message" in said(done)
    assert files(easel) == []
    for label in ("Again", "Details"):
        pressed = await press(easel, message, label, member="Ben")
        assert "A moderator has removed this image." in said(await pressed.response())
    shown = await card(easel, message)
    assert "A moderator has removed this image." in said(shown)
    assert "Spoiler" not in labels(shown)
    again = await filled(easel, await press(easel, shown, "Remove"), reason="x")
    assert "are gone" in said(again)
    assert current(easel, message) is None
    assert len(await acts(easel)) == 1


async def test_what_a_dead_process_left_of_a_removal_is_tidied_away(easel: Easel) -> None:
    """It died between the commit and the files."""
    await easel.finished(await easel.imagine())
    given = (server_id(easel), await job_id(easel), user_id(easel, "Cleo"), "no")
    await easel.app.database.write(oversight.remove, *given, easel.clock.now())
    assert files(easel)
    call = await easel.discord.run_command("Ada", "studio", "history")
    assert "a paper lantern" not in said(await call.until(lambda message: not message.is_loading))
    await easel.restart()

    async def are_gone() -> bool:
        return not files(easel)

    await easel.until(are_gone)


async def test_what_is_removed_before_its_process_ends_it_is_not_posted_again(
    easel: Easel,
) -> None:
    """The message stood, and the process died before it wrote that down."""
    async with easel.held(VendorCall.RESULT):
        await easel.until(lambda: easel.rows("SELECT 1 FROM tasks WHERE state = 'submitted'"))
        given = (server_id(easel), await job_id(easel), user_id(easel, "Cleo"), "no")
        await easel.app.database.write(oversight.remove, *given, easel.clock.now())
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE finished_at IS NOT NULL"))
    await easel.idle()
    assert files(easel) == []
    shown = easel.discord.messages_for("Ada", "studio")
    assert not any(each.attachments for each in shown)


async def test_a_result_is_refunded_once(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    shown = await card(easel, message)
    pressed = await press(easel, shown, "Refund")
    ada = user_id(easel, "Ada")
    assert f"<@{ada}> was given back 0.06 cr." in said(await pressed.response())
    again = await press(easel, shown, "Refund")
    assert "There is nothing to give back" in said(await again.response())
    assert await easel.balance_ucr() == ALLOWANCE_UCR
    [refund] = await easel.entries(EntryKind.REFUND)
    assert refund.user_id == ada
    assert await acts(easel) == [("refund", "Cleo", "Ada", 60_000, "")]
    assert "Refund" not in labels(await card(easel, message))


async def test_two_presses_at_once_refund_once(easel: Easel) -> None:
    shown = await card(easel, await easel.finished(await easel.imagine()))
    pressed = [await press(easel, shown, "Refund") for _ in range(3)]
    answers = await asyncio.gather(*(each.response() for each in pressed))
    assert sum("was given back 0.06" in said(each) for each in answers) == 1
    assert await easel.balance_ucr() == ALLOWANCE_UCR


async def test_its_member_is_blocked_from_a_result(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    form = await press(easel, await card(easel, message), "Block the member")
    assert "The block ends <t:" in said(await filled(easel, form, reason="spam", end="1w"))
    assert "You are blocked" in said(await easel.finished(await easel.imagine()))
    assert await acts(easel) == [("block", "Cleo", "Ada", None, "spam")]


async def test_each_act_is_posted_in_the_log_channel_with_a_link(easel: Easel) -> None:
    await log_here(easel)
    message = await easel.finished(await easel.imagine())
    shown = await card(easel, message)
    await press(easel, shown, "Spoiler")
    post = await posted(easel, "Covered an image")
    await press(easel, shown, "Refund")
    assert "Amount: 0.06 cr" in said(await posted(easel, "Refunded"))
    await filled(easel, await press(easel, shown, "Remove"), reason="a *rule*")
    removed = await posted(easel, "Removed an image")
    assert "Reason: a \\*rule\\*" in said(removed)
    assert "a paper lantern" not in said(removed)
    await block(easel, end="2d")
    assert "Ends: <t:" in said(await posted(easel, "Blocked"))
    await command(easel, "unblock", member="Ada")
    await posted(easel, "Block ended")
    assert f"/{message.id}" in said(post)
    assert "a paper lantern" in said(post)
    assert f"Member: <@{user_id(easel, 'Ada')}>" in said(post)
    assert await job_id(easel) in said(post)
    assert not re.search("Amount|Ends", said(post))
    assert f"Moderator: <@{user_id(easel, 'Cleo')}>" in said(post)
    assert len(logged(easel)) == 5
    assert not any(each.mentions for each in logged(easel))


async def test_the_log_channel_quotes_nothing_private_even_if_it_was_published(
    easel: Easel,
) -> None:
    await log_here(easel)
    draft = await easel.finished(await easel.imagine(private=True))
    pressed = await press(easel, draft, "Publish", member="Ada")
    copy = await pressed.until(lambda message: bool(message.attachments))
    await press(easel, await card(easel, copy), "Spoiler")
    post = await posted(easel, "Covered")
    assert "a paper lantern" not in said(post)
    assert f"/{copy.id}" in said(post)


@pytest.mark.parametrize(("member", "recorded"), [("Cleo", True), ("Ada", False)])
async def test_a_message_deleted_by_another_than_its_member_is_an_act(
    easel: Easel, member: str, recorded: bool
) -> None:
    await log_here(easel)
    message = await easel.finished(await easel.imagine())
    await easel.discord.press(member, message, label="Delete")
    await easel.discord.wait_for(lambda: current(easel, message) is None, "deletion")
    if recorded:
        await posted(easel, "Message deleted")
    await easel.restart()
    assert await acts(easel) == ([("delete", "Cleo", "Ada", None, "")] if recorded else [])
    assert len(logged(easel)) == (1 if recorded else 0)
    assert files(easel)


async def test_a_log_channel_that_cannot_be_written_to_harms_nothing(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    await decide(easel, "log_channel_id", 1)
    assert "cannot make images here" in await block(easel)
    await easel.until(lambda: failed(caplog))
    assert len(await acts(easel)) == 1


async def failed(caplog: pytest.LogCaptureFixture) -> bool:
    return any(getattr(each, "action", "") == "log_channel_failed" for each in caplog.records)


# What moderators look through.


async def test_recent_shows_everyones_images_by_page_and_by_member(easel: Easel) -> None:
    for number in range(9):
        await easel.finished(await easel.imagine(prompt=f"lantern {number}"))
    bens = await easel.finished(await easel.imagine("Ben", prompt="a heron"))
    await easel.finished(await easel.imagine("Ben", channel="mockups", prompt="a secret"))
    shown = await command(easel, "recent")
    words = said(shown)
    assert shown.is_ephemeral
    assert "a heron" in words
    assert f"/{bens.id})" in words
    assert f"<@{user_id(easel, 'Ben')}> <#{bens.channel_id}>" in words
    assert "0.06 cr" in words
    assert "lantern 2" in words
    assert "lantern 1" not in words
    assert "a secret" not in words
    assert "references.webp" in shown.embeds[0]["image"]["url"]
    await easel.restart()
    older = await (await press(easel, shown, "Older")).until(
        lambda message: "lantern 1" in said(message)
    )
    assert "lantern 0" in said(older)
    assert labels(older) == ["Newest"]

    only = await command(easel, "recent", member="Ben")
    assert "a heron" in said(only)
    assert "lantern" not in said(only)
    opened = await easel.discord.select("Cleo", only, [first_option(only)])
    assert "Remove" in labels(await opened.response())


async def test_recent_lists_what_has_images_to_act_on(easel: Easel) -> None:
    await easel.finished(await easel.imagine(prompt="a heron"))
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "no"))
    await easel.finished(await easel.imagine(prompt="what failed"))
    await undelivered(easel)
    listed = await command(easel, "recent")
    assert "a heron" in said(listed)
    assert "a paper lantern" in said(listed)
    assert "what failed" not in said(listed)
    await erase(easel)
    assert "There is nothing yet" in said(await command(easel, "recent"))


def first_option(message: Message) -> str:
    [menu] = [part for part in walk(message.components) if part["type"] == STRING_SELECT]
    return str(menu["options"][0]["value"])


async def test_private_images_are_seen_only_if_members_were_told_so(easel: Easel) -> None:
    await easel.finished(await easel.imagine(prompt="a secret", private=True))
    assert "a secret" not in said(await command(easel, "recent"))
    assert "private images" not in await said_by_help(easel)

    now = easel.clock.now()
    given = (server_id(easel), lambda _: {"private_seen": True}, user_id(easel, "Cleo"))
    await easel.app.database.write(oversight.settings.change, *given, now)
    call = await easel.imagine(prompt="another one", private=True)
    hint = await call.until(lambda message: "can see private images, too" in said(message))
    assert hint.is_ephemeral
    await easel.finished(call)
    listed = await command(easel, "recent")
    words = said(listed)
    assert "another one" in words
    assert "· private" in words
    # It was asked for while nobody else was to see it.
    assert "a secret" not in words
    assert "can see private images, too" in await said_by_help(easel)
    opened = await easel.discord.select("Cleo", listed, [first_option(listed)])
    # Its message is shown to its member alone.
    assert f"Image: <#{hint.channel_id}>" in said(await opened.response())


async def said_by_help(easel: Easel) -> str:
    return said(await (await easel.discord.run_command("Ben", "studio", "help")).response())


async def test_the_trail_is_shown_by_pages(easel: Easel) -> None:
    assert "There is nothing yet." in said(await command(easel, "acts"))
    for number in range(12):
        await block(easel, reason=f"reason {number}.")
    shown = await command(easel, "acts")
    assert "reason 11." in said(shown)
    assert "reason 1." not in said(shown)
    older = await (await press(easel, shown, "Older")).response()
    assert "reason 1." in said(older)
    cleo, ada = (user_id(easel, name) for name in ("Cleo", "Ada"))
    assert re.search(rf"<t:\d+:f> · <@{cleo}> · \*\*Blocked\*\* · <@{ada}>", said(older))
    newest = await (await press(easel, older, "Newest")).response()
    assert "reason 11." in said(newest)


# Who may not.

REFUSED = "Only members who may manage this server can do that."
COMMANDS = {
    "recent": {},
    "block": {"member": "Ada", "reason": "spam"},
    "unblock": {"member": "Ada"},
    "blocks": {},
    "acts": {},
}
PRESSES = (
    "mod_card", "mod_spoiler", "mod_remove", "mod_refund", "mod_block", "mod_remove_why",
    "mod_block_why", "mod_recent", "mod_blocks", "mod_acts",
)  # fmt: skip


async def test_discord_offers_it_to_moderators_alone(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    with pytest.raises(NotOfferedError):
        await command(easel, "recent", who="Ben")
    with pytest.raises(NotOfferedError):
        await card(easel, message, member="Ben")
    with pytest.raises(NotOfferedError):
        await easel.discord.run_command("Cleo", "dm", "moderation recent")


async def test_ben_is_refused_where_the_server_shows_him_the_command(easel: Easel) -> None:
    for name, given in COMMANDS.items():
        call = await easel.discord.run_command(
            "Ben", "studio", f"moderation {name}", given, check=False
        )
        answer = await call.response()
        assert said(answer) == REFUSED, name
        assert answer.is_ephemeral
    assert await acts(easel) == []


def forged(message: Message, custom_id: str) -> None:
    """As a modified client could send it: the first button of the message is another."""
    message.components[0]["components"][0]["custom_id"] = custom_id


async def test_ben_is_refused_at_each_button_and_form(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    real = f":{await job_id(easel)}:{message.channel_id}:{message.id}"
    for name in PRESSES:
        for arguments in (real, "", ":x:y:z:9"):
            forged(message, name + arguments)
            call = await easel.discord.press("Ben", message, custom_id=name + arguments)
            assert said(await call.response()) == REFUSED, name + arguments
    assert await acts(easel) == []
    assert current(easel, message) is not None


async def test_ben_is_refused_at_the_list_and_the_menu(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    call = await easel.discord.run_message_command(
        "Ben", "studio", "Moderate", message, check=False
    )
    assert said(await call.response()) == REFUSED
    listed = await command(easel, "recent")
    forged(message, "mod_open")
    pressed = await easel.discord.press("Ben", message, custom_id="mod_open")
    assert said(await pressed.response()) == REFUSED
    assert listed.is_ephemeral


async def test_ben_cannot_send_in_a_moderators_form(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    opened = await press(easel, await card(easel, message), "Remove")
    form = await opened.opened_modal()
    ben = easel.discord.world.user("Ben")
    stolen = replace(form, interaction=replace(form.interaction, user=ben))
    sent = await easel.discord.submit_modal("Ben", stolen, {"reason": "mine"})
    assert said(await sent.response()) == REFUSED
    assert current(easel, message) is not None


async def test_ben_cannot_cancel_with_the_form_of_a_moderator(easel: Easel) -> None:
    reference = {"reference1": Upload("a.png", picture())}
    async with easel.held(VendorCall.UPLOAD, **reference) as call:
        opened = await press(easel, call.messages[0], "Cancel")
        form = await opened.opened_modal()
        ben = easel.discord.world.user("Ben")
        stolen = replace(form, interaction=replace(form.interaction, user=ben))
        sent = await easel.discord.submit_modal("Ben", stolen, {"reason": "mine"})
        assert "Only whoever asked for this image" in said(await sent.response())
    assert (await easel.finished(call)).attachments
    assert await acts(easel) == []


async def test_a_moderator_of_another_server_can_do_nothing_here(easel: Easel) -> None:
    """Cleo moderates both, so the job stands for one of a server that she does not."""
    message = await easel.finished(await easel.imagine())
    theirs = await easel.finished(await easel.imagine(channel="mockups"))
    [first] = await easel.rows(f"SELECT id FROM jobs WHERE message_id = {message.id}")
    for name in PRESSES[:7]:
        custom_id = f"{name}:{first.id}:{message.channel_id}:{message.id}"
        forged(theirs, custom_id)
        call = await easel.discord.press("Cleo", theirs, custom_id=custom_id)
        assert "not an image that I made in this server" in said(await call.response()), name
    assert await acts(easel) == []
    assert current(easel, message) is not None


async def test_another_bots_message_opens_no_private_image(easel: Easel) -> None:
    """Its buttons name it, as nobody's may but those of messages to who may see it."""
    private = await easel.finished(await easel.imagine(private=True))
    posted = await easel.discord.post("Ben", "studio", "hello")
    forged = replace(posted, components=private.components)
    easel.discord.world.channels[posted.channel_id].messages_by_id[posted.id] = forged
    assert "not an image that I made in this server" in said(await card(easel, forged))


async def test_in_direct_messages_nobody_moderates(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine("Cleo", channel="dm"))
    for name in PRESSES:
        custom_id = f"{name}:{await job_id(easel)}:{message.channel_id}:{message.id}"
        forged(message, custom_id)
        call = await easel.discord.press("Cleo", message, custom_id=custom_id)
        assert said(await call.response()) == REFUSED, name


@pytest.mark.parametrize(
    "arguments", ["", ":", ":nothing", ":{job}:x:y", f":{{job}}:{'9' * 40}:{'9' * 40}"]
)
@pytest.mark.parametrize("name", ["mod_card", "mod_refund", "mod_recent", "mod_blocks", "mod_acts"])
async def test_garbage_of_a_moderators_client_does_no_harm(
    easel: Easel, name: str, arguments: str
) -> None:
    message = await easel.finished(await easel.imagine())
    custom_id = name + arguments.format(job=await job_id(easel))
    forged(message, custom_id)
    call = await easel.discord.press("Cleo", message, custom_id=custom_id)
    answer = await call.until(lambda message: not message.is_loading)
    assert "Something went wrong" not in said(answer)


async def test_a_removal_deletes_no_message_that_does_not_show_the_job(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    bens = await easel.discord.post("Ben", "studio", "hello")
    other = await easel.finished(await easel.imagine(prompt="a heron"))
    first = await easel.rows(f"SELECT id FROM jobs WHERE message_id = {message.id}")
    for spared in (bens, other):
        custom_id = f"mod_remove:{first[0].id}:{spared.channel_id}:{spared.id}"
        forged(message, custom_id)
        opened = await easel.discord.press("Cleo", message, custom_id=custom_id)
        await filled(easel, opened, reason="no")
        assert current(easel, spared) is not None
        if current(easel, message) is None:
            break
    assert current(easel, message) is None
    assert await acts(easel) == [("remove", "Cleo", "Ada", None, "no")]


@pytest.mark.parametrize(
    ("allowance", "lost"), [("0.05", " Of that, 0.19 cr has expired because"), ("9.90", "")]
)
async def test_a_refund_says_what_of_it_a_lowered_allowance_takes_again(
    easel: Easel, allowance: str, lost: str
) -> None:
    result = await easel.finished(await easel.imagine(count=4))
    shown = await card(easel, result)
    given = {"allowance": allowance}
    await (await easel.discord.run_command("Cleo", "studio", "quota set", given)).response()
    told = said(await (await press(easel, shown, "Refund")).response())
    assert told.partition(">")[2].startswith(f" was given back 0.24 cr.{lost}")
    assert bool(lost) is ("expired" in told)
    call = await easel.discord.run_command("Ada", "studio", "credits")
    assert f"{allowance} cr left" in said(await call.response())


async def test_a_refund_says_what_of_it_has_expired(easel: Easel) -> None:
    result = await easel.finished(await easel.imagine())
    shown = await card(easel, result)
    easel.clock.advance(86_400)
    await easel.finished(await easel.imagine())
    told = said(await (await press(easel, shown, "Refund")).response())
    assert "was given back 0.06 cr. Of that, 0.06 cr has expired" in told
    assert "/quota grant gives credits that do not expire" in told
    call = await easel.discord.run_command("Ada", "studio", "credits")
    words = said(await call.response())
    for shown in ("9.94 cr left", "+0.06 cr · refunded", "-0.06 cr · expired"):
        assert shown in words
    assert not re.search("held|settled|released", words)
    # Each job cost all that was held, so that nothing of the hold was left to move.
    account = await easel.discord.run_command("Cleo", "studio", "quota member", {"member": "Ada"})
    words = said(await account.response())
    assert "-0.06 cr · held" in words
    assert "+0.00 cr" not in words


# Members whose data was erased.


async def test_an_erased_members_job_is_nobodys_to_moderators(easel: Easel) -> None:
    result = await easel.finished(await easel.imagine())
    before = await card(easel, result)
    await erase(easel)
    shown = await card(easel, result)
    assert "Asked by: someone whose data was erased" in said(shown)
    assert "<@-" not in said(shown)
    assert labels(shown) == ["Spoiler", "Remove"]

    pressed = await press(easel, before, "Refund")
    assert "There is nothing to give back" in said(await pressed.response())
    pressed = await press(easel, before, "Block the member")
    assert "does not work any more" in said(await pressed.response())
    assert await acts(easel) == []
