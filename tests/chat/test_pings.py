"""Who is told that a wait is over: its member alone, once, where they want it, and nobody else."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.chat.pings import LONG_WAIT
from bot.domain.preferences import Pings, Preferences
from bot.engine import runner
from bot.playground.discord import ApiRequest, Message, Permission
from bot.playground.faults import Hold, VendorCall
from bot.playground.studio import Fails
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise

PICTURE = noise()
EDIT = "/messages/@original"
LONG_S = LONG_WAIT.total_seconds() + 1
TOKEN_OVER_S = 15 * 60 + 1


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


async def prefer(easel: Easel, pings: Pings, member: str = "Ada") -> None:
    user = easel.discord.world.user(member)
    await easel.app.client.easel.prefer(user.id, Preferences(pings=pings))


def posts(easel: Easel) -> list[ApiRequest]:
    """Messages of the bot's own in a channel: pings, and results that find no answer to edit."""
    return [
        each
        for each in easel.discord.requests
        if (each.method, each.template) == ("POST", "/channels/{channel_id}/messages")
        and each.status == 200
    ]


def removals(easel: Easel) -> list[ApiRequest]:
    return [each for each in easel.discord.requests if each.method == "DELETE"]


async def waited(easel: Easel, seconds: float, **options: object) -> Message:
    """A result whose member has waited for so long."""
    async with easel.held(VendorCall.CREATE, **options) as call:
        easel.clock.advance(seconds)
    return await easel.finished(call)


async def settled(easel: Easel) -> None:
    """Whatever was posted beside the results is posted, and gone again."""
    await asyncio.gather(*easel.app.runner._messenger._pings._under_way)


@pytest.mark.parametrize(
    ("wish", "seconds", "pinged"),
    [
        (Pings.NEVER, LONG_S, False),
        (Pings.LONG, 0, False),
        (Pings.LONG, LONG_S, True),
        (Pings.ALWAYS, 0, True),
    ],
)
async def test_a_member_is_told_when_they_want_it(
    easel: Easel, wish: Pings, seconds: float, pinged: bool
) -> None:
    await prefer(easel, wish)
    result = await waited(easel, seconds)
    await settled(easel)
    assert result.attachments
    assert len(posts(easel)) == pinged
    for post in posts(easel):
        ada = str(easel.discord.world.user("Ada").id)
        assert post.answer["mentions"][0]["id"] == ada
        assert post.body["allowed_mentions"] == {"parse": [], "users": [int(ada)]}
        guild_id = easel.discord.world.guild("Lantern Community").id
        assert f"/{guild_id}/{result.channel_id}/{result.id}" in post.body["content"]


async def test_it_goes_away_by_itself(easel: Easel) -> None:
    await waited(easel, LONG_S)
    await settled(easel)
    [post], [removal] = posts(easel), removals(easel)
    assert removal.path.endswith(post.answer["id"])
    assert 60.0 in easel.clock.naps
    assert all(
        "your image" not in each.content for each in easel.discord.channel("studio").messages
    )


async def test_one_that_still_stands_goes_with_the_process(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = easel.clock.sleep

    async def for_long(seconds: float) -> None:
        await (asyncio.Event().wait() if seconds == 60.0 else sleep(seconds))

    monkeypatch.setattr(easel.clock, "sleep", for_long)
    await waited(easel, LONG_S)
    await easel.discord.wait_for(lambda: bool(posts(easel)), "a ping")
    await easel.restart()
    assert len(removals(easel)) == 1


@pytest.mark.parametrize("private", [True, False])
async def test_neither_a_private_image_nor_one_of_direct_messages_pings(
    easel: Easel, private: bool
) -> None:
    await prefer(easel, Pings.ALWAYS)
    given = {"private": True} if private else {"channel": "dm"}
    assert (await waited(easel, LONG_S, **given)).attachments
    await settled(easel)
    assert posts(easel) == []


async def test_a_failure_is_told_too(easel: Easel) -> None:
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await waited(easel, LONG_S)
    await settled(easel)
    [post] = posts(easel)
    assert "could not be made" in post.body["content"]


async def test_what_was_made_and_is_not_shown_is_not_called_a_failure_to_make_it(
    easel: Easel,
) -> None:
    explicit = {"code": 20009, "message": "Explicit content cannot be sent"}
    async with easel.held(VendorCall.CREATE):
        easel.clock.advance(LONG_S)
        easel.discord.faults.add(method="PATCH", path=EDIT, status=403, body=explicit)
    await easel.idle()
    await settled(easel)
    [post] = posts(easel)
    assert "your image could not be shown" in post.body["content"]


async def test_a_delivery_that_is_repeated_pings_once(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between Discord's answer and the commit."""
    monkeypatch.setattr(runner, "STOP_GRACE_S", 0.0)
    finishes = asyncio.Event()
    keep = easel.app.database.keep

    async def never(step, *given, **more):
        if step.__name__ == "finish":
            finishes.set()
            await asyncio.Event().wait()
        return await keep(step, *given, **more)

    monkeypatch.setattr(easel.app.database, "keep", never)
    sleep = easel.clock.sleep

    async def stays(seconds: float) -> None:
        await (asyncio.Event().wait() if seconds == 60.0 else sleep(seconds))

    monkeypatch.setattr(easel.clock, "sleep", stays)
    # What is to be removed at the end of the process stays, as after a kill.
    monkeypatch.setattr("bot.chat.pings.Pinging.close", lambda _: asyncio.sleep(0))
    async with easel.held(VendorCall.CREATE) as call:
        easel.clock.advance(LONG_S)
    await finishes.wait()
    await easel.discord.wait_for(lambda: bool(posts(easel)), "a ping")
    for ping in easel.app.runner._messenger._pings._under_way:
        ping.cancel()
    await easel.restart()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'done'"))
    await easel.idle()
    await easel.discord.wait_for(lambda: len(posts(easel)) == 2, "the ping's repetition")
    assert len({post.answer["id"] for post in posts(easel)}) == 1
    [result] = [each for each in call.messages if each.attachments]
    assert result.attachments


async def test_a_ping_that_is_refused_fails_no_delivery(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE) as call:
        easel.clock.advance(LONG_S)
        easel.discord.set_bot_permissions("studio", deny=Permission.SEND_MESSAGES)
    assert (await easel.finished(call)).attachments
    await settled(easel)
    [job] = await easel.rows("SELECT state FROM jobs")
    assert job.state == "done"


async def test_a_ping_that_hangs_holds_no_delivery_up(easel: Easel) -> None:
    go_on = asyncio.Event()
    async with easel.held(VendorCall.CREATE) as call:
        easel.clock.advance(LONG_S)
        easel.discord.faults.add(method="POST", path="/channels/", hold=go_on)
    assert (await easel.finished(call)).attachments
    [job] = await easel.rows("SELECT state FROM jobs")
    assert job.state == "done"
    go_on.set()
    await settled(easel)


@pytest.mark.parametrize("wish", [Pings.NEVER, Pings.LONG])
async def test_a_result_that_is_posted_in_the_channel_is_the_ping(
    easel: Easel, wish: Pings
) -> None:
    await prefer(easel, wish)
    async with easel.held(VendorCall.CREATE):
        for clock in (easel.discord.clock, easel.clock):
            clock.advance(TOKEN_OVER_S)
    await easel.idle()
    await settled(easel)
    [post] = posts(easel)
    ada = easel.discord.world.user("Ada").id
    assert post.body["content"] == f"<@{ada}>"
    assert [each["id"] for each in post.answer["mentions"]] == (
        [] if wish is Pings.NEVER else [str(ada)]
    )


async def test_whoever_stopped_waiting_is_not_pinged(easel: Easel) -> None:
    await prefer(easel, Pings.ALWAYS)
    poll = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.POLL, poll)
    call = await easel.imagine()
    await poll.reached.wait()
    shown = await call.until(lambda message: "Drawing" in said(message))
    await (await easel.discord.press("Ada", shown, label="Stop waiting")).response()
    poll.until.set()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'done'"))
    await settled(easel)
    assert posts(easel) == []


async def test_no_request_lets_anybody_else_be_mentioned(easel: Easel) -> None:
    """Whatever a prompt holds: on creating, on editing, and after the answer's time."""
    world = easel.discord.world
    ben, guild = world.user("Ben"), world.guild("Lantern Community")
    role = next(each for each in guild.roles.values() if each.name == "Moderator")
    prompt = f"<@\u2060{ben.id}> @everyone @here <@&{role.id}\u2060> <@!{ben.id}\u2060>"
    await prefer(easel, Pings.ALWAYS)
    await waited(easel, 0, prompt=prompt)
    async with easel.held(VendorCall.CREATE, prompt=prompt):
        for clock in (easel.discord.clock, easel.clock):
            clock.advance(TOKEN_OVER_S)
    await easel.idle()
    await settled(easel)
    ada = str(world.user("Ada").id)
    for request in easel.discord.requests:
        answer = request.answer if isinstance(request.answer, dict) else {}
        assert {each["id"] for each in answer.get("mentions", ())} <= {ada}
        assert not answer.get("mention_everyone")
        body = request.body if isinstance(request.body, dict) else {}
        assert not {"everyone", "roles"} & set(body.get("allowed_mentions", {}).get("parse", ()))
