import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from bot.playground.studio import Completes, Fails, Sticks
from bot.providers.kie import verify_callback
from tests.vendors import AllVendors
from tests.vendors.kie import WEBHOOK_KEY

SIZES = {"2:1": (1408, 704), "9:21": (576, 1344), "16:9": (1280, 720)}


class MovableClock:
    def __init__(self) -> None:
        self.now_s = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Client:
    """Speaks the vendor's format by hand, so that nothing of the bot can hide a mistake."""

    def __init__(
        self, server: AllVendors, session: aiohttp.ClientSession, clock: MovableClock
    ) -> None:
        self.server = server
        self.session = session
        self.clock = clock
        self.headers = {"Authorization": f"Bearer {server.api_key}"}

    async def call(self, method: str, url: str, **kwargs: Any) -> tuple[int, dict[str, Any]]:
        kwargs.setdefault("headers", self.headers)
        if url.startswith("/"):
            url = self.server.kie_base_url + url
        async with self.session.request(method, url, **kwargs) as response:
            return response.status, await response.json()

    async def create(
        self, model: str = "gpt-image-2-text-to-image", callback: str | None = None, **given: object
    ) -> tuple[int, dict[str, Any]]:
        body = {"model": model, "input": {"prompt": "a lantern"} | given}
        if callback:
            body["callBackUrl"] = callback
        return await self.call("POST", "/api/v1/jobs/createTask", json=body)

    async def created(self, **given: Any) -> str:
        status, answer = await self.create(**given)
        assert (status, answer["code"]) == (200, 200), answer
        return str(answer["data"]["taskId"])

    async def record(self, task_id: str) -> dict[str, Any]:
        status, answer = await self.call("GET", f"/api/v1/jobs/recordInfo?taskId={task_id}")
        assert (status, answer["code"]) == (200, 200), answer
        return dict(answer["data"])

    async def credit(self) -> float:
        return float((await self.call("GET", "/api/v1/chat/credit"))[1]["data"])


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = MovableClock()
    async with (
        AllVendors(balance_usd=Decimal(1), clock=clock) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Client(server, session, clock)


async def test_a_task_passes_its_states_and_names_its_cost(client: Client) -> None:
    client.server.studio.latency_s = 40
    task_id = await client.created(aspect_ratio="16:9", resolution="2K")
    states = [(await client.record(task_id))["state"]]
    for age_s in (2, 10, 400):
        client.clock.now_s = 1_790_000_000 + age_s
        states.append((await client.record(task_id))["state"])
    assert states == ["waiting", "queuing", "generating", "success"]
    data = await client.record(task_id)
    link = f"{client.server.root_url}/results/{task_id}.png"
    assert data["resultJson"] == f'{{"resultUrls": ["{link}"]}}'
    assert (data["creditsConsumed"], data["costTime"]) == (10, 400_000)
    assert (data["model"], data["failCode"]) == ("gpt-image-2-text-to-image", "")


async def test_money_is_counted_in_credits(client: Client) -> None:
    assert await client.credit() == 200
    task_id = await client.created()
    await client.record(task_id)
    assert await client.credit() == 194
    client.server.studio.balance_usd = Decimal("0.029")
    answer = await client.create()
    assert answer == (200, {"code": 402, "msg": "Insufficient credits", "data": None})


async def test_more_than_twenty_tasks_in_ten_seconds_are_refused_and_not_queued(
    client: Client,
) -> None:
    for _ in range(20):
        await client.created()
    assert (await client.create())[1]["code"] == 429
    client.clock.now_s += 9.9
    assert (await client.create())[0] == 429
    client.clock.now_s += 0.1
    await client.created()
    assert [each.task_id for each in client.server.submissions].count(None) == 2


async def test_a_refused_request_does_not_count_towards_the_gate(client: Client) -> None:
    for _ in range(25):
        assert (await client.create(resolution="8K"))[1]["code"] == 422
    await client.created()


@pytest.mark.parametrize(
    ("ratio", "resolution", "possible"),
    [
        ("1:1", "2K", True),
        ("1:1", "4K", False),
        ("auto", "1K", True),
        ("auto", "2K", False),
        ("5:4", "2K", False),
        ("9:21", "2K", False),
        ("3:1", "4K", False),
        ("2:1", "4K", True),
        ("16:9", "4K", True),
        ("7:5", "1K", False),
    ],
)
async def test_ratio_and_resolution_must_go_together(
    client: Client, ratio: str, resolution: str, possible: bool
) -> None:
    _, answer = await client.create(aspect_ratio=ratio, resolution=resolution)
    assert answer["code"] == (200 if possible else 422)


async def test_a_missing_ratio_counts_as_auto(client: Client) -> None:
    assert (await client.create(resolution="2K"))[1]["code"] == 422


@pytest.mark.parametrize("ratio", list(SIZES))
async def test_a_picture_has_the_ratio_that_was_asked_for(client: Client, ratio: str) -> None:
    sizes = []
    client.server.studio._paint = lambda picture: (
        sizes.append((picture.width_px, picture.height_px)) or b"png"
    )
    task_id = await client.created(aspect_ratio=ratio)
    async with client.session.get(f"{client.server.root_url}/results/{task_id}.png") as response:
        assert response.status == 200
    assert sizes == [SIZES[ratio]]


@pytest.mark.parametrize(
    "given",
    [
        {"model": "gpt-image-2"},
        {"prompt": " "},
        {"prompt": "x" * 20_001},
        {"nsfw_checker": "true"},
        {"model": "gpt-image-2-image-to-image"},
        {"model": "gpt-image-2-image-to-image", "input_urls": []},
        {"model": "gpt-image-2-image-to-image", "input_urls": ["https://a.example/1.png"] * 17},
        {"model": "gpt-image-2-image-to-image", "input_urls": ["http://127.0.0.1/1.png"]},
    ],
)
async def test_a_bad_request_is_refused(client: Client, given: dict[str, Any]) -> None:
    status, answer = await client.create(**given)
    assert (status, answer["code"], answer["data"]) == (200, 422, None)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": "x"}'])
async def test_a_body_that_is_no_order_is_refused(client: Client, body: bytes) -> None:
    _, answer = await client.call("POST", "/api/v1/jobs/createTask", data=body)
    assert answer["code"] == 422


async def test_references_are_uploaded_under_the_name_they_are_given(client: Client) -> None:
    form = aiohttp.FormData({"uploadPath": "images/easel", "fileName": "mine.png"})
    form.add_field("file", b"bytes", filename="other.png", content_type="image/png")
    url = client.server.kie_upload_url + "/api/file-stream-upload"
    status, answer = await client.call("POST", url, data=form)
    assert (status, answer["success"], answer["code"]) == (200, True, 200)
    assert answer["data"]["filePath"] == "images/easel/mine.png"
    link = answer["data"]["downloadUrl"]
    async with client.session.get(link) as response:
        assert await response.read() == b"bytes"
    await client.created(model="gpt-image-2-image-to-image", input_urls=[link])


async def test_an_upload_needs_a_file_and_a_path(client: Client) -> None:
    url = client.server.kie_upload_url + "/api/file-stream-upload"
    form = aiohttp.FormData()
    form.add_field("file", b"bytes", filename="a.png")
    assert (await client.call("POST", url, data=form))[1]["code"] == 422
    assert (await client.call("POST", url, data=b"bytes"))[1]["code"] == 422


async def test_every_call_needs_the_key(client: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        for path in ("/api/v1/jobs/recordInfo?taskId=1", "/api/v1/chat/credit"):
            assert (await client.call("GET", path, headers=headers))[0] == 401


async def test_a_query_needs_an_id_that_exists(client: Client) -> None:
    assert (await client.call("GET", "/api/v1/jobs/recordInfo"))[1]["code"] == 400
    answer = await client.call("GET", "/api/v1/jobs/recordInfo?taskId=other")
    assert answer == (422, {"code": 422, "msg": "recordInfo is null", "data": None})


async def test_endings_are_told_in_the_vendors_words(client: Client) -> None:
    client.server.endings.extend(
        [Fails("500", "Internal server error"), Completes(empty_polls=1), Sticks("rehydrating")]
    )
    failed, empty, stuck = [await client.created() for _ in range(3)]
    data = await client.record(failed)
    assert (data["state"], data["failCode"], data["resultJson"]) == ("fail", "500", None)
    assert data["creditsConsumed"] == 0
    assert (await client.record(empty))["resultJson"] == '{"resultUrls": []}'
    assert (await client.record(stuck))["state"] == "rehydrating"


async def test_the_filter_is_off_unless_it_is_asked_for(client: Client) -> None:
    for given, state in (({}, "success"), ({"nsfw_checker": True}, "fail")):
        task_id = await client.created(prompt="nsfw", **given)
        assert (await client.record(task_id))["state"] == state


async def test_the_end_of_a_task_is_called_back_and_signed(client: Client) -> None:
    calls: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        await calls.put((dict(request.headers), await request.read()))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/callback", receive)
    async with TestServer(app) as receiver:
        task_id = await client.created(callback=str(receiver.make_url("/callback")))
        assert await client.server.kie.deliver_callback(task_id) == 202
    headers, body = calls.get_nowait()
    now = datetime.fromtimestamp(client.clock.now_s, UTC)
    key = {"KIE_WEBHOOK_KEY": SecretStr(WEBHOOK_KEY)}
    assert verify_callback(key, headers, body, now) == task_id


async def test_only_the_end_of_a_task_is_called_back(client: Client) -> None:
    client.server.endings.append(Sticks())
    stuck = await client.created(callback="http://127.0.0.1:9/")
    for task_id in (stuck, await client.created(), "never-made"):
        with pytest.raises(ValueError, match=task_id):
            await client.server.kie.deliver_callback(task_id)
