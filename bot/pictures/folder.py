"""The folder of images: what lies there, and under which names."""

import contextlib
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from bot.domain.jobs import Job, Task
from bot.domain.ports import ImageFile, ImageFormat
from bot.errors import FetchFailed, FetchTrouble

log = logging.getLogger(__name__)

#: ending of a file that only the process at work needs: being fetched, unchecked, a reference, or
#: an export
FETCHED = ".fetched"


def sheet_name(job_id: str) -> str:
    """The name of the file that shows a job's references, small and numbered."""
    return f"{job_id}-sheet.webp"


def sheet_of(folder: Path, job: Job) -> Path | None:
    """The sheet of a job's references; None: it has none, or the file is gone."""
    if not job.request.references:
        return None
    path = folder / sheet_name(job.id)
    return path if path.exists() else None


class Stored(Struct, frozen=True):
    """A job's file in the folder."""

    path: Path
    job_id: str
    stored_at: datetime
    size_bytes: int


def images_of(folder: Path, tasks: Sequence[Task]) -> list[ImageFile]:
    """The images of the tasks that have stored one, whether or not their files are still there."""
    return [
        ImageFile(
            folder / task.image_name,
            ImageFormat(task.image_name.rpartition(".")[2]),
            task.width_px or 0,
            task.height_px or 0,
            task.size_bytes or 0,
        )
        for task in tasks
        if task.image_name is not None
    ]


def stored_images(folder: Path) -> list[Stored]:
    """Every file of a job in the folder but those with the ending FETCHED; blocks."""
    found = []
    for path in folder.glob("*-*.*"):
        if path.suffix == FETCHED:
            continue
        # Its job may be delivered, and the file removed, at any moment.
        with contextlib.suppress(FileNotFoundError):
            about = path.stat()
            stored_at = datetime.fromtimestamp(about.st_mtime, UTC)
            found.append(Stored(path, path.stem.partition("-")[0], stored_at, about.st_size))
    return found


def named(image: ImageFile) -> ImageFile:
    """
    Give a fetched image the name under which it is kept. Blocks.

    Raises:
        FetchFailed: the disk does not let it; the file is there as before.
    """
    try:
        path = image.path.rename(image.path.with_suffix(f".{image.format}"))
    except OSError as error:
        raise FetchFailed(f"the image was not renamed: {error}", FetchTrouble.OUR_DISK) from error
    return replace(image, path=path)


def drop(path: Path) -> None:
    """
    Remove a file that nobody needs any more. What the disk does not let go is logged: a later tidy
    or start removes it, and whatever was done with the file has been done. Blocks.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("not removed: %s", error, extra={"action": "not_removed"})


def drop_named(folder: Path, names: Iterable[str]) -> None:
    """Remove these files as `drop` does. Blocks."""
    for name in names:
        drop(folder / name)


def remove_named(folder: Path, names: Iterable[str]) -> None:
    """Remove these files, as far as they are there. Blocks."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


def remove_fetched(folder: Path) -> None:
    """Remove what a dead process was fetching; its jobs fetch it anew as they go on. Blocks."""
    for path in folder.glob(f"*{FETCHED}"):
        drop(path)
