"""A server's settings with the trail of their changes, and what was synced to Discord."""

from datetime import timedelta

import pytest

from bot.domain.policy import NsfwMode, SettingChange
from bot.store.database import Database
from bot.store.servers import CHANGES_SHOWN_MAX, ServerStore
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


async def test_what_was_synced_is_remembered_by_scope(servers: ServerStore) -> None:
    assert await servers.synced_digest("api/5/global") is None
    await servers.set_synced_digest("api/5/global", "one")
    await servers.set_synced_digest("api/5/7", "other")
    await servers.set_synced_digest("api/5/global", "two")
    assert await servers.synced_digest("api/5/global") == "two"
    assert await servers.synced_digest("api/5/7") == "other"
