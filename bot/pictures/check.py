"""Says what an image file really is before anyone trusts it; knows no vendor and no network."""

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.errors import Flaw, UnusableImage
from bot.pictures.containers import strip
from bot.pictures.pool import Need

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile as PillowFile

#: Enough to know the format and, of PNG and WebP, the size.
HEAD_BYTES = 32
#: JPEG is decoded at an eighth of its size: all its data is read, but little memory is needed.
JPEG_DRAFT = 8
#: What decoding takes, a pixel: PNG at most, JPEG that is progressive, WebP with its canvases.
BYTES_A_PIXEL = {ImageFormat.PNG: 4.2, ImageFormat.JPEG: 6.5, ImageFormat.WEBP: 16.5}
BASELINE_BYTES = 0.3
#: How other things that are found behind image links begin.
OTHER_FORMATS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"%PDF": "PDF",
    b"<": "web page or drawing in text",
}
#: What Pillow's decoders are known to raise at hostile bytes; `images` tests mutate files for it.
DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error)


def memory_of_check(path: Path) -> Need:
    """What `check_image` will take, from the head; nothing where it refuses the head."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        try:
            image_format = format_of(head)
            if image_format is ImageFormat.PNG:
                width_px, height_px = struct.unpack(">II", head[16:24])
            elif image_format is ImageFormat.WEBP:
                width_px, height_px = webp_size(head)
            else:
                image = opened(file, image_format)
                width_px, height_px = image.size
                if not image.info.get("progressive"):
                    # Decoded at an eighth.
                    return Need(width_px * height_px, BASELINE_BYTES)
        except (UnusableImage, *DECODER_ERRORS):
            return Need(0, 1)
    return Need(width_px * height_px, BYTES_A_PIXEL[image_format])


def check_image(path: Path, limits: ImageLimits) -> ImageFile:
    """
    Read a file's format and size from its head, hold them against the limits, then see that all of
    it is there: a PNG by its checksums, everything else by decoding it.

    Blocks for as long as decoding takes and needs its memory: call it off the event loop.

    Raises:
        UnusableImage: no PNG, JPEG or WebP, too large, animated, or damaged.
    """
    size_bytes = path.stat().st_size
    if size_bytes > limits.size_bytes_max:
        raise UnusableImage(Flaw.TOO_MANY_BYTES, bytes_max=limits.size_bytes_max)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        image_format = format_of(head)
        file.seek(0)
        try:
            width_px, height_px, alpha = _decode(file, head, image_format, limits)
        except DECODER_ERRORS:
            return _check_bare(path, image_format, limits)
    return ImageFile(path, image_format, width_px, height_px, size_bytes, alpha)


def _check_bare(path: Path, image_format: ImageFormat, limits: ImageLimits) -> ImageFile:
    """
    A last look at an image that is paid: without its metadata, which may be what Pillow refuses,
    and with the end mark that it may lack. If it can be decoded so, that is what is kept.
    """
    bare = strip(path.read_bytes())
    data, shown = bare.data, bare.to_decode
    try:
        width_px, height_px, alpha = _decode(
            io.BytesIO(shown), shown[:HEAD_BYTES], image_format, limits
        )
    except DECODER_ERRORS as error:
        raise UnusableImage(Flaw.DAMAGED) from error
    path.write_bytes(data)
    return ImageFile(path, image_format, width_px, height_px, len(data), alpha)


def format_of(head: bytes) -> ImageFormat:
    """
    By a file's first `HEAD_BYTES`, whatever its name says.

    Raises:
        UnusableImage: no PNG, JPEG or WebP.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if not head:
        raise UnusableImage(Flaw.EMPTY)
    if head[4:8] == b"ftyp":
        raise UnusableImage(Flaw.OTHER_FORMAT, found="HEIC, AVIF or video")
    for magic, name in OTHER_FORMATS.items():
        if head.lstrip().startswith(magic):
            raise UnusableImage(Flaw.OTHER_FORMAT, found=name)
    raise UnusableImage(Flaw.NO_PICTURE)


def _decode(
    file: BinaryIO, head: bytes, image_format: ImageFormat, limits: ImageLimits
) -> tuple[int, int, bool]:
    """
    Width, height, and whether parts may be transparent. The size is checked before Pillow sees the
    file where the head has it.
    """
    if image_format is ImageFormat.PNG:
        _check_pixels(struct.unpack(">II", head[16:24]), limits)
    elif image_format is ImageFormat.WEBP:
        # Pillow makes room for the whole canvas as soon as it opens one.
        _check_pixels(webp_size(head), limits)
    image = opened(file, image_format)
    width_px, height_px = image.size
    _check_pixels((width_px, height_px), limits)
    if getattr(image, "is_animated", False):
        raise UnusableImage(Flaw.ANIMATED)
    alpha = "A" in image.getbands() or "transparency" in image.info
    if image_format is ImageFormat.PNG and _is_as_written(image):
        return width_px, height_px, alpha
    if image_format is ImageFormat.PNG:
        file.seek(0)
        image = opened(file, image_format)
    image.draft(None, (max(width_px // JPEG_DRAFT, 1), max(height_px // JPEG_DRAFT, 1)))
    image.load()
    return width_px, height_px, alpha


def _is_as_written(png: "PillowFile") -> bool:
    """
    Whether every chunk up to the end mark has its checksum: nothing was lost or changed on the way,
    which is known in a hundredth of the time of decoding. A file without may still be decoded.
    """
    try:
        png.verify()
    except DECODER_ERRORS:
        return False
    return True


def opened(file: BinaryIO, image_format: ImageFormat) -> "PillowFile":
    """
    The format's own class, instead of Image.open.

    It loads one decoder rather than five, never guesses another format, and leaves the verdict on
    large images to us (Image.open warns of a "decompression bomb" by a limit of its own).
    """
    match image_format:
        case ImageFormat.PNG:
            from PIL.PngImagePlugin import PngImageFile

            return PngImageFile(file)
        case ImageFormat.JPEG:
            from PIL.JpegImagePlugin import JpegImageFile

            return JpegImageFile(file)
        case ImageFormat.WEBP:
            from PIL.WebPImagePlugin import WebPImageFile

            return WebPImageFile(file)


def _check_pixels(size: tuple[int, int], limits: ImageLimits) -> None:
    width_px, height_px = size
    if width_px < 1 or height_px < 1:
        raise UnusableImage(Flaw.DAMAGED)
    if width_px * height_px > limits.pixels_max:
        raise UnusableImage(Flaw.TOO_MANY_PIXELS, pixels_max=limits.pixels_max)


def webp_size(head: bytes) -> tuple[int, int]:
    """Of the first chunk: VP8X, VP8L (lossless) or VP8 (WebP container specification, RFC 9649)."""
    kind = head[12:16]
    if kind == b"VP8X":
        width_px = int.from_bytes(head[24:27], "little") + 1
        return width_px, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width_px, height_px = struct.unpack("<HH", head[26:30])
    return width_px & 0x3FFF, height_px & 0x3FFF
