"""The host chooses whom the bot serves; others are told so, and left."""

import logging
from typing import Any

import pytest

from bot.playground.discord.world import Channel, Guild, User
from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise
from tests.support.settings import decide, set_filter

PICTURE = noise()
OWN = "Lantern Community"


@pytest.mark.parametrize("mishap", [{}, {"status": 403}, {"reset": True}], ids=str)
async def test_a_server_that_is_not_served_is_told_why_and_left(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch, mishap: dict[str, Any]
) -> None:
    async with opened() as easel:
        world, spot = easel.discord.world, easel.discord.channel("mockups")
        [own] = [guild.id for guild in world.guilds.values() if guild.name == OWN]
        other = spot.guild_id
        written = easel.discord.payloads.guild

        def with_system_channel(guild: Guild) -> dict[str, Any]:
            return written(guild) | {"system_channel_id": str(spot.id)}

        monkeypatch.setattr(easel.discord.payloads, "guild", with_system_channel)
        telling = f"/channels/{spot.id}/messages"
        told = easel.discord.faults.add(method="POST", path=telling, **mishap)
        easel.settings = easel.settings.model_copy(update={"allowed_servers": (own,)})
        await easel.restart()

        await easel.discord.wait_for(lambda: other not in world.guilds, "its leaving")
        assert told.hits == 1
        assert own in world.guilds
        assert (await easel.finished(await easel.imagine())).attachments


async def test_direct_messages_can_be_turned_off(opened: OpenEasel) -> None:
    async with opened(allow_direct_messages=False) as easel:
        call = await easel.discord.run_command("Ada", "dm", "imagine", {"prompt": "a lantern"})
        message = await easel.finished(call)
        assert "does not work in direct messages here" in said(message)
        assert "Nothing was charged." in said(message)
        assert await easel.entries() == []


@pytest.mark.parametrize("served", [True, False])
async def test_direct_messages_are_suggested_where_the_host_serves_them(
    opened: OpenEasel, served: bool
) -> None:
    async with opened(allow_direct_messages=served) as easel:
        await decide(easel, "private_allowed", allowed=False)
        refused = await (await easel.imagine(private=True)).response()
        assert "does not allow private images" in said(refused)
        assert ("direct message" in said(refused)) is served


async def test_where_it_is_removed_what_waits_ends_and_nothing_is_posted_or_charged(
    opened: OpenEasel,
) -> None:
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        await set_filter(easel, "off")
        world = easel.discord.world
        [own] = [guild for guild in world.guilds.values() if guild.name == OWN]
        async with easel.held(VendorCall.CREATE) as made:
            waiting = await easel.imagine("Ben")
            elsewhere = await easel.imagine(channel="mockups")
            for call in (waiting, elsewhere):
                await call.until(lambda message: bool(message.components))
            easel.discord.gateway.dispatch("GUILD_DELETE", {"id": str(own.id)}, own.id)

            async def ended() -> bool:
                found = await easel.rows("SELECT 1 FROM jobs WHERE failure = 'removed'")
                return len(found) == 1 and own.id in easel.app.client.easel.gone

            await easel.until(ended)
        assert (await easel.finished(elsewhere)).attachments
        await easel.idle()
        jobs = await easel.rows(
            f"SELECT state, failure, cost_ucr FROM jobs WHERE server_id = {own.id}"
        )
        assert sorted(map(tuple, jobs), key=str) == [
            ("cancelled", "removed", None),
            ("failed", "removed", 0),
        ]
        assert not made.messages[-1].attachments
        # Whoever has installed it for themselves still sees their status messages.
        assert "removed from the server" in said(made.messages[-1])
        assert "Cancelled" in said(waiting.messages[-1])
        assert "removed from the server" in said(waiting.messages[-1])
        assert not waiting.messages[-1].components
        assert len(list((easel.folder / "images").glob("*.png"))) == 1
        accounts = await easel.rows(
            f"SELECT DISTINCT allowance_ucr FROM accounts WHERE server_id = {own.id}"
        )
        assert [tuple(row) for row in accounts] == [(1_000_000,)]
        # What moderators decided is there for a return.
        assert len(await easel.rows("SELECT 1 FROM server_settings")) == 1

        created = easel.discord.payloads.guild(own)
        easel.discord.gateway.dispatch("GUILD_CREATE", created, own.id)
        await easel.until(lambda: back(easel, own.id))
        assert (await easel.finished(await easel.imagine())).attachments


async def back(easel: Easel, server_id: int) -> bool:
    return easel.app.client.get_guild(server_id) is not None


async def test_who_has_installed_it_for_themselves_goes_on_where_it_was_removed(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.chat.client")
    async with opened(paint=lambda _: PICTURE) as easel:
        context = easel.discord.payloads.context

        def for_a_user(user: User, channel: Channel) -> dict[str, Any]:
            owners = {"1": str(user.id)}
            return context(user, channel) | {"authorizing_integration_owners": owners}

        monkeypatch.setattr(easel.discord.payloads, "context", for_a_user)
        own = easel.discord.channel("studio").guild_id
        easel.discord.gateway.dispatch("GUILD_DELETE", {"id": str(own)}, own)

        async def left() -> bool:
            # What was under way there has been looked for.
            return "removed from a server" in caplog.text

        await easel.until(left)
        assert (await easel.finished(await easel.imagine())).attachments
        assert [row.cost_ucr for row in await easel.rows("SELECT cost_ucr FROM jobs")] == [60_000]
