"""Makes images small enough for Discord: re-encoded first, then scaled, off the event loop."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.domain.ports import ImageFile, ImageFormat
from bot.pictures.pool import BUDGET_BYTES, Need, Pool
from bot.pictures.reduce import STRIP_BYTES, reduced

#: WebP quality of a copy; visually the same
COPY_QUALITY = 90
#: each further copy has this share of the side lengths of the last
SCALE = 0.75
#: copies of one image at most; the last one's sides are 0.75^11 = 4 % of the original's
COPIES_MAX = 12
#: what decoding takes, a pixel, before a copy is made of it at a whole fraction of its sides
DECODED_BYTES = {ImageFormat.PNG: 4.2, ImageFormat.JPEG: 10.5, ImageFormat.WEBP: 16.5}
DIVISORS = (1, 2, 4, 8)
#: what the copy takes as it is encoded, a pixel, and the more the less it can be compressed: for
#: each byte of the file
COPY_BYTES = 10
ALPHA_COPY_BYTES = 19
FILE_TIMES = {ImageFormat.PNG: 6.5, ImageFormat.JPEG: 13, ImageFormat.WEBP: 13}
#: all that a copy says of itself, as an XMP packet (ISO 16684-1): a model made it (IPTC Photo
#: Metadata Standard, Digital Source Type)
MADE_BY_MODEL = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    " Iptc4xmpExt:DigitalSourceType="
    '"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
).encode()


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


async def fit(
    images: Sequence[ImageFile], file_bytes_max: int, message_bytes_max: int, pool: Pool
) -> Fitted:
    """
    Copy, smaller, each image over its limit; the whole message is shared out evenly.

    What is not copied goes out to the byte. A copy has nothing of what its original says beside the
    pixels (prompts, EXIF, profiles); it says that a model made it.
    """
    limit = file_bytes_max
    if sum(image.size_bytes for image in images) > message_bytes_max:
        limit = min(limit, message_bytes_max // len(images))
    paths = []
    for image in images:
        large = image.size_bytes > limit
        paths.append(await _fitted(image, limit, pool) if large else image.path)
    originals = {image.path for image in images}
    return Fitted(tuple(paths), tuple(path for path in paths if path not in originals))


async def _fitted(image: ImageFile, size_bytes_max: int, pool: Pool) -> Path:
    # The larger it is, the smaller the copy will be in the end.
    for divisor in DIVISORS:
        need = _need(image, divisor)
        if need.size_bytes <= BUDGET_BYTES:
            break
    else:
        # It was decoded once, to be checked: in the whole room it can be again.
        need = Need(0, 1, BUDGET_BYTES)
    return await pool.run(lambda: need, _copy, image, size_bytes_max, divisor)


def _need(image: ImageFile, divisor: int) -> Need:
    pixels = image.width_px * image.height_px
    copied = pixels * (ALPHA_COPY_BYTES if image.alpha else COPY_BYTES)
    copied += round(image.size_bytes * FILE_TIMES[image.format])
    return Need(pixels, DECODED_BYTES[image.format], copied // divisor**2 + STRIP_BYTES)


def _copy(image: ImageFile, size_bytes_max: int, divisor: int = 1) -> Path:
    # Imported here: most processes never need it.
    from PIL import Image

    # Two may fit the same image at once, each for a message of its own.
    path = image.path.with_name(f"{image.path.stem}.{secrets.token_hex(4)}.webp")
    with Image.open(image.path) as original:
        original.load()
        picture = reduced(original, (divisor, divisor))
    for _ in range(COPIES_MAX):
        picture.save(path, "WEBP", quality=COPY_QUALITY, xmp=MADE_BY_MODEL)
        if path.stat().st_size <= size_bytes_max:
            break
        width, height = (max(1, int(side * SCALE)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return path
