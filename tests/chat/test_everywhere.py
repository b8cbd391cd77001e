"""All that follows a command works wherever the command does: servers, threads, DMs, groups."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from bot.playground.discord import Call, Message, PlaygroundDiscord
from bot.playground.discord.validation import STRING_SELECT, walk
from bot.playground.discord.world import (
    ANNOUNCEMENTS,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    VOICE_CHANNEL,
)
from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said
from tests.support.pictures import noise

pytestmark = pytest.mark.slow

PICTURE = noise()
SERVER = "Lantern Community"
FORUM = 15
#: past the life of an interaction's token
TOKEN_OVER_S = 15 * 60 + 1
LONG_S = 31


def channel(kind: int, **about: object) -> Callable[[PlaygroundDiscord], None]:
    def prepare(discord: PlaygroundDiscord) -> None:
        discord.world.add_channel(SERVER, "place", kind, **about)

    return prepare


def forum_post(discord: PlaygroundDiscord) -> None:
    forum = discord.world.add_channel(SERVER, "forum", FORUM)
    discord.world.add_channel(SERVER, "place", PUBLIC_THREAD, parent_id=forum.id)


def group(discord: PlaygroundDiscord) -> None:
    discord.world.private_channel("place", ["Ada", "Ben"])
    discord.install("Ada")
    discord.install("Ben")


PLACES: dict[str, Callable[[PlaygroundDiscord], None]] = {
    "channel": channel(0),
    "announcements": channel(ANNOUNCEMENTS),
    "thread": channel(PUBLIC_THREAD),
    "private thread": channel(PRIVATE_THREAD, bot_is_member=True),
    "forum post": forum_post,
    "voice channel's chat": channel(VOICE_CHANNEL),
    "direct messages": lambda _: None,
    "group with the app of a member": group,
}


@pytest.fixture(params=PLACES)
async def place(opened: OpenEasel, request: pytest.FixtureRequest) -> AsyncIterator["Place"]:
    given = {"prepare": PLACES[request.param], "paint": lambda _: PICTURE, "allowance": "10.00"}
    async with opened(**given) as easel:
        name = "dm" if request.param == "direct messages" else "place"
        yield Place(easel, name, shared=request.param != "direct messages")


class Place:
    """
    Args:
        shared: others are there.
    """

    def __init__(self, easel: Easel, name: str, *, shared: bool) -> None:
        self.easel = easel
        self.name = name
        self.shared = shared
        self.in_server = name == "place" and not easel.discord.channel(name).people

    async def imagine(self, **options: object) -> Message:
        return await self.made(await self.easel.imagine(channel=self.name, **options))

    async def made(self, call: Call) -> Message:
        message = await self.easel.finished(call)
        assert message.attachments, said(message)
        return message

    async def press(self, message: Message, label: str, member: str = "Ada") -> Call:
        shown = [part["label"] for part in walk(message.components) if "label" in part]
        [found] = [each for each in shown if each.partition(" · ")[0] == label]
        return await self.easel.discord.press(member, message, label=found)

    async def run(self, command: str) -> Call:
        return await self.easel.discord.run_command("Ada", self.name, command)


async def test_a_result_is_gone_on_from(place: Place) -> None:
    result = await place.imagine()
    assert labels(result) == ["Again", "Edit", "Vary", "Details", "Delete"]
    await place.made(await place.press(result, "Again"))
    if place.shared:
        await place.made(await place.press(result, "Vary", member="Ben"))
    form = await place.press(result, "Edit")
    values = {"prompt": "at night"}
    edited = await place.easel.discord.submit_modal("Ada", await form.opened_modal(), values)
    assert "at night" in said(await place.made(edited))
    assert "Cost" in said(await (await place.press(result, "Details")).response())


async def test_a_form_begins_one(place: Place) -> None:
    form = await place.run("imagine")
    values = {"prompt": "a heron"}
    call = await place.easel.discord.submit_modal("Ada", await form.opened_modal(), values)
    assert "a heron" in said(await place.made(call))


async def test_a_private_one_is_published(place: Place) -> None:
    draft = await place.imagine(private=True)
    assert draft.is_ephemeral
    published = await (await place.press(draft, "Publish")).until(lambda m: bool(m.attachments))
    assert not published.is_ephemeral
    await place.made(await place.press(published, "Again"))


async def test_a_result_is_deleted(place: Place) -> None:
    result = await place.imagine()
    shown = place.easel.discord.world.channels[result.channel_id].messages_by_id
    if place.shared:
        told = await (await place.press(result, "Delete", member="Ben")).response()
        assert "Only whoever asked" in said(told)
    await place.press(result, "Delete")
    await place.easel.discord.wait_for(lambda: result.id not in shown, "its deletion")


async def test_history_finds_it(place: Place) -> None:
    await place.imagine(prompt="a heron")
    listed = await (await place.run("history")).until(lambda message: not message.is_loading)
    assert "a heron" in said(listed)
    [menu] = [part for part in walk(listed.components) if part["type"] == STRING_SELECT]
    opened = await place.easel.discord.select("Ada", listed, [menu["options"][0]["value"]])
    given = await opened.until(lambda message: bool(message.attachments))
    assert given.is_ephemeral


async def test_the_wait_for_it_is_ended(place: Place) -> None:
    async with place.easel.held(VendorCall.CREATE, channel=place.name) as call:
        stopped = await (await place.press(call.messages[0], "Stop waiting")).response()
        assert "Stopped waiting" in said(stopped)
    await place.easel.until(lambda: place.easel.rows("SELECT 1 FROM jobs WHERE state = 'done'"))
    await place.easel.idle()
    assert not call.messages[0].attachments
    assert "It was made all the same" in said(call.messages[0])


async def test_a_long_wait_is_pinged_where_the_bot_may_post(place: Place) -> None:
    async with place.easel.held(VendorCall.CREATE, channel=place.name) as call:
        place.easel.clock.advance(LONG_S)
    assert (await place.easel.finished(call)).attachments
    await asyncio.gather(*place.easel.app.runner._messenger._pings._under_way)
    pings = [
        each
        for each in place.easel.discord.requests
        if (each.method, each.template) == ("POST", "/channels/{channel_id}/messages")
    ]
    assert len(pings) == place.in_server


async def test_after_the_answers_time_it_is_posted_or_given_back(place: Place) -> None:
    """Where the bot is no member, its answer is all that it can ever edit."""
    async with place.easel.held(VendorCall.CREATE, channel=place.name) as call:
        for clock in (place.easel.discord.clock, place.easel.clock):
            clock.advance(TOKEN_OVER_S)
    await place.easel.idle()
    there = [each for each in call.interaction.channel.messages if each.attachments]
    if call.interaction.channel.people:
        assert there == []
        assert await place.easel.balance_ucr() == 10_000_000
        listed = await (await place.run("history")).until(lambda message: not message.is_loading)
        assert "Not taken by Discord" in said(listed)
    else:
        assert len(there) == 1
