"""What the routes add to the commands: qualities, masks, prices, callbacks and fresh links."""

import asyncio
import json
import math
from pathlib import Path

import aiohttp
import pytest
from PIL import Image
from pydantic import SecretStr

from bot.app import SHIPPED_CATALOG
from bot.domain.ledger import EntryKind
from bot.domain.waiting import Latency
from bot.playground.discord import Message, Upload
from bot.playground.discord.cdn import LINK_LIFE_S
from bot.playground.faults import VendorCall
from bot.store import learned
from tests.support.easel import Easel, said, selects
from tests.support.photos import written
from tests.support.pictures import mask, picture
from tests.support.ports import free_port
from tests.support.settings import decide, set_filter
from tests.vendors import AllVendors

#: an operator's addition to the shipped catalog
GEMINI = """
[models.gemini-3-pro-image]
summary = "Gemini's own"
[[models.gemini-3-pro-image.routes]]
provider = "maxapi"
api = "gemini"
upstream = "gemini-3-pro-image"
modes = ["generate", "edit"]
references_max = 14
aspect_ratios = ["auto", "1:1", "16:9"]
qualities = []
sends_resolution = true
nsfw_switch = "none"
typical_s = 30
deadline_s = 600
running_max = 50
price = { 1K = "0.05", 2K = "0.05", 4K = "0.09" }
"""


async def without_filter(easel: Easel) -> None:
    await set_filter(easel, "off")


async def test_a_quality_is_made_and_charged_as_such(easel: Easel) -> None:
    await without_filter(easel)
    message = await easel.finished(
        await easel.imagine(
            model="gpt-image-2-quality", quality="high", resolution="2K", aspect_ratio="16:9"
        )
    )

    assert message.attachments, said(message)
    assert (message.attachments[0].file.width_px, message.attachments[0].file.height_px) == (
        2048,
        1152,
    )
    assert "· 0.10 cr" in said(message)


async def test_google_s_own_root_makes_2k_and_bills_the_tokens_it_names(opened) -> None:
    async with AllVendors(latency_s=0) as vendor:
        google = {
            "google_api_key": SecretStr(vendor.api_key),
            "google_base_url": vendor.google_base_url,
        }
        async with opened(apimodels_api_key=None, **google) as easel:
            await without_filter(easel)
            message = await easel.finished(await easel.imagine(resolution="2K", prompt="a heron"))
            assert message.attachments, said(message)
            assert "nano-banana · 2K · 2048" in said(message)
            [held] = await easel.entries(EntryKind.HOLD)
            [back] = await easel.entries(EntryKind.SETTLE)
            # 1,680 tokens at 30 USD a million and a quarter more; billed are 1,120 of them.
            assert -held.allowance_ucr // 1_000 == 63
            assert -held.allowance_ucr - back.allowance_ucr == 1_120 * 30 + 2


async def edited(easel: Easel, mask: Upload, **options: str) -> Message:
    """How an edit with a mask ends."""
    given = {"prompt": "a red door", "image": Upload("house.png", picture(64, 64)), "mask": mask}
    call = await easel.discord.run_command("Ada", "studio", "edit", given | options)
    return await easel.finished(call)


async def test_a_mask_confines_an_edit(easel: Easel) -> None:
    await without_filter(easel)
    message = await edited(easel, Upload("mask.png", mask(64, 64)), model="gpt-image-2-quality")

    assert message.attachments, said(message)


@pytest.mark.parametrize(
    "upload",
    [
        Upload("other-size.png", mask(32, 64)),
        Upload("photo.jpg", picture(64, 64, "JPEG")),
        Upload("opaque.png", picture(64, 64)),
        Upload("with-alpha-unused.png", written(Image.new("RGBA", (64, 64), "red"), "PNG")),
    ],
    ids=lambda upload: upload.filename,
)
async def test_a_mask_that_is_none_is_said_to_be(easel: Easel, upload: Upload) -> None:
    await without_filter(easel)
    message = await edited(easel, upload, model="gpt-image-2-quality")

    assert "`mask` must be a picture with transparent parts, as large as the" in said(message)
    assert "Nothing was charged." in said(message)
    assert not easel.providers.submissions


async def test_a_mask_is_refused_where_no_route_takes_one(easel: Easel) -> None:
    message = await edited(easel, Upload("mask.png", mask(64, 64)))

    assert "cannot confine an edit to a mask" in said(message)
    assert "Where the NSFW filter is off, gpt-image-2-quality can do this." in said(message)
    assert message.is_ephemeral


async def test_a_refusal_says_that_no_other_model_can_do_it(easel: Easel) -> None:
    await without_filter(easel)
    picture_mask = Upload("mask.png", mask(64, 64))
    message = await edited(easel, picture_mask, aspect_ratio="1:3")
    assert "No other model can do this here." in said(message)
    named = await edited(easel, picture_mask, model="gpt-image-2")
    assert "gpt-image-2-quality can do this." in said(named)


async def test_a_resolution_alone_gets_a_shape_that_can_be_had(opened) -> None:
    async with (
        AllVendors(latency_s=0) as vendor,
        opened(
            kie_api_key=SecretStr(vendor.api_key),
            kie_base_url=vendor.kie_base_url,
            kie_upload_url=vendor.kie_upload_url,
        ) as easel,
    ):
        message = await easel.finished(await easel.imagine(resolution="4K"))
        assert "4:3 · 4K" in said(message)
        wide = Upload("wide.png", picture(200, 90))
        call = await easel.discord.run_command(
            "Ada", "studio", "edit", {"prompt": "red", "image": wide, "resolution": "2K"}
        )
        assert "21:9 · 2K" in said(await easel.finished(call))


async def test_without_the_first_model_s_provider_another_is_the_default(opened) -> None:
    async with (
        AllVendors(latency_s=0) as vendor,
        opened(
            apimodels_api_key=None,
            openai_api_key=SecretStr(vendor.api_key),
            openai_base_url=vendor.openai_base_url,
        ) as easel,
    ):
        message = await easel.finished(await easel.imagine())
        assert message.attachments, said(message)
        assert "gpt-image-2-quality" in said(message)


async def test_models_shows_what_is_there_and_what_it_costs(easel: Easel) -> None:
    call = await easel.discord.run_command("Ada", "studio", "models")
    message = await call.response()

    assert message.is_ephemeral
    assert "gpt-image-2-beta (used if you name none)" in said(message)
    assert "1K 0.06 cr\nusually about 48 s" in said(message)
    # The other models of this vendor have no filter, and it is on; another vendor's are left out.
    unfiltered = "gpt-image-2, gpt-image-2-quality, gpt-image-2-lite"
    assert f"the NSFW filter is on and they have none: {unfiltered}" in said(message)
    assert "nano-banana" not in said(message)

    await without_filter(easel)
    call = await easel.discord.run_command("Ada", "studio", "models")
    assert "1K 0.03 cr · 2K 0.04 cr · 4K 0.06 cr" in said(await call.response())
    one = {"model": "gpt-image-2-quality"}
    call = await easel.discord.run_command("Ada", "studio", "models", one)
    told = said(await call.response())
    assert "high quality: 1K: 0.07 cr\n2K: 0.10 cr\n4K: 0.23 cr" in told
    assert "Up to 16 references\nA mask can confine an edit\nShapes: auto, 1:1," in told


async def test_a_model_is_offered_with_what_it_is_good_for_and_from_what_price(
    easel: Easel,
) -> None:
    """Where the filter is on, a model without one has none."""
    choices = await easel.discord.autocomplete("Ada", "studio", "imagine", "model", "")
    beta, *others = [each["name"] for each in choices]
    assert beta.endswith(": GPT Image 2 (beta): words and up to 16 references · from 0.06 cr")
    assert not any(" · " in each for each in others)

    await without_filter(easel)
    easel.discord.set_locale("Ada", "de")
    [choice] = await easel.discord.autocomplete("Ada", "studio", "imagine", "model", "lite")
    assert choice["name"] == "gpt-image-2-lite: GPT Image 2 lite: the cheapest" or choice
    assert choice["name"].endswith("allein aus Worten · ab weniger als 0,01 cr")


async def test_a_model_s_details_are_behind_a_select(easel: Easel) -> None:
    """After a restart, there and back; what the server forbids is not among them."""
    await without_filter(easel)
    await decide(easel, "allowed_models", allow="gpt-image-2")
    await decide(easel, "allowed_models", allow="gpt-image-2-quality")
    call = await easel.discord.run_command("Ada", "studio", "models")
    message = await call.response()
    offered = [each["value"] for each in selects(message)["model"]]
    assert offered == ["gpt-image-2", "gpt-image-2-quality"]
    await easel.restart()
    for _ in range(2):
        one = await easel.discord.select("Ada", message, ["gpt-image-2-quality"])
        assert "high quality: 1K: 0.07 cr" in said(await one.response())
        every = await easel.discord.press("Ada", message, label="All models")
        assert "gpt-image-2 (used if you name none)" in said(await every.response())


@pytest.mark.parametrize(
    ("asked", "model", "cannot"),
    [
        ({}, "gpt-image-2-beta", False),
        ({"quality": "high"}, "gpt-image-2-quality", True),
        ({"resolution": "4K", "aspect_ratio": "16:9"}, "gpt-image-2", True),
    ],
)
async def test_where_no_model_is_named_what_was_asked_decides_who_draws(
    easel: Easel, asked: dict[str, str], model: str, cannot: bool
) -> None:
    """API Models alone is on: its beta knows no quality and no resolution."""
    await without_filter(easel)
    message = await easel.finished(await easel.imagine(**asked))
    assert message.attachments
    assert model in said(message)
    why = f"gpt-image-2-beta, which is used here if you name none, cannot do this, so {model} drew"
    assert (why in said(message)) is cannot


async def test_what_no_model_can_do_is_refused_in_the_words_of_the_default(easel: Easel) -> None:
    """The filter is on, and nobody who has one knows a quality."""
    message = await easel.finished(await easel.imagine(quality="high"))
    assert "gpt-image-2-beta has no quality setting; leave it out." in said(message)
    assert await easel.entries() == []


async def test_members_are_told_how_long_a_route_has_taken_of_late(easel: Easel) -> None:
    lately = Latency(images=50, mean=math.log(21.4), variance=0.1)
    await easel.app.database.write(learned.save, {"apimodels/gpt-image-2-beta": lately})
    await easel.restart()
    call = await easel.discord.run_command("Ada", "studio", "models")
    assert "usually about 21 s" in said(await call.response())
    async with easel.held(VendorCall.CREATE) as call:
        assert "usually about 21 s" in said(await call.response())


async def test_links_that_have_aged_are_refreshed_before_they_are_read(easel: Easel) -> None:
    easel.clock.advance(LINK_LIFE_S)
    message = await easel.finished(await easel.imagine(reference1=Upload("a.png", picture())))

    assert message.attachments, said(message)
    assert len(easel.providers.uploads) == 1
    refreshed = [r for r in easel.discord.requests if r.template == "/attachments/refresh-urls"]
    assert len(refreshed) == 1


@pytest.mark.parametrize("model", ["gpt-image-2-beta", "gemini-3-pro-image"])
@pytest.mark.parametrize("waits", [False, True])
async def test_an_image_inside_an_answer_is_delivered(
    opened, tmp_path: Path, model: str, waits: bool
) -> None:
    """MaxAPI's OpenAI-shaped calls, and its Gemini-native ones as an operator adds them."""
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(SHIPPED_CATALOG.read_text(encoding="utf-8") + GEMINI, encoding="utf-8")
    async with (
        AllVendors(latency_s=0) as vendor,
        opened(
            apimodels_api_key=None,
            maxapi_key=SecretStr(vendor.api_key),
            maxapi_base_url=vendor.maxapi_base_url,
            catalog_file=catalog,
        ) as easel,
    ):
        await without_filter(easel)
        vendor.maxapi_habits.inline = True
        vendor.maxapi_habits.ignores_async = waits
        message = await easel.finished(await easel.imagine(model=model))

        assert message.attachments, said(message)
        assert "maxapi" in await easel.made_by(message)
        assert vendor.calls[VendorCall.POLL] == (0 if waits else 1)
        assert vendor.calls[VendorCall.RESULT] == 0


async def test_the_mirror_delivers_where_the_host_wants_it(opened) -> None:
    async with (
        AllVendors(latency_s=0) as vendor,
        opened(
            apimodels_api_key=None,
            maxapi_key=SecretStr(vendor.api_key),
            maxapi_base_url=vendor.maxapi_base_url,
            maxapi_asset_delivery="mirror",
        ) as easel,
    ):
        await without_filter(easel)
        message = await easel.finished(await easel.imagine())

        assert message.attachments, said(message)
        assert vendor.submissions[0].body["asset_delivery"] == "mirror"


async def test_a_signed_call_back_is_a_hint_to_poll(opened) -> None:
    port = free_port()
    async with (
        AllVendors(latency_s=0) as vendor,
        opened(
            apimodels_api_key=None,
            kie_api_key=SecretStr(vendor.api_key),
            kie_base_url=vendor.kie_base_url,
            kie_upload_url=vendor.kie_upload_url,
            kie_webhook_key=SecretStr("hook"),
            public_url="https://easel.example",
            ops_port=port,
        ) as easel,
    ):
        message = await easel.finished(await easel.imagine())
        assert message.attachments
        assert vendor.submissions[0].body["callBackUrl"] == ("https://easel.example/callbacks/kie")
        body = json.dumps({"data": {"taskId": "nobody's"}})
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}/callbacks/"
            async with session.post(f"{url}kie", data=body) as answer:
                assert answer.status == 204
            async with session.post(f"{url}nobody", data=body) as answer:
                assert answer.status == 404


async def test_a_route_that_becomes_much_faster_is_noticed_by_its_scout(
    opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of four images are done at once, of which the scout alone is polled early."""
    hour_s = 3_600
    async with AllVendors(latency_s=0) as vendor:
        used = {"apimodels_base_url": vendor.apimodels_base_url}
        async with opened(apimodels_api_key=SecretStr(vendor.api_key), **used) as easel:
            hourly = Latency(images=50, mean=math.log(hour_s), variance=0.1)
            routes = easel.app.runner._shop.catalog.routes()
            await easel.app.database.write(learned.save, {route.id: hourly for route in routes})
            await easel.restart()
            sleep = easel.clock.sleep

            async def sleep_no_longer(seconds: float) -> None:
                await (sleep(seconds) if seconds < hour_s / 4 else asyncio.Event().wait())

            monkeypatch.setattr(easel.clock, "sleep", sleep_no_longer)
            message = await easel.finished(await easel.imagine(count=4))

            assert len(message.attachments) == 4, said(message)


@pytest.mark.parametrize("order", ["cheapest", "listed"])
async def test_the_operators_order_decides(opened, order: str) -> None:
    async with (
        AllVendors() as second,
        opened(
            route_order=order,
            maxapi_key=SecretStr(second.api_key),
            maxapi_base_url=second.maxapi_base_url,
        ) as easel,
    ):
        await without_filter(easel)
        message = await easel.finished(await easel.imagine())

        assert ("maxapi" in await easel.made_by(message)) is (order == "cheapest")
        assert ("· 0.06 cr" in said(message)) is (order == "listed")
