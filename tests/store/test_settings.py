"""A server's settings with the trail of their changes, and what was synced to Discord."""

from datetime import timedelta

import pytest

from bot.domain.policy import NsfwMode, SettingChange
from bot.store.database import Database
from bot.store.settings import CHANGES_SHOWN_MAX
from bot.store.stores import ServerStore, SyncStore
from tests.store.bench import CLEO, NOW, OTHER_SERVER, SERVER

ON, AGE_RESTRICTED, OFF = NsfwMode


@pytest.fixture
def servers(database: Database) -> ServerStore:
    return ServerStore(database)


async def test_the_filter_is_on_where_nobody_changed_it(servers: ServerStore) -> None:
    assert await servers.nsfw_mode(SERVER) is ON
    assert await servers.changes(SERVER) == []


async def test_a_change_is_kept_and_recorded_for_this_server_only(servers: ServerStore) -> None:
    assert await servers.set_nsfw_mode(SERVER, CLEO, OFF, NOW) is ON
    assert await servers.nsfw_mode(SERVER) is OFF
    assert await servers.nsfw_mode(OTHER_SERVER) is ON
    assert await servers.changes(SERVER) == [
        SettingChange(CLEO, "nsfw_checker", old="on", new="off", created_at=NOW)
    ]
    assert await servers.changes(OTHER_SERVER) == []


@pytest.mark.parametrize("mode", NsfwMode)
async def test_setting_what_is_set_records_nothing(servers: ServerStore, mode: NsfwMode) -> None:
    await servers.set_nsfw_mode(SERVER, CLEO, mode, NOW)
    before = await servers.changes(SERVER)
    assert await servers.set_nsfw_mode(SERVER, CLEO, mode, NOW) is mode
    assert await servers.changes(SERVER) == before


async def test_the_latest_changes_come_first_and_are_few(servers: ServerStore) -> None:
    modes = [OFF, AGE_RESTRICTED, ON] * 3
    for number, mode in enumerate(modes):
        await servers.set_nsfw_mode(SERVER, CLEO, mode, NOW + timedelta(seconds=number))
    changes = await servers.changes(SERVER)
    assert [change.new for change in changes] == modes[: -CHANGES_SHOWN_MAX - 1 : -1]
    assert [change.old for change in changes[:-1]] == [change.new for change in changes[1:]]
    assert changes[0].created_at == NOW + timedelta(seconds=8)


async def test_servers_with_commands_of_their_own_are_remembered(database: Database) -> None:
    memory = SyncStore(database)
    assert await memory.servers("api/5") == set()
    await memory.remember("api/5", {7, 8})
    await memory.remember("api/6", {7})
    await memory.remember("api/5", {8})
    assert await memory.servers("api/5") == {8}
    assert await memory.servers("api/6") == {7}
    await memory.remember("api/5", set())
    assert await memory.servers("api/5") == set()
