"""Says what an image file really is before anyone trusts it; knows no vendor and no network."""

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.errors import Flaw, UnusableImage
from bot.pictures.containers import Head, head_of, read_head, strip
from bot.pictures.kinds import KINDS, format_of
from bot.pictures.pool import Need

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile as PillowFile

#: Enough to know the format and, for PNG and WebP, the size.
HEAD_BYTES = 32
#: JPEG is decoded at an eighth of its size: all its data is read, but little memory is needed.
JPEG_DRAFT = 8
#: What decoding takes for each pixel: a PNG at most, and a WebP with its canvases.
BYTES_A_PIXEL = {ImageFormat.PNG: 4.2, ImageFormat.WEBP: 16.5}
#: The same for a baseline JPEG, which is decoded at an eighth.
BASELINE_BYTES = 0.3
#: What other files begin with that are found behind image links.
OTHER_FORMATS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"%PDF": "PDF",
    b"<": "web page or drawing in text",
}
#: What Pillow's decoders are known to raise at hostile bytes; tests/pictures damages files for it.
DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error)


def memory_of_check(path: Path) -> Need:
    """What `check_image` will take, judged by the head; nothing if there is none."""
    try:
        with path.open("rb") as file:
            image_format = read_format(file.read(HEAD_BYTES))
            head = head_of(file)
    except (UnusableImage, ValueError):
        return Need(0, 1)
    pixels = head.width_px * head.height_px
    if image_format is ImageFormat.JPEG:
        return Need(pixels, head.scan_bytes if head.in_scans else BASELINE_BYTES)
    return Need(pixels, BYTES_A_PIXEL[image_format])


def check_image(path: Path, limits: ImageLimits) -> ImageFile:
    """
    Read a file's format and size from its head, compare them with the limits, then see that the
    image is complete: a PNG by its checksums, others and a PNG that fails them by decoding.

    A file that cannot be decoded is tried again without its metadata, and overwritten if that
    works. Blocks for as long as decoding takes and needs its memory: call it off the event loop.

    Raises:
        UnusableImage: it is no PNG, JPEG or WebP, or it is too large, animated or damaged.
        OSError: it cannot be read, or overwritten.
    """
    size_bytes = path.stat().st_size
    if size_bytes > limits.size_bytes_max:
        raise UnusableImage(Flaw.TOO_MANY_BYTES, bytes_max=limits.size_bytes_max)
    with path.open("rb") as file:
        image_format = read_format(file.read(HEAD_BYTES))
        try:
            width_px, height_px, alpha = _decode(file, head_of(file), image_format, limits)
        except DECODER_ERRORS:
            return _check_bare(path, image_format, limits)
    return ImageFile(path, image_format, width_px, height_px, size_bytes, alpha)


def _check_bare(path: Path, image_format: ImageFormat, limits: ImageLimits) -> ImageFile:
    """
    Try once more to decode an image, because it is paid: without its metadata, which may be what
    Pillow refuses, and with the end mark that it may lack. If that works, the file is overwritten.
    """
    try:
        bare = strip(path.read_bytes())
        data, shown = bare.data, bare.to_decode
        width_px, height_px, alpha = _decode(
            io.BytesIO(shown), read_head(shown), image_format, limits
        )
    except DECODER_ERRORS as error:
        raise UnusableImage(Flaw.DAMAGED) from error
    _overwrite(path, data)
    return ImageFile(path, image_format, width_px, height_px, len(data), alpha)


def _overwrite(path: Path, data: bytes) -> None:
    """Where there is no room, the file stays as it was: it may be the only one."""
    mended = path.with_name(f"next-{path.name}")
    try:
        mended.write_bytes(data)
        mended.replace(path)
    except OSError:
        mended.unlink(missing_ok=True)
        raise


def read_format(head: bytes) -> ImageFormat:
    """
    The format, read from a file's first `HEAD_BYTES`, whatever its name says.

    Raises:
        UnusableImage: it is no PNG, JPEG or WebP.
    """
    if known := format_of(head):
        return known
    if not head:
        raise UnusableImage(Flaw.EMPTY)
    if head[4:8] == b"ftyp":
        raise UnusableImage(Flaw.OTHER_FORMAT, found="HEIC, AVIF or video")
    for magic, name in OTHER_FORMATS.items():
        if head.lstrip().startswith(magic):
            raise UnusableImage(Flaw.OTHER_FORMAT, found=name)
    raise UnusableImage(Flaw.NO_PICTURE)


def _decode(
    file: BinaryIO, head: Head, image_format: ImageFormat, limits: ImageLimits
) -> tuple[int, int, bool]:
    """Decode a file; returns width, height, and whether parts may be transparent."""
    # Before Pillow sees the file: it allocates the whole canvas as soon as it opens a WebP.
    check_pixels((head.width_px, head.height_px), limits)
    file.seek(0)
    image = KINDS[image_format].open(file)
    width_px, height_px = image.size
    check_pixels((width_px, height_px), limits)
    if getattr(image, "is_animated", False):
        raise UnusableImage(Flaw.ANIMATED)
    alpha = "A" in image.getbands() or "transparency" in image.info
    if image_format is ImageFormat.PNG and _is_as_written(image):
        return width_px, height_px, alpha
    if image_format is ImageFormat.PNG:
        file.seek(0)
        image = KINDS[image_format].open(file)
    image.draft(None, (max(width_px // JPEG_DRAFT, 1), max(height_px // JPEG_DRAFT, 1)))
    image.load()
    return width_px, height_px, alpha


def _is_as_written(png: "PillowFile") -> bool:
    """
    Whether every chunk up to the end mark has its right checksum, so that nothing was lost or
    changed. This takes a hundredth of the time of decoding. A PNG that fails may still be decoded.
    """
    try:
        png.verify()
    except DECODER_ERRORS:
        return False
    return True


def check_pixels(size_px: tuple[int, int], limits: ImageLimits) -> None:
    """
    Raises:
        UnusableImage: it has no pixels, or too many.
    """
    width_px, height_px = size_px
    if width_px < 1 or height_px < 1:
        raise UnusableImage(Flaw.DAMAGED)
    if width_px * height_px > limits.pixels_max:
        raise UnusableImage(Flaw.TOO_MANY_PIXELS, pixels_max=limits.pixels_max)
