"""The sessions that all vendors, and the fetching of their images, share; knows no vendor."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bot.pictures.fetch import USER_AGENT

#: Connections of each kind at once, over all vendors; more wait for one, but only for `connect_s`.
#: A vendor that answers when the image is done keeps one for minutes, so there are more than the
#: 64 jobs of four images that run at once by default.
CONNECTIONS_MAX = 300


@dataclass(frozen=True, slots=True)
class Connections:
    """
    The two sessions that all vendors share.

    A POST gets a connection of its own: when the vendor closes an idle one just as we send on it,
    that cannot be told from a submit that was accepted.
    """

    lasting: aiohttp.ClientSession
    single: aiohttp.ClientSession


@asynccontextmanager
async def open_connections() -> AsyncIterator[Connections]:
    """Open both sessions; they are closed on leaving."""
    async with AsyncExitStack() as stack:
        lasting, single = [
            await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, force_close=force_close),
                    headers={"User-Agent": USER_AGENT},
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            )
            for force_close in (False, True)
        ]
        yield Connections(lasting, single)
