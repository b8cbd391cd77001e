"""A server's settings with the trail of their changes, and what was synced to Discord."""

from datetime import timedelta

import pytest

from bot.domain.policy import NsfwMode
from bot.domain.settings import SettingChange
from bot.store import settings
from bot.store.database import Database
from bot.store.settings import CHANGES_SHOWN_MAX
from tests.store.bench import CLEO, NOW, OTHER_SERVER, SERVER

ON, AGE_RESTRICTED, OFF = NsfwMode


async def test_the_filter_is_on_where_nobody_changed_it(database: Database) -> None:
    assert (await database.read(settings.of_server, SERVER)).nsfw_checker is ON
    assert await database.read(settings.changes, SERVER) == []


async def test_a_change_is_kept_and_recorded_for_this_server_only(database: Database) -> None:
    assert await database.write(settings.set_nsfw_mode, SERVER, CLEO, OFF, NOW) is ON
    assert (await database.read(settings.of_server, SERVER)).nsfw_checker is OFF
    assert (await database.read(settings.of_server, OTHER_SERVER)).nsfw_checker is ON
    assert await database.read(settings.changes, SERVER) == [
        SettingChange(CLEO, "nsfw_checker", old="on", new="off", created_at=NOW)
    ]
    assert await database.read(settings.changes, OTHER_SERVER) == []


@pytest.mark.parametrize("mode", NsfwMode)
async def test_setting_what_is_set_records_nothing(database: Database, mode: NsfwMode) -> None:
    await database.write(settings.set_nsfw_mode, SERVER, CLEO, mode, NOW)
    before = await database.read(settings.changes, SERVER)
    assert await database.write(settings.set_nsfw_mode, SERVER, CLEO, mode, NOW) is mode
    assert await database.read(settings.changes, SERVER) == before


async def test_the_latest_changes_come_first_and_are_few(database: Database) -> None:
    modes = [OFF, AGE_RESTRICTED, ON] * 3
    for number, mode in enumerate(modes):
        await database.write(
            settings.set_nsfw_mode, SERVER, CLEO, mode, NOW + timedelta(seconds=number)
        )
    changes = await database.read(settings.changes, SERVER)
    assert [change.new for change in changes] == modes[: -CHANGES_SHOWN_MAX - 1 : -1]
    assert [change.old for change in changes[:-1]] == [change.new for change in changes[1:]]
    assert changes[0].created_at == NOW + timedelta(seconds=8)


async def test_servers_with_commands_of_their_own_are_remembered(database: Database) -> None:
    async def servers(application: str) -> set[int]:
        return await database.read(settings.synced_servers, application)

    async def remember(application: str, server_ids: set[int]) -> None:
        await database.write(settings.remember_servers, application, server_ids)

    assert await servers("api/5") == set()
    await remember("api/5", {7, 8})
    await remember("api/6", {7})
    await remember("api/5", {8})
    assert await servers("api/5") == {8}
    assert await servers("api/6") == {7}
    await remember("api/5", set())
    assert await servers("api/5") == set()
