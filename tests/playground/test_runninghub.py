import io
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from bot.playground.studio import Completes, Fails, Sticks
from tests.vendors import AllVendors

WORDS = "/rhart-image-g-2/text-to-image"
IMAGES = "/rhart-image-g-2/image-to-image"
OFFICIAL = "/rhart-image-g-2-official/text-to-image"


class Client:
    """Speaks the vendor's format by hand, so that nothing of the bot can hide a mistake."""

    def __init__(self, server: AllVendors, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.headers = {"Authorization": f"Bearer {server.api_key}"}

    async def call(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """The vendor's errors are 200s to HTTP."""
        kwargs.setdefault("headers", self.headers)
        url = self.server.runninghub_base_url + path
        async with self.session.post(url, **kwargs) as response:
            assert response.status == 200
            return dict(await response.json())

    async def submit(self, path: str = WORDS, **given: object) -> dict[str, Any]:
        return await self.call(path, json={"prompt": "a lantern"} | given)

    async def query(self, task_id: object) -> dict[str, Any]:
        return await self.call("/query", json={"taskId": task_id})


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with (
        AllVendors(balance_usd=Decimal(1)) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Client(server, session)


async def test_a_task_ends_with_a_link(client: Client) -> None:
    answer = await client.submit(aspectRatio="16:9", resolution="2k")
    task_id = answer["taskId"]
    assert answer == {
        "taskId": task_id,
        "status": "QUEUED",
        "errorCode": "",
        "errorMessage": "",
        "results": None,
    }
    link = f"{client.server.root_url}/results/{task_id}.png"
    assert await client.query(task_id) == answer | {
        "status": "SUCCESS",
        "results": [{"url": link, "outputType": "image"}],
    }


async def test_a_task_is_running_until_it_ends(client: Client) -> None:
    client.server.studio.latency_s = 1_000
    assert (await client.query((await client.submit())["taskId"]))["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("path", "given", "code"),
    [
        (WORDS, {}, ""),
        (WORDS, {"aspectRatio": "empty"}, ""),
        (WORDS, {"aspectRatio": "auto"}, "1007"),
        (WORDS, {"resolution": "2K"}, "1007"),
        (WORDS, {"prompt": ""}, "1007"),
        (WORDS, {"prompt": "x" * 20_001}, "1007"),
        (IMAGES, {}, "1007"),
        (IMAGES, {"imageUrls": [7]}, "1007"),
        (IMAGES, {"imageUrls": ["https://a.example/1.png"] * 10}, ""),
        (IMAGES, {"imageUrls": ["https://a.example/1.png"] * 11}, "1007"),
        (OFFICIAL, {}, "1007"),
        (OFFICIAL, {"resolution": "2k"}, "1007"),
        (OFFICIAL, {"resolution": "1k", "quality": "low"}, ""),
        (OFFICIAL, {"resolution": "1k", "quality": "low", "aspectRatio": "empty"}, "1007"),
        ("/rhart-image-g-1/text-to-image", {}, "1001"),
    ],
)
async def test_requests_are_held_against_the_registry(
    client: Client, path: str, given: dict[str, object], code: str
) -> None:
    answer = await client.submit(path, **given)
    assert answer["errorCode"] == code
    assert bool(answer["taskId"]) is not bool(code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(client: Client, body: bytes) -> None:
    assert (await client.call(WORDS, data=body))["errorCode"] == "1007"


async def test_the_official_route_costs_by_resolution_and_quality(client: Client) -> None:
    studio = client.server.studio
    studio.latency_s = 1_000
    await client.submit(OFFICIAL, resolution="4k", quality="high")
    assert studio.frozen_usd() == Decimal("4.738") / 7
    assert (await client.submit(OFFICIAL, resolution="4k", quality="high"))["errorCode"] == "812"


async def test_every_call_needs_the_key(client: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        for path in (WORDS, "/query", "/media/upload/binary"):
            answer = await client.call(path, json={}, headers=headers)
            assert answer["errorCode"] == "1002"


async def test_a_query_needs_an_id_that_exists(client: Client) -> None:
    assert (await client.query("1000000000000000000"))["errorCode"] == "1004"
    assert (await client.query(7))["errorCode"] == "1007"


async def test_endings_are_told_in_the_vendors_words(client: Client) -> None:
    client.server.endings.extend([Fails("1504", "slow"), Completes(empty_polls=1), Sticks("ODD")])
    answers = [await client.query((await client.submit())["taskId"]) for _ in range(3)]
    assert [each["status"] for each in answers] == ["FAILED", "SUCCESS", "ODD"]
    assert (answers[0]["errorCode"], answers[0]["errorMessage"]) == ("1504", "slow")
    assert answers[1]["results"] == []


async def test_refused_content_fails(client: Client) -> None:
    client.server.endings.append(Fails("CONTENT_MODERATION"))
    answer = await client.query((await client.submit())["taskId"])
    assert (answer["status"], answer["errorCode"]) == ("FAILED", "1501")


async def test_without_a_switch_no_words_are_refused(client: Client) -> None:
    answer = await client.query((await client.submit(prompt="a gore statue"))["taskId"])
    assert answer["status"] == "SUCCESS"


async def test_references_are_uploaded(client: Client) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"bytes", filename="a.png", content_type="image/png")
    answer = await client.call("/media/upload/binary", data=form)
    assert answer["code"] == 0
    async with client.session.get(answer["data"]["download_url"]) as response:
        assert await response.read() == b"bytes"


async def test_an_upload_needs_its_file_and_may_not_be_too_large(client: Client) -> None:
    for data in (aiohttp.FormData({"other": "x"}), b"bytes"):
        assert (await client.call("/media/upload/binary", data=data))["code"] == 1007
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(bytes(10 * 1024 * 1024 + 1)), filename="a.png")
    assert (await client.call("/media/upload/binary", data=form))["code"] == 1008
