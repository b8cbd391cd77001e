"""
The one place that sends to vendors: limits, error table, secrets kept out; knows no vendor.

What went wrong is told by when it went wrong. Before a request left us, nothing can have been
accepted (ProviderUnreachable). After that, a submit may have been (ProviderOutcomeUnknown), while
a read, or an upload that nothing refers to yet, may simply be repeated (ProviderUnreachable).
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Never

import aiohttp
from pydantic import SecretStr

from bot.domain.ports import ImageFile, ImageFormat
from bot.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)

log = logging.getLogger(__name__)

#: Vendors behind Cloudflare refuse clients without a browser-like one, and so does API Models'
#: result host (seen by third parties with kie.ai and r2.apimodels.app).
USER_AGENT = "Mozilla/5.0 (compatible; Easel; Discord bot)"
#: Largest answer that is read as JSON; a real one has a few kilobytes.
JSON_BYTES_MAX = 1024 * 1024
READ_CHUNK_BYTES = 64 * 1024
#: Longest pause that a vendor's Retry-After can ask for.
RETRY_AFTER_S_MAX = 600.0
#: Characters of a vendor's message that go into an error.
MESSAGE_CHARS_MAX = 200
#: Connections of each kind at once, over all vendors; more wait for one.
CONNECTIONS_MAX = 100
CONTENT_TYPES = {
    ImageFormat.PNG: "image/png",
    ImageFormat.JPEG: "image/jpeg",
    ImageFormat.WEBP: "image/webp",
}


class Stake(Enum):
    """What an unknown outcome would cost."""

    #: nothing: the call may be made again
    REPEATABLE = auto()
    #: an image: the call must not be made again
    SUBMIT = auto()


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds. A submit is answered once the vendor has queued the task, not when it is done."""

    connect_s: float = 10.0
    answer_s: float = 60.0
    upload_s: float = 120.0


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


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON object and what came with it; numbers with a point are Decimal."""

    status: int
    body: Mapping[str, object]
    #: None: the vendor said nothing
    retry_after_s: float | None = None
    request_id: str | None = None


class VendorHttp:
    """
    One vendor's root address and key.

    Args:
        base_url: without a slash at its end.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        key: SecretStr,
        connections: Connections,
        limits: TimeLimits | None = None,
    ) -> None:
        self.provider = provider
        self._base_url = base_url
        self._key = key
        self._connections = connections
        self._limits = limits or TimeLimits()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        return await self._send(
            "GET", path, Stake.REPEATABLE, answer_s=self._limits.answer_s, params=params
        )

    async def submit(self, path: str, body: Mapping[str, object]) -> Reply:
        """POST what must not be sent twice."""
        data = json.dumps(body).encode()
        return await self._send(
            "POST", path, Stake.SUBMIT, answer_s=self._limits.answer_s, data=data
        )

    async def upload(self, path: str, field: str, image: ImageFile) -> Reply:
        """POST a file as multipart, streamed from disk."""
        with await asyncio.to_thread(image.path.open, "rb") as file:
            form = aiohttp.FormData()
            form.add_field(
                field,
                file,
                filename=f"reference.{image.format}",
                content_type=CONTENT_TYPES[image.format],
            )
            return await self._send(
                "POST", path, Stake.REPEATABLE, answer_s=self._limits.upload_s, data=form
            )

    def reject(self, reply: Reply, code: int, message: str, stake: Stake) -> Never:
        """
        Raise what an answer that is no success means.

        Args:
            code: the vendor's own where it has one, else the HTTP status.
            message: has been through `clean`.
        """
        log.warning("%s answered %d: %s", self.provider, code, message)
        raise error_for(self.provider, code, message, reply, stake)

    def clean(self, message: str, *hidden: str) -> str:
        """A vendor's words in one short line, without our key and what else must stay hidden."""
        for each in (self._key.get_secret_value(), *hidden):
            if each:
                message = message.replace(each, "…")
        return " ".join(message.split())[:MESSAGE_CHARS_MAX]

    async def _send(
        self,
        method: str,
        path: str,
        stake: Stake,
        *,
        answer_s: float,
        params: Mapping[str, str] | None = None,
        data: bytes | aiohttp.FormData | None = None,
    ) -> Reply:
        session = self._connections.lasting if method == "GET" else self._connections.single
        headers = {
            "Authorization": f"Bearer {self._key.get_secret_value()}",
            "Accept": "application/json",
        }
        if isinstance(data, bytes):
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(
            total=self._limits.connect_s + answer_s, connect=self._limits.connect_s
        )
        try:
            async with session.request(
                method,
                self._base_url + path,
                params=params,
                data=data,
                headers=headers,
                timeout=timeout,
                # The key goes to this address only.
                allow_redirects=False,
            ) as response:
                raw = await _read_capped(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            trouble = error
        else:
            return self._read_reply(response, raw, stake)
        raise self._trouble(trouble, stake) from _without_headers(trouble)

    def _trouble(self, error: Exception, stake: Stake) -> ProviderError:
        """What it means that no answer came."""
        unsent = isinstance(
            error,
            aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL,
        )
        if unsent or stake is Stake.REPEATABLE:
            return ProviderUnreachable(self.provider, f"no answer: {type(error).__name__}")
        return ProviderOutcomeUnknown(
            self.provider, f"cut off after sending: {type(error).__name__}"
        )

    def _read_reply(
        self, response: aiohttp.ClientResponse, raw: bytes | None, stake: Stake
    ) -> Reply:
        """Decode an answer; one that cannot be decoded is judged by its status alone."""
        reply = Reply(
            status=response.status,
            body=_decoded(raw),
            retry_after_s=parse_retry_after(
                response.headers.get("Retry-After"), now=datetime.now(UTC)
            ),
            request_id=response.headers.get("X-Request-Id") or response.headers.get("CF-Ray"),
        )
        if reply.body:
            return reply
        size = "more than the limit" if raw is None else f"{len(raw)} bytes"
        message = f"not a JSON object but {response.content_type}, {size}"
        if raw and response.status == 403 and b"cloudflare" in raw.lower():
            message = "Cloudflare, not the vendor, refused the request; is it the User-Agent?"
        if not 200 <= response.status < 300:
            self.reject(reply, response.status, message, stake)
        if stake is Stake.SUBMIT:
            raise ProviderOutcomeUnknown(self.provider, message, status=response.status)
        raise ProviderUnreachable(self.provider, message, status=response.status)


def error_for(provider: str, code: int, message: str, reply: Reply, stake: Stake) -> ProviderError:
    """
    The table of codes that all vendors share.

    A 5xx says that something broke, not when: a submit may have been accepted before. Only 503
    (and kie.ai's 455, maintenance) says that the work was not taken.
    """
    request_id = reply.request_id
    match code:
        case 401 | 402 | 403 | 407:
            return ProviderMisconfigured(provider, message, status=code, request_id=request_id)
        case 429 | 455 | 503:
            return ProviderBusy(
                provider,
                message,
                retry_after_s=reply.retry_after_s,
                status=code,
                request_id=request_id,
            )
        case _ if 300 <= code < 400:
            message = f"a redirect; is the base address right? {message}"
            return ProviderMisconfigured(provider, message, status=code, request_id=request_id)
        case _ if 400 <= code < 500 and code not in {408, 425}:
            return ProviderRefused(provider, message, status=code, request_id=request_id)
        case _ if stake is Stake.SUBMIT:
            return ProviderOutcomeUnknown(provider, message, status=code, request_id=request_id)
        case _:
            return ProviderUnreachable(provider, message, status=code, request_id=request_id)


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds from a Retry-After header (seconds or an HTTP date), within RETRY_AFTER_S_MAX."""
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value), RETRY_AFTER_S_MAX)
    try:
        wait = parsedate_to_datetime(value) - now
    except (ValueError, TypeError):
        return None
    return min(max(wait.total_seconds(), 0.0), RETRY_AFTER_S_MAX)


async def _read_capped(response: aiohttp.ClientResponse) -> bytes | None:
    """The body, or None if it is longer than JSON_BYTES_MAX."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(READ_CHUNK_BYTES):
        body += chunk
        if len(body) > JSON_BYTES_MAX:
            return None
    return bytes(body)


def _decoded(raw: bytes | None) -> Mapping[str, object]:
    """A JSON object, or an empty one where there is none."""
    try:
        body = json.loads(raw or b"", parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _without_headers(error: Exception) -> Exception | None:
    """The cause to keep; some of aiohttp's errors carry the request's headers, hence the key."""
    return None if isinstance(error, aiohttp.ClientResponseError) else error
