"""Makes images small enough for Discord: re-encoded first, then scaled, off the event loop."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.domain.ports import ImageFile

#: WebP quality of a copy; visually the same
COPY_QUALITY = 90
#: each further copy has this share of the side lengths of the last
SCALE = 0.75
#: copies of one image at most; the last one's sides are 0.75^11 = 4 % of the original's
COPIES_MAX = 12


@dataclass(frozen=True, slots=True)
class Fitted:
    """Files ready to post, in the order of the images."""

    paths: tuple[Path, ...]
    #: those of `paths` that are copies, to be removed after posting
    copies: tuple[Path, ...] = ()

    @property
    def reduced(self) -> bool:
        return bool(self.copies)

    @property
    def sizes_bytes(self) -> list[int]:
        return [path.stat().st_size for path in self.paths]

    def remove(self) -> None:
        for path in self.copies:
            path.unlink(missing_ok=True)


async def fit(images: Sequence[ImageFile], file_bytes_max: int, message_bytes_max: int) -> Fitted:
    """Copy, smaller, each image over its limit; the whole message is shared out evenly."""
    limit = file_bytes_max
    if sum(image.size_bytes for image in images) > message_bytes_max:
        limit = min(limit, message_bytes_max // len(images))
    paths = []
    for image in images:
        large = image.size_bytes > limit
        paths.append(await asyncio.to_thread(_copy, image, limit) if large else image.path)
    originals = {image.path for image in images}
    return Fitted(tuple(paths), tuple(path for path in paths if path not in originals))


def _copy(image: ImageFile, size_bytes_max: int) -> Path:
    # Imported here: most processes never need it.
    from PIL import Image

    # Two may fit the same image at once, each for a message of its own.
    path = image.path.with_name(f"{image.path.stem}.{secrets.token_hex(4)}.webp")
    with Image.open(image.path) as original:
        picture = original.convert("RGBA" if original.has_transparency_data else "RGB")
    for _ in range(COPIES_MAX):
        picture.save(path, "WEBP", quality=COPY_QUALITY)
        if path.stat().st_size <= size_bytes_max:
            break
        width, height = (max(1, int(side * SCALE)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return path
