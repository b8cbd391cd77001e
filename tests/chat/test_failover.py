"""One failing vendor is invisible to members, and each is charged what the image cost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.app import SHIPPED_CATALOG
from bot.domain.ledger import EntryKind
from bot.engine.carrier import SUBMITS_MAX
from bot.engine.traffic import FAULTS_MAX, OPEN_FOR
from bot.playground.discord import Upload
from bot.playground.faults import Hold, Respond, VendorCall
from bot.playground.studio import Completes, Fails
from tests.providers.samples import load
from tests.support.easel import Easel, said
from tests.support.pictures import picture
from tests.support.settings import set_filter
from tests.vendors import AllVendors

DOWN = Respond(503, {"code": 503, "msg": "vendor's own words"})


@pytest.fixture
async def second() -> AsyncIterator[AllVendors]:
    """The vendor behind the second route."""
    async with AllVendors(paint=lambda _: picture()) as providers:
        yield providers


def kie(second: AllVendors, **more: Any) -> dict[str, Any]:
    return {
        "kie_api_key": SecretStr(second.api_key),
        "kie_base_url": second.kie_base_url,
        "kie_upload_url": second.kie_upload_url,
    } | more


async def test_the_next_route_makes_what_the_first_cannot(opened, second: AllVendors) -> None:
    async with opened(**kie(second)) as easel:
        easel.providers.faults.add(VendorCall.CREATE, DOWN, times=3)
        message = await easel.finished(await easel.imagine(reference1=Upload("a.png", picture())))

        assert message.attachments, said(message)
        assert "kie" in await easel.made_by(message)
        assert len(easel.providers.submissions) == 0
        assert len(second.submissions) == 1
        tasks = await easel.rows("SELECT route_id, state FROM tasks ORDER BY id")
        assert [tuple(task) for task in tasks] == [
            ("apimodels/gpt-image-2-beta", "failed"),
            ("kie/gpt-image-2", "stored"),
        ]


@pytest.mark.parametrize(
    ("ending", "delivered"),
    [
        (Fails("UPSTREAM_BUSY", "busy", retryable=True), True),
        (Fails("INVALID", "no", retryable=False), False),
        (Fails("CONTENT_MODERATION", "no", retryable=True), False),
    ],
)
async def test_only_a_failure_that_may_pass_goes_on(
    opened, second: AllVendors, ending: Fails, delivered: bool
) -> None:
    async with opened(**kie(second)) as easel:
        easel.providers.endings.append(ending)
        message = await easel.finished(await easel.imagine())

        assert bool(message.attachments) is delivered
        assert len(second.submissions) == delivered


@pytest.mark.parametrize(
    "answer",
    [Respond(500, b"oops", "text/plain"), Respond(303, headers={"Location": "/tasks/1"})],
    ids=lambda answer: str(answer.status),
)
async def test_an_unknown_outcome_is_never_ordered_again(
    opened, second: AllVendors, answer: Respond
) -> None:
    async with opened(**kie(second)) as easel:
        easel.providers.faults.add(VendorCall.CREATE, answer)
        message = await easel.finished(await easel.imagine())

        assert "unknown whether it is being made" in said(message)
        # An answer did come.
        assert "connection" not in said(message)
        assert not second.submissions


async def test_a_route_whose_quota_of_the_day_is_used_up_is_left_at_once(
    opened, second: AllVendors
) -> None:
    async with AllVendors(paint=lambda _: picture()) as google:
        keys = {
            "google_api_key": SecretStr(google.api_key),
            "google_base_url": google.google_base_url,
            "maxapi_key": SecretStr(second.api_key),
            "maxapi_base_url": second.maxapi_base_url,
        }
        async with opened(**keys) as easel:
            await set_filter(easel, "off")
            answer = load("gemini")["error_daily_quota"]["response"]
            google.faults.add(VendorCall.CREATE, Respond(answer["status"], answer["body"]))
            for _ in range(2):
                message = await easel.finished(await easel.imagine(model="nano-banana"))
                assert message.attachments, said(message)

            assert google.calls[VendorCall.CREATE] == 1
            assert len(second.submissions) == 2


async def test_the_first_route_dies_in_a_burst_of_fifty(opened, second: AllVendors) -> None:
    async with opened(
        maxapi_key=SecretStr(second.api_key),
        maxapi_base_url=second.maxapi_base_url,
        allowance="10.00",
        max_jobs_per_user=50,
        max_queued_per_user=50,
        max_jobs_per_server=50,
        paint=lambda _: picture(),
    ) as easel:
        first = easel.providers
        first.endings.extend(
            [Completes()] * 10 + [Fails("UPSTREAM_BUSY", retryable=True)] * 3 + [Completes()] * 7
        )
        # MaxAPI documents no filter, so its route is there only without one.
        await set_filter(easel, "off")
        calls = []
        for number in range(50):
            if number == 20:
                first.faults.add(VendorCall.CREATE, DOWN, times=1_000)
            calls.append(await easel.imagine())
        messages = [await easel.finished(call) for call in calls]

        assert all(message.attachments for message in messages)
        by_first = sum(["apimodels" in await easel.made_by(each) for each in messages])
        by_second = sum(["maxapi" in await easel.made_by(each) for each in messages])
        assert by_first + by_second == 50
        assert by_second >= 30
        assert len(second.submissions) == by_second
        assert len(await easel.entries(EntryKind.SETTLE)) == 50
        [paid] = await easel.rows("SELECT SUM(cost_ucr) AS ucr FROM jobs")
        [taken] = await easel.rows(
            "SELECT -SUM(allowance_ucr + grant_ucr) AS ucr FROM entries WHERE job_id IS NOT NULL"
        )
        assert paid.ucr == taken.ucr == by_first * 60_000 + by_second * 12_000
        assert (100 - first.studio.balance_usd) * 1_000_000 == by_first * 60_000


async def test_a_route_too_dear_for_the_account_leaves_the_cheaper_ones(
    opened, second: AllVendors
) -> None:
    async with opened(**kie(second, allowance="0.10")) as easel:
        message = await easel.finished(await easel.imagine(count=2))
        assert "kie" in await easel.made_by(message)
        assert "· 0.06 cr" in said(message)
        [hold] = await easel.entries(EntryKind.HOLD)
        assert hold.allowance_ucr == -60_000

        refused = await (await easel.imagine(count=2)).response()
        words = "may cost up to 0.06 cr, which is held until it is made, and you have 0.04 cr left"
        assert words in said(refused)
        assert len(await easel.entries(EntryKind.HOLD)) == 1


async def test_what_is_held_pays_for_the_dearest_route_where_a_cheaper_one_fails(
    opened, second: AllVendors
) -> None:
    async with opened(**kie(second, route_order="cheapest")) as easel:
        second.endings.append(Fails("500", retryable=True))
        message = await easel.finished(await easel.imagine())
        assert await easel.made_by(message) == {"apimodels"}
        assert len(second.submissions) == 1
        [hold] = await easel.entries(EntryKind.HOLD)
        [settled] = await easel.entries(EntryKind.SETTLE)
        assert (hold.allowance_ucr, settled.allowance_ucr) == (-60_000, 0)


async def test_a_route_that_takes_orders_and_makes_nothing_is_closed(
    opened, second: AllVendors
) -> None:
    async with opened(**kie(second, allowance="10.00")) as easel:
        easel.providers.endings.extend([Fails("UPSTREAM_BUSY", retryable=True)] * 20)
        for _ in range(FAULTS_MAX + 3):
            assert "kie" in await easel.made_by(await easel.finished(await easel.imagine()))
        assert len(easel.providers.submissions) == FAULTS_MAX


async def test_an_order_is_not_repeated_once_its_route_is_closed(
    opened, second: AllVendors
) -> None:
    async with opened(**kie(second)) as easel:
        easel.providers.faults.add(VendorCall.CREATE, DOWN, times=10)
        for _ in range(3):
            assert "kie" in await easel.made_by(await easel.finished(await easel.imagine()))
        assert easel.providers.calls[VendorCall.CREATE] == FAULTS_MAX


async def test_what_is_wrong_with_requests_closes_no_route(easel: Easel) -> None:
    easel.providers.endings.extend([Fails("INVALID_IMAGE", retryable=False)] * FAULTS_MAX)
    for _ in range(FAULTS_MAX):
        assert not (await easel.finished(await easel.imagine())).attachments
    assert (await easel.finished(await easel.imagine("Cleo"))).attachments


async def test_a_probe_lets_the_other_images_of_its_job_through(opened) -> None:
    async with opened() as easel:
        easel.providers.faults.add(VendorCall.CREATE, DOWN, times=2 * SUBMITS_MAX)
        while easel.providers.calls[VendorCall.CREATE] < 2 * SUBMITS_MAX:
            assert not (await easel.finished(await easel.imagine())).attachments
        easel.clock.advance(OPEN_FOR.total_seconds())
        message = await easel.finished(await easel.imagine(count=4))
        assert len(message.attachments) == 4


@pytest.mark.parametrize(("seconds", "made_by", "calls"), [(90, "kie", 1), (50, "apimodels", 3)])
async def test_a_long_wait_is_left_for_another_route_and_a_short_one_is_not(
    opened, second: AllVendors, seconds: int, made_by: str, calls: int
) -> None:
    async with opened(**kie(second)) as easel:
        later = {"Retry-After": str(seconds)}
        limited = Respond(429, {"code": 429, "msg": "slow down"}, headers=later)
        easel.providers.faults.add(VendorCall.CREATE, limited)
        # The second never heard of the limit, but its turn would come as late.
        for _ in range(2):
            assert made_by in await easel.made_by(await easel.finished(await easel.imagine()))
        assert easel.providers.calls[VendorCall.CREATE] == calls


async def test_with_nowhere_to_go_a_blip_is_sat_out(opened) -> None:
    async with opened(max_jobs_per_user=20, allowance="10.00") as easel:
        # All of them are accepted before the first one fails.
        gate = Hold(asyncio.Event())
        easel.providers.faults.add(VendorCall.UPLOAD, gate, times=10)
        easel.providers.faults.add(VendorCall.CREATE, DOWN, times=12)
        calls = [await easel.imagine(reference1=Upload("a.png", picture())) for _ in range(10)]
        await easel.until(lambda: uploads_begun(easel, 10))
        gate.until.set()
        messages = [await easel.finished(call) for call in calls]
        assert all(message.attachments for message in messages)


async def uploads_begun(easel: Easel, count: int) -> bool:
    return easel.providers.calls[VendorCall.UPLOAD] >= count


async def test_a_refusal_in_plain_text_goes_nowhere_else(opened, second: AllVendors) -> None:
    async with opened(**kie(second)) as easel:
        refused = Respond(400, b"Your prompt was blocked by content moderation", "text/plain")
        easel.providers.faults.add(VendorCall.CREATE, refused)
        message = await easel.finished(await easel.imagine())

        assert "content filter" in said(message)
        assert not second.submissions


async def test_a_reference_refused_for_its_content_goes_nowhere_else(
    opened, second: AllVendors
) -> None:
    async with opened(**kie(second)) as easel:
        refused = Respond(400, {"code": 400, "msg": "CONTENT_MODERATION: image refused"})
        easel.providers.faults.add(VendorCall.UPLOAD, refused)
        message = await easel.finished(await easel.imagine(reference1=Upload("a.png", picture())))

        assert "content" in said(message)
        assert not second.submissions


async def test_an_upload_that_is_refused_for_money_closes_the_route(
    opened, second: AllVendors
) -> None:
    async with opened(**kie(second)) as easel:
        poor = Respond(402, {"code": 402, "msg": "no money"})
        easel.providers.faults.add(VendorCall.UPLOAD, poor, times=10)
        for _ in range(3):
            reference = Upload("a.png", picture())
            assert "kie" in await easel.made_by(
                await easel.finished(await easel.imagine(reference1=reference))
            )
        assert easel.providers.calls[VendorCall.UPLOAD] == 1


async def test_no_more_images_fail_over_than_the_next_route_takes(
    opened, second: AllVendors, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.toml"
    shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
    catalog.write_text(shipped.replace("running_max = 100", "running_max = 3"), encoding="utf-8")
    more = {"catalog_file": catalog, "max_jobs_per_user": 8}
    async with opened(**kie(second, **more)) as easel:
        gate = Hold(asyncio.Event())
        second.faults.add(VendorCall.CREATE, gate, times=8)
        easel.providers.faults.add(VendorCall.CREATE, DOWN, times=40)
        calls = [await easel.imagine() for _ in range(8)]
        kies = "SELECT 1 FROM tasks WHERE route_id LIKE 'kie%' AND state = 'submitting'"
        await easel.until(lambda: at_least(easel, 3, kies))
        waiting = "SELECT 1 FROM tasks WHERE route_id LIKE 'kie%' AND state = 'pending'"
        await easel.until(lambda: at_least(easel, 5, waiting))

        async def are_called() -> bool:
            # A task is written down as being submitted before the vendor hears of it.
            return second.calls[VendorCall.CREATE] >= 3

        await easel.until(are_called)
        assert second.calls[VendorCall.CREATE] == 3
        gate.until.set()
        assert all(["kie" in await easel.made_by(await easel.finished(call)) for call in calls])


async def at_least(easel: Easel, count: int, query: str) -> bool:
    return len(await easel.rows(query)) >= count


async def test_a_bad_key_is_passed_over_at_once(opened, second: AllVendors) -> None:
    async with opened(**kie(second, apimodels_api_key=SecretStr("wrong"))) as easel:
        for _ in range(3):
            message = await easel.finished(await easel.imagine())
            assert "kie" in await easel.made_by(message)

        tasks = await easel.rows("SELECT 1 FROM tasks WHERE route_id LIKE 'apimodels%'")
        assert len(tasks) == 1


async def test_routes_tried_before_a_restart_are_not_tried_again(
    opened, second: AllVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The poll that is held outlasts any grace.
    monkeypatch.setattr("bot.engine.runner.STOP_GRACE_S", 0.0)
    async with opened(**kie(second)) as easel:
        easel.providers.endings.append(Fails("UPSTREAM_BUSY", retryable=True))
        second.endings.append(Fails("500", retryable=True))
        polled = Hold(until=asyncio.Event())
        second.faults.add(VendorCall.POLL, polled)
        call = await easel.imagine()
        await polled.reached.wait()
        await easel.restart()
        polled.until.set()
        message = await easel.finished(call)

        assert "Nothing was charged." in said(message)
        tasks = await easel.rows("SELECT route_id FROM tasks ORDER BY id")
        assert [task.route_id for task in tasks] == [
            "apimodels/gpt-image-2-beta",
            "kie/gpt-image-2",
        ]


async def test_what_is_told_of_a_model_is_so_of_the_routes_that_may_make_it(
    opened, second: AllVendors
) -> None:
    """The first route has no qualities and a filter; the others, qualities and masks, and none."""
    keys = {"maxapi_key": SecretStr(second.api_key), "maxapi_base_url": second.maxapi_base_url}
    async with opened(**keys) as easel:

        async def told() -> str:
            call = await easel.discord.run_command("Ada", "studio", "models", {"model": beta})
            return said(await call.response())

        beta, shop = "gpt-image-2-beta", easel.app._shop
        filtered = await told()
        assert "One image: 1K: 0.06 cr" in filtered
        assert "mask" not in filtered

        await set_filter(easel, "off")
        assert "low quality: 1K:" in await told()
        for route in shop.catalog.models[beta].routes:
            if route.provider == "maxapi":
                shop.traffic.fault(route, misconfigured=True)
        assert "One image: 1K: 0.06 cr" in await told()
