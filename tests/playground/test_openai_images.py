import base64
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from PIL import Image, ImageChops

from bot.playground.faults import Respond, VendorCall
from bot.playground.openai_images import Wanted, price_by_tokens
from bot.playground.studio import Fails
from tests.vendors import AllVendors


class Client:
    """Speaks the vendor's format by hand, so that nothing of the bot can hide a mistake."""

    def __init__(self, server: AllVendors, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.headers = {"Authorization": f"Bearer {server.api_key}"}

    async def call(
        self, path: str, *, base_url: str | None = None, **kwargs: Any
    ) -> tuple[int, dict[str, Any]]:
        url = (base_url or self.server.openai_base_url) + path
        kwargs.setdefault("headers", self.headers)
        async with self.session.post(url, **kwargs) as response:
            return response.status, await response.json()

    async def generate(self, **fields: object) -> tuple[int, dict[str, Any]]:
        body = {"model": "gpt-image-2", "prompt": "a tin robot"} | fields
        return await self.call("/images/generations", json=body)

    async def edit(
        self, *images: bytes, mask: bytes | None = None, **fields: str
    ) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData({"model": "gpt-image-2", "prompt": "a tin robot"} | fields)
        for number, image in enumerate(images):
            name = "image" if len(images) == 1 else "image[]"
            form.add_field(name, image, filename=f"{number}.png", content_type="image/png")
        if mask is not None:
            form.add_field("mask", mask, filename="mask.png", content_type="image/png")
        return await self.call("/images/edits", data=form)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with AllVendors() as server, aiohttp.ClientSession() as session:
        yield Client(server, session)


def png(size: tuple[int, int] = (96, 64), color: tuple[int, ...] = (200, 40, 40)) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA" if len(color) == 4 else "RGB", size, color).save(file, "PNG")
    return file.getvalue()


def image_in(answer: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"])))


async def test_a_generation_answers_with_the_image_and_its_tokens(client: Client) -> None:
    status, answer = await client.generate(size="1536x1024", quality="low", n=1)
    assert status == 200
    assert image_in(answer).size == (1536, 1024)
    assert answer["usage"] == {
        "total_tokens": 169,
        "input_tokens": 2,
        "output_tokens": 167,
        "input_tokens_details": {"text_tokens": 2, "image_tokens": 0},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 167},
    }
    assert client.server.submissions[0].body["size"] == "1536x1024"


async def test_the_answer_can_be_a_link(client: Client) -> None:
    _, answer = await client.generate(size="1024x1024", response_format="url")
    async with client.session.get(answer["data"][0]["url"]) as response:
        assert Image.open(io.BytesIO(await response.read())).size == (1024, 1024)


async def test_several_images_differ(client: Client) -> None:
    _, answer = await client.generate(n=2, quality="low")
    assert len({each["b64_json"] for each in answer["data"]}) == 2
    assert answer["usage"]["output_tokens"] == 400


async def test_an_edit_works_on_its_references(client: Client) -> None:
    _, plain = await client.generate(size="1024x1024")
    status, answer = await client.edit(png(), png(), size="1024x1024", quality="low")
    assert status == 200
    assert answer["data"] != plain["data"]
    assert answer["usage"]["input_tokens_details"] == {"text_tokens": 2, "image_tokens": 800}
    assert answer["usage"]["output_tokens"] == 200


async def test_what_the_mask_covers_stays(client: Client) -> None:
    """Its left half is opaque, so there the red reference shows, above cards and caption."""
    mask = Image.new("RGBA", (1024, 1024), (0, 0, 0, 0))
    mask.paste((0, 0, 0, 255), (0, 0, 512, 1024))
    file = io.BytesIO()
    mask.save(file, "PNG")
    _, answer = await client.edit(png((1024, 1024)), mask=file.getvalue(), size="1024x1024")
    image = image_in(answer).convert("RGB")
    kept = image.crop((0, 0, 500, 600))
    assert ImageChops.difference(kept, Image.new("RGB", kept.size, (200, 40, 40))).getbbox() is None
    painted = image.crop((524, 0, 1024, 600))
    red = Image.new("RGB", painted.size, (200, 40, 40))
    assert ImageChops.difference(painted, red).getbbox() is not None


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": "gpt-image-9"}, 404, "model_not_found"),
        ({"prompt": " "}, 400, None),
        ({"prompt": "x" * 32_001}, 400, None),
        ({"size": "1000x1000"}, 400, "invalid_value"),
        ({"size": "512x512"}, 400, "invalid_value"),
        ({"size": "3840x3840"}, 400, "invalid_value"),
        ({"size": "3840x1024"}, 400, "invalid_value"),
        ({"size": "4096x2048"}, 400, "invalid_value"),
        ({"size": "large"}, 400, "invalid_value"),
        ({"size": 7}, 400, "invalid_value"),
        ({"quality": "hd"}, 400, "invalid_value"),
        ({"moderation": "off"}, 400, "invalid_value"),
        ({"n": 11}, 400, "invalid_value"),
        ({"n": "x"}, 400, "invalid_value"),
    ],
)
async def test_a_wrong_request_is_refused(
    client: Client, fields: dict[str, object], status: int, code: str | None
) -> None:
    answered, answer = await client.generate(**fields)
    assert (answered, answer["error"]["code"]) == (status, code)
    assert client.server.submissions[-1].task_id is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(client: Client, body: bytes) -> None:
    status, answer = await client.call("/images/generations", data=body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (png(), "it needs to be a PNG with an alpha channel"),
        (png((32, 32), (0, 0, 0, 0)), "its size must be that of the image"),
        (b"bytes", "it cannot be read"),
    ],
)
async def test_a_mask_that_does_not_fit_is_refused(
    client: Client, mask: bytes, problem: str
) -> None:
    status, answer = await client.edit(png(), mask=mask)
    assert (status, answer["error"]["message"]) == (400, f"Invalid mask image: {problem}.")


async def test_an_edit_needs_one_to_sixteen_images(client: Client) -> None:
    status, answer = await client.edit()
    assert status == 400
    status, answer = await client.edit(mask=png())
    assert (status, answer["error"]["message"]) == (400, "Missing required parameter: 'image'.")
    status, answer = await client.edit(*[png()] * 17)
    assert (status, "at most 16" in answer["error"]["message"]) == (400, True)
    assert (await client.call("/images/edits", json={}))[0] == 400


async def test_a_wrong_key_is_refused(client: Client) -> None:
    for path in ("/images/generations", "/images/edits"):
        status, answer = await client.call(path, headers={"Authorization": "Bearer wrong"})
        assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
    assert not client.server.submissions


async def test_the_filter_refuses_unless_it_is_low(client: Client) -> None:
    status, answer = await client.generate(prompt="nsfw")
    assert (status, answer["error"]["code"]) == (400, "moderation_blocked")
    assert answer["error"]["type"] == "image_generation_user_error"
    assert (await client.generate(prompt="nsfw", moderation="low"))[0] == 200
    assert (await client.edit(png(), prompt="nsfw"))[0] == 400


async def test_only_images_that_were_made_are_charged(client: Client) -> None:
    client.server.endings.append(Fails("server_error", "The server had an error"))
    before = client.server.studio.balance_usd
    status, answer = await client.generate(quality="high")
    assert (status, answer["error"]["code"]) == (500, "server_error")
    assert client.server.studio.balance_usd == before
    await client.generate(quality="high")
    # 2 x 5 and 7,033 x 30 USD for a million tokens.
    assert before - client.server.studio.balance_usd == Decimal("0.211")
    client.server.studio.balance_usd = Decimal(0)
    status, answer = await client.generate()
    assert (status, answer["error"]["code"]) == (429, "insufficient_quota")


def test_the_price_list_is_met() -> None:
    """OpenAI's prices of gpt-image-2, USD for an image of 1024x1024 and of 1536x1024."""
    expected = {"low": (".006", ".005"), "medium": (".053", ".041"), "high": (".211", ".165")}
    for quality, prices in expected.items():
        for size, usd in zip(((1024, 1024), (1536, 1024)), prices, strict=True):
            wanted = Wanted("gpt-image-2", "a", size, quality, 1, False, True)
            assert round(price_by_tokens(wanted), 3) == Decimal(usd)


async def test_a_rate_limit_can_be_queued(client: Client) -> None:
    error = {"error": {"message": "Rate limit exceeded", "code": "rate_limit_exceeded"}}
    client.server.faults.add(VendorCall.CREATE, Respond(429, error, headers={"Retry-After": "12"}))
    assert await client.generate() == (429, error)


async def test_api_models_has_it_under_its_own_path(client: Client) -> None:
    base_url = client.server.apimodels_base_url
    body = {"model": "gpt-image-2-all", "prompt": "a tin robot", "quality": "low"}
    for size in ({"size": "2048x2048"}, {"aspect_ratio": "1:1", "resolution": "2K"}):
        answer = await client.call("/images/generations", base_url=base_url, json=body | size)
        assert answer[0] == 200
        assert image_in(answer[1]).size == (2048, 2048)
        assert "usage" not in answer[1]
    assert Decimal(100) - client.server.studio.balance_usd == 2 * Decimal("0.01")
    wrong = body | {"size": "10x10"}
    status, answer_body = await client.call("/images/generations", base_url=base_url, json=wrong)
    assert (status, answer_body["code"], answer_body["data"]) == (400, 400, None)
