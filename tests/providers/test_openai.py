import json
import logging
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.domain.ports import Finished, ImageFile, ImageFormat, Order
from bot.domain.pricing import Bill, Usage, final_cost
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
from bot.playground.studio import Fails, Sticks
from bot.providers.connections import Connections
from bot.providers.http import TimeLimits, VendorHttp
from bot.providers.images import check_image
from bot.providers.openai import OpenAI, build_edit, build_generation
from tests.providers.conftest import LIMITS, NO_RESULT, route_of

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "samples" / "openai").glob("*.json"))
}
LINK = "https://files.example.test/1.png"

#: What the adapter makes of each sample's answer: a value, or the class of an error.
READINGS: dict[str, object] = {
    "edit_multipart": Finished((), in_answer=True, bill=Bill(Usage(20, 800, 1400))),
    "error_400_billing_limit": ProviderMisconfigured,
    "error_400_size": ProviderRefused,
    "error_401": ProviderMisconfigured,
    "error_403_not_verified": ProviderMisconfigured,
    "error_404_model": ProviderMisconfigured,
    "error_500": ProviderOutcomeUnknown,
    "error_503": ProviderBusy,
    "error_in_200": ProviderOutcomeUnknown,
    "error_moderation": ProviderRefused,
    "error_quota": ProviderMisconfigured,
    "error_rate_limit": ProviderBusy,
    "generate": Finished((), in_answer=True, bill=Bill(Usage(12, 0, 200))),
    "models": "the key works, 2 models",
    "no_image": ProviderContractBroken,
    "url": Finished((LINK,)),
    "usage_untold": Finished((LINK,), bill=Bill(Usage(0, 12, 200))),
}

OrderOf = Callable[..., Order]


@pytest.fixture
def provider(server: PlaygroundProviders, connections: Connections) -> OpenAI:
    limits = TimeLimits(sync_s=20.0)
    key = SecretStr(server.api_key)
    return OpenAI(VendorHttp("openai", server.openai_base_url, key, connections, limits))


@pytest.fixture
def order(order: OrderOf) -> OrderOf:
    plain = order(
        route=route_of("openai/gpt-image-2"),
        prompt="a tin robot",
        aspect_ratio="1:1",
        quality="low",
    )
    return lambda **fields: replace(plain, **fields)


@pytest.fixture
def mask(tmp_path: Path) -> ImageFile:
    path = tmp_path / "mask"
    Image.new("RGBA", (64, 48), (0, 0, 0, 0)).save(path, "PNG")
    return ImageFile(path, ImageFormat.PNG, 64, 48, path.stat().st_size)


def test_every_sample_has_its_reading() -> None:
    assert sorted(SAMPLES) == sorted(READINGS)


@pytest.mark.parametrize("name", list(SAMPLES))
async def test_every_sample_is_read_as_meant(
    name: str, provider: OpenAI, server: PlaygroundProviders, order: OrderOf
) -> None:
    answer = SAMPLES[name]["response"]
    for call in Call:
        headers = answer.get("headers", {})
        server.faults.add(call, Respond(answer["status"], answer["body"], headers=headers))
    asked = provider.check() if name == "models" else provider.submit(order())
    reading = READINGS[name]
    if isinstance(reading, type):
        with pytest.raises(ProviderError) as caught:
            await asked
        assert type(caught.value) is reading
        error = caught.value
        assert getattr(error, "moderation", False) is (name == "error_moderation")
        if name == "error_rate_limit":
            assert isinstance(error, ProviderBusy)
            assert error.retry_after_s == 12.0
    else:
        assert await asked == reading


def test_the_documented_requests_are_built(order: OrderOf, image_file: ImageFile) -> None:
    assert build_generation(order()) == SAMPLES["generate"]["request"]["body"]
    asked = SAMPLES["edit_multipart"]["request"]["multipart"]
    fields = build_edit(
        order(prompt=asked["prompt"], aspect_ratio="16:9", resolution="1K", quality="medium")
    )
    sent = {name: value for name, value in asked.items() if name != "image[]"} | {"n": 1}
    # The sample's size was chosen by hand; ours is the largest of 16:9 at 1K.
    assert fields | {"size": asked["size"]} == sent


def test_an_automatic_size_is_said_in_so_many_words(order: OrderOf) -> None:
    assert build_generation(order(aspect_ratio="auto"))["size"] == "auto"
    assert build_edit(order(aspect_ratio="auto"))["size"] == "auto"


async def test_an_image_is_made_from_words_and_lies_in_the_file(
    provider: OpenAI, server: PlaygroundProviders, order: OrderOf
) -> None:
    asked = order()
    finished = await provider.submit(asked)
    assert finished == Finished((), in_answer=True, bill=Bill(Usage(2, 0, 200)))
    image = check_image(asked.result_path, replace(LIMITS, pixels_max=2_000_000))
    assert (image.format, image.width_px, image.height_px) == (ImageFormat.PNG, 1024, 1024)
    assert server.submissions[0].body == SAMPLES["generate"]["request"]["body"]


async def test_usage_becomes_the_cost_of_the_price_list(provider: OpenAI, order: OrderOf) -> None:
    """1,024 pixels square, medium: 0.053 USD of output by OpenAI's list, and two words."""
    asked = order(quality="medium")
    finished = await provider.submit(asked)
    price = asked.route.price
    cost = final_cost(price, price.images["1K", "medium"], finished.bill)
    assert cost.known
    # 2 x 5 and 1,767 x 30 USD for a million tokens.
    assert cost.amount_ucr == 10 + 53_010


@pytest.mark.parametrize("count", [1, 2, 16])
async def test_references_and_mask_go_inside_the_order(
    provider: OpenAI,
    server: PlaygroundProviders,
    order: OrderOf,
    image_file: ImageFile,
    mask: ImageFile,
    count: int,
) -> None:
    asked = order(mode=Mode.EDIT, references=(image_file,) * count, mask=mask)
    assert not provider.uploads(asked.route)
    finished = await provider.submit(asked)
    assert finished.in_answer
    assert finished.bill.usage == Usage(2, 400 * count, 200)
    body = server.submissions[0].body
    assert {name: body[name] for name in body if name not in {"image", "mask"}} == {
        "model": "gpt-image-2",
        "prompt": "a tin robot",
        "n": "1",
        "size": "1024x1024",
        "quality": "low",
    }
    links = body["image"]
    assert isinstance(links, list)
    assert len(links) == count
    kept = [server.uploads[link] for link in [*links, str(body["mask"])]]
    assert [each.path.read_bytes() for each in kept] == [
        *[image_file.path.read_bytes()] * count,
        mask.path.read_bytes(),
    ]
    assert {each.content_type for each in kept} == {"image/png"}
    assert [each.filename for each in kept[-2:]] == [f"reference{count}.png", "mask.png"]


async def test_a_seventeenth_reference_is_refused(
    provider: OpenAI, order: OrderOf, image_file: ImageFile
) -> None:
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(order(references=(image_file,) * 17))
    assert caught.value.moderation is False


async def test_a_mask_of_another_size_is_refused(
    provider: OpenAI, order: OrderOf, image_file: ImageFile, mask: ImageFile
) -> None:
    Image.new("RGBA", (32, 32)).save(mask.path, "PNG")
    asked = order(references=(image_file,), mask=mask)
    with pytest.raises(ProviderRefused, match="its size must be that of the image"):
        await provider.submit(asked)


async def test_a_refused_prompt_is_refused_for_its_content(
    provider: OpenAI, order: OrderOf
) -> None:
    asked = order(prompt="nsfw", nsfw_checker=True)
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(asked)
    assert caught.value.moderation is True
    assert (await provider.submit(order(prompt="nsfw", nsfw_checker=False))).in_answer


async def test_an_empty_account_is_the_operators_matter(
    provider: OpenAI, server: PlaygroundProviders, order: OrderOf
) -> None:
    server.studio.balance_usd = Decimal(0)
    with pytest.raises(ProviderMisconfigured, match="insufficient_quota"):
        await provider.submit(order())


async def test_a_broken_vendor_leaves_the_outcome_unknown(
    provider: OpenAI, server: PlaygroundProviders, order: OrderOf
) -> None:
    server.endings.append(Fails("server_error"))
    for fault in (None, Reset(after_effect=True), Reset()):
        if fault:
            server.faults.add(Call.CREATE, fault)
        with pytest.raises(ProviderOutcomeUnknown):
            await provider.submit(order())


async def test_a_vendor_that_never_answers_is_given_up(
    server: PlaygroundProviders, connections: Connections, order: OrderOf
) -> None:
    server.endings.append(Sticks())
    limits = TimeLimits(connect_s=0.1, sync_s=0.05)
    key = SecretStr(server.api_key)
    http = VendorHttp("openai", server.openai_base_url, key, connections, limits)
    asked = order()
    with pytest.raises(ProviderOutcomeUnknown):
        await OpenAI(http).submit(asked)
    assert not list(asked.result_path.parent.glob("result*"))


async def test_the_key_is_checked_without_spending(
    provider: OpenAI, server: PlaygroundProviders, connections: Connections
) -> None:
    assert await provider.check() == "the key works, 2 models"
    wrong = VendorHttp("openai", server.openai_base_url, SecretStr("sk_wrong"), connections)
    with pytest.raises(ProviderMisconfigured):
        await OpenAI(wrong).check()
    assert server.calls[Call.CREATE] == 0


async def test_a_list_without_models_breaks_the_contract(
    provider: OpenAI, server: PlaygroundProviders
) -> None:
    server.faults.add(Call.MODELS, Respond(body={"object": "list"}))
    with pytest.raises(ProviderContractBroken):
        await provider.check()


async def test_there_is_nothing_to_poll_and_nothing_to_upload(
    provider: OpenAI, image_file: ImageFile
) -> None:
    with pytest.raises(AssertionError):
        await provider.poll("any", NO_RESULT)
    with pytest.raises(AssertionError):
        await provider.upload(image_file)


async def test_neither_key_nor_prompt_reaches_a_log_or_an_error(
    provider: OpenAI,
    server: PlaygroundProviders,
    order: OrderOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = order(prompt="a very private prompt")
    echo = {"error": {"message": f"bad: {asked.prompt} with {server.api_key}", "code": "x"}}
    server.faults.add(Call.CREATE, Respond(status=400, body=echo))
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(asked)
    await provider.submit(asked)
    said = caplog.text + str(caught.value) + repr(caught.value) + repr(vars(provider))
    assert "x bad: … with …" in said
    assert server.api_key not in said
    assert asked.prompt not in said
