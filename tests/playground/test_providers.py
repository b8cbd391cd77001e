import asyncio
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from PIL import Image

from bot.playground.faults import Hold, Reset, Respond, VendorCall
from bot.playground.studio import Completes, Fails, Sticks
from tests.vendors import AllVendors


class Client:
    """Speaks the vendor's format by hand, so that nothing of the bot can hide a mistake."""

    def __init__(self, server: AllVendors, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.headers = {"Authorization": f"Bearer {server.api_key}"}

    async def call(self, method: str, path: str, **kwargs: Any) -> tuple[int, dict[str, Any]]:
        url = self.server.apimodels_base_url + path
        kwargs.setdefault("headers", self.headers)
        async with self.session.request(method, url, **kwargs) as response:
            return response.status, await response.json()

    async def create(self, **fields: object) -> tuple[int, dict[str, Any]]:
        body = {"model": "gpt-image-2-beta", "prompt": "a lantern"} | fields
        return await self.call("POST", "/images/generations", json=body)

    async def created(self, **fields: object) -> str:
        status, answer = await self.create(**fields)
        assert (status, answer["code"]) == (200, 200), answer
        return str(answer["data"]["taskId"])

    async def poll(self, task_id: str) -> dict[str, Any]:
        status, answer = await self.call("GET", f"/images/generations?task_id={task_id}")
        assert (status, answer["code"]) == (200, 200), answer
        return dict(answer["data"])

    async def upload(self, content: bytes = b"bytes", filename: str = "cat.png") -> str:
        form = aiohttp.FormData()
        form.add_field("file", content, filename=filename, content_type="image/png")
        status, answer = await self.call("POST", "/files", data=form)
        assert status == 200, answer
        return str(answer["data"]["publicUrl"])

    async def get(self, url: str) -> tuple[int, str, bytes]:
        async with self.session.get(url) as response:
            return response.status, response.content_type, await response.read()


class MovableClock:
    def __init__(self) -> None:
        self.now_s = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def client(clock: MovableClock) -> AsyncIterator[Client]:
    async with (
        AllVendors(balance_usd=Decimal(1), clock=clock) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Client(server, session)


async def test_a_task_completes_with_a_link_to_its_picture(client: Client) -> None:
    task_id = await client.created(aspect_ratio="16:9", nsfw_checker=True)
    data = await client.poll(task_id)
    link = f"{client.server.root_url}/results/{task_id}.png"
    assert data == {
        "taskId": task_id,
        "state": "completed",
        "modelType": "TEXT_TO_IMAGE",
        "createTime": 1_790_000_000_000,
        "resultUrls": [link],
        "resultJson": f'{{"resultUrls": ["{link}"]}}',
        "credits": 0.06,
    }
    status, content_type, png = await client.get(link)
    assert (status, content_type) == (200, "image/png")
    assert Image.open(io.BytesIO(png)).size == (1280, 720)


async def test_a_task_is_processing_until_its_latency_has_passed(
    client: Client, clock: MovableClock
) -> None:
    client.server.studio.latency_s = 40
    task_id = await client.created()
    assert await client.poll(task_id) == {
        "taskId": task_id,
        "state": "processing",
        "modelType": "TEXT_TO_IMAGE",
        "createTime": 1_790_000_000_000,
    }
    clock.now_s += 400
    assert (await client.poll(task_id))["state"] == "completed"


async def test_latencies_spread_around_their_median(client: Client, clock: MovableClock) -> None:
    client.server.studio.latency_s = 40
    client.server.studio.balance_usd = Decimal(100)
    tasks = [await client.created() for _ in range(101)]
    clock.now_s += 40
    states = [(await client.poll(task))["state"] for task in tasks]
    assert 35 <= states.count("completed") <= 66


async def test_references_are_uploaded_and_worked_in(client: Client) -> None:
    png = io.BytesIO()
    Image.new("RGB", (300, 200), (200, 40, 40)).save(png, "PNG")
    links = [await client.upload(png.getvalue(), f"{n} ü/..png") for n in range(16)]
    assert len(set(links)) == 16
    assert await client.get(links[0]) == (200, "image/png", png.getvalue())
    task_id = await client.created(image_urls=links)
    data = await client.poll(task_id)
    assert data["modelType"] == "IMAGE_TO_IMAGE"
    _, _, result = await client.get(data["resultUrls"][0])
    assert Image.open(io.BytesIO(result)).size == (1248, 832)
    assert [upload.size_bytes for upload in client.server.uploads.values()] == [
        len(png.getvalue())
    ] * 16


async def test_requests_are_recorded_with_what_became_of_them(client: Client) -> None:
    task_id = await client.created(prompt="one")
    await client.create(prompt="two", model="no-such-model")
    assert [(s.body["prompt"], s.task_id) for s in client.server.submissions] == [
        ("one", task_id),
        ("two", None),
    ]
    assert client.server.calls == {VendorCall.CREATE: 2}


async def test_the_same_request_twice_gives_two_pictures(client: Client) -> None:
    pictures = [
        await client.get((await client.poll(await client.created()))["resultUrls"][0])
        for _ in range(2)
    ]
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"model": "no-such-model"},
            "Invalid model: no-such-model. "
            "Supported models: gpt-image-2, gpt-image-2-beta, gpt-image-2-lite",
        ),
        ({"prompt": " "}, "prompt is required"),
        ({"prompt": 7}, "prompt is required"),
        ({"prompt": "x" * 20_001}, "prompt must be at most 20000 characters"),
        ({"nsfw_checker": "true"}, "nsfw_checker must be a boolean"),
        ({"resolution": "8K"}, "resolution must be one of 1K, 2K, 4K"),
        ({"image_urls": "https://example.org/a.png"}, "image_urls must be a list of links"),
        (
            {"image_urls": ["https://example.org/a.png"] * 17},
            "Too many images: 17, at most 16 are supported",
        ),
    ],
)
async def test_a_bad_request_is_refused(
    client: Client, fields: dict[str, object], message: str
) -> None:
    status, answer = await client.create(**fields)
    assert (status, answer) == (400, {"code": 400, "msg": message, "data": None})


@pytest.mark.parametrize(
    "link",
    [
        "https://127.0.0.1/a.png",
        "https://10.0.0.7/a.png",
        "https://[::1]/a.png",
        "https://localhost/a.png",
        "http://example.org/a.png",
        "data:image/png;base64,AAAA",
    ],
)
async def test_a_reference_that_is_not_public_is_refused(client: Client, link: str) -> None:
    status, answer = await client.create(image_urls=[link])
    assert status == 400
    assert "private/reserved IP addresses not allowed" in answer["msg"]


async def test_a_public_reference_is_taken_but_never_fetched(client: Client) -> None:
    task_id = await client.created(image_urls=["https://example.org/a.png"])
    link = (await client.poll(task_id))["resultUrls"][0]
    assert (await client.get(link))[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(client: Client, body: bytes) -> None:
    status, answer = await client.call("POST", "/images/generations", data=body)
    assert (status, answer["code"]) == (400, 400)


@pytest.mark.parametrize("path", ["/images/generations?task_id=1", "/balance", "/models"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_a_wrong_key_is_refused(client: Client, path: str, headers: dict[str, str]) -> None:
    answer = await client.call("GET", path, headers=headers)
    assert answer == (401, {"code": 401, "msg": "Invalid API key", "data": None})


async def test_a_poll_needs_an_id_that_exists(client: Client) -> None:
    status, answer = await client.call("GET", "/images/generations?taskId=task-000001")
    assert (status, answer["msg"]) == (400, "task_id is required")
    assert (await client.call("GET", "/images/generations?task_id=other"))[0] == 404


async def test_an_upload_needs_its_field(client: Client) -> None:
    form = aiohttp.FormData()
    form.add_field("picture", b"bytes", filename="cat.png")
    status, answer = await client.call("POST", "/files", data=form)
    assert (status, answer["msg"]) == (400, "file is required")
    assert (await client.call("POST", "/files", data=b"bytes"))[0] == 400


async def test_running_tasks_freeze_money_and_only_completed_ones_are_charged(
    client: Client, clock: MovableClock
) -> None:
    client.server.studio.latency_s = 40
    client.server.endings.extend([Completes(), Fails("UPSTREAM_BUSY")])
    for _ in range(2):
        await client.created()
    _, answer = await client.call("GET", "/balance")
    assert answer["data"] == {"balance": 0.88, "total": 1.0, "frozen": 0.12, "currency": "USD"}
    clock.now_s += 1000
    _, answer = await client.call("GET", "/balance")
    assert answer["data"] == {"balance": 0.94, "total": 0.94, "frozen": 0.0, "currency": "USD"}


async def test_an_empty_account_is_an_error_within_a_200(client: Client) -> None:
    client.server.studio.balance_usd = Decimal("0.05")
    answer = await client.create()
    assert answer == (200, {"code": 402, "msg": "Insufficient balance", "data": None})


async def test_the_filter_refuses_while_it_is_on(client: Client) -> None:
    data = await client.poll(await client.created(prompt="NSFW lantern", nsfw_checker=True))
    assert data["state"] == "failed"
    assert data["failCode"] == "CONTENT_MODERATION"
    assert data["retryable"] is False
    data = await client.poll(await client.created(prompt="NSFW lantern", nsfw_checker=False))
    assert data["state"] == "completed"


async def test_without_a_switch_no_words_are_refused(client: Client) -> None:
    task_id = await client.created(model="gpt-image-2", prompt="a gore statue")
    assert (await client.poll(task_id))["state"] == "completed"
    status, answer = await client.create(model="gpt-image-2-all", prompt="a gore statue")
    assert (status, len(answer["data"])) == (200, 1)


async def test_endings_are_queued_for_the_tasks_to_come(client: Client) -> None:
    client.server.endings.extend(
        [Fails("TIMEOUT", "slow", retryable=True), Completes(empty_polls=2), Sticks("rehydrating")]
    )
    failed, empty, stuck, normal = [await client.created() for _ in range(4)]
    data = await client.poll(failed)
    assert (data["state"], data["failCode"], data["failMsg"]) == ("failed", "TIMEOUT", "slow")
    assert data["retryable"] is True
    counts = [len((await client.poll(empty))["resultUrls"]) for _ in range(3)]
    assert counts == [0, 0, 1]
    assert (await client.poll(stuck))["state"] == "rehydrating"
    assert (await client.poll(normal))["state"] == "completed"


async def test_a_queued_answer_replaces_the_call(client: Client) -> None:
    busy = Respond(status=429, body={"code": 429}, headers={"Retry-After": "3"})
    client.server.faults.add(VendorCall.CREATE, busy)
    assert await client.create() == (429, {"code": 429})
    assert not client.server.submissions
    assert (await client.create())[0] == 200


async def test_a_reset_comes_before_or_after_the_effect(client: Client) -> None:
    for after_effect in (False, True):
        client.server.faults.add(VendorCall.CREATE, Reset(after_effect=after_effect))
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.create()
        assert len(client.server.submissions) == int(after_effect)


async def test_a_hold_keeps_the_caller_waiting(client: Client) -> None:
    hold = Hold(asyncio.Event(), after_effect=True)
    client.server.faults.add(VendorCall.CREATE, hold)
    waiting = asyncio.create_task(client.create())
    await hold.reached.wait()
    assert len(client.server.submissions) == 1
    assert not waiting.done()
    hold.until.set()
    assert (await waiting)[0] == 200


async def test_a_result_can_be_replaced_by_anything(client: Client) -> None:
    link = (await client.poll(await client.created()))["resultUrls"][0]
    page = Respond(body=b"<html>", content_type="text/html")
    endless = Respond(body=bytes(1024), repeat=100, chunked=True, content_type="image/png")
    cut = Respond(body=bytes(1024), cut=True, content_type="image/png")
    for fault in (page, endless, cut):
        client.server.faults.add(VendorCall.RESULT, fault)
    assert await client.get(link) == (200, "text/html", b"<html>")
    assert len((await client.get(link))[2]) == 102_400
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.get(link)


async def test_unknown_files_are_not_found(client: Client) -> None:
    for path in ("/results/none.png", "/uploads/1/none.png", "/"):
        assert (await client.get(client.server.root_url + path))[0] == 404


async def test_the_models_are_listed(client: Client) -> None:
    _, answer = await client.call("GET", "/models")
    assert {"id": "gpt-image-2-beta", "modality": "image", "endpoint": "/images/generations"} in (
        answer["data"]
    )


async def test_a_request_still_held_does_not_keep_the_server_from_stopping() -> None:
    async with aiohttp.ClientSession() as session:
        async with AllVendors() as server:
            hold = Hold(asyncio.Event())
            server.faults.add(VendorCall.CREATE, hold)
            waiting = asyncio.create_task(Client(server, session).create())
            await hold.reached.wait()
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting
