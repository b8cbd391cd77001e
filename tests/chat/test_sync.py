"""Commands are what Discord says they are: compared at each start, and mended where they differ."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bot.app import open_app
from bot.chat import connection
from bot.playground.discord.commands import Json
from tests.conftest import OpenEasel
from tests.support.easel import Easel

WORKSHOP = 1323802898227789824


def writes(easel: Easel) -> list[str]:
    """The scopes whose commands were written."""
    return [
        "server" if "guild_id" in request.template else "global"
        for request in easel.discord.requests
        if request.method == "PUT" and request.template.endswith("/commands")
    ]


def names(easel: Easel, server_id: int | None = None) -> set[str]:
    return {each["name"] for each in easel.discord.world.commands.get(server_id, {}).values()}


@pytest.fixture
async def settled(easel: Easel) -> Easel:
    """Started once, and seen that nothing is written again."""
    assert writes(easel) == ["global"]
    await easel.restart()
    assert writes(easel) == ["global"]
    return easel


def delete_one(commands: dict[int, Json]) -> None:
    del commands[next(key for key, each in commands.items() if each["name"] == "imagine")]


def add_another(commands: dict[int, Json]) -> None:
    first = next(iter(commands.values()))
    commands[1] = first | {"id": "1", "name": "roll"}


def take_an_option(commands: dict[int, Json]) -> None:
    for each in commands.values():
        if each["name"] == "imagine":
            each["options"] = each["options"][:-1]


def allow_everybody(commands: dict[int, Json]) -> None:
    for each in commands.values():
        each["default_member_permissions"] = None


def forget_a_language(commands: dict[int, Json]) -> None:
    for each in commands.values():
        if each["name"] == "imagine":
            del each["options"][0]["description_localizations"]["de"]


@pytest.mark.parametrize(
    "change",
    [delete_one, dict.clear, add_another, take_an_option, allow_everybody, forget_a_language],
)
async def test_what_somebody_changed_on_discord_is_mended_at_the_next_start(
    settled: Easel, change: Callable[[dict[int, Json]], Any]
) -> None:
    commands = settled.discord.world.commands[None]
    before = names(settled)
    change(commands)
    await settled.restart()

    assert writes(settled) == ["global"] * 2
    assert names(settled) == before
    await settled.restart()
    assert writes(settled) == ["global"] * 2


async def test_members_are_served_before_discord_has_told_its_commands(
    settled: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOGIN_WAIT_S", 0.0)
    await settled.bot.aclose()
    add_another(settled.discord.world.commands[None])
    told = asyncio.Event()
    settled.discord.faults.add(method="GET", path="/commands", status=503)
    down = settled.discord.faults.add(method="GET", path="/commands", hold=told)
    async with open_app(settled.settings, settled.clock) as settled.app:
        serving = asyncio.create_task(settled.app.run())
        await settled.discord.wait_until_ready()
        assert (await settled.finished(await settled.imagine())).attachments
        assert (writes(settled), down.hits) == (["global"], 1)
        told.set()
        await settled.app.client.synced.wait()
        assert writes(settled) == ["global"] * 2
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_command_is_never_offered_twice(opened: OpenEasel) -> None:
    """Servers are named, and no longer: each time the other scope is cleared."""
    async with opened() as easel:
        every = names(easel)
        easel.settings = easel.settings.model_copy(update={"discord_guild_ids": (WORKSHOP,)})
        await easel.restart()
        assert (names(easel), names(easel, WORKSHOP)) == (set(), every)
        easel.settings = easel.settings.model_copy(update={"discord_guild_ids": ()})
        await easel.restart()
        assert (names(easel), names(easel, WORKSHOP)) == (every, set())
        assert (await easel.finished(await easel.imagine())).attachments


async def test_a_server_that_the_bot_has_left_is_forgotten(opened: OpenEasel) -> None:
    async with opened(discord_guild_ids=(WORKSHOP,)) as easel:
        easel.settings = easel.settings.model_copy(update={"discord_guild_ids": ()})
        gone = {"code": 50001, "message": "Missing Access"}
        easel.discord.faults.add(method="GET", path="/guilds/", status=403, body=gone)
        await easel.restart()
        assert names(easel)
        looked = len([r for r in easel.discord.requests if "guild_id" in r.template])
        await easel.restart()
        assert len([r for r in easel.discord.requests if "guild_id" in r.template]) == looked


async def test_by_hand_every_server_is_looked_at(settled: Easel) -> None:
    """Beside the running bot; and what was written by it with another database, or before it."""
    world = settled.discord.world
    world.commands[WORKSHOP] = dict(world.commands[None])
    async with open_app(settled.settings, beside=True) as by_hand:
        lines = await by_hand.sync()

    count = len(names(settled))
    assert lines[0] == f"global: {count} commands, as they should be"
    assert f"server {WORKSHOP}: {count} commands taken back, for they stand elsewhere" in lines
    assert len(lines) == 1 + len(world.guilds)
    assert not names(settled, WORKSHOP)
    assert (await settled.finished(await settled.imagine())).attachments
