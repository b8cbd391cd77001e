"""The playground, the sample bot that logs in to it, and bare requests where no client helps."""

from __future__ import annotations

import json

import aiohttp
import pytest

from bot.playground.discord import PlaygroundDiscord
from tests.playground.discord.bot import SampleBot, point_discord_py_at
from tests.support.openapi import violations


@pytest.fixture
async def playground(monkeypatch):
    async with PlaygroundDiscord() as started:
        point_discord_py_at(started, monkeypatch)
        yield started


@pytest.fixture
def client():
    return SampleBot()


@pytest.fixture
async def api(playground):
    """Send a request as the bot; returns the status and the decoded JSON."""

    async with aiohttp.ClientSession() as session:

        async def send(method, path, body=None, *, token=playground.token, raw=None):
            headers = {"Authorization": f"Bot {token}", "Content-Type": "application/json"}
            data = json.dumps(body) if raw is None else raw
            url = playground.api_base + path
            async with session.request(method, url, headers=headers, data=data) as response:
                assert response.headers["Content-Type"] == "application/json"
                assert "X-RateLimit-Remaining" in response.headers
                return response.status, await response.json()

        yield send


@pytest.fixture
def spec_violations(playground):
    """What Discord's OpenAPI document says against the requests so far."""
    return lambda: violations(playground.requests)
