"""A server's settings with the trail of their changes, and what was synced to Discord."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from msgspec.structs import fields, replace

from bot.domain.ledger import Period
from bot.domain.settings import (
    FOREVER,
    SETTINGS,
    NsfwMode,
    PictureMenus,
    ServerSettings,
    SettingChange,
)
from bot.errors import Reason, Refusal
from bot.store import settings
from bot.store.database import Database
from bot.store.settings import CHANGES_SHOWN_MAX
from bot.store.sql import Transaction
from tests.store.bench import CLEO, NOW, OTHER_SERVER, SERVER
from tests.store.plans import plan_of

ON, AGE_RESTRICTED, OFF = NsfwMode


async def test_the_filter_is_on_where_nobody_changed_it(database: Database) -> None:
    assert (await database.read(settings.of_server, SERVER)).nsfw_checker is ON
    assert await database.read(settings.changes, SERVER) == []


def fixed(name: str, value: object) -> Callable[[ServerSettings], dict[str, object]]:
    return lambda _: {name: value}


async def change(
    database: Database, mode: NsfwMode, at: datetime = NOW, server: int = SERVER
) -> ServerSettings:
    decide = fixed("nsfw_checker", mode)
    before, _ = await database.write(settings.change, server, decide, CLEO, at)
    return before


async def test_a_change_is_kept_and_recorded_for_this_server_only(database: Database) -> None:
    assert await change(database, OFF) == ServerSettings(ON)
    assert await database.read(settings.of_server, SERVER) == ServerSettings(OFF)
    assert await database.read(settings.of_server, OTHER_SERVER) == ServerSettings()
    assert await database.read(settings.changes, SERVER) == [
        SettingChange(CLEO, "nsfw_checker", old="on", new="off", created_at=NOW, id=1)
    ]
    assert await database.read(settings.changes, OTHER_SERVER) == []


@pytest.mark.parametrize("mode", NsfwMode)
async def test_setting_what_is_set_records_nothing(database: Database, mode: NsfwMode) -> None:
    await change(database, mode)
    before = await database.read(settings.changes, SERVER)
    assert (await change(database, mode)).nsfw_checker is mode
    assert await database.read(settings.changes, SERVER) == before


async def test_the_latest_changes_come_first_and_are_few(database: Database) -> None:
    modes = [OFF, AGE_RESTRICTED, ON] * 3
    for number, mode in enumerate(modes):
        await change(database, mode, NOW + timedelta(seconds=number))
    changes = await database.read(settings.changes, SERVER)
    assert [change.new for change in changes] == modes[: -CHANGES_SHOWN_MAX - 1 : -1]
    assert [change.old for change in changes[:-1]] == [change.new for change in changes[1:]]
    assert changes[0].created_at == NOW + timedelta(seconds=8)


#: of each setting values beside its default
VALUES: dict[str, tuple[object, ...]] = {
    "nsfw_checker": (OFF, AGE_RESTRICTED),
    "picture_menus": (PictureMenus.OWN, PictureMenus.NOBODY),
    "default_model": ("gpt-image-2", "gpt-image-2-lite"),
    "allowed_models": (frozenset({"gpt-image-2"}), frozenset({"a", "b"})),
    "resolution_max": ("1K", "2K"),
    "count_max": (1, 2),
    "allowed_channels": (frozenset({2**62, 7}), frozenset({8})),
    "private_allowed": (False,),
    "private_seen": (True,),
    "confirm_above_ucr": (0, 500_000),
    "locale": ("de", "ja"),
    "log_channel_id": (70, 71),
    "paused_until": (1_800_000_000, FOREVER),
    "allowance_period": (Period.WEEK, Period.MONTH),
    "job_max_ucr": (0, 100_000),
    "allowance_ucr": (0, 2_500_000),
    "role_allowances_ucr": ({2**62: 5_000_000, 7: 0}, {8: 1}),
    "budget_ucr": (0, 100_000_000),
    "pause_reason": ("too many images today", "a contest"),
}


@pytest.mark.parametrize("name", SETTINGS)
async def test_each_setting_is_kept_and_can_be_given_back(database: Database, name: str) -> None:
    default = getattr(ServerSettings(), name)
    for value in (*VALUES[name], default):
        await database.write(settings.change, SERVER, fixed(name, value), CLEO, NOW)
        found = await database.read(settings.of_server, SERVER)
        assert found == replace(ServerSettings(), **{name: value})
    assert len(await database.read(settings.changes, SERVER)) == len(VALUES[name]) + 1


def test_each_field_of_the_settings_can_be_kept() -> None:
    assert set(SETTINGS) == set(VALUES) == {each.name for each in fields(ServerSettings)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nsfw_checker", "sometimes"),
        ("allowance_ucr", "much"),
        ("role_allowances_ucr", "[1]"),
        ("role_allowances_ucr", "{"),
        ("role_allowances_ucr", '{"7": null}'),
        ("colour", "blue"),
        ("resolution_max", "9K"),
        ("count_max", "0"),
        ("count_max", "5"),
    ],
)
async def test_what_another_version_wrote_counts_as_undecided(
    database: Database, name: str, text: str
) -> None:
    row = {"server_id": SERVER, "name": name, "value": text}
    await database.write(lambda tx: tx.execute(settings.SET, row))
    assert await database.read(settings.of_server, SERVER) == ServerSettings()


async def test_two_moderators_at_once_lose_nothing(database: Database) -> None:
    await asyncio.gather(
        change(database, OFF),
        database.write(settings.change, SERVER, lambda _: {"budget_ucr": 5}, CLEO, NOW),
    )
    found = await database.read(settings.of_server, SERVER)
    assert (found.nsfw_checker, found.budget_ucr) == (OFF, 5)
    assert len(await database.read(settings.changes, SERVER)) == 2


async def test_two_additions_at_once_are_both_kept(database: Database) -> None:
    """What is to be set is worked out within the transaction."""

    async def allow(model: str) -> None:
        await database.write(
            settings.change,
            SERVER,
            lambda now: {"allowed_models": now.allowed_models | {model}},
            CLEO,
            NOW,
        )

    await asyncio.gather(*(allow(model) for model in "abcde"))
    found = await database.read(settings.of_server, SERVER)
    assert found.allowed_models == frozenset("abcde")
    changes = await database.read(settings.changes, SERVER)
    assert [each.old for each in changes[:-1]] == [each.new for each in changes[1:]]


async def test_what_raises_changes_nothing(database: Database) -> None:
    def decide(_: ServerSettings) -> dict[str, object]:
        raise Refusal(Reason.PAUSED)

    with pytest.raises(Refusal):
        await database.write(settings.change, SERVER, decide, CLEO, NOW)
    assert await database.read(settings.of_all_servers) == {}


async def test_all_that_is_decided_is_read_at_start(database: Database) -> None:
    await change(database, OFF)
    await change(database, AGE_RESTRICTED, server=OTHER_SERVER)
    assert await database.read(settings.of_all_servers) == {
        SERVER: ServerSettings(OFF),
        OTHER_SERVER: ServerSettings(AGE_RESTRICTED),
    }


async def test_older_changes_are_found_page_by_page(database: Database) -> None:
    for number, mode in enumerate([OFF, ON] * 6):
        await change(database, mode, NOW + timedelta(seconds=number))
    seen, before = [], 0
    while page := await database.read(settings.changes, SERVER, before, 5):
        seen += [each.created_at for each in page]
        before = page[-1].id
    assert seen == [NOW + timedelta(seconds=number) for number in reversed(range(12))]


async def test_a_servers_changes_are_found_without_reading_those_of_others(
    database: Database,
) -> None:
    given = {"server": 1, "before": 1, "shown_max": 1}

    def plans(tx: Transaction) -> list[str]:
        return [
            step
            for statement in (settings.CHANGES, settings.OF_SERVER)
            for step in plan_of(tx, statement, given)
        ]

    found = await database.read(plans)
    assert found
    assert [each for each in found if "SCAN" in each or "TEMP B-TREE" in each] == []


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
