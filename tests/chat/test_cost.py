"""What a job asks of the database: trips and statements, and that none of them reads a table."""

import re

import pytest

from bot.domain.ledger import EntryKind
from bot.engine import runner
from bot.playground.faults import Respond, VendorCall
from bot.store import tasks
from bot.store.ledger import audit, list_entries
from bot.store.sql import Transaction
from tests.chat.test_privacy import erase, export, sweep
from tests.chat.test_stats import month
from tests.conftest import OpenEasel
from tests.store.plans import plan_of, recorded
from tests.support.counted import counted
from tests.support.easel import Easel, said
from tests.support.pictures import noise, picture

PICTURE = noise()
#: what grows with history
TABLES = ("jobs", "tasks", "entries", "accounts", "queue", "returns", "notices", "acts")
#: a scan of what has no end; these indexes hold only what waits or is under way
BOUNDED = ("ix_jobs_queued", "ix_jobs_worked_on", "ix_queue_waiting", "ix_queue_members")
SCAN = re.compile(
    rf"SCAN ({'|'.join(TABLES)})\b(?! USING (COVERING )?INDEX ({'|'.join(BOUNDED)})$)"
)
VERBS = ("SELECT", "UPDATE", "INSERT", "DELETE", "WITH")
DEAD_TOKEN = {"code": 10015, "message": "Unknown Webhook"}


@pytest.fixture
def shown_as_it_is_for_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROGRESS_AFTER_S", 1.5)


@pytest.mark.usefixtures("shown_as_it_is_for_members")
async def test_a_job_of_one_image_is_a_few_trips(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE) as easel:
        await easel.finished(await easel.imagine())
        with counted(easel.app.database) as counts:
            message = await easel.finished(await easel.imagine())
        assert message.attachments
        # Each trip is one transaction.
        assert counts.trips <= 10
        assert counts.statements <= 30


async def test_a_command_of_a_quota_with_periods_asks_for_nothing_that_rolls(
    opened: OpenEasel,
) -> None:
    async with opened(paint=lambda _: PICTURE) as easel:
        await easel.finished(await easel.imagine())
        with recorded() as statements:
            await easel.finished(await easel.imagine())
        assert statements
        assert not any(re.search(r"\sreturns\b", statement) for statement, _ in statements)


async def test_a_refused_command_is_one_trip(opened: OpenEasel) -> None:
    async with opened(allowance="0.01") as easel:
        await easel.finished(await easel.imagine())
        with counted(easel.app.database) as counts:
            refused = await easel.finished(await easel.imagine())
        assert "Nothing was charged" in said(refused)
        assert counts.trips == 1
        assert counts.statements <= 8


@pytest.mark.parametrize("command", ["jobs", "history"])
async def test_a_list_asks_once_for_the_tasks_of_its_jobs(opened: OpenEasel, command: str) -> None:
    async with (
        opened(paint=lambda _: PICTURE, max_jobs_per_user=1) as easel,
        easel.held(VendorCall.CREATE),
    ):
        for _ in range(3):
            await (await easel.imagine()).response()
        with recorded() as statements:
            call = await easel.discord.run_command("Ada", "studio", command)
            await call.until(lambda message: not message.is_loading)
        asked = [statement for statement, _ in statements]
        assert (asked.count(tasks.OF_JOBS), asked.count(tasks.TASKS)) == (1, 0)


async def everything_a_member_does(easel: Easel) -> None:
    """A job that waits and is cancelled, one that falls back, one that is refunded, a look back."""
    async with easel.held(VendorCall.CREATE):
        waiting = await easel.imagine()
        shown = await waiting.until(lambda message: bool(message.components))
        await easel.imagine("Ben", channel="mockups")
        await easel.imagine(channel="mockups")
        await easel.discord.press("Ada", shown, label="Cancel")
        await waiting.until(lambda message: "Cancelled" in said(message))
    easel.providers.faults.add(VendorCall.CREATE, Respond(503, {"code": 503}), times=3)
    await easel.finished(await easel.imagine(count=2))
    easel.discord.faults.add(path="/messages/@original", status=404, body=DEAD_TOKEN, times=9)
    missing = {"code": 50013, "message": "Missing Permissions"}
    easel.discord.faults.add(method="POST", path="/channels/", status=403, body=missing, times=9)
    await easel.imagine()
    await easel.until(lambda: easel.entries(EntryKind.REFUND))
    await easel.idle()
    easel.discord.faults.clear()
    for command in ("history", "jobs", "preferences", "basket", "credits"):
        await (await easel.discord.run_command("Ada", "studio", command)).response()
    await everything_of_a_quota(easel)


async def everything_of_a_quota(easel: Easel) -> None:
    """Moderators set one and use it; allowances begin to roll, and budgets are looked at."""
    given = {"member": "Ada", "amount": "0.10", "reason": "a gift"}
    for command, options in (
        ("grant", given),
        ("member", {"member": "Ada"}),
        ("budget", {"amount": "0.30"}),
        ("set", {"period": "rolling"}),
    ):
        call = await easel.discord.run_command("Cleo", "studio", f"quota {command}", options)
        await call.response()
    await easel.finished(await easel.imagine())
    server_id = easel.discord.world.channel("studio").guild_id or 0
    await easel.app.client.easel.servers.change(server_id, lambda _: {"log_channel_id": 7}, 3)
    for _, duty in easel.app.runner._duties._others:
        await duty()
    await month(easel)
    await export(easel)
    await sweep(easel)
    await erase(easel)


async def test_no_statement_of_a_job_reads_a_table_that_grows(opened: OpenEasel) -> None:
    """An index with a condition is used only where the statement repeats it word for word."""
    async with opened(paint=lambda _: picture(), max_jobs_per_user=1, max_running_jobs=1) as easel:
        with recorded() as statements:
            await everything_a_member_does(easel)
            await easel.restart()
            await easel.app.runner._duties._renew(easel.app.runner.job_ids)
            await easel.app.runner._duties._show_queue()
        with recorded() as of_tests:
            await easel.app.database.read(audit)
            await easel.app.database.read(list_entries)
        left_out = {statement for statement, _ in of_tests}
        of_bot = {
            statement: next(iter(given), {}) if isinstance(given, list) else given
            for statement, given in statements
            if statement not in left_out
        }

        def explain(tx: Transaction) -> list[str]:
            return [
                f"{step}: {statement}"
                for statement, given in of_bot.items()
                if statement.lstrip().startswith(VERBS)
                for step in plan_of(tx, statement, given)
                if SCAN.match(step)
            ]

        assert len(of_bot) > 30
        assert await easel.app.database.read(explain) == []
