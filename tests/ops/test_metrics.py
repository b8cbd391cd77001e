"""`/metrics` of a bot at work, read by Prometheus's own parser."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.engine import events
from bot.ops.log import configure
from bot.playground.faults import Respond, VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel
from tests.support.ports import free_port

HOSTING = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text("utf-8")
ROUTE = "apimodels/gpt-image-2-beta"


@pytest.fixture(autouse=True)
def nothing_happened_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for counts in (events.happened, events.cost_ucr_of_routes):
        counts.clear()


async def metrics(port: int) -> dict[str, float]:
    """The value of each of Easel's series."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        text = await answer.text()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_what_happens_is_counted_and_what_waits_is_shown(opened: OpenEasel) -> None:
    port = free_port()
    async with opened(ops_port=port, max_jobs_per_user=1) as easel:
        await easel.finished(await easel.imagine())
        async with easel.held(VendorCall.CREATE):
            waiting = await easel.imagine()
            await easel.until(lambda: is_queued(easel))
            easel.clock.advance(30)
            during = await metrics(port)
        await easel.finished(waiting)
        after = await metrics(port)

    assert during["easel_jobs{running}"] == during["easel_jobs{queued}"] == 1
    assert during["easel_oldest_queued_seconds"] >= 30
    assert during[f"easel_images{{{ROUTE}}}"] == 1
    assert during["easel_servers"] == 2
    assert after[f"easel_events_total{{task_stored,{ROUTE}}}"] == 3
    assert after["easel_events_total{job_delivered,}"] == 3
    assert after[f"easel_image_cost_credits_total{{{ROUTE}}}"] == pytest.approx(0.18)
    assert after[f"easel_route_ready{{{ROUTE}}}"] == 1
    assert after["easel_jobs{queued}"] == after["easel_oldest_queued_seconds"] == 0
    assert after["easel_database_statements_total"] > during["easel_database_statements_total"]
    assert not any(name.endswith("_created") for name in after)


async def is_queued(easel: Easel) -> bool:
    return bool(await easel.rows("SELECT 1 FROM jobs WHERE state = 'queued'"))


async def test_a_route_that_fails_is_shown_as_not_ready(opened: OpenEasel) -> None:
    port = free_port()
    async with opened(ops_port=port) as easel:
        easel.providers.faults.add(VendorCall.CREATE, Respond(401, {"code": 401}), times=9)
        await easel.finished(await easel.imagine())
        found = await metrics(port)
    assert found[f"easel_route_ready{{{ROUTE}}}"] == 0
    assert found[f"easel_events_total{{task_failed,{ROUTE}}}"] == 1


async def test_a_fault_is_counted_once_however_often_it_is_told(opened: OpenEasel) -> None:
    """At DEBUG, it is told again in the vendor's words."""
    port = free_port()
    async with opened(ops_port=port) as easel:
        easel.providers.faults.add(VendorCall.POLL, Respond(500, {"code": 500}))
        await easel.finished(await easel.imagine())
        found = await metrics(port)
    assert found[f"easel_events_total{{poll_failed,{ROUTE}}}"] == 1


@pytest.mark.usefixtures("logging_restored")
async def test_what_needs_no_database_is_told_without_one(
    opened: OpenEasel, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("WARNING", "console")
    port = free_port()
    async with opened(ops_port=port) as easel:
        before = await metrics(port)
        async with lost(easel, "jobs"):
            during = await metrics(port)
            logged = capsys.readouterr().err
    assert before["easel_database_readable"] == during["easel_database_readable"] + 1 == 1
    assert {name.partition("{")[0] for name in before.keys() - during.keys()} == {
        "easel_jobs",
        "easel_oldest_queued_seconds",
        "easel_images",
    }
    assert "in _metrics" not in logged


async def test_a_database_that_cannot_be_read_is_not_ready(opened: OpenEasel) -> None:
    port = free_port()
    async with (
        opened(ops_port=port) as easel,
        lost(easel, "alembic_version"),
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/readyz") as answer,
    ):
        assert answer.status == 503
        assert (await answer.json())["database"] is False


@asynccontextmanager
async def lost(easel: Easel, table: str) -> AsyncIterator[None]:
    """As of a file that was damaged."""
    write = easel.app.database.write
    await write(lambda tx: tx.execute(f"ALTER TABLE {table} RENAME TO lost"))
    yield
    await write(lambda tx: tx.execute(f"ALTER TABLE lost RENAME TO {table}"))


async def test_the_documents_name_every_metric(opened: OpenEasel) -> None:
    port = free_port()
    async with opened(ops_port=port) as easel:
        await easel.finished(await easel.imagine())
        found = {name.partition("{")[0] for name in await metrics(port)}
    told = set(re.findall(r"`(easel_\w+)`", HOSTING))
    assert {name for name in found if name.startswith("easel_")} == told
