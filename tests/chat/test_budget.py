"""A server's budget: what it pays for, and what its moderators are told of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.chat import wire
from bot.playground.discord import Message
from bot.playground.discord.faults import Fault
from bot.playground.faults import VendorCall
from bot.store import settings
from bot.store.database import Database, open_database
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise

PICTURE = noise()
LOG = "after-dark"
MONTH_S = 31 * 86_400


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.app.BUDGETS_EVERY_S", 0.05)


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    """A month of it pays for ten images and a bit."""
    async with opened(paint=lambda _: PICTURE, server_budget="0.65", allowance="10") as easel:
        yield easel


async def decide(
    easel: Easel, name: str, value: Any, channel: str = "studio", database: Database | None = None
) -> None:
    server_id = easel.discord.world.channel(channel).guild_id or 0
    change = (settings.change, server_id, lambda _: {name: value}, 3, easel.clock.now())
    await (database or easel.app.database).write(*change)


async def log_to(easel: Easel, channel: str = LOG, database: Database | None = None) -> None:
    log_id = easel.discord.world.channel(channel).id
    await decide(easel, "log_channel_id", log_id, database=database)


def notices(easel: Easel, channel: str = LOG) -> list[Message]:
    posted = easel.discord.world.channel(channel).messages
    return [message for message in posted if "budget" in said(message).casefold()]


async def noticed(easel: Easel, count: int) -> list[str]:
    await easel.discord.wait_for(lambda: len(notices(easel)) >= count, f"{count} notices")
    return [said(message) for message in notices(easel)]


async def spend(easel: Easel, images: int) -> None:
    for _ in range(images):
        assert (await easel.finished(await easel.imagine())).attachments


async def looked(easel: Easel) -> None:
    """Let a look at the budgets begin and end after this moment."""
    seen = easel.app.database.trips
    await easel.until(lambda: counted(easel, seen + 3))


async def counted(easel: Easel, trips: int) -> bool:
    return easel.app.database.trips >= trips


async def test_moderators_are_told_at_half_at_four_fifths_and_at_the_end(easel: Easel) -> None:
    await log_to(easel)
    await spend(easel, 5)
    await looked(easel)
    assert notices(easel) == []
    await spend(easel, 1)
    [half] = await noticed(easel, 1)
    assert "50% of this month's budget is spent" in half
    assert "0.36 cr of 0.65 cr is spent" in half
    await spend(easel, 3)
    assert "80% of this month's budget" in (await noticed(easel, 2))[1]
    await spend(easel, 1)
    # What is left pays for no image any more.
    last = (await noticed(easel, 3))[2]
    assert "This month's budget is used up" in last
    assert "0.60 cr of 0.65 cr is spent for this month, and the rest is not enough" in last
    refused = said(await easel.finished(await easel.imagine("Ben")))
    assert "has 0.05 cr of its budget left for this month" in refused
    assert "Nothing was charged." in refused
    await looked(easel)
    assert len(notices(easel)) == 3
    assert all(not message.content for message in notices(easel))


async def test_each_notice_stands_there_once_also_after_a_restart(easel: Easel) -> None:
    await log_to(easel)
    await spend(easel, 6)
    await noticed(easel, 1)
    await easel.restart()
    await looked(easel)
    assert len(notices(easel)) == 1
    rows = await easel.rows("SELECT percent FROM notices")
    assert [row.percent for row in rows] == [50]


async def test_what_a_dead_process_did_not_tell_is_told_at_the_next_start(easel: Easel) -> None:
    await spend(easel, 9)
    await easel.bot.aclose()
    # Only now, so that no look of the first process begins what its end breaks off.
    async with open_database(easel.settings.database_url) as database:
        await log_to(easel, database=database)
    await easel.restart()
    # The highest alone.
    [told] = await noticed(easel, 1)
    assert "80%" in told


@pytest.mark.parametrize("posted", [True, False])
async def test_a_notice_that_a_stop_broke_off_is_told_once_at_the_next_start(
    easel: Easel, posted: bool
) -> None:
    await log_to(easel)
    on_its_way = post_to_log(easel, hold=asyncio.Event(), after_effect=posted)
    await spend(easel, 6)
    await easel.held_by(on_its_way)
    await easel.bot.aclose()
    assert len(notices(easel)) == posted
    await easel.restart()
    await easel.until(lambda: easel.rows("SELECT 1 FROM notices"))
    assert len(notices(easel)) == 1


async def test_a_notice_that_did_not_get_through_is_told_by_a_later_look(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "RETRY_WAIT_S", 0)
    await log_to(easel)
    post_to_log(easel, status=503, times=wire.TRIES_MAX)
    await spend(easel, 6)
    await noticed(easel, 1)


def post_to_log(easel: Easel, **mishap: Any) -> Fault:
    log_id = easel.discord.world.channel(LOG).id
    return easel.discord.faults.add(method="POST", path=f"/{log_id}/messages", **mishap)


async def test_what_is_held_is_not_spent_yet(easel: Easel) -> None:
    await log_to(easel)
    await spend(easel, 5)
    async with easel.held(VendorCall.CREATE):
        await looked(easel)
        assert notices(easel) == []
    await noticed(easel, 1)


async def test_a_new_month_begins_anew(easel: Easel) -> None:
    await log_to(easel)
    await spend(easel, 6)
    await noticed(easel, 1)
    easel.clock.advance(MONTH_S)
    await spend(easel, 6)
    assert len(await noticed(easel, 2)) == 2


async def test_a_server_without_a_log_channel_is_told_nothing(easel: Easel) -> None:
    await spend(easel, 6)
    await looked(easel)
    assert notices(easel) == []
    assert await easel.rows("SELECT 1 FROM notices") == []


async def test_a_log_channel_that_is_gone_disturbs_nobody(easel: Easel) -> None:
    await log_to(easel)
    easel.discord.delete_channel(LOG)
    await spend(easel, 6)
    await easel.until(lambda: easel.rows("SELECT 1 FROM notices"))
    await spend(easel, 1)


async def test_the_notice_is_in_the_servers_language(easel: Easel) -> None:
    await spend(easel, 6)
    easel.discord.set_server_locale("Lantern Community", "de")
    await log_to(easel)
    [told] = await noticed(easel, 1)
    assert "0,36" in told


@pytest.mark.timeout(120)
async def test_sixty_commands_at_once_against_a_budget_for_ten_leave_ten(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.playground.discord.interactions.FIRST_ANSWER_S_MAX", 120.0)
    members = ("Ada", "Ben", "Cleo")
    calls = [await easel.imagine(members[n % 3]) for n in range(60)]
    answers = await asyncio.gather(*(call.response(timeout_s=60) for call in calls))
    refused = [said(message) for message in answers if "of its budget left" in said(message)]
    assert len(refused) == 50
    [[jobs]] = await easel.rows("SELECT count(*) FROM jobs")
    assert jobs == 10
    await easel.until(lambda: ended(easel))
    assert len(easel.providers.submissions) == 10


async def ended(easel: Easel) -> bool:
    return not await easel.rows("SELECT 1 FROM jobs WHERE finished_at IS NULL")


async def test_credits_promise_no_more_than_the_budget_pays_for(easel: Easel) -> None:
    assert "Enough for about 10 plain images" in await told(easel)
    await spend(easel, 9)
    assert "Enough for about 1 plain image " in await told(easel)
    await spend(easel, 1)
    shown = await told(easel)
    assert "This month's budget is used up" in shown
    assert "Enough" not in shown
    assert "9.40 cr left" in shown


async def told(easel: Easel) -> str:
    return said(await (await easel.discord.run_command("Ada", "studio", "credits")).response())


async def test_a_budget_that_is_set_below_what_is_spent_is_told_as_used_up(easel: Easel) -> None:
    await log_to(easel)
    await spend(easel, 2)
    await looked(easel)
    assert notices(easel) == []
    await decide(easel, "budget_ucr", 100_000)
    [told] = await noticed(easel, 1)
    assert "0.12 cr of 0.10 cr is spent" in told
