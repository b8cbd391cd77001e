"""The one model of API Models that answers at once, in OpenAI's shape."""

from decimal import Decimal

import pytest

from bot.domain.catalog import Route
from bot.domain.ports import Finished, Provider
from bot.errors import ProviderMisconfigured, ProviderOutcomeUnknown, ProviderRefused
from bot.playground.faults import Respond, VendorCall
from bot.providers.apimodels import parse_submit
from tests.providers.conftest import OrderOf, Read
from tests.providers.samples import MODERATED, load
from tests.providers.stage import route_of
from tests.vendors import AllVendors

SAMPLES = load("apimodels", "all_")
LINK = "https://r2.apimodels.app/results/sync-1.png"

#: What the adapter makes of each sample's answer: a value, or the class of an error.
READINGS: dict[str, object] = {
    "all_empty": Finished(),
    "all_error_402": ProviderMisconfigured,
    "all_error_moderation": MODERATED,
    "all_sync": Finished((LINK,), in_answer=True),
    "all_task": "am-task-0003",
    "all_url_only": Finished((LINK,)),
}


@pytest.fixture
def route() -> Route:
    return route_of("apimodels/gpt-image-2-all")


@pytest.mark.parametrize("name", sorted(SAMPLES | READINGS))
async def test_every_sample_is_read_as_meant(name: str, read: Read) -> None:
    assert await read(SAMPLES[name]) == READINGS[name]


@pytest.mark.parametrize(
    ("entry", "answer"),
    [
        ({"task_id": "t1", "status": "submitted"}, "t1"),
        ({"task_id": "t1", "url": LINK}, Finished((LINK,))),
        ({"task_id": "", "url": ""}, Finished()),
    ],
)
def test_a_task_in_the_place_of_an_image_is_one(
    entry: dict[str, object], answer: str | Finished
) -> None:
    assert parse_submit({"created": 1, "data": [entry]}) == answer


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("moderation_blocked", ProviderRefused),
        ("insufficient_quota", ProviderMisconfigured),
        ("server_error", ProviderOutcomeUnknown),
    ],
)
async def test_an_error_in_openais_shape_is_one_whatever_the_status(
    provider: Provider, server: AllVendors, order: OrderOf, code: str, kind: type[Exception]
) -> None:
    body = {"error": {"code": code, "message": "No image can be made."}}
    server.faults.add(VendorCall.CREATE, Respond(body=body))
    with pytest.raises(kind) as caught:
        await provider.submit(order())
    assert getattr(caught.value, "moderation", False) is (code == "moderation_blocked")


async def test_the_documented_requests_are_sent_and_answered_at_once(
    provider: Provider, server: AllVendors, order: OrderOf
) -> None:
    for ratio in ("1:1", "auto"):
        asked = order(prompt="a chess clock on slate", aspect_ratio=ratio, quality="low")
        assert await provider.submit(asked) == Finished((), in_answer=True)
    assert [each.body for each in server.submissions] == [
        SAMPLES[name]["request"]["body"] for name in ("all_sync", "all_task")
    ]


@pytest.mark.parametrize(
    ("resolution", "quality", "usd"),
    [
        ("1K", "low", "0.005"),
        ("2K", "medium", "0.04"),
        ("4K", "high", "0.23"),
        ("1K", "auto", "0.025"),
    ],
)
async def test_the_sizes_we_send_are_billed_at_their_resolution(
    provider: Provider,
    server: AllVendors,
    order: OrderOf,
    resolution: str,
    quality: str,
    usd: str,
) -> None:
    await provider.submit(order(aspect_ratio="16:9", resolution=resolution, quality=quality))
    assert Decimal(100) - server.studio.balance_usd == Decimal(usd)
