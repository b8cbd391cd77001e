"""The one model of API Models that answers at once, in OpenAI's shape."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.domain.ports import Finished, ImageFile, ImageFormat, Order
from bot.domain.requests import Mode
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderError,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
)
from bot.playground.faults import Call, Reset, Respond
from bot.playground.providers import PlaygroundProviders
from bot.playground.studio import Fails
from bot.providers.apimodels import ApiModels, build_order
from bot.providers.connections import Connections
from bot.providers.http import VendorHttp
from bot.providers.images import check_image
from tests.providers.conftest import LIMITS, route_of

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "samples" / "apimodels").glob("all_*.json"))
}
LINK = "https://r2.apimodels.app/results/sync-1.png"

#: What the adapter makes of each sample's answer: a value, or the class of an error.
READINGS: dict[str, object] = {
    "all_empty": ProviderContractBroken,
    "all_error_402": ProviderMisconfigured,
    "all_error_moderation": ProviderRefused,
    "all_sync": Finished((LINK,), in_answer=True),
    "all_task": "am-task-0003",
    "all_url_only": Finished((LINK,)),
}

OrderOf = Callable[..., Order]


@pytest.fixture
def provider(server: PlaygroundProviders, connections: Connections) -> ApiModels:
    key = SecretStr(server.api_key)
    return ApiModels(VendorHttp("apimodels", server.apimodels_base_url, key, connections))


@pytest.fixture
def order(order: OrderOf) -> OrderOf:
    plain = order(
        route=route_of("apimodels/gpt-image-2-all"),
        prompt="a chess clock on slate",
        aspect_ratio="1:1",
        quality="low",
    )
    return lambda **fields: replace(plain, **fields)


def test_every_sample_has_its_reading() -> None:
    assert sorted(SAMPLES) == sorted(READINGS)


@pytest.mark.parametrize("name", list(SAMPLES))
async def test_every_sample_is_read_as_meant(
    name: str, provider: ApiModels, server: PlaygroundProviders, order: OrderOf
) -> None:
    answer = SAMPLES[name]["response"]
    server.faults.add(Call.CREATE, Respond(status=answer["status"], body=answer["body"]))
    reading = READINGS[name]
    if isinstance(reading, type):
        with pytest.raises(ProviderError) as caught:
            await provider.submit(order())
        assert type(caught.value) is reading
        assert getattr(caught.value, "moderation", False) is ("moderation" in name)
    else:
        assert await provider.submit(order()) == reading


def test_the_documented_requests_are_built(order: OrderOf) -> None:
    assert build_order(order()) == SAMPLES["all_sync"]["request"]["body"]
    automatic = order(aspect_ratio="auto")
    assert build_order(automatic) == SAMPLES["all_task"]["request"]["body"]


def test_only_the_models_with_tasks_want_uploads(provider: ApiModels) -> None:
    assert not provider.uploads(route_of("apimodels/gpt-image-2-all"))
    assert provider.uploads(route_of("apimodels/gpt-image-2"))
    assert provider.uploads(route_of("apimodels/gpt-image-2-beta"))


async def test_an_image_is_made_from_words_and_lies_in_the_file(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf
) -> None:
    asked = order(aspect_ratio="16:9")
    assert await provider.submit(asked) == Finished((), in_answer=True)
    image = check_image(asked.result_path, replace(LIMITS, pixels_max=2_000_000))
    assert (image.format, image.width_px / image.height_px) == (
        ImageFormat.PNG,
        pytest.approx(16 / 9, rel=0.02),
    )
    size = f"{image.width_px}x{image.height_px}"
    assert server.submissions[0].body["size"] == size


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
    provider: ApiModels,
    server: PlaygroundProviders,
    order: OrderOf,
    resolution: str,
    quality: str,
    usd: str,
) -> None:
    await provider.submit(order(aspect_ratio="16:9", resolution=resolution, quality=quality))
    assert Decimal(100) - server.studio.balance_usd == Decimal(usd)


async def test_an_automatic_size_is_left_to_the_vendor(provider: ApiModels, order: OrderOf) -> None:
    assert await provider.submit(order(aspect_ratio="auto")) == Finished((), in_answer=True)


async def test_references_and_mask_go_inside_the_order(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf, image_file: ImageFile
) -> None:
    mask_path = image_file.path.with_name("mask")
    Image.new("RGBA", (64, 48), (0, 0, 0, 0)).save(mask_path, "PNG")
    mask = ImageFile(mask_path, ImageFormat.PNG, 64, 48, mask_path.stat().st_size)
    asked = order(mode=Mode.EDIT, references=(image_file,) * 16, mask=mask)
    assert await provider.submit(asked) == Finished((), in_answer=True)
    body = server.submissions[0].body
    links = body["image"]
    assert isinstance(links, list)
    assert len(links) == 16
    assert server.uploads[links[15]].path.read_bytes() == image_file.path.read_bytes()
    assert server.uploads[str(body["mask"])].path.read_bytes() == mask_path.read_bytes()
    assert body["model"] == "gpt-image-2-all"


async def test_refusals_and_faults_mean_what_they_mean_elsewhere(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf
) -> None:
    server.endings.extend([Fails("CONTENT_MODERATION"), Fails("UPSTREAM_BUSY")])
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(order())
    assert caught.value.moderation is True
    with pytest.raises(ProviderOutcomeUnknown):
        await provider.submit(order())
    server.faults.add(Call.CREATE, Reset(after_effect=True))
    with pytest.raises(ProviderOutcomeUnknown):
        await provider.submit(order())
    server.faults.add(Call.CREATE, Respond(status=429, body={"code": 429, "msg": "slow down"}))
    with pytest.raises(ProviderBusy):
        await provider.submit(order())
    server.studio.balance_usd = Decimal(0)
    with pytest.raises(ProviderMisconfigured):
        await provider.submit(order())
