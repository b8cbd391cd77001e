"""Each kind of place: what a late delivery needs there is looked at when the command is given."""

from collections.abc import Callable

import pytest

from bot.playground.discord import Permission, PlaygroundDiscord
from bot.playground.discord.world import (
    ANNOUNCEMENTS,
    NEWS_THREAD,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    STAGE_CHANNEL,
    VOICE_CHANNEL,
)
from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import said

pytestmark = pytest.mark.slow

SERVER = "Lantern Community"
#: past the life of an interaction's token
TOKEN_OVER_S = 15 * 60 + 1
Prepare = Callable[[PlaygroundDiscord], None]


def place(kind: int, *, deny: Permission | None = None, **about: object) -> Prepare:
    def prepare(discord: PlaygroundDiscord) -> None:
        discord.world.add_channel(SERVER, "place", kind, **about)
        if deny is not None:
            discord.set_bot_permissions("place", deny=deny)

    return prepare


TAKES_LATE_RESULTS = {
    "announcements": place(ANNOUNCEMENTS),
    "voice": place(VOICE_CHANNEL),
    "stage": place(STAGE_CHANNEL),
    "public thread or forum post": place(PUBLIC_THREAD),
    "thread of announcements": place(NEWS_THREAD),
    "thread without the channel": place(PUBLIC_THREAD, deny=Permission.SEND_MESSAGES),
    "private thread it was added to": place(PRIVATE_THREAD, bot_is_member=True),
}
LACKS = {
    "voice": (place(VOICE_CHANNEL, deny=Permission.CONNECT), "I lack Connect."),
    "stage": (place(STAGE_CHANNEL, deny=Permission.CONNECT), "I lack Connect."),
    "voice without words": (
        place(VOICE_CHANNEL, deny=Permission.SEND_MESSAGES),
        "I lack Send Messages.",
    ),
    "announcements": (place(ANNOUNCEMENTS, deny=Permission.EMBED_LINKS), "I lack Embed Links."),
    "thread": (
        place(PUBLIC_THREAD, deny=Permission.SEND_MESSAGES_IN_THREADS),
        "I lack Send Messages in Threads.",
    ),
    "locked thread": (place(PUBLIC_THREAD, locked=True), "I lack Manage Threads."),
    "private thread": (place(PRIVATE_THREAD), "I lack Manage Threads."),
}


@pytest.mark.parametrize("kind", TAKES_LATE_RESULTS)
async def test_a_late_result_is_posted_in_each_kind_of_place(opened: OpenEasel, kind: str) -> None:
    async with opened(prepare=TAKES_LATE_RESULTS[kind]) as easel:
        async with easel.held(VendorCall.CREATE, channel="place") as call:
            for clock in (easel.discord.clock, easel.clock):
                clock.advance(TOKEN_OVER_S)
        await easel.idle()

        late = [each for each in easel.discord.channel("place").messages if each.attachments]
        assert len(late) == 1, [said(each) for each in call.interaction.channel.messages]
        assert late[0].id not in call.interaction.message_ids


@pytest.mark.parametrize("kind", LACKS)
async def test_a_place_that_takes_no_late_result_is_refused_at_once(
    opened: OpenEasel, kind: str
) -> None:
    prepare, words = LACKS[kind]
    async with opened(prepare=prepare) as easel:
        message = await (await easel.imagine(channel="place")).response()

        assert words in said(message)
        assert message.is_ephemeral
        assert await easel.entries() == []
        # What is for one member alone is never posted in the channel.
        private = await easel.finished(await easel.imagine(channel="place", private=True))
        assert private.attachments


@pytest.mark.parametrize("kind", LACKS)
async def test_what_is_refused_could_not_have_been_posted(opened: OpenEasel, kind: str) -> None:
    """The check is no stricter than Discord."""
    prepare, _ = LACKS[kind]
    async with opened(prepare=prepare) as easel:
        bot, channel = easel.discord.world.bot, easel.discord.channel("place")
        refused = easel.discord.world.may_post(bot, channel)
        permissions = easel.discord.world.permissions(bot, channel)
        assert refused is not None or not permissions & Permission.EMBED_LINKS


async def test_where_the_bot_is_no_member_its_answer_is_all_it_needs(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member has installed it for themselves: what it may do in the channel says nothing."""
    async with opened(prepare=place(0, deny=Permission.SEND_MESSAGES)) as easel:
        context = easel.discord.payloads.context

        def for_a_user(user, channel):
            owners = {"1": str(user.id)}
            return context(user, channel) | {"authorizing_integration_owners": owners}

        monkeypatch.setattr(easel.discord.payloads, "context", for_a_user)
        assert (await easel.finished(await easel.imagine(channel="place"))).attachments
