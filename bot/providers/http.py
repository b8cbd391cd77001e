"""
The one place that sends to vendors: limits, error table, secrets kept out; knows no vendor.

What went wrong is told by when it went wrong. Before a request left us, nothing can have been
accepted (ProviderUnreachable). After that, a submit may have been (ProviderOutcomeUnknown), while
a read, or an upload that nothing refers to yet, may simply be repeated (ProviderUnreachable).
"""

import asyncio
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from pydantic import SecretStr
from yarl import URL

from bot.domain.ports import ImageFile, ImageFormat
from bot.errors import (
    ProviderContractBroken,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderUnreachable,
)
from bot.providers.answers import (
    JSON_BYTES_MAX,
    decoded,
    encoded,
    parse_retry_after,
    read_answer,
)
from bot.providers.connections import Connections
from bot.providers.inline import InlineImage
from bot.providers.judge import Complaint, Reply, Stake, judge

#: Characters of a vendor's message that go into an error.
MESSAGE_CHARS_MAX = 200
#: Its page names it; its bare answer is "error code: 1010".
CLOUDFLARE = re.compile(rb"(?i)cloudflare|^error code: 1\d{3}")
CONTENT_TYPES = {
    ImageFormat.PNG: "image/png",
    ImageFormat.JPEG: "image/jpeg",
    ImageFormat.WEBP: "image/webp",
}


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds."""

    connect_s: float = 10.0
    #: of a read, and of a submit that is answered once the vendor has queued the task
    answer_s: float = 60.0
    #: of an upload, and of a read that may bring an image
    transfer_s: float = 120.0
    #: at most, of a submit that is answered when the image is done; its route says less
    sync_s: float = 3_600.0


class VendorHttp:
    """
    One vendor's root address and key.

    Args:
        base_url: without a slash at its end.
        key_header: takes the key; as a bearer's if it is Authorization.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        key: SecretStr,
        connections: Connections,
        limits: TimeLimits | None = None,
        *,
        key_header: str = "Authorization",
    ) -> None:
        self.provider = provider
        self._base_url = base_url
        self._key = key
        self._connections = connections
        self._key_header = key_header
        self.limits = limits or TimeLimits()

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        result_path: Path | None = None,
    ) -> Reply:
        """
        Args:
            result_path: for an image inside the answer, as in `order`; None if there is none.
        """
        return await self._get(self._base_url + path, params, result_path)

    def own_address(self, address: str) -> str | None:
        """
        An address that the vendor named, made whole.

        None if it is not on the vendor's own host, or has a name and password, which would go
        before our key.

        Args:
            address: whole, or a path from the host's root.
        """
        base = URL(self._base_url)
        try:
            whole = base.join(URL(address))
            ours = whole.origin() == base.origin() and not (whole.user or whole.password)
            return str(whole) if ours else None
        except ValueError:
            return None

    async def get_at(self, address: str, *, result_path: Path | None = None) -> Reply:
        """
        GET an address that the vendor named; see `own_address`.

        Args:
            result_path: as in `get`.
        Raises:
            ProviderContractBroken: it is another host's, which must not see our key.
        """
        whole = self.own_address(address)
        if whole is None:
            raise ProviderContractBroken(self.provider, "named an address on another host")
        return await self._get(whole, None, result_path)

    async def submit(self, path: str, body: Mapping[str, object]) -> Reply:
        """POST what must not be sent twice."""
        return await self._post(path, body, Stake.SUBMIT)

    async def query(self, path: str, body: Mapping[str, object]) -> Reply:
        """POST what only asks, so that it may be sent again."""
        return await self._post(path, body, Stake.REPEATABLE)

    async def order(
        self,
        path: str,
        body: bytes | aiohttp.FormData,
        *,
        result_path: Path,
        answer_s: float = math.inf,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """
        A submit whose answer may carry the image.

        The image goes to `result_path` and INLINE stands for it in the reply; see InlineImage. If
        this raises, or the HTTP status is no success, there is no file; else it is the caller's.

        Args:
            body: JSON; or multipart, whose files are streamed and stay the caller's.
            answer_s: seconds; the limit of vendors that answer when the image is done holds, too.
        """
        return await self._send(
            "POST",
            self._base_url + path,
            Stake.SUBMIT,
            answer_s=min(answer_s, self.limits.sync_s),
            # With references inside it is large, and goes in pieces.
            data=io.BytesIO(body) if isinstance(body, bytes) else body,
            headers=headers,
            result_path=result_path,
        )

    async def upload(
        self,
        path: str,
        field: str,
        image: ImageFile,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> Reply:
        """
        POST a file as multipart, streamed from disk.

        Args:
            fields: go before the file.
        """
        with await asyncio.to_thread(image.path.open, "rb") as file:
            form = aiohttp.FormData(fields or {})
            form.add_field(
                field,
                file,
                filename=f"reference.{image.format}",
                content_type=CONTENT_TYPES[image.format],
            )
            address = self._base_url + path
            return await self._send(
                "POST", address, Stake.REPEATABLE, answer_s=self.limits.transfer_s, data=form
            )

    def judge(
        self, reply: Reply, complaint: Complaint | None, stake: Stake, *, hidden: str = ""
    ) -> None:
        """
        Raise what a complaint means; None is none.

        Args:
            hidden: what the vendor may quote but must not reach a log.
        """
        if complaint is not None:
            words = self.clean(complaint.words, hidden)
            raise judge(self.provider, reply, complaint, words, stake)

    def clean(self, message: str, *hidden: str) -> str:
        """A vendor's words in one short line, without our key and what else must stay hidden."""
        for each in (self._key.get_secret_value(), *hidden):
            if each:
                message = message.replace(each, "…")
        return " ".join(message.split())[:MESSAGE_CHARS_MAX]

    async def _get(
        self, address: str, params: Mapping[str, str] | None, result_path: Path | None
    ) -> Reply:
        limits = self.limits
        return await self._send(
            "GET",
            address,
            Stake.REPEATABLE,
            answer_s=limits.answer_s if result_path is None else limits.transfer_s,
            params=params,
            result_path=result_path,
        )

    async def _post(self, path: str, body: Mapping[str, object], stake: Stake) -> Reply:
        return await self._send(
            "POST",
            self._base_url + path,
            stake,
            answer_s=self.limits.answer_s,
            data=encoded(body),
        )

    async def _send(
        self,
        method: str,
        address: str,
        stake: Stake,
        *,
        answer_s: float,
        params: Mapping[str, str] | None = None,
        data: bytes | io.BytesIO | aiohttp.FormData | None = None,
        headers: Mapping[str, str] | None = None,
        result_path: Path | None = None,
    ) -> Reply:
        session = self._connections.lasting if method == "GET" else self._connections.single
        bearer = "Bearer " if self._key_header == "Authorization" else ""
        all_headers = {
            **(headers or {}),
            self._key_header: f"{bearer}{self._key.get_secret_value()}",
            "Accept": "application/json",
        }
        if isinstance(data, bytes | io.BytesIO):
            all_headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(
            total=self.limits.connect_s + answer_s, connect=self.limits.connect_s
        )
        try:
            async with session.request(
                method,
                address,
                params=params,
                data=data,
                headers=all_headers,
                timeout=timeout,
                # The key goes to this address only.
                allow_redirects=False,
            ) as response:
                return await self._receive(response, stake, result_path)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            trouble = error
        raise self._trouble(trouble, stake) from _without_headers(trouble)

    async def _receive(
        self, response: aiohttp.ClientResponse, stake: Stake, result_path: Path | None
    ) -> Reply:
        if result_path is None:
            return self._read_reply(response, await read_answer(response), stake)
        image = InlineImage(result_path, JSON_BYTES_MAX)
        kept = False
        try:
            reply = self._read_reply(response, await read_answer(response, image), stake)
            kept = reply.is_good
            return reply
        finally:
            image.close()
            if not kept:
                result_path.unlink(missing_ok=True)  # noqa: ASYNC240 - must not be interrupted

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
            body=decoded(raw),
            retry_after_s=parse_retry_after(
                response.headers.get("Retry-After"),
                response.headers.get("Retry-After-Ms"),
                now=datetime.now(UTC),
            ),
            request_id=response.headers.get("X-Request-Id") or response.headers.get("CF-Ray"),
        )
        if reply.body:
            return reply
        size = "more than the limit" if raw is None else f"{len(raw)} bytes"
        message = f"not a JSON object but {response.content_type}, {size}"
        if raw and response.status == 403 and CLOUDFLARE.search(raw):
            message = "Cloudflare, not the vendor, refused the request; is it the User-Agent?"
        if not reply.is_good:
            self.judge(reply, Complaint(message, reply.status), stake)
        if stake is Stake.SUBMIT:
            raise ProviderOutcomeUnknown(self.provider, message, status=response.status)
        raise ProviderUnreachable(self.provider, message, status=response.status)


def _without_headers(error: Exception) -> Exception | None:
    """The cause to keep; some of aiohttp's errors carry the request's headers, hence the key."""
    return None if isinstance(error, aiohttp.ClientResponseError) else error
