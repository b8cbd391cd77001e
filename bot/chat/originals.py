"""A job's images to work from: its kept files or, where those are gone, a message's links."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from bot.chat import render
from bot.chat.offers import as_source
from bot.chat.pictures import stem
from bot.domain.jobs import Job, Task
from bot.domain.ports import ImageFile
from bot.domain.requests import Reference
from bot.pictures.folder import images_of


async def kept(folder: Path, tasks: Sequence[Task]) -> list[ImageFile]:
    """The job's images that are still on disk, as they were made."""
    images = images_of(folder, tasks)
    return await asyncio.to_thread(lambda: [image for image in images if image.path.exists()])


async def usable(
    folder: Path, job: Job, tasks: Sequence[Task], links: Mapping[str, str]
) -> list[Reference]:
    """
    The job's images that can still be used: by the file on disk or, if that is gone, by a link.

    Args:
        links: of a message that shows the job, by the stems of its files' names.
    """
    on_disk, found = await kept(folder, tasks), []
    for index, image in enumerate(images_of(folder, tasks)):
        link = links.get(render.file_stem(job, index), "")
        if link or image in on_disk:
            found.append(as_source(job, index, image, link))
    return found


async def as_kept(
    folder: Path, job: Job, tasks: Sequence[Task], pictures: Sequence[Reference]
) -> list[Reference]:
    """The pictures of the job's message, each with the name of its original file."""
    links = {stem(each.filename): each.url for each in pictures}
    sources = {stem(each.filename): each for each in await usable(folder, job, tasks, links)}
    shown = [(each, sources.get(stem(each.filename))) for each in pictures]
    return [
        replace(source, url=each.url, filename=each.filename) if source else each
        for each, source in shown
    ]
