"""
Takes a PNG, JPEG, WebP or GIF apart and puts it back together without its metadata and what follows
its end, so that the pixels stay as they were to the bit. Knows no vendor and decodes nothing.
"""

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from bot.errors import Flaw, UnusableImage

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
#: chunks that are kept, because a decoder needs them for the pixels
PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
#: bytes at most of a colour profile; those of cameras have some kilobytes
PROFILE_BYTES_MAX = 4 * 1024 * 1024
#: chunks or segments of one file; a PNG of 50 MB in chunks of 4 KiB has 12,000
PARTS_MAX = 50_000
#: scans of a JPEG, each of which takes a decoder through the whole picture; progressive ones have
#: 6 to 18
SCANS_MAX = 100
END = b"\xff\xd9"
#: Added behind the data of a JPEG that lacks its end mark. A decoder then finishes an image that is
#: complete, but fills hardly more than one block of an image that is not.
NOTHING = bytes(4)
#: JPEG markers (ITU-T T.81, table B.1): end, and start of scan; frames of several passes, and
#: all frames; and markers without a length
EOI, SOS = 0xD9, 0xDA
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
#: bytes that may stand before a marker
FILL = re.compile(b"\xff+")
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
#: application segments and comments hold metadata, but JFIF's and Adobe's tell how to read colours
APP1, APP2 = 0xE1, 0xE2
METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})
KEPT_APPS = frozenset({0xE0, 0xEE})
EXIF_HEAD, PROFILE_HEAD = b"Exif\x00\x00", b"ICC_PROFILE\x00"
WEBP_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
#: what a GIF begins with, what a block of it begins with, a control extension, which says how the
#: next frame is shown, and the bytes before the first block but for a palette (GIF89a, 18 to 27)
GIF_HEAD = b"GIF8"
GIF_BLOCK = re.compile(b"[,!;]")
CONTROL = 0xF9
SCREEN_BYTES = 13
#: frames that are read at most, to see whether a picture moves
FRAMES_MAX = 200
#: pieces that the blocks of a GIF have; one of 50 MB has 200,000 of 255 bytes
PIECES_MAX = 250_000
#: the VP8X flags that announce a profile, EXIF and XMP (RFC 9649, 2.7.1)
WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04


class Bare(Struct, frozen=True):
    """A file without its metadata, and the metadata that says how to show the pixels."""

    data: bytes
    profile: bytes = b""
    exif: bytes = b""
    #: a PNG with frames beside its first picture, whose data stays whole, or a WebP with frames
    animated: bool = False
    #: the data to give to a decoder, without an added end mark, so that it complains of a file that
    #: is cut off
    to_decode: bytes = b""


class Head(Struct, frozen=True):
    """What a decoder makes room for."""

    width_px: int
    height_px: int
    #: a JPEG of several scans, which a decoder holds as a whole until it has read the last
    in_scans: bool = False
    #: there may be several frames, which are compared
    may_move: bool = False
    #: of a JPEG, as red or black
    bands: int = 0

    @property
    def scan_bytes(self) -> float:
        """For each pixel, what a decoder holds of a JPEG in several scans until the last one."""
        return 2 * max(self.bands, 3) + 0.5


def head_of(file: BinaryIO) -> Head:
    """
    Read a file's head, wherever it stands in the file, without reading what is around it.

    Raises:
        ValueError: there is none.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return read_head(data)


def read_head(data: bytes | mmap.mmap) -> Head:
    """
    The same. If a hostile file has several heads, no decoder makes room for more than this one.

    Args:
        data: a PNG, JPEG, WebP or GIF, with its metadata or without.
    """
    if data[:8] == PNG_HEAD:
        heads = _png_heads(data)
    elif data[:2] == b"\xff\xd8":
        heads = _jpeg_heads(data)
    elif data[:4] == GIF_HEAD:
        heads = _gif_heads(data)
    else:
        heads = _webp_heads(data)
    found = Head(0, 0)
    for number, head in enumerate(heads):
        if number == PARTS_MAX:
            raise ValueError("too many parts before the picture")
        found = Head(
            max(found.width_px, head.width_px),
            max(found.height_px, head.height_px),
            found.in_scans or head.in_scans,
            found.may_move or head.may_move,
            max(found.bands, head.bands),
        )
    if not found.width_px:
        raise ValueError("no head")
    return found


def _png_heads(data: bytes | mmap.mmap) -> Iterator[Head]:
    offset = len(PNG_HEAD)
    while offset + 16 <= len(data):
        length, kind = struct.unpack(">I4s", data[offset : offset + 8])
        if kind == b"IDAT":
            return
        if kind == b"IHDR":
            yield Head(*struct.unpack(">II", data[offset + 8 : offset + 16]))
        else:
            yield Head(0, 0, may_move=kind == b"acTL")
        offset += 12 + length


def _jpeg_heads(data: bytes | mmap.mmap) -> Iterator[Head]:
    components = 0
    offset = data.find(b"\xff", 2)
    while 0 <= offset <= len(data) - 10:
        marker = data[offset + 1]
        end = offset + 2
        head = Head(0, 0)
        if marker in (0xFF, 0x00):
            end = _behind_fill(data, offset)
        elif marker == SOS:
            yield Head(0, 0, in_scans=data[offset + 4] < components)
            return
        elif marker not in WITHOUT_LENGTH:
            end += int.from_bytes(data[offset + 2 : offset + 4], "big")
            if marker in FRAMES:
                height_px, width_px, components = struct.unpack(
                    ">HHB", data[offset + 5 : offset + 10]
                )
                head = Head(width_px, height_px, marker in PROGRESSIVE, bands=components)
        yield head
        offset = data.find(b"\xff", end)


def _webp_heads(data: bytes | mmap.mmap) -> Iterator[Head]:
    """The canvas (VP8X) and the picture, lossless (VP8L) or not (WebP, RFC 9649)."""
    offset = 12
    while offset + 18 <= len(data):
        kind, length = struct.unpack("<4sI", data[offset : offset + 8])
        body = data[offset + 8 : offset + 18]
        if kind == b"VP8X":
            width_px, height_px = (
                int.from_bytes(body[first : first + 3], "little") + 1 for first in (4, 7)
            )
            yield Head(width_px, height_px)
        elif kind == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            yield Head((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
            return
        elif kind == b"VP8 ":
            width_px, height_px = struct.unpack("<HH", body[6:10])
            yield Head(width_px & 0x3FFF, height_px & 0x3FFF)
            return
        else:
            yield Head(0, 0)
        offset += 8 + length + length % 2


def _gif_heads(data: bytes | mmap.mmap) -> Iterator[Head]:
    """The screen and each frame, for which Pillow makes the screen larger."""
    yield Head(*struct.unpack("<HH", data[6:10]))
    frames = 0
    for offset, _ in _gif_blocks(data):
        if data[offset] == ord(","):
            frames += 1
            left, top, width_px, height_px = struct.unpack("<4H", data[offset + 1 : offset + 9])
            yield Head(left + width_px, top + height_px, may_move=frames > 1)


def strip(data: bytes) -> Bare:
    """
    Take the metadata out of a file.

    Args:
        data: a PNG, JPEG, WebP or GIF; a file that is cut off is put together as far as it goes.
    Raises:
        UnusableImage: it has more parts than any picture needs.
    """
    if data.startswith(PNG_HEAD):
        return _strip_png(data)
    if data.startswith(b"\xff\xd8"):
        return _strip_jpeg(data)
    if data.startswith(GIF_HEAD):
        return _strip_gif(data)
    return _strip_webp(data)


def _strip_png(data: bytes) -> Bare:
    parts, profile, exif, animated = [PNG_HEAD], None, b"", False
    offset, seen = len(PNG_HEAD), 0
    while offset + 8 <= len(data):
        seen = _counted(seen)
        length, kind = struct.unpack(">I4s", data[offset : offset + 8])
        body = data[offset + 8 : offset + 8 + length]
        if kind in PNG_CHUNKS:
            parts.append(data[offset : offset + 12 + length])
        elif kind == b"iCCP" and profile is None:
            profile = _inflated(body.partition(b"\x00")[2][1:])
        elif kind == b"eXIf":
            exif = body
        elif kind == b"fdAT":
            animated = True
        offset += 12 + length
        if kind == b"IEND":
            break
    # An animation's frames stand in chunks that are left out above.
    plain = data if animated else b"".join(parts)
    return Bare(plain, profile or b"", exif, animated, plain)


def _counted(seen: int) -> int:
    if seen == PARTS_MAX:
        raise UnusableImage(Flaw.DAMAGED)
    return seen + 1


def _inflated(packed: bytes) -> bytes:
    try:
        plain = zlib.decompressobj().decompress(packed, PROFILE_BYTES_MAX + 1)
    except zlib.error:
        return b""
    return plain if len(plain) <= PROFILE_BYTES_MAX else b""


def _strip_jpeg(data: bytes) -> Bare:
    """Keep the first picture alone: others, gain maps and trailers follow its end mark."""
    parts, profile, exif, end = [data[:2]], bytearray(), b"", NOTHING
    scans = 0
    for marker, segment, body in _segments(data):
        scans += marker == SOS
        if scans > SCANS_MAX:
            raise UnusableImage(Flaw.DAMAGED)
        if marker == EOI:
            end = segment
        elif marker in PROGRESSIVE:
            # Only the end mark says that all passes are there.
            end = b""
        if marker == APP1 and body.startswith(EXIF_HEAD) and not exif:
            exif = body
        elif marker == APP2 and body.startswith(PROFILE_HEAD):
            profile += body[len(PROFILE_HEAD) + 2 :][: PROFILE_BYTES_MAX - len(profile)]
        elif marker != EOI and (marker in KEPT_APPS or marker not in METADATA):
            parts.append(segment)
    drawn = b"".join(parts)
    return Bare(drawn + END, bytes(profile), exif, to_decode=drawn + end)


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each marker, its whole segment (with a scan's data) and its body, up to the end mark."""
    offset, seen = 2, 0
    while offset + 2 <= len(data):
        seen = _counted(seen)
        if data[offset] != 0xFF:
            # Some writers leave a gap before a marker.
            offset = data.find(b"\xff", offset)
            if offset < 0:
                return
            continue
        marker = data[offset + 1]
        if marker in (0xFF, 0x00):
            offset = _behind_fill(data, offset)
            continue
        if marker == EOI:
            yield marker, data[offset : offset + 2], b""
            return
        if marker in WITHOUT_LENGTH:
            # Outside of a scan they mean nothing.
            offset += 2
            continue
        end = offset + 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
        body = data[offset + 4 : end]
        if marker == SOS:
            end = _scan_end(data, end)
        yield marker, data[offset:end], body
        offset = end


def _behind_fill(data: bytes | mmap.mmap, offset: int) -> int:
    """Where a run of fill bytes has its last one; behind a single one."""
    run = FILL.match(data, offset)
    return max(run.end() - 1, offset + 1) if run else offset + 1


def _scan_end(data: bytes, offset: int) -> int:
    """Where a scan's data ends: at the next marker that is neither restart nor stuffed byte."""
    while (offset := data.find(b"\xff", offset)) >= 0 and offset + 1 < len(data):
        following = data[offset + 1]
        if following not in (0x00, 0xFF) and not 0xD0 <= following <= 0xD7:
            return offset
        offset += 1 if following == 0xFF else 2
    return len(data)


def _strip_webp(data: bytes) -> Bare:
    parts, profile, exif, animated = [], b"", b"", False
    offset, seen = 12, 0
    # What follows the end is none of it.
    last = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while offset + 8 <= last:
        seen = _counted(seen)
        kind, length = struct.unpack("<4sI", data[offset : offset + 8])
        whole = data[offset : offset + 8 + length + length % 2]
        body = whole[8 : 8 + length]
        if kind == b"VP8X":
            parts.append(whole[:8] + bytes((body[0] & ~WEBP_METADATA_FLAGS,)) + whole[9:])
        elif kind == b"ICCP":
            profile = body[:PROFILE_BYTES_MAX]
        elif kind == b"EXIF":
            exif = body
        elif kind in WEBP_CHUNKS:
            animated = animated or kind == b"ANMF"
            parts.append(whole)
        offset += len(whole)
    content = b"WEBP" + b"".join(parts)
    plain = b"RIFF" + struct.pack("<I", len(content)) + content
    return Bare(plain, profile, exif, animated, plain)


def _strip_gif(data: bytes) -> Bare:
    parts = [data[: _behind_palette(SCREEN_BYTES, data[10])]]
    parts += [data[offset:end] for offset, end in _gif_blocks(data)]
    plain = b"".join(parts)
    return Bare(plain, to_decode=plain)


def _gif_blocks(data: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where each frame and each control extension begins and ends, up to FRAMES_MAX frames."""
    offset, frames, seen = _behind_palette(SCREEN_BYTES, data[10]), 0, 0
    while frames < FRAMES_MAX and (found := GIF_BLOCK.search(data, offset)):
        offset = found.start()
        is_frame = found[0] == b","
        if found[0] == b";" or offset + 10 > len(data):
            return
        end = _behind_palette(offset + 10, data[offset + 9]) + 1 if is_frame else offset + 2
        piece_bytes = None
        while piece_bytes != 0 and end < len(data):
            piece_bytes = data[end]
            end += 1 + piece_bytes
            seen += 1
            if seen > PIECES_MAX:
                raise UnusableImage(Flaw.DAMAGED)
        frames += is_frame
        if is_frame or data[offset + 1] == CONTROL:
            yield offset, end
        offset = end


def _behind_palette(offset: int, flags: int) -> int:
    """Where the palette that begins here ends, if the flags say that there is one."""
    return offset + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
