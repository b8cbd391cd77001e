import pytest
from PIL import Image

from bot.domain.catalog import Route
from bot.domain.ports import Finished, ImageFile, Provider
from bot.domain.pricing import Bill, Usage, final_cost
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
)
from bot.playground.faults import Respond, VendorCall
from bot.providers.openai import build_edit, build_generation, parse_models
from tests.providers.conftest import OrderOf, Read
from tests.providers.samples import MODERATED, load
from tests.providers.stage import route_of
from tests.vendors import AllVendors

SAMPLES = load("openai")
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
    "error_moderation": MODERATED,
    "error_quota": ProviderMisconfigured,
    "error_rate_limit": (ProviderBusy, 12.0),
    "generate": Finished((), in_answer=True, bill=Bill(Usage(12, 0, 200))),
    "models": "the key works; not in the catalog: gpt-image-1.5, gpt-image-2",
    "no_image": Finished(),
    "url": Finished((LINK,)),
    "usage_untold": Finished((LINK,), bill=Bill(Usage(0, 12, 200))),
}


@pytest.fixture
def route() -> Route:
    return route_of("openai/gpt-image-2")


@pytest.fixture
def order(order: OrderOf) -> OrderOf:
    sample = {"prompt": "a tin robot", "aspect_ratio": "1:1", "quality": "low"}
    return lambda **fields: order(**(sample | fields))


@pytest.mark.parametrize("name", sorted(SAMPLES | READINGS))
async def test_every_sample_is_read_as_meant(name: str, read: Read) -> None:
    assert await read(SAMPLES[name]) == READINGS[name]


async def test_the_documented_requests_are_sent(
    provider: Provider, server: AllVendors, order: OrderOf
) -> None:
    await provider.submit(order())
    assert server.submissions[0].body == SAMPLES["generate"]["request"]["body"]
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


async def test_the_member_is_named_by_a_hash_in_both_calls(
    provider: Provider, server: AllVendors, order: OrderOf, image_file: ImageFile
) -> None:
    """`user`, which an order without a hash leaves out."""
    assert "user" not in build_generation(order()) | build_edit(order())
    await provider.submit(order(member_hash="5f" * 32))
    await provider.submit(order(member_hash="5f" * 32, references=(image_file,)))
    assert [each.body["user"] for each in server.submissions] == ["5f" * 32] * 2


async def test_usage_becomes_the_cost_of_the_price_list(provider: Provider, order: OrderOf) -> None:
    """1,024 pixels square, medium: 0.053 USD of output by OpenAI's list, and two words."""
    asked = order(quality="medium")
    finished = await provider.submit(asked)
    price = asked.route.price
    cost = final_cost(price, price.images["1K", "medium"], finished.bill)
    assert cost.known
    # 2 x 5 and 1,767 x 30 USD for a million tokens.
    assert cost.amount_ucr == 10 + 53_010


async def test_references_and_mask_go_inside_the_order(
    provider: Provider,
    server: AllVendors,
    order: OrderOf,
    image_file: ImageFile,
    mask: ImageFile,
) -> None:
    finished = await provider.submit(order(references=(image_file, image_file), mask=mask))
    assert finished == Finished(in_answer=True, bill=Bill(Usage(2, 800, 200)))
    body = dict(server.submissions[0].body)
    del body["image"], body["mask"]
    assert body == {
        "model": "gpt-image-2",
        "prompt": "a tin robot",
        "n": "1",
        "size": "1024x1024",
        "quality": "low",
    }
    names = [each.filename for each in server.uploads.values()]
    assert names == ["reference1.png", "reference2.png", "mask.png"]


async def test_a_mask_of_another_size_is_refused(
    provider: Provider, order: OrderOf, image_file: ImageFile, mask: ImageFile
) -> None:
    Image.new("RGBA", (32, 32)).save(mask.path, "PNG")
    asked = order(references=(image_file,), mask=mask)
    with pytest.raises(ProviderRefused) as refused:
        await provider.submit(asked)
    assert "its size must be that of the image" in refused.value.words


async def test_a_list_without_models_breaks_the_contract(
    provider: Provider, server: AllVendors
) -> None:
    server.faults.add(VendorCall.MODELS, Respond(body={"object": "list"}))
    with pytest.raises(ProviderContractBroken):
        await provider.check(())


def test_a_model_that_ends_is_known_with_its_day() -> None:
    models = [{"id": "gpt-image-1.5", "shutdown_date": "2026-12-01"}, {"id": "gpt-image-2"}]
    models.append({"id": "gpt-image-9", "shutdown_date": "\x1b[2J\ud800"})
    days = {"gpt-image-1.5": "2026-12-01", "gpt-image-2": "", "gpt-image-9": ""}
    assert parse_models({"data": models}) == days


def test_there_is_nothing_to_poll_and_nothing_to_upload(provider: Provider) -> None:
    assert provider.poll is None
    assert provider.upload is None
