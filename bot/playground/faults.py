"""Lets a test queue answers and mishaps for the next calls; knows no vendor's format."""

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from enum import StrEnum

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct, field


class VendorCall(StrEnum):
    CREATE = "create"
    POLL = "poll"
    UPLOAD = "upload"
    BALANCE = "balance"
    MODELS = "models"
    #: fetching a result link
    RESULT = "result"


class Respond(Struct, frozen=True):
    """Send this answer instead; the call has no effect."""

    status: int = 200
    #: a mapping is sent as JSON
    body: bytes | Mapping[str, object] = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    #: how often the body is sent, so that a huge answer needs no memory
    repeat: int = 1
    #: sent once, before and after the repeated body
    before: bytes = b""
    after: bytes = b""
    #: send no Content-Length
    chunked: bool = False
    #: break the connection one byte before the promised end
    cut: bool = False


class Reset(Struct, frozen=True):
    """Break the connection, before or after the call has its effect."""

    after_effect: bool = False


class Hold(Struct, frozen=True):
    """Make the caller wait for an event, before or after the call has its effect."""

    until: asyncio.Event
    after_effect: bool = False
    #: set once a caller is waiting
    reached: asyncio.Event = field(default_factory=asyncio.Event)


Fault = Respond | Reset | Hold


class VendorFaults:
    """The queued faults, and a count of all calls."""

    def __init__(self) -> None:
        self.calls: Counter[VendorCall] = Counter()
        self._queued: dict[VendorCall, deque[Fault]] = defaultdict(deque)

    def add(self, call: VendorCall, fault: Fault, *, times: int = 1) -> None:
        """Let the next `times` calls of this kind meet the fault, after those queued before."""
        self._queued[call].extend([fault] * times)

    def around(self, call: VendorCall, handler: Handler) -> Handler:
        """Wrap a handler so that its calls meet the faults queued for that kind of call."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self.calls[call] += 1
            queue = self._queued[call]
            fault = queue.popleft() if queue else None
            if isinstance(fault, Respond):
                await request.read()
                return await _respond(request, fault)
            if fault is None:
                return await handler(request)
            response = await handler(request) if fault.after_effect else None
            if isinstance(fault, Reset):
                _break_off(request)
                return response or web.Response()
            fault.reached.set()
            await fault.until.wait()
            return response or await handler(request)

        return answer


async def _respond(request: web.Request, fault: Respond) -> web.StreamResponse:
    body = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
    response = web.StreamResponse(status=fault.status, headers=dict(fault.headers))
    response.content_type = fault.content_type
    if fault.chunked:
        response.enable_chunked_encoding()
    else:
        ends = len(fault.before) + len(fault.after)
        response.content_length = ends + len(body) * fault.repeat + fault.cut
    await response.prepare(request)
    for piece in (fault.before, *[body] * fault.repeat, fault.after):
        await response.write(piece)
    if fault.cut:
        _break_off(request)
        return response
    await response.write_eof()
    return response


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
