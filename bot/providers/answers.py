"""Reads a vendor's answers within size limits; knows no vendor and none of the bot's errors."""

import asyncio
import errno
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Never

import aiohttp

from bot.pictures.threads import in_thread
from bot.providers.inline import START, InlineImage

#: Largest answer that is read as JSON; a real answer has a few kilobytes.
JSON_BYTES_MAX = 1024 * 1024
#: Largest answer that may carry an image; base64 makes the image a third longer.
IMAGE_ANSWER_BYTES_MAX = 90 * 1024 * 1024
READ_CHUNK_BYTES = 64 * 1024
#: Bytes of an answer with an image that are gathered before a thread decodes and writes them.
DECODE_BYTES = 512 * 1024
#: Seconds between two tries to write an image while the disk does not take it, and their number.
FULL_WAIT_S = 1.0
FULL_WAITS_MAX = 300
#: Longest pause that a vendor's Retry-After can ask for.
RETRY_AFTER_S_MAX = 600.0


def encoded(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode()


def parse_retry_after(value: str | None, ms: str | None = None, *, now: datetime) -> float | None:
    """
    Seconds to wait by a Retry-After header (seconds or an HTTP date), at most RETRY_AFTER_S_MAX.

    Args:
        ms: OpenAI's retry-after-ms, which takes precedence (openai-python, snapshot 2026-08-21).
    """
    if ms and ms.strip().isdecimal():
        return min(float(ms) / 1000, RETRY_AFTER_S_MAX)
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value), RETRY_AFTER_S_MAX)
    try:
        wait = parsedate_to_datetime(value) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait.total_seconds(), 0.0), RETRY_AFTER_S_MAX)


async def read_answer(
    response: aiohttp.ClientResponse, image: InlineImage | None = None
) -> bytes | None:
    """
    The body, or None if it is too long.

    Args:
        image: takes the image out of a body that may have one.
    """
    if image is not None:
        return await _read_with(image, response)
    body = bytearray()
    async for chunk in response.content.iter_chunked(READ_CHUNK_BYTES):
        body += chunk
        if len(body) > JSON_BYTES_MAX:
            return None
    return bytes(body)


async def _read_with(image: InlineImage, response: aiohttp.ClientResponse) -> bytes | None:
    """The body without its image, which a thread decodes; None if the body is too long."""
    size_bytes = gathered_bytes = 0
    pieces: list[bytes] = []
    async for piece in response.content.iter_any():
        size_bytes += len(piece)
        if size_bytes > IMAGE_ANSWER_BYTES_MAX:
            return None
        pieces.append(piece)
        gathered_bytes += len(piece)
        if gathered_bytes >= DECODE_BYTES:
            await _feed(image, pieces)
            pieces, gathered_bytes = [], 0
    if size_bytes <= READ_CHUNK_BYTES and not START.search(short := b"".join(pieces)):
        # Without an image, a short answer needs no thread.
        return short
    await _feed(image, pieces)
    return image.rest


async def _feed(image: InlineImage, pieces: Sequence[bytes]) -> None:
    """Keep trying while the disk does not take it: the image is paid for and comes only once."""
    for _ in range(FULL_WAITS_MAX):
        if await in_thread(image.feed, *pieces):
            return
        pieces = ()
        await asyncio.sleep(FULL_WAIT_S)
    raise OSError(errno.EIO, "the disk took no image")


def decoded(raw: bytes | None) -> Mapping[str, object]:
    """The JSON object in the answer, or an empty one if there is none."""
    try:
        body = json.loads(raw or b"", parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, ArithmeticError):
        # The last: a number whose exponent is beyond Decimal's.
        return {}
    return body if isinstance(body, dict) else {}


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")
