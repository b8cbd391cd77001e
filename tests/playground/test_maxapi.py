import base64
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from PIL import Image

from bot.playground.studio import Completes, Fails, Sticks
from tests.vendors import AllVendors

PROMPT = {"parts": [{"text": "a lantern"}]}


class Client:
    """Speaks the vendor's format by hand, so that nothing of the bot can hide a mistake."""

    def __init__(self, server: AllVendors, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.headers = {"Authorization": f"Bearer {server.api_key}"}

    async def call(self, method: str, path: str, **kwargs: Any) -> tuple[int, dict[str, Any]]:
        url = path if "://" in path else self.server.maxapi_base_url + path
        kwargs["headers"] = self.headers | kwargs.get("headers", {})
        async with self.session.request(method, url, **kwargs) as response:
            return response.status, await response.json()

    async def create(self, **fields: object) -> tuple[int, dict[str, Any]]:
        body = {"model": "openai/gpt-image-2-beta", "prompt": "a lantern"} | fields
        return await self.call("POST", "/v1/images/generations", json=body)

    async def poll(self, task_id: str) -> dict[str, Any]:
        status, answer = await self.call("GET", f"/v1/images/generations/{task_id}")
        assert status == 200, answer
        return answer

    async def gemini(
        self, model: str = "gemini-3-pro-image", *, task: bool = False, **fields: object
    ) -> tuple[int, dict[str, Any]]:
        config = {"responseModalities": ["TEXT", "IMAGE"]}
        body = {"contents": [PROMPT], "generationConfig": config} | fields
        headers = {"X-MaxAPI-Async": "true"} if task else {}
        path = f"/v1beta/models/{model}:generateContent"
        return await self.call("POST", path, json=body, headers=headers)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with (
        AllVendors(balance_usd=Decimal(1)) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Client(server, session)


async def test_an_image_comes_at_once_unless_a_task_is_asked_for(client: Client) -> None:
    status, answer = await client.create(size="1536x1024")
    assert status == 200
    assert set(answer) == {"created", "data", "output_format", "usage"}
    async with client.session.get(answer["data"][0]["url"]) as response:
        assert Image.open(io.BytesIO(await response.read())).size == (1536, 1024)


async def test_a_task_is_polled_at_the_address_it_names(client: Client) -> None:
    client.server.endings.append(Completes(empty_polls=1))
    status, answer = await client.create(**{"async": True})
    task_id = answer["task_id"]
    root = client.server.maxapi_base_url
    assert status == 202
    assert answer == {
        "task_id": task_id,
        "status": "queued",
        "poll_url": f"{root}/v1/images/generations/{task_id}",
    }
    assert (await client.call("GET", answer["poll_url"]))[1]["status"] == "completed"
    assert (await client.poll(task_id))["data"] == [
        {"url": f"{client.server.root_url}/results/{task_id}.png"}
    ]


async def test_a_task_can_be_wrapped_and_name_no_address(client: Client) -> None:
    client.server.maxapi_habits.wraps = True
    client.server.maxapi_habits.names_poll_url = False
    client.server.endings.extend([Sticks("rehydrating"), Fails("bad", "it broke")])
    stuck, failing = [(await client.create(**{"async": True}))[1] for _ in range(2)]
    task_id = stuck["data"]["task_id"]
    assert stuck == {"success": True, "data": {"task_id": task_id, "status": "queued"}}
    assert (await client.poll(task_id))["data"]["status"] == "rehydrating"
    failed = await client.poll(failing["data"]["task_id"])
    assert (failed["data"]["status"], failed["data"]["fail_reason"]) == ("FAILURE", "bad: it broke")


async def test_a_failure_can_be_disguised(client: Client) -> None:
    client.server.maxapi_habits.disguises_failures = True
    client.server.endings.append(Fails("400", "blocked by policy"))
    _, answer = await client.create(**{"async": True})
    failed = await client.poll(answer["task_id"])
    assert failed["data"] == {"url": "status_code=400, blocked by policy"}


async def test_async_can_be_ignored_and_the_image_be_inside(client: Client) -> None:
    client.server.maxapi_habits.ignores_async = True
    client.server.maxapi_habits.inline = True
    status, answer = await client.create(**{"async": True, "size": "1024x1024"})
    png = base64.b64decode(answer["data"][0]["b64_json"])
    assert status == 200
    assert Image.open(io.BytesIO(png)).size == (1024, 1024)


async def test_an_edit_keeps_its_files_and_can_be_a_task(client: Client) -> None:
    form = aiohttp.FormData(
        {"model": "openai/gpt-image-2", "prompt": "a hat", "async": "true", "route_mode": "mix"}
    )
    form.add_field("image[]", b"one", filename="1.png", content_type="image/png")
    form.add_field("image[]", b"two", filename="2.png", content_type="image/png")
    status, answer = await client.call("POST", "/v1/images/edits", data=form)
    assert (status, "/v1/images/edits/" in answer["poll_url"]) == (202, True)
    assert client.server.submissions[0].body["image"] == list(client.server.uploads)


@pytest.mark.parametrize(
    ("mode", "expected"),
    # Four tokens of text and 1,767 of the image, at 0.35 and 0.70, or 5 and 30 USD a million.
    [("mix", "0.012"), ("official-cheap", "0.0012383"), ("official", "0.05303")],
)
async def test_each_route_mode_has_its_price(client: Client, mode: str, expected: str) -> None:
    await client.create(route_mode=mode, size="1024x1024", prompt="a paper lantern!")
    assert 1 - client.server.studio.balance_usd == Decimal(expected)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": "gpt-image-2"}, 503, "model_not_found"),
        ({"prompt": " "}, 400, None),
        ({"size": "4096x2048"}, 400, "invalid_value"),
        ({"route_mode": "cheapest"}, 400, "invalid_value"),
        ({"asset_delivery": "pigeon"}, 400, "invalid_value"),
        ({"prompt": "nsfw", "moderation": "auto"}, 400, "moderation_blocked"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_openais_shape(
    client: Client, fields: dict[str, object], status: int, code: str | None
) -> None:
    answered, answer = await client.create(**fields)
    assert (answered, answer["error"]["code"]) == (status, code)


async def test_a_wrong_key_or_an_empty_account_is_said_as_a_gateway_does(client: Client) -> None:
    client.server.studio.balance_usd = Decimal(0)
    for status, answer in (await client.create(), await client.gemini()):
        assert (status, answer["error"]["code"]) == (403, "insufficient_user_quota")
    client.headers = {"Authorization": "Bearer sk_another"}
    for status, answer in (await client.create(), await client.gemini()):
        assert (status, answer["error"]["type"]) == (401, "new_api_error")


async def test_an_unknown_task_is_not_found(client: Client) -> None:
    for path in ("/v1/images/generations/none", "/v1/images/edits/none", "/v1beta/operations/none"):
        assert (await client.call("GET", path))[0] == 404


async def test_gemini_answers_with_a_link_or_the_image(client: Client) -> None:
    client.headers = {"x-goog-api-key": client.server.api_key}
    image_config = {"aspectRatio": "16:9", "imageSize": "2K"}
    config = {"responseModalities": ["IMAGE"], "imageConfig": image_config}
    for inline in (False, True):
        client.server.maxapi_habits.inline = inline
        status, answer = await client.gemini(generationConfig=config)
        assert (status, answer["candidates"][0]["finishReason"]) == (200, "STOP")
        image = answer["candidates"][0]["content"]["parts"][1]
        if inline:
            png = base64.b64decode(image["inlineData"]["data"])
            assert Image.open(io.BytesIO(png)).size == (2560, 1440)
        else:
            assert image["fileData"]["fileUri"].startswith(client.server.root_url)


async def test_gemini_can_be_an_operation(client: Client) -> None:
    client.server.endings.extend([Sticks("THINKING"), Completes(empty_polls=1), Fails("BUSY")])
    names = [(await client.gemini(task=True))[1]["name"] for _ in range(3)]

    async def poll(name: str) -> dict[str, Any]:
        return (await client.call("GET", f"/v1beta/{name}"))[1]

    assert await poll(names[0]) == {
        "name": names[0],
        "done": False,
        "metadata": {"state": "THINKING"},
    }
    assert await poll(names[1]) == {"name": names[1], "done": True}
    assert "candidates" in (await poll(names[1]))["response"]
    assert (await poll(names[2]))["error"]["status"] == "UNAVAILABLE"


async def test_gemini_refuses_in_a_200(client: Client) -> None:
    client.server.endings.append(Fails("CONTENT_MODERATION"))
    status, answer = await client.gemini()
    assert (status, answer["candidates"]) == (200, [{"finishReason": "IMAGE_SAFETY"}])


async def test_without_a_switch_no_words_are_refused(client: Client) -> None:
    _, answer = await client.gemini(contents=[{"parts": [{"text": "a gore statue"}]}])
    assert answer["candidates"][0]["finishReason"] == "STOP"
    assert (await client.create(prompt="a gore statue"))[0] == 200


@pytest.mark.parametrize(
    ("model", "fields", "status"),
    [
        ("gemini-9", {}, 404),
        ("gemini-3-pro-image", {"contents": []}, 400),
        ("gemini-3-pro-image", {"contents": [{"parts": []}]}, 400),
        ("gemini-3-pro-image", {"generationConfig": {}}, 400),
        (
            "gemini-3-pro-image",
            {"contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": "?"}}]}]},
            400,
        ),
        (
            "gemini-3-pro-image",
            {
                "generationConfig": {
                    "responseModalities": ["IMAGE"],
                    "imageConfig": {"aspectRatio": "2:1"},
                }
            },
            400,
        ),
    ],
)
async def test_gemini_refuses_what_it_cannot_do(
    client: Client, model: str, fields: dict[str, object], status: int
) -> None:
    assert (await client.gemini(model, **fields))[0] == status


async def test_the_models_are_listed(client: Client) -> None:
    _, answer = await client.call("GET", "/v1/models")
    assert [each["id"] for each in answer["data"]] == [
        "openai/gpt-image-2-beta",
        "openai/gpt-image-2",
    ]
