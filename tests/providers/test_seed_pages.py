"""
What the vendors' own pages say of gpt-image-2-beta, one test a sentence.

Sources: the model page of API Models (apimodels.app) and its image docs; the model page of MaxAPI
(maxapi.dev) and its docs; read 2026-11. docs/vendor-pages.md lists each sentence with its test.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot.domain.credits import from_usd
from bot.domain.ports import Failed, Finished
from bot.domain.pricing import Bill, Usage, final_cost
from bot.domain.requests import Mode
from bot.errors import ProviderBusy, ProviderMisconfigured
from bot.playground.faults import Respond, VendorCall
from bot.playground.studio import Fails
from tests.providers.samples import NO_RESULT
from tests.providers.stage import ROWS, Stage, open_stage, route_of

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "vendor-pages.md"
MAXAPI_MIX = "maxapi/openai/gpt-image-2-beta@mix"

OpenStage = Callable[[str], Awaitable[Stage]]


@pytest.fixture
async def stage_of(tmp_path: Path) -> AsyncIterator[OpenStage]:
    async with AsyncExitStack() as stack:

        async def opened(route_id: str) -> Stage:
            [row] = [row for row in ROWS if row.route_id == route_id]
            return await stack.enter_async_context(open_stage(row, tmp_path))

        yield opened


@pytest.fixture
async def apimodels(stage_of: OpenStage) -> Stage:
    return await stage_of("apimodels/gpt-image-2-beta")


@pytest.fixture
async def maxapi(stage_of: OpenStage) -> Stage:
    return await stage_of(MAXAPI_MIX)


def spent_usd(stage: Stage) -> Decimal:
    return Decimal(100) - stage.server.studio.balance_usd


def test_each_sentence_has_its_test() -> None:
    named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", TABLE.read_text(encoding="utf-8"))
    assert len(named) > 20
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not re.search(rf"def {test}\(", (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert missing == []
    here = set(re.findall(r"def (test_\w+)\(", Path(__file__).read_text(encoding="utf-8")))
    assert here - {test for _, test in named} == {"test_each_sentence_has_its_test"}


# API Models


async def test_apimodels_takes_eleven_aspect_ratios(apimodels: Stage) -> None:
    ratios = ["auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]
    assert sorted(apimodels.route.sizes) == sorted(ratios)
    for ratio in ratios:
        await apimodels.provider().submit(apimodels.order(aspect_ratio=ratio))
    assert [each.body["aspect_ratio"] for each in apimodels.server.submissions] == ratios


async def test_apimodels_takes_sixteen_references_in_their_order(apimodels: Stage) -> None:
    assert apimodels.route.references_max == 16
    given = await apimodels.edit(16)
    [(_, painted, _)] = apimodels.painted
    assert painted == given
    assert len(apimodels.server.submissions[0].body["image_urls"]) == 16


async def test_apimodels_takes_image_urls_as_the_sign_of_an_edit(apimodels: Stage) -> None:
    await apimodels.task()
    assert "image_urls" not in apimodels.server.submissions[0].body


@pytest.mark.parametrize("checks", [True, False])
async def test_apimodels_is_told_of_the_nsfw_checker_in_each_order(
    apimodels: Stage, checks: bool
) -> None:
    """The page states both defaults, so neither is relied on."""
    await apimodels.provider().submit(apimodels.order(nsfw_checker=checks))
    assert apimodels.server.submissions[0].body["nsfw_checker"] is checks


@pytest.mark.parametrize("checks", [True, False])
async def test_apimodels_refuses_content_only_with_the_nsfw_checker(
    apimodels: Stage, checks: bool
) -> None:
    provider = apimodels.provider()
    task = await provider.submit(apimodels.order(prompt="a nude, in oil", nsfw_checker=checks))
    assert isinstance(task, str)
    progress = await provider.poll(task, NO_RESULT)
    if checks:
        assert isinstance(progress, Failed)
        assert progress.moderation
    else:
        assert isinstance(progress, Finished)


async def test_apimodels_costs_six_cents_a_call_whatever_is_asked(apimodels: Stage) -> None:
    for references, ratio in ((0, "1:1"), (0, "21:9"), (16, "auto")):
        before = spent_usd(apimodels)
        if references:
            await apimodels.edit(references)
        else:
            await apimodels.finish(apimodels.provider(), apimodels.order(aspect_ratio=ratio))
        assert spent_usd(apimodels) - before == Decimal("0.06")
    assert set(apimodels.route.price.images.values()) == {from_usd(Decimal("0.06"))}


async def test_apimodels_does_not_charge_a_failed_task(apimodels: Stage) -> None:
    apimodels.server.endings.append(Fails("UPSTREAM_BUSY", retryable=True))
    provider = apimodels.provider()
    task = await apimodels.task()
    assert isinstance(await provider.poll(task, NO_RESULT), Failed)
    assert spent_usd(apimodels) == 0


async def test_apimodels_makes_a_task_that_is_asked_for_by_its_id(apimodels: Stage) -> None:
    provider = apimodels.provider()
    task = await apimodels.task()
    progress = await provider.poll(task, NO_RESULT)
    assert isinstance(progress, Finished)
    assert len(progress.links) == 1


async def test_apimodels_answers_at_once_where_the_model_is_synchronous(
    stage_of: OpenStage,
) -> None:
    stage = await stage_of("apimodels/gpt-image-2-all")
    answer = await stage.provider().submit(stage.order(aspect_ratio="16:9", quality="low"))
    assert answer == Finished(in_answer=True)
    assert stage.server.submissions[0].body["size"] == "1360x768"


@pytest.mark.parametrize("route_id", ["apimodels/gpt-image-2-beta", MAXAPI_MIX])
async def test_a_key_goes_along_as_a_bearer(stage_of: OpenStage, route_id: str) -> None:
    stage = await stage_of(route_id)
    key = {"apimodels": "APIMODELS_API_KEY", "maxapi": "MAXAPI_KEY"}[stage.route.provider]
    with pytest.raises(ProviderMisconfigured):
        await stage.provider(**{key: "sk_another_0123456789"}).submit(stage.order())
    assert not stage.server.submissions
    await stage.provider().submit(stage.order())


# MaxAPI


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        ("1:1", "1K", "1024x1024"),
        ("9:16", "2K", "1152x2048"),
        ("1:1", "4K", "4096x4096"),
        ("auto", "1K", "auto"),
    ],
)
async def test_maxapi_takes_openais_body(
    maxapi: Stage, ratio: str, resolution: str, size: str
) -> None:
    order = maxapi.order(aspect_ratio=ratio, resolution=resolution, quality="high")
    await maxapi.finish(maxapi.provider(), order)
    body = maxapi.server.submissions[0].body
    assert {name: body[name] for name in ("model", "prompt", "n", "size", "quality")} == {
        "model": "openai/gpt-image-2-beta",
        "prompt": order.prompt,
        "n": 1,
        "size": size,
        "quality": "high",
    }


async def test_maxapi_edits_with_references_in_their_order_and_a_mask(maxapi: Stage) -> None:
    mask = maxapi.image("mask", (0, 0, 0, 0))
    given = await maxapi.edit(16, mask=mask)
    [(_, painted, painted_mask)] = maxapi.painted
    assert (painted, painted_mask) == (given, mask.path.read_bytes())


@pytest.mark.parametrize(("edits", "path"), [(False, "generations"), (True, "edits")])
async def test_maxapi_makes_a_task_where_async_is_true(
    maxapi: Stage, edits: bool, path: str
) -> None:
    references = (maxapi.image("reference", (9, 60, 80, 255)),) if edits else ()
    mode = Mode.EDIT if edits else Mode.GENERATE
    provider = maxapi.provider()
    task = await provider.submit(maxapi.order(mode=mode, references=references))
    assert str(maxapi.server.submissions[0].body["async"]).lower() == "true"
    assert isinstance(task, str)
    assert f"/v1/images/{path}/" in task
    assert isinstance(await provider.poll(task, NO_RESULT), Finished)


async def test_maxapi_answers_in_openais_shape_where_it_answers_at_once(maxapi: Stage) -> None:
    maxapi.server.maxapi_habits.ignores_async = True
    answer = await maxapi.provider().submit(maxapi.order())
    assert isinstance(answer, Finished)
    assert len(answer.links) == 1


@pytest.mark.parametrize("mode", ["mix", "official-cheap", ""])
async def test_maxapi_takes_the_route_mode_or_the_keys_own_order(maxapi: Stage, mode: str) -> None:
    route = replace(maxapi.route, route_mode=mode)
    await maxapi.provider().submit(maxapi.order(route=route))
    assert maxapi.server.submissions[0].body.get("route_mode", "") == mode


@pytest.mark.parametrize("delivery", ["default", "mirror"])
async def test_maxapi_takes_how_assets_are_delivered(maxapi: Stage, delivery: str) -> None:
    provider = maxapi.provider(MAXAPI_ASSET_DELIVERY=delivery)
    await provider.submit(maxapi.order())
    assert maxapi.server.submissions[0].body["asset_delivery"] == delivery


@pytest.mark.parametrize("resolution", ["1K", "4K"])
async def test_maxapi_mix_costs_the_same_for_every_image(maxapi: Stage, resolution: str) -> None:
    order = maxapi.order(resolution=resolution, quality="high")
    await maxapi.finish(maxapi.provider(), order)
    assert spent_usd(maxapi) == Decimal("0.012")
    assert set(maxapi.route.price.images.values()) == {from_usd(Decimal("0.012"))}


def test_maxapi_official_cheap_is_settled_by_what_was_used() -> None:
    price = route_of("maxapi/openai/gpt-image-2-beta@official-cheap").price
    bill = Bill(usage=Usage(text_in=1_000_000, image_in=2_000_000, image_out=3_000_000))
    cost = final_cost(price, from_usd(Decimal(10)), bill)
    assert cost.amount_ucr == from_usd(Decimal("0.35") + 2 * Decimal("0.35") + 3 * Decimal("0.70"))


async def test_maxapi_does_not_charge_a_failed_request(maxapi: Stage) -> None:
    maxapi.server.endings.append(Fails("channel:no_available_key", "upstream is busy"))
    task = await maxapi.task()
    assert isinstance(await maxapi.provider().poll(task, NO_RESULT), Failed)
    assert spent_usd(maxapi) == 0


async def test_maxapi_errors_have_openais_shape(maxapi: Stage) -> None:
    body = {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
    maxapi.server.faults.add(VendorCall.CREATE, Respond(429, body))
    with pytest.raises(ProviderBusy) as raised:
        await maxapi.provider().submit(maxapi.order())
    assert raised.value.rate_limited
