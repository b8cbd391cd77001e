"""What the page's script asks of its server, without a browser."""

from __future__ import annotations

import json

import aiohttp


class Page:
    """Asks as a page does that was loaded from `url`."""

    def __init__(self, session, url):
        self.session = session
        self.url = url.rstrip("/")
        self.headers = {"Origin": self.url}

    async def get(self, path, **query):
        async with self.session.get(self.url + path, params=query) as response:
            return response.status, await response.json()

    async def post(self, path, body):
        """Send a dict as JSON, and form data as it is."""
        sent = {"json": body} if isinstance(body, dict) else {"data": body}
        async with self.session.post(self.url + path, headers=self.headers, **sent) as response:
            return response.status, await response.json()

    async def run(self, member, channel, command, options=None, files=(), **texts):
        form = aiohttp.FormData({"member": member, "channel": channel, "command": command, **texts})
        form.add_field("options", json.dumps(options or {}))
        for name, content in files:
            form.add_field(name, content, filename=f"{name}.png", content_type="image/png")
        return await self.post("/api/commands", form)

    async def say(self, member, channel, text, files=(), **texts):
        form = aiohttp.FormData({"member": member, "channel": channel, "text": text, **texts})
        for name, content in files:
            form.add_field(name, content, filename=f"{name}.png", content_type="image/png")
        return await self.post("/api/messages", form)

    async def messages(self, member, channel):
        status, found = await self.get("/api/messages", member=member, channel=channel)
        assert status == 200
        return found

    def events(self, member):
        url = f"{self.url}/api/events"
        return self.session.ws_connect(url, params={"member": member}, headers=self.headers)
