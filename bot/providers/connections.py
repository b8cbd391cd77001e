"""The HTTP sessions that all vendors share; knows no vendor."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bot.pictures.fetch import USER_AGENT

#: Open connections of each session, over all vendors. A further call waits for a free one, but only
#: for `connect_s`. A vendor that answers when the image is done keeps its connection for minutes,
#: so the limit is above the 64 jobs of four images that run at once by default.
CONNECTIONS_MAX = 300


@dataclass(frozen=True, slots=True)
class Connections:
    """
    The two sessions that all vendors share.

    `single` opens a new connection for each POST. If a vendor closed an idle connection just as a
    submit was sent on it, the failure would look the same as that of an accepted submit.
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
