"""
Streams a link from outside to disk and has the file checked; knows no vendor, sends no key.

No link is trusted: only https, only public addresses, a few redirects under the same rules, and
limits on time and bytes. The rules apply to the addresses that are really connected to, so a name
that resolves differently between check and use gains nothing.
"""

import asyncio
import ipaddress
import re
import shutil
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct
from yarl import URL

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.domain.requests import PHOTO_BYTES_MAX
from bot.errors import FetchFailed, FetchTrouble, Flaw, UnusableImage
from bot.pictures.check import check_image, check_whole_png
from bot.pictures.decoder import Decoder
from bot.pictures.folder import drop
from bot.pictures.photos import convert, make_plain
from bot.pictures.threads import in_thread
from bot.pictures.transfers import Transfers

#: Vendors behind Cloudflare refuse clients whose user agent is not like a browser's, and so does
#: API Models' result host (seen by third parties with kie.ai and r2.apimodels.app).
USER_AGENT = "Mozilla/5.0 (compatible; Easel; Discord bot)"
#: Seconds for a whole fetch with its redirects; for connecting; and between two pieces of data.
FETCH_TIMEOUT_S = 120.0
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
REDIRECTS_MAX = 5
CONNECTIONS_MAX = 64
#: Bytes gathered before a thread writes them. A small image takes one write, a large one a write
#: per MiB, and none blocks the event loop.
WRITE_BYTES = 1024 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Client errors that may pass: request timeout, too early, too many requests.
PASSING_CODES = frozenset({408, 425, 429})
TRANSPORT_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, zlib.error)
GONE_CODES = frozenset({404, 410})
#: The end of a host name that browsers read as a number (WHATWG URL, "ends in a number").
NUMBER_LIKE = re.compile(r"(?i)(^|\.)(\d+|0x[0-9a-f]*)\.?$")
#: All IPv6 addresses that are given out for the internet lie in this network (RFC 4291).
UNICAST = ipaddress.IPv6Network("2000::/3")
#: IPv6 addresses that contain an IPv4 address, to which a gateway would connect (RFC 6052).
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRule(Struct, frozen=True):
    """Which schemes and addresses may be connected to."""

    schemes: frozenset[str]
    #: an IP address -> whether it is allowed
    allows: Callable[[str], bool]


def is_public(address: str) -> bool:
    """Whether an IP address is public. An IPv4 address inside an IPv6 address decides for it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is None and ip not in UNICAST:
            return False
        ip = inner or ip
    return ip.is_global and not ip.is_multicast


PUBLIC_ONLY = AddressRule(frozenset({"https"}), is_public)
#: For ALLOW_PRIVATE_ADDRESSES: the playground, or providers on the operator's own network.
ANYWHERE = AddressRule(frozenset({"https", "http"}), lambda _: True)


class Fetcher:
    """
    An async context manager. Whatever lay at the `path` that a method is given is overwritten.

    Args:
        allow_private_addresses: the rule is ANYWHERE if true, else PUBLIC_ONLY.
        resolver: looks names up; None: the system's.
        timeout_s: seconds for a whole fetch.
    """

    def __init__(
        self,
        *,
        allow_private_addresses: bool,
        decoder: Decoder,
        resolver: AbstractResolver | None = None,
        timeout_s: float = FETCH_TIMEOUT_S,
    ) -> None:
        self.rule = ANYWHERE if allow_private_addresses else PUBLIC_ONLY
        self._resolver = resolver
        self._timeout_s = timeout_s
        self._decoder = decoder
        self._transfers = Transfers()

    async def __aenter__(self) -> Self:
        resolver = CheckedResolver(self._resolver or aiohttp.ThreadedResolver(), self.rule)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, limit=CONNECTIONS_MAX),
            # A compressed answer could grow without limit as it is decompressed.
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S
            ),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def fetch(self, url: str, path: Path, limits: ImageLimits) -> ImageFile:
        """
        Stream a link to `path` and check what it is; nothing is left at `path` on failure.

        Raises:
            UnusableImage: it is not an image that Easel takes.
            FetchFailed: it could not be read.
        """
        with _whole_or_gone(path):
            async with asyncio.timeout(self._timeout_s):
                rest, mode = await self._stream(url, path, limits)

            def written() -> ImageFile | None:
                _write(path, mode, rest)
                return check_whole_png(path, limits)

            whole = await in_thread(written)
            return whole or await self._decoded(path, limits)

    async def fetch_photo(
        self, url: str, path: Path, limits: ImageLimits, formats: tuple[ImageFormat, ...]
    ) -> ImageFile:
        """
        Stream a link to `path` and make a plain picture of what it is: upright, sRGB, of eight
        bits, RGB or RGBA, of one frame, without metadata, in one of the formats.

        Args:
            limits: of the plain picture; the file itself may have PHOTO_BYTES_MAX.
        Raises:
            UnusableImage: it is no picture that a viewer shows, or it is animated.
            FetchFailed: it could not be read.
        """
        fetched = ImageLimits(PHOTO_BYTES_MAX, limits.pixels_max)
        with _whole_or_gone(path):
            async with asyncio.timeout(self._timeout_s):
                rest, mode = await self._stream(url, path, fetched)
            await in_thread(_write, path, mode, rest)
            return await self._decoder.run(make_plain, path, limits, formats)

    async def take_photo(
        self, kept: Path, path: Path, limits: ImageLimits, formats: tuple[ImageFormat, ...]
    ) -> ImageFile:
        """
        Do the same with a file on disk, which stays as it is.

        Raises:
            UnusableImage: it is no picture that a viewer shows.
            FetchFailed: it could not be read; also where it is gone.
        """
        try:
            await in_thread(shutil.copyfile, kept, path)
            return await self._decoder.run(make_plain, path, limits, formats)
        except BaseException as error:
            drop(path)
            if isinstance(error, OSError):
                raise FetchFailed(f"kept image: {error.strerror}", FetchTrouble.GONE) from error
            raise

    async def convert(
        self,
        image: ImageFile,
        path: Path,
        size_px: tuple[int, int],
        formats: tuple[ImageFormat, ...],
    ) -> ImageFile:
        """
        Write a plain picture anew to `path`, in another format or size.

        Raises:
            UnusableImage: it needs more memory than there is for pictures.
            FetchFailed: it could not be stored.
        """
        with _whole_or_gone(path):
            return await self._decoder.run(convert, image, path, size_px, formats)

    async def check(self, path: Path, limits: ImageLimits) -> ImageFile:
        """
        Check a file that is on disk already; it is removed if it is no image that Easel takes.

        Raises:
            UnusableImage: it is not an image that Easel takes.
            FetchFailed: there is no room to mend it; the file is the caller's, to be checked again.
                Or the file is gone.
        """
        try:
            whole = await in_thread(check_whole_png, path, limits)
            return whole or await self._decoded(path, limits)
        except FileNotFoundError as error:
            raise FetchFailed("the image is not there", FetchTrouble.GONE) from error
        except OSError as error:
            raise _failure(error) from error
        except BaseException:
            drop(path)
            raise

    async def _decoded(self, path: Path, limits: ImageLimits) -> ImageFile:
        return await self._decoder.run(check_image, path, limits)

    async def _stream(self, url: str, path: Path, limits: ImageLimits) -> tuple[bytearray, str]:
        """Write all pieces but the last; returns that one and the mode to write it in."""
        target = self._checked(url)
        for _ in range(REDIRECTS_MAX + 1):
            async with self._session.get(target, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    async with self._transfers.one(response.content_length):
                        return await _receive(response, path, limits)
                target = self._checked(response.headers.get("Location", ""), base=target)
        raise FetchFailed("the link redirects too often", FetchTrouble.NEVER)

    def _checked(self, url: str, *, base: URL | None = None) -> URL:
        """The address to call, if its scheme is allowed and, if it is an IP address, its host."""
        try:
            target = base.join(URL(url)) if base else URL(url)
            host = target.host
            # A part of the name that is empty or too long is found only as the name is looked up.
            (target.raw_host or "").encode("idna")
        except ValueError as error:
            raise FetchFailed("the link is malformed", FetchTrouble.NEVER) from error
        if target.scheme not in self.rule.schemes or not host:
            raise FetchFailed("the link is not https", FetchTrouble.NEVER)
        # aiohttp asks its resolver about names only, and some versions take "127.1" for an address.
        if _is_number(host):
            if not self.rule.allows(host):
                raise FetchFailed("the link points into a private network", FetchTrouble.NEVER)
        elif NUMBER_LIKE.search(host):
            raise FetchFailed("the link is malformed", FetchTrouble.NEVER)
        return target


class CheckedResolver(AbstractResolver):
    """Resolves names to allowed addresses only; one other address refuses the whole answer."""

    def __init__(self, inner: AbstractResolver, rule: AddressRule) -> None:
        self._inner = inner
        self._rule = rule

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        if not all(self._rule.allows(answer["host"]) for answer in answers):
            raise PrivateAddressError(f"{host} is in a private network")
        return answers

    async def close(self) -> None:
        await self._inner.close()


class PrivateAddressError(OSError):
    """A name stands for an address that must not be connected to."""


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


async def _receive(
    response: aiohttp.ClientResponse, path: Path, limits: ImageLimits
) -> tuple[bytearray, str]:
    if response.status != 200:
        raise FetchFailed(f"the link answered {response.status}", _trouble(response.status))
    if (response.content_length or 0) > limits.size_bytes_max:
        raise UnusableImage(Flaw.TOO_MANY_BYTES, bytes_max=limits.size_bytes_max)
    plain = _decompressed(response.headers.get("Content-Encoding", ""))
    size_bytes = 0
    piece = bytearray()
    mode = "wb"
    async for chunk in response.content.iter_any():
        # One byte more than is allowed, so that a larger file is noticed.
        data = plain(chunk, limits.size_bytes_max - size_bytes + 1)
        size_bytes += len(data)
        if size_bytes > limits.size_bytes_max:
            raise UnusableImage(Flaw.TOO_MANY_BYTES, bytes_max=limits.size_bytes_max)
        piece += data
        if len(piece) >= WRITE_BYTES:
            await in_thread(_write, path, mode, piece)
            piece, mode = bytearray(), "ab"
    return piece, mode


def _trouble(status: int) -> FetchTrouble:
    if status >= 500 or status in PASSING_CODES:
        return FetchTrouble.PASSING
    return FetchTrouble.GONE if status in GONE_CODES else FetchTrouble.REFUSED


def _decompressed(encoding: str) -> Callable[[bytes, int], bytes]:
    """
    How to decompress an answer: some hosts compress it although the request asks for identity.

    Returns:
        A function from a received piece to plain bytes. Its second argument limits their number, if
        the answer is compressed.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return lambda chunk, _: chunk
        case "gzip" | "x-gzip" | "deflate":
            # It recognises either format by its head.
            return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress
        case other:
            raise FetchFailed(f"the link answered in {other[:20]!r}", FetchTrouble.REFUSED)


def _write(path: Path, mode: str, piece: bytearray) -> None:
    with path.open(mode) as file:
        file.write(piece)


@contextmanager
def _whole_or_gone(path: Path) -> Iterator[None]:
    """
    Remove the file if it cannot be had whole.

    Raises:
        FetchFailed: in the place of a transport error.
    """
    try:
        yield
    except BaseException as error:
        drop(path)
        if isinstance(error, TRANSPORT_ERRORS):
            raise _failure(error) from error
        raise


def _failure(error: Exception) -> FetchFailed:
    """The failure to raise for a transport error, without its text where that may hold the link."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, PrivateAddressError
    ):
        return FetchFailed("the link points into a private network", FetchTrouble.NEVER)
    name = type(error).__name__
    if isinstance(error, aiohttp.InvalidURL):
        return FetchFailed(f"the link cannot be used: {name}", FetchTrouble.NEVER)
    if isinstance(error, aiohttp.ClientSSLError):
        return FetchFailed(f"the link cannot be used: {name}", FetchTrouble.REFUSED)
    if isinstance(error, aiohttp.ClientError | TimeoutError | zlib.error):
        return FetchFailed(f"the link broke off: {name}", FetchTrouble.PASSING)
    return FetchFailed(f"the image could not be stored: {error}", FetchTrouble.OUR_DISK)
