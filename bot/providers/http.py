"""
Sends every request to a vendor, within limits and without leaking secrets; knows no vendor.

If a call gets no answer, the error depends on when it broke off. Before the request was sent, the
vendor cannot have accepted anything (ProviderUnreachable). After that, it may have accepted a
submit (ProviderOutcomeUnknown). A read, or an upload that nothing refers to yet, may simply be
repeated (ProviderUnreachable).
"""

import io
import math
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from msgspec import Struct
from pydantic import SecretStr
from yarl import URL

from bot.domain.ports import ImageFile
from bot.errors import ProviderError, ProviderOutcomeUnknown, ProviderUnreachable
from bot.pictures.threads import in_thread
from bot.pictures.transfers import Transfers
from bot.providers.answers import JSON_BYTES_MAX, decoded, encoded, parse_retry_after, read_answer
from bot.providers.connections import Connections
from bot.providers.inline import InlineImage
from bot.providers.judge import Complaint, Kind, Reply, Stake, judge, required
from bot.providers.moderation import is_content

#: Characters of a vendor's message that go into an error.
MESSAGE_CHARS_MAX = 200
#: Bytes of an answer that is no JSON object which are searched for a refusal.
RAW_BYTES_MAX = 2_000
#: Recognizes Cloudflare: its page names it, and its bare answer is "error code: 1010".
CLOUDFLARE = re.compile(rb"(?i)cloudflare|^error code: 1\d{3}")


class TimeLimits(Struct, frozen=True):
    """How long a call may take, in seconds."""

    connect_s: float = 10.0
    #: for a read, or a submit that the vendor answers once it has queued the task
    answer_s: float = 60.0
    #: for an upload, or a read that may bring an image
    transfer_s: float = 120.0
    #: for a submit that the vendor answers when the image is done, if its route allows that long
    sync_s: float = 3_600.0


class VendorHttp:
    """
    Calls to one root address of a vendor, with the vendor's key.

    Args:
        base_url: without a slash at its end.
        key_header: the header for the key, which is sent as a bearer token if it is Authorization.
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
        self._transfers = Transfers()

    async def get(
        self,
        address: str,
        params: Mapping[str, str] | None = None,
        *,
        result_path: Path | None = None,
    ) -> Reply:
        """
        Args:
            address: a path below the root, or a full URL that the vendor named.
            result_path: where an image inside the answer goes, as in `order`; None: it has none.
        Raises:
            ProviderContractBroken: the URL is on another host, which must not see the key.
        """
        is_below = address.startswith("/") and not address.startswith("//")
        own = self._base_url + address if is_below else self.own_address(address)
        return await self._send(
            "GET",
            required(own, self.provider, "named an address on another host"),
            Stake.REPEATABLE,
            answer_s=self.limits.answer_s if result_path is None else self.limits.transfer_s,
            params=params,
            result_path=result_path,
        )

    def own_address(self, address: str) -> str | None:
        """
        An address that the vendor named, as a full URL.

        None if it is not on the vendor's own host, or has a user name or password, which would
        take precedence over the key.

        Args:
            address: a full URL, or a path from the host's root.
        """
        base = URL(self._base_url)
        try:
            whole = base.join(URL(address))
            ours = whole.origin() == base.origin() and not (whole.user or whole.password)
            return str(whole) if ours else None
        except ValueError:
            return None

    async def post(self, path: str, body: Mapping[str, object], stake: Stake) -> Reply:
        """POST what is answered without an image."""
        address, limit_s = self._base_url + path, self.limits.answer_s
        return await self._send("POST", address, stake, answer_s=limit_s, data=encoded(body))

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
        POST a submit whose answer may carry the image.

        The image is written to `result_path`, and INLINE stands for it in the reply; see
        InlineImage. If this raises, or neither the HTTP status nor the body's `code` is a success,
        no file is left. Otherwise the caller owns the file.

        Args:
            body: JSON, or multipart, whose files are streamed and stay the caller's.
            answer_s: seconds to wait for the answer, within `TimeLimits.sync_s`.
        """
        return await self._send(
            "POST",
            self._base_url + path,
            Stake.SUBMIT,
            answer_s=min(answer_s, self.limits.sync_s),
            # A body with references inside is large, so it is sent in pieces.
            data=io.BytesIO(body) if isinstance(body, bytes) else body,
            headers=headers,
            result_path=result_path,
        )

    async def upload(self, path: str, image: ImageFile, fields: Mapping[str, str]) -> Reply:
        """
        POST a file as multipart in the field `file`, streamed from disk.

        Args:
            fields: texts that go before the file.
        """
        with await in_thread(image.path.open, "rb") as file:
            form = aiohttp.FormData(fields)
            form.add_field(
                "file",
                file,
                # Some vendors keep a file under the name that it is sent with, for all to read.
                filename=f"{secrets.token_hex(16)}.{image.format}",
                content_type=image.format.media_type,
            )
            address = self._base_url + path
            return await self._send(
                "POST", address, Stake.REPEATABLE, answer_s=self.limits.transfer_s, data=form
            )

    def judge(
        self, reply: Reply, complaint: Complaint | None, stake: Stake, *, hidden: str = ""
    ) -> None:
        """
        Raise the error that a complaint means; None means that there is no complaint.

        Args:
            hidden: text that the vendor may quote but that must not reach a log.
        """
        if complaint is not None:
            words = self.clean(complaint.words, hidden)
            raise judge(self.provider, reply, complaint, words, stake)

    def clean(self, message: str, *hidden: str) -> str:
        """A vendor's message as one short line to print, without the key and the `hidden` texts."""
        for each in (self._key.get_secret_value(), *hidden):
            if each:
                message = message.replace(each, "…")
        printable = "".join(each if each.isprintable() else " " for each in message)
        return " ".join(printable.split())[:MESSAGE_CHARS_MAX]

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
        session = self._connections.for_gets if method == "GET" else self._connections.for_posts
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
                # The key must not go to another address.
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
            async with self._transfers.one(response.content_length):
                reply = self._read_reply(response, await read_answer(response, image), stake)
            kept = reply.is_good or 200 <= reply.code < 300
            return reply
        finally:
            image.close()
            if not kept:
                result_path.unlink(missing_ok=True)  # noqa: ASYNC240 - must not be interrupted

    def _trouble(self, error: Exception, stake: Stake) -> ProviderError:
        """The error for a call that got no whole answer."""
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
        """Decode an answer; if that fails, judge it by its status alone."""
        reply = Reply(
            status=response.status,
            body=decoded(raw),
            retry_after_s=parse_retry_after(
                response.headers.get("Retry-After"),
                response.headers.get("Retry-After-Ms"),
                now=datetime.now(UTC),
            ),
        )
        if reply.body:
            return reply
        size = "more than the limit" if raw is None else f"{len(raw)} bytes"
        message = f"not a JSON object but {response.content_type}, {size}"
        if raw and response.status == 403 and CLOUDFLARE.search(raw):
            message = "Cloudflare, not the vendor, refused the request; is it the User-Agent?"
        if not reply.is_good:
            said = (raw or b"")[:RAW_BYTES_MAX].decode("utf-8-sig", errors="replace")
            # A web page's words may be about anything. A gateway that blocks a poll says nothing
            # about the image, which is paid.
            may_be = stake is Stake.SUBMIT and not said.lstrip().startswith("<")
            refused = may_be and is_content(said, status=reply.status)
            kind = Kind.CONTENT if refused else Kind.STATUS
            self.judge(reply, Complaint(message, reply.status, kind), stake)
        if stake is Stake.SUBMIT:
            raise ProviderOutcomeUnknown(self.provider, message, status=response.status)
        raise ProviderUnreachable(self.provider, message, status=response.status)


def _without_headers(error: Exception) -> Exception | None:
    """The cause to keep, unless it carries the request's headers, and with them the key."""
    return None if isinstance(error, aiohttp.ClientResponseError) else error
