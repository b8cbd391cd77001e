"""Everything that can go wrong on request, as a bare client and discord.py see it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.playground.discord import Upload
from tests.playground.discord.bot import eventually
from tests.playground.discord.pictures import png


@pytest.fixture
def path(playground):
    return f"/channels/{playground.channel('studio').id}/messages"


def contents(playground):
    return [message.content for message in playground.channel("studio").messages]


async def test_a_fault_hits_matching_requests_and_is_used_up(playground, api, path):
    fault = playground.faults.add(method="POST", path=r"/channels/\{channel_id\}/messages$",
                                  status=502, times=2)  # fmt: skip
    assert (await api("GET", path))[0] == 200
    assert [(await api("POST", path, {"content": "x"}))[0] for _ in range(3)] == [502, 502, 200]
    assert fault.hits == 2
    assert contents(playground) == ["x"]


@pytest.mark.parametrize(("after_effect", "expected"), [(False, []), (True, ["x"])])
async def test_a_connection_is_reset_before_or_after_the_effect(
    playground, api, path, after_effect, expected
):
    playground.faults.add(method="POST", reset=True, after_effect=after_effect)
    with pytest.raises(aiohttp.ClientConnectionError):
        await api("POST", path, {"content": "x"})
    assert contents(playground) == expected


async def test_a_request_can_be_held(playground, api, path):
    released = asyncio.Event()
    fault = playground.faults.add(method="POST", hold=released)
    sending = asyncio.create_task(api("POST", path, {"content": "x"}))
    await eventually(lambda: fault.hits)
    assert contents(playground) == []
    released.set()
    assert (await sending)[0] == 200


async def test_a_429_has_discords_shape(playground):
    playground.faults.add(retry_after_s=0.25)
    url = playground.api_base + "/gateway"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 429
        assert response.headers["Via"]
        assert (await response.json())["retry_after"] == 0.25


async def test_a_fault_has_its_own_words(playground):
    playground.faults.add(status=503, body="<html>busy</html>", headers={"X-From": "edge"})
    playground.faults.add(status=500, body={"message": "broken"})
    url = playground.api_base + "/gateway"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert (response.status, response.headers["X-From"]) == (503, "edge")
            assert await response.text() == "<html>busy</html>"
        async with session.get(url) as response:
            assert await response.json() == {"message": "broken"}


async def test_links_can_fail_too(playground):
    posted = await playground.post("Ada", "studio", "", [Upload("cat.png", png())])
    playground.faults.add(path="^/attachments/", status=500)
    link = playground.attachment_url(posted.attachments[0])
    async with aiohttp.ClientSession() as session:
        for status in (500, 200):
            async with session.get(link) as response:
                assert response.status == status


async def test_rate_limits_hold_when_set(playground, api, path):
    template = "/channels/{channel_id}/messages"
    playground.limits.set("POST", template, limit=2, window_s=5)
    statuses = [(await api("POST", path, {"content": "x"}))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    playground.clock.advance(5)
    assert (await api("POST", path, {"content": "x"}))[0] == 200


async def test_requests_are_remembered(playground, api, path):
    await api("POST", path, {"content": "x"})
    (request,) = playground.requests
    assert (request.method, request.path, request.status) == ("POST", path, 200)
    assert request.template == "/channels/{channel_id}/messages"
    assert request.body == {"content": "x"}
