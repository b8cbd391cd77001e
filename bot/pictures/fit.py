"""Makes images small enough for Discord, off the event loop: first re-encoded, then scaled."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bot.domain.ports import ImageFile, ImageFormat
from bot.errors import Flaw, UnusableImage
from bot.pictures.check import DECODER_ERRORS
from bot.pictures.folder import drop
from bot.pictures.photos import orientation_of, upright
from bot.pictures.pool import BUDGET_BYTES, Need, Pool
from bot.pictures.reduce import STRIP_BYTES, reduced

#: WebP quality of a copy, which looks the same as the original
COPY_QUALITY = 90
#: pixels of a side at most (RFC 9649, 2.6: 14 bits)
SIDE_PX_MAX = 16_383
#: each further copy's sides are this share of the last copy's
SCALE = 0.75
#: copies of one image at most; the last one's sides are 0.75^11 = 4 % of the original's
COPIES_MAX = 12
#: bytes for each pixel that decoding takes, before the sides are divided by one of DIVISORS
DECODED_BYTES = {ImageFormat.PNG: 4.2, ImageFormat.JPEG: 10.5, ImageFormat.WEBP: 16.5}
DIVISORS = (1, 2, 4, 8)
#: bytes that encoding the copy takes: for each pixel, without and with transparency; and for each
#: byte of the file, because an image takes more the less it can be compressed
COPY_BYTES = 10
ALPHA_COPY_BYTES = 19
FILE_TIMES = {ImageFormat.PNG: 6.5, ImageFormat.JPEG: 13, ImageFormat.WEBP: 13}
#: a copy's only metadata, an XMP packet (ISO 16684-1) that says that a model made the image (IPTC
#: Photo Metadata Standard, Digital Source Type)
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


class Fitted(Struct, frozen=True):
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
            drop(path)


async def fit(
    images: Sequence[ImageFile], file_bytes_max: int, message_bytes_max: int, pool: Pool
) -> Fitted:
    """
    Make a smaller copy of each image over the limit. If all images together are too large for the
    message, each one's limit is an even share of it.

    Images that are not copied go out unchanged. A copy has none of its original's metadata, such as
    prompts, EXIF or profiles; it says that a model made it. If this raises, no copy is left.
    """
    limit = file_bytes_max
    if sum(image.size_bytes for image in images) > message_bytes_max:
        limit = min(limit, message_bytes_max // len(images))
    copied = {
        index: _copied(image.path) for index, image in enumerate(images) if image.size_bytes > limit
    }
    paths = tuple(copied.get(index, image.path) for index, image in enumerate(images))
    fitted = Fitted(paths, tuple(copied.values()))
    try:
        for index, path in copied.items():
            await _fit(images[index], path, limit, pool)
    except BaseException:
        fitted.remove()
        raise
    return fitted


def _copied(path: Path) -> Path:
    # Two calls may copy the same image at once, each for its own message.
    return path.with_name(f"{path.stem}.{secrets.token_hex(4)}.webp")


async def _fit(image: ImageFile, path: Path, size_bytes_max: int, pool: Pool) -> None:
    # A large image may lose pixels at once: its copy has to become small anyway.
    for divisor in DIVISORS:
        need = _need(image, divisor)
        if need.size_bytes <= BUDGET_BYTES:
            break
    else:
        # It was decoded once, when it was checked; with the whole budget it can be again.
        need = Need(0, 1, BUDGET_BYTES)
    await pool.run(lambda: need, _copy, image, path, size_bytes_max, divisor)


def _need(image: ImageFile, divisor: int) -> Need:
    pixels = image.width_px * image.height_px
    copied = pixels * (ALPHA_COPY_BYTES if image.alpha else COPY_BYTES)
    copied += round(image.size_bytes * FILE_TIMES[image.format])
    return Need(pixels, DECODED_BYTES[image.format], copied // divisor**2 + STRIP_BYTES)


def _copy(image: ImageFile, path: Path, size_bytes_max: int, divisor: int) -> None:
    # Imported here: most processes never need it.
    from PIL import Image

    try:
        with Image.open(image.path) as original:
            width_px, height_px = original.size
            # A JPEG is made smaller as it is decoded.
            original.draft(None, (max(width_px // divisor, 1), max(height_px // divisor, 1)))
            left = divisor if original.size == (width_px, height_px) else 1
            original.load()
            # The copy has no EXIF to say how it is to be turned.
            picture = upright(reduced(original, (left, left)), orientation_of(original))
    except DECODER_ERRORS as error:
        # A PNG is checked by its checksums alone.
        raise UnusableImage(Flaw.DAMAGED) from error
    picture.thumbnail((SIDE_PX_MAX, SIDE_PX_MAX))
    for _ in range(COPIES_MAX):
        picture.save(path, "WEBP", quality=COPY_QUALITY, xmp=MADE_BY_MODEL)
        if path.stat().st_size <= size_bytes_max:
            break
        width, height = (max(1, int(side * SCALE)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
