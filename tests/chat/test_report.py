"""Report in a message's menu: what moderators get of it, how often, and what nobody is told."""

from collections.abc import AsyncIterator

import pytest

from bot.domain.oversight import REPORTS_PER_HOUR_MAX
from bot.playground.discord import Call, Message, NotOfferedError
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said
from tests.support.moderation import (
    acts,
    command,
    filled,
    log_here,
    logged,
    posted,
    press,
    user_id,
    with_log_channel,
)
from tests.support.pictures import noise

PICTURE = noise()


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(
        paint=lambda _: PICTURE, allowance="10.00", prepare=with_log_channel
    ) as easel:
        await log_here(easel)
        yield easel


async def menu(easel: Easel, message: Message, member: str = "Ben") -> Call:
    return await easel.discord.run_message_command(member, message.channel_id, "Report", message)


async def report(
    easel: Easel, message: Message, member: str = "Ben", reason: str = "it is *rude*"
) -> str:
    """What the reporter reads."""
    call = await menu(easel, message, member)
    return said(await filled(easel, call, member, reason=reason))


async def test_a_report_reaches_the_moderators_with_what_they_can_do(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine(prompt="a fight"))
    assert "Thank you." in await report(easel, message)
    post = await posted(easel, "A member reported an image")
    words = said(post)
    assert "a fight" in words
    assert f"/{message.id}" in words
    assert f"Member: <@{user_id(easel, 'Ada')}>" in words
    assert "Reason: it is \\*rude\\*" in words
    assert labels(post) == ["Spoiler", "Remove", "Refund", "Block the member", "Moderate"]
    assert await acts(easel) == [("report", "Ben", "Ada", None, "it is *rude*")]


async def test_nobody_is_told_who_reported_but_the_moderators_trail(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    await report(easel, message)
    post = await posted(easel, "A member reported an image")
    ben = f"{user_id(easel, 'Ben')}"
    assert ben not in said(post)
    assert ben not in "".join(said(each) for each in easel.discord.messages_for("Ada", "studio"))
    assert easel.discord.world.dm(easel.discord.world.user("Ada")).messages == []
    assert f"<@{ben}> · **Reported an image**" in said(await command(easel, "acts"))


async def test_its_buttons_work_after_a_restart_and_for_moderators_alone(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    await report(easel, message)
    post = await posted(easel, "A member reported an image")
    await easel.restart()
    for label in labels(post):
        refused = await (await press(easel, post, label, member="Ben")).response()
        assert "Only members who may manage this server" in said(refused)
    opened = await (await press(easel, post, "Moderate")).response()
    assert "Remove" in labels(opened)
    await filled(easel, await press(easel, post, "Remove"), reason="rude")
    assert message.id not in {each.id for each in easel.discord.channel("studio").messages}
    assert [each[:2] for each in await acts(easel)] == [("report", "Ben"), ("remove", "Cleo")]


async def test_a_result_is_reported_once_by_each_member(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    await report(easel, message)
    await easel.restart()
    again = await (await menu(easel, message)).response()
    assert "You have reported this image already" in said(again)
    assert "Thank you." in await report(easel, message, "Ada")
    assert len(await acts(easel)) == 2


async def test_two_forms_of_one_result_are_one_report(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    forms = [await menu(easel, message) for _ in range(2)]
    for form in forms:
        await form.opened_modal()
    answers = [said(await filled(easel, form, "Ben", reason="rude")) for form in forms]
    assert "moderators of this server can see your report" in answers[0]
    assert "already" in answers[1]
    assert len(await acts(easel)) == 1


async def test_a_member_sends_a_few_reports_an_hour(easel: Easel) -> None:
    results = [await easel.finished(await easel.imagine()) for _ in range(REPORTS_PER_HOUR_MAX + 1)]
    for message in results[:-1]:
        await report(easel, message)
    refused = await (await menu(easel, results[-1])).response()
    assert "several reports within an hour" in said(refused)
    easel.clock.advance(3_601)
    assert "Thank you." in await report(easel, results[-1])


async def test_without_a_log_channel_the_reporter_is_told_so(opened: OpenEasel) -> None:
    async with opened() as easel:
        message = await easel.finished(await easel.imagine())
        told = await (await menu(easel, message)).response()
        assert "have chosen no channel for reports" in said(told)
        assert told.is_ephemeral
        assert await acts(easel) == []


async def test_what_is_no_result_cannot_be_reported(easel: Easel) -> None:
    posted_by_ben = await easel.discord.post("Ben", "studio", "hello")
    told = await (await menu(easel, posted_by_ben)).response()
    assert "not an image that I made in this server" in said(told)
    direct = await easel.finished(await easel.imagine(channel="dm"))
    with pytest.raises(NotOfferedError):
        await menu(easel, direct, "Ada")


async def test_a_forged_form_reports_nothing_of_another_server(easel: Easel) -> None:
    theirs = await easel.finished(await easel.imagine(channel="mockups"))
    message = await easel.finished(await easel.imagine())
    [job] = await easel.rows(f"SELECT id FROM jobs WHERE message_id = {theirs.id}")
    for custom_id in (f"report_why:{job.id}:1:2", "report_why", "report_why:x:y:z"):
        message.components[0]["components"][0]["custom_id"] = custom_id
        call = await easel.discord.press("Ben", message, custom_id=custom_id)
        answer = said(await call.response())
        assert "Please say why" in answer or "not an image that I made" in answer
    assert await acts(easel) == []
    assert logged(easel) == []


async def test_a_report_that_cannot_be_posted_is_in_the_trail(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    missing = {"code": 50001, "message": "Missing Access"}
    easel.discord.faults.add(method="POST", path="/channels/", status=403, body=missing, times=9)
    assert "Thank you." in await report(easel, message)
    easel.discord.faults.clear()
    assert "**Reported an image**" in said(await command(easel, "acts"))


async def test_there_is_room_for_the_menus(easel: Easel) -> None:
    """Discord takes five (Discord docs, Application Commands, read 2026-11)."""
    menus = [each["name"] for each in easel.discord.commands_for("Cleo", "studio", kind=3)]
    assert menus == ["Edit image", "Use as reference", "Moderate", "Report"]
