"""Makes images small enough for Discord, off the event loop: first re-encoded, then scaled."""

import contextlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bot.domain.ports import ImageFile
from bot.errors import Flaw, UnusableImage
from bot.pictures.check import DECODER_ERRORS
from bot.pictures.decoder import Decoder
from bot.pictures.decoding import MEMORY_BYTES, limited
from bot.pictures.folder import drop
from bot.pictures.photos import orientation_of, upright
from bot.pictures.reduce import reduced

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: of a copy as WebP or JPEG, which looks the same as the original
COPY_QUALITY = 90
#: pixels of a side at most (RFC 9649, 2.6: 14 bits)
SIDE_PX_MAX = 16_383
#: each further copy's sides are this share of the last copy's
SCALE = 0.75
#: copies of one image at most; the last one's sides are 0.75^11 = 4 % of the original's
COPIES_MAX = 12
#: what making a copy may take, so that the bot keeps within 200 MiB while it makes many
COPY_MEMORY_BYTES = 100 * 1024 * 1024
#: A picture whose copy takes too much memory also as a JPEG loses pixels at once.
DIVISORS = (1, 2, 4, 8)
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
    images: Sequence[ImageFile], file_bytes_max: int, message_bytes_max: int, decoder: Decoder
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
    copied: dict[int, Path] = {}
    try:
        for index, image in enumerate(images):
            if image.size_bytes > limit:
                copied[index] = _copied(image.path)
                copied[index] = await decoder.run(_copy, image.path, copied[index], limit)
    except BaseException:
        for path in copied.values():
            drop(path)
            # Whoever is cancelled does not hear that it was renamed.
            drop(path.with_suffix(".jpg"))
        raise
    paths = tuple(copied.get(index, image.path) for index, image in enumerate(images))
    return Fitted(paths, tuple(copied.values()))


def _copied(path: Path) -> Path:
    # Two calls may copy the same image at once, each for its own message.
    return path.with_name(f"{path.stem}.{secrets.token_hex(4)}.webp")


def _copy(original: Path, path: Path, size_bytes_max: int) -> Path:
    """
    Args:
        path: where the copy is written, if it is a WebP.
    Returns:
        Where it was written.
    """
    # The largest are decoded with all that the process may take.
    for memory_bytes in (COPY_MEMORY_BYTES, MEMORY_BYTES):
        for divisor in DIVISORS:
            # Decoders of WebP, and of a JPEG in several scans, call a lack of memory damage.
            with limited(memory_bytes), contextlib.suppress(MemoryError, UnusableImage):
                if copy := _within_limits(_reduced(original, divisor), path, size_bytes_max):
                    return copy
    return _as_webp(_reduced(original, DIVISORS[-1]), path, size_bytes_max)


def _within_limits(picture: "Picture", path: Path, size_bytes_max: int) -> Path | None:
    # WebP's encoder calls a lack of memory an error of a value.
    with contextlib.suppress(MemoryError, ValueError):
        return _as_webp(picture, path, size_bytes_max)
    if picture.mode == "RGB" and _as_jpeg(picture, path) <= size_bytes_max:
        return path.rename(path.with_suffix(".jpg"))
    return None


def _reduced(path: Path, divisor: int) -> "Picture":
    # Imported here: the bot's own process never needs it.
    from PIL import Image

    try:
        with Image.open(path) as original:
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
    return picture


def _as_webp(picture: "Picture", path: Path, size_bytes_max: int) -> Path:
    """In the first size within the limit; the last one in any case."""
    from PIL import Image

    for _ in range(COPIES_MAX):
        picture.save(path, "WEBP", quality=COPY_QUALITY, xmp=MADE_BY_MODEL)
        if path.stat().st_size <= size_bytes_max:
            break
        width, height = (max(1, int(side * SCALE)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return path


def _as_jpeg(picture: "Picture", path: Path) -> int:
    """Its encoder takes hardly any memory. Returns the bytes of the file."""
    picture.save(path, "JPEG", quality=COPY_QUALITY, subsampling=0, xmp=MADE_BY_MODEL)
    return path.stat().st_size
