"""
Sends images in copies that Discord takes, and opens the files of messages: anew for each try to
send them, because discord.py closes them.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import discord

from bot.chat import render, wire
from bot.domain.jobs import Job
from bot.domain.ports import ImageFile
from bot.pictures.decoder import Decoder
from bot.pictures.fit import Fitted, fit

log = logging.getLogger(__name__)

T = TypeVar("T")

#: bytes of a message's files: a whole message (Discord docs, Uploading Files), less its words
MESSAGE_BYTES_MAX = 25 * 1024**2 - 64 * 1024
#: how often files that Discord finds too large are made smaller again
SHRINKS_MAX = 2
#: bytes of a file that is read whole: as many as aiohttp reads of any file at a time
READ_BYTES_MAX = 256 * 1024


async def send_fitting(
    images: Sequence[ImageFile],
    file_bytes_max: int,
    decoder: Decoder,
    send: Callable[[Fitted], Awaitable[T]],
) -> T:
    """
    Send images, in smaller copies where they are too large. The limit is an upper bound, as when a
    server has lost its boosts: what Discord finds too large all the same is made smaller again.

    Raises:
        UnusableImage: an image that is to be made smaller is damaged.
        OSError: there is no room for a copy.
        CallFailed: from `send`.
    """
    for shrinks_left in range(SHRINKS_MAX, -1, -1):
        fitted = await fit(images, file_bytes_max, MESSAGE_BYTES_MAX, decoder)
        try:
            return await send(fitted)
        except wire.CallFailed as error:
            if error.trouble is not wire.Trouble.TOO_LARGE or not shrinks_left:
                raise
            log.warning("too large for Discord: %s", error, extra={"action": "too_large"})
            file_bytes_max = min(file_bytes_max, max(fitted.sizes_bytes)) // 2
        finally:
            fitted.remove()
    raise AssertionError("the last try ends the loop")


def open_files(
    job: Job, fitted: Fitted, sheet: Path | None = None, places: Sequence[int] | None = None
) -> list[discord.File]:
    """
    The files of a result's message.

    Args:
        sheet: shows the job's references.
        places: the files' places among the job's images, from 0; None: all are there.
    """
    files = [
        discord.File(
            _opened(path),
            filename=f"{render.file_stem(job, index)}{path.suffix}",
            spoiler=job.spoiler,
            description=render.alt_text(job.request, job.locale),
        )
        for index, path in zip(places or range(len(fitted.paths)), fitted.paths, strict=True)
    ]
    return files + open_sheet(sheet, spoiler=job.spoiler)


def opening(path: Path, name: str) -> wire.Files:
    """Opens one file, which is sent by this name."""
    return lambda: [discord.File(path, filename=name)]


def _opened(path: Path) -> Path | BytesIO:
    """The file; its bytes, if it is small: aiohttp would make two trips to a thread for them."""
    return path if path.stat().st_size > READ_BYTES_MAX else BytesIO(path.read_bytes())


def show_sheet(embed: discord.Embed, sheet: Path | None, *, spoiler: bool) -> None:
    """Show a sheet in the embed, which has no cover: a covered one stays a file of its own."""
    if sheet and not spoiler:
        embed.set_image(url=f"attachment://{render.SHEET_NAME}")


def open_sheet(sheet: Path | None, *, spoiler: bool) -> list[discord.File]:
    if sheet is None:
        return []
    return [discord.File(sheet, filename=render.SHEET_NAME, spoiler=spoiler)]
