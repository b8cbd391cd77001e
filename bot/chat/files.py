"""Opens the files of messages, anew for each try to send them; discord.py closes them."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import discord

from bot.chat import render
from bot.domain.jobs import Job
from bot.pictures.fit import Fitted

#: bytes of a message's files: a whole message (Discord docs, Uploading Files), less its words
MESSAGE_BYTES_MAX = 25 * 1024**2 - 64 * 1024
#: how often files that Discord finds too large are made smaller again
SHRINKS_MAX = 2
#: bytes of a file that is read whole: as many as aiohttp reads of any file at a time
READ_BYTES_MAX = 256 * 1024


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


def _opened(path: Path) -> Path | BytesIO:
    """The file; its bytes, if it is small: aiohttp would make two trips to a thread for them."""
    return path if path.stat().st_size > READ_BYTES_MAX else BytesIO(path.read_bytes())


def open_sheet(sheet: Path | None, *, spoiler: bool) -> list[discord.File]:
    if sheet is None:
        return []
    return [discord.File(sheet, filename=render.SHEET_NAME, spoiler=spoiler)]
