"""Where stored images lie."""

from pathlib import Path

from bot.domain.jobs import Task
from bot.domain.ports import ImageFile, ImageFormat


def stored_image(folder: Path, task: Task) -> ImageFile | None:
    """The image of a stored task, whether or not its file is still there."""
    if task.image_name is None:
        return None
    path = folder / task.image_name
    return ImageFile(
        path=path,
        format=ImageFormat(path.suffix.removeprefix(".")),
        width_px=task.width_px or 0,
        height_px=task.height_px or 0,
        size_bytes=task.size_bytes or 0,
    )
