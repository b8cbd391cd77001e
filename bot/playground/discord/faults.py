"""Makes requests fail when a test asks for it: cut connections, 5xx, 429, delays."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from bot.playground.discord.errors import ApiError, rate_limited

#: A held request is released after this time even if its event is never set.
HOLD_S_MAX = 60.0


class Fault(Struct):
    """
    One thing that will go wrong.

    With `after_effect`, the request first takes effect and then gets a wrong answer, or none. That
    makes a client repeat what is already done.
    """

    method: str | None
    path: re.Pattern[str]
    status: int | None = None
    #: a dict is sent as JSON, a str as HTML
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: answer 429 in Discord's own shape
    retry_after_s: float | None = None
    #: reset the TCP connection; the default if only `after_effect` is given
    reset: bool = False
    after_effect: bool = False
    #: wait for this event first; if nothing else is given, it only delays
    hold: asyncio.Event | None = None
    times: int = 1
    #: how many requests it has met
    hits: int = 0
    #: set once a request has met it
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def strike(self) -> "FaultyAnswer | None":
        """Wait if told to, then return the wrong answer; None lets the request pass."""
        if self.hold is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.hold.wait(), HOLD_S_MAX)
        if self.retry_after_s is not None:
            limited = rate_limited(self.retry_after_s)
            return FaultyAnswer(429, limited.body, {**limited.headers, **self.headers})
        if self.status is not None:
            default = ApiError(self.status, 0, f"{self.status}: Playground fault").body
            body = default if self.body is None else self.body
            return FaultyAnswer(self.status, body, self.headers)
        if self.reset or (self.after_effect and self.hold is None):
            return FaultyAnswer(None)
        return None


class FaultyAnswer(Struct, frozen=True):
    """The wrong answer; without a status, the connection is reset instead."""

    status: int | None
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """The faults that wait for requests to meet."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, *, method: str | None = None, path: str = "", **mishap: Any) -> Fault:
        """
        Make the next `times` matching requests fail.

        Args:
            path: a regular expression; it is searched for in the path template and in the path
                itself, both without `/api/v10`, and in the CDN's links.
            mishap: further fields of the Fault.
        """
        fault = Fault(method, re.compile(path), **mishap)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Let all requests pass again."""
        self._faults.clear()

    def take(self, method: str, template: str, path: str) -> Fault | None:
        """Return the oldest fault that matches, and use up one of its `times`."""
        for fault in self._faults:
            matches = fault.path.search(template) or fault.path.search(path)
            if matches and fault.method in (None, method) and fault.hits < fault.times:
                fault.hits += 1
                fault.reached.set()
                return fault
        return None


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """Cut a TCP connection so that the other side sees a reset, not an orderly end."""
    if not isinstance(transport, asyncio.Transport):
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # A linger time of zero makes the kernel send RST.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
