"""Says what an image file really is before anyone trusts it; knows no vendor and no network."""

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.errors import Flaw, UnusableImage
from bot.pictures.containers import PNG_HEAD, strip
from bot.pictures.kinds import AVIF, KINDS, WEBP, Kind, format_of

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile as PillowFile

#: Enough to know the format and, of a WebP, the size.
HEAD_BYTES = 32
#: JPEG is decoded at an eighth of its size: all its data is read, but little memory is needed.
JPEG_DRAFT = 8
#: of a WebP, for each of which Pillow takes sixteen bytes as it decodes it; 4096 x 2304 fit
WEBP_PIXELS_MAX = 9_450_000
#: what a decoder may hold of a JPEG in several scans until it has read the last one
HELD_BYTES_MAX = 144 * 1024 * 1024
#: chunks of most PNGs, and the bytes of those in which Pillow expects so many; None: any number
USUAL_CHUNKS = {
    b"IHDR": 13,
    b"cHRM": 32,
    b"gAMA": 4,
    b"sRGB": 1,
    b"pHYs": 9,
    b"tEXt": None,
    b"eXIf": None,
    b"caBX": None,
    b"PLTE": None,
    b"IDAT": None,
    b"IEND": 0,
}
#: a PNG of 50 MB in chunks of 4 KiB has 12,000
CHUNKS_MAX = 50_000
#: depths of each kind of colours, and those kinds with transparency (PNG, third edition, 11.2.1)
PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PNG_WITH_ALPHA = (4, 6)
#: what is read of a file at a time
PIECE_BYTES = 256 * 1024
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


def check_whole_png(path: Path, limits: ImageLimits) -> ImageFile | None:
    """
    Check a file without a decoder, if it is a PNG as most are: every chunk up to the end mark has
    its right checksum, so that nothing was lost or changed, and none has what Pillow might refuse.
    Blocks.

    Returns:
        None: `check_image` has to look at it.
    Raises:
        UnusableImage: it is no PNG, JPEG or WebP, or it is too large.
        OSError: it cannot be read.
    """
    size_bytes = path.stat().st_size
    if size_bytes > limits.size_bytes_max:
        raise UnusableImage(Flaw.TOO_MANY_BYTES, bytes_max=limits.size_bytes_max)
    with path.open("rb") as file:
        if read_format(file.read(HEAD_BYTES)) is not ImageFormat.PNG:
            return None
        file.seek(len(PNG_HEAD))
        try:
            width_px, height_px, alpha = _whole_png(file)
        except (ValueError, struct.error):
            return None
    check_pixels((width_px, height_px), limits)
    return ImageFile(path, ImageFormat.PNG, width_px, height_px, size_bytes, alpha)


def _whole_png(file: BinaryIO) -> tuple[int, int, bool]:
    """
    Returns:
        Width, height, and whether parts may be transparent.
    Raises:
        ValueError: it is not whole, or not as most are.
        struct.error: the same.
    """
    head, kinds = b"", set[bytes]()
    for _ in range(CHUNKS_MAX):
        length, kind = struct.unpack(">I4s", file.read(8))
        if USUAL_CHUNKS.get(kind, -1) not in (None, length) or (kind == b"IHDR") is bool(kinds):
            raise ValueError("not as most are")
        kinds.add(kind)
        checksum = zlib.crc32(kind)
        for start in range(0, length, PIECE_BYTES):
            piece = file.read(min(PIECE_BYTES, length - start))
            checksum = zlib.crc32(piece, checksum)
            head = head or piece
        if struct.unpack(">I", file.read(4)) != (checksum,):
            raise ValueError("damaged")
        if kind == b"IEND":
            break
    width_px, height_px, depth, colour, _, prepared = struct.unpack(">IIBBBB", head[:12])
    if depth not in PNG_DEPTHS.get(colour, ()) or prepared or not kinds >= {b"IDAT", b"IEND"}:
        raise ValueError("damaged")
    return width_px, height_px, colour in PNG_WITH_ALPHA


def check_image(path: Path, limits: ImageLimits) -> ImageFile:
    """
    Read a file's format and size from its head, compare them with the limits, then see that the
    image is complete: a PNG by its checksums, others and a PNG that fails them by decoding.

    A file that cannot be decoded is tried again without its metadata, and overwritten if that
    works. Blocks, and needs memory for each pixel: call it in the decoder's process.

    Raises:
        UnusableImage: it is no PNG, JPEG or WebP, or it is too large, animated or damaged.
        MemoryError: it does not fit into the process.
        OSError: it cannot be read, or overwritten.
    """
    size_bytes = path.stat().st_size
    if size_bytes > limits.size_bytes_max:
        raise UnusableImage(Flaw.TOO_MANY_BYTES, bytes_max=limits.size_bytes_max)
    with path.open("rb") as file:
        image_format = read_format(file.read(HEAD_BYTES))
        try:
            width_px, height_px, alpha = _decode(file, image_format, limits)
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
        width_px, height_px, alpha = _decode(io.BytesIO(shown), image_format, limits)
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
    file: BinaryIO, image_format: ImageFormat, limits: ImageLimits
) -> tuple[int, int, bool]:
    """Decode a file; returns width, height, and whether parts may be transparent."""
    image = opened(file, KINDS[image_format], limits)
    width_px, height_px = image.size
    check_pixels(image.size, limits)
    if getattr(image, "is_animated", False):
        raise UnusableImage(Flaw.ANIMATED)
    alpha = "A" in image.getbands() or "transparency" in image.info
    if image_format is ImageFormat.PNG:
        if _is_as_written(image):
            return width_px, height_px, alpha
        image = opened(file, KINDS[image_format], limits)
    image.draft(None, (max(width_px // JPEG_DRAFT, 1), max(height_px // JPEG_DRAFT, 1)))
    image.load()
    return width_px, height_px, alpha


def opened(file: BinaryIO, kind: Kind, limits: ImageLimits) -> "PillowFile":
    """
    Open a picture to decode it.

    Raises:
        UnusableImage: it is of a kind that takes more memory than others, and too large for that.
    """
    file.seek(0)
    if kind is WEBP:
        # Pillow makes room for the whole canvas as soon as it opens a WebP.
        width_px, height_px = _webp_size(file.read(HEAD_BYTES))
        check_pixels((width_px, height_px), limits)
        if width_px * height_px > WEBP_PIXELS_MAX:
            raise UnusableImage(Flaw.TOO_MANY_PIXELS_OF_ITS_KIND, pixels_max=WEBP_PIXELS_MAX)
        file.seek(0)
    elif kind is AVIF:
        from PIL import AvifImagePlugin

        # Each thread would take memory of its own.
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    picture = kind.open(file)
    if (held := held_bytes(picture)) > HELD_BYTES_MAX:
        pixels_max = picture.size[0] * picture.size[1] * HELD_BYTES_MAX // held
        raise UnusableImage(Flaw.TOO_MANY_PIXELS_OF_ITS_KIND, pixels_max=pixels_max)
    return picture


def held_bytes(picture: "PillowFile") -> int:
    """What a decoder holds of a JPEG in several scans until the last: two bytes for each value."""
    if "progressive" not in picture.info:
        return 0
    return 2 * len(picture.getbands()) * picture.size[0] * picture.size[1]


def _webp_size(head: bytes) -> tuple[int, int]:
    """
    The size by a file's first HEAD_BYTES (RFC 9649, 2.5 to 2.7).

    Raises:
        ValueError: it stands elsewhere.
    """
    match head[12:16]:
        case b"VP8X":
            width_px, height_px = (int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
            return width_px + 1, height_px + 1
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width_px, height_px = struct.unpack("<HH", head[26:30])
            return width_px & 0x3FFF, height_px & 0x3FFF
    raise ValueError("no size")


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
