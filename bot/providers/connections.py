"""The HTTP sessions that all vendors share; knows no vendor."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from msgspec import Struct

from bot.pictures.fetch import USER_AGENT

#: Open connections of each session, over all vendors. A further call waits for a free one, but only
#: for `connect_s`. A vendor that answers when the image is done keeps its connection for minutes,
#: so the limit is above the 64 jobs of four images that run at once by default.
CONNECTIONS_MAX = 300
#: seconds for which an idle connection is used again, for GETs and for POSTs
IDLE_S = 15.0
IDLE_POST_S = 1.0


class Connections(Struct, frozen=True):
    """
    The two sessions that all vendors share.

    `for_posts` gives up its idle connections early. If a vendor closed one just as a submit was
    sent on it, the failure would look the same as that of an accepted submit. A second is less than
    servers keep an idle connection (Gunicorn two, Node five), and spares bursts their handshakes.
    """

    for_gets: aiohttp.ClientSession
    for_posts: aiohttp.ClientSession


@asynccontextmanager
async def open_connections() -> AsyncIterator[Connections]:
    """Open both sessions; they are closed on leaving."""
    async with AsyncExitStack() as stack:
        for_gets, for_posts = [
            await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=idle_s),
                    headers={"User-Agent": USER_AGENT},
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            )
            for idle_s in (IDLE_S, IDLE_POST_S)
        ]
        yield Connections(for_gets, for_posts)
