"""
Takes a PNG, JPEG or WebP apart and puts it back together without its metadata and what follows
its end, so that the pixels stay as they were to the bit. Knows no vendor and decodes nothing.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from msgspec import Struct

from bot.errors import Flaw, UnusableImage

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
#: chunks that are kept, because a decoder needs them for the pixels
PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
#: bytes at most of a colour profile; those of cameras have some kilobytes
PROFILE_BYTES_MAX = 4 * 1024 * 1024
#: scans of a JPEG, each of which takes a decoder through the whole picture; progressive ones have
#: 6 to 18
SCANS_MAX = 100
END = b"\xff\xd9"
#: Added behind the data of a JPEG that lacks its end mark. A decoder then finishes an image that is
#: complete, but fills hardly more than one block of an image that is not.
NOTHING = bytes(4)
#: JPEG markers (ITU-T T.81, table B.1): end, and start of scan; frames of several passes; and
#: markers without a length
EOI, SOS = 0xD9, 0xDA
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
#: what a marker begins with, once or often
FILL = re.compile(b"\xff+")
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
#: application segments and comments hold metadata, but JFIF's and Adobe's tell how to read colours
APP1, APP2 = 0xE1, 0xE2
METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})
KEPT_APPS = frozenset({0xE0, 0xEE})
EXIF_HEAD, PROFILE_HEAD = b"Exif\x00\x00", b"ICC_PROFILE\x00"
WEBP_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
#: the VP8X flags that announce a profile, EXIF and XMP (RFC 9649, 2.7.1)
WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04


class Bare(Struct, frozen=True):
    """A file without its metadata, and the metadata that says how to show the pixels."""

    data: bytes = b""
    profile: bytes = b""
    exif: bytes = b""
    #: a PNG with frames beside its first picture, whose data stays whole, or a WebP with frames
    animated: bool = False
    #: the data to give to a decoder, without an added end mark, so that it complains of a file that
    #: is cut off
    to_decode: bytes = b""


def strip(data: bytes) -> Bare:
    """
    Take the metadata out of a file.

    Args:
        data: a PNG, JPEG or WebP; a file that is cut off is put together as far as it goes.
    Raises:
        UnusableImage: it has more scans than any picture needs.
    """
    if data.startswith(PNG_HEAD):
        return _strip_png(data)
    if data.startswith(b"\xff\xd8"):
        return _strip_jpeg(data)
    return _strip_webp(data)


def _strip_png(data: bytes) -> Bare:
    view = memoryview(data)
    parts, profile, exif, animated = [view[: len(PNG_HEAD)]], None, b"", False
    offset = len(PNG_HEAD)
    while offset + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[offset : offset + 8])
        body = view[offset + 8 : offset + 8 + length]
        if kind in PNG_CHUNKS:
            parts.append(view[offset : offset + 12 + length])
        elif kind == b"iCCP" and profile is None:
            profile = _inflated(bytes(body).partition(b"\x00")[2][1:])
        elif kind == b"eXIf":
            exif = bytes(body)
        elif kind == b"fdAT":
            animated = True
        offset += 12 + length
        if kind == b"IEND":
            break
    # An animation's frames stand in chunks that are left out above.
    plain = data if animated else b"".join(parts)
    return Bare(plain, profile or b"", exif, animated, plain)


def _inflated(packed: bytes) -> bytes:
    try:
        plain = zlib.decompressobj().decompress(packed, PROFILE_BYTES_MAX + 1)
    except zlib.error:
        return b""
    return plain if len(plain) <= PROFILE_BYTES_MAX else b""


def _strip_jpeg(data: bytes) -> Bare:
    """Keep the first picture alone: others, gain maps and trailers follow its end mark."""
    parts, profile, exif, end = [memoryview(data)[:2]], bytearray(), b"", NOTHING
    scans = 0
    for marker, segment, body in _segments(data):
        scans += marker == SOS
        if scans > SCANS_MAX:
            raise UnusableImage(Flaw.DAMAGED)
        if marker == EOI:
            end = END
        elif marker in PROGRESSIVE:
            # Only the end mark says that all passes are there.
            end = b""
        if marker == APP1 and body.startswith(EXIF_HEAD) and not exif:
            exif = body
        elif marker == APP2 and body.startswith(PROFILE_HEAD):
            profile += body[len(PROFILE_HEAD) + 2 :][: PROFILE_BYTES_MAX - len(profile)]
        elif marker != EOI and (marker in KEPT_APPS or marker not in METADATA):
            parts.append(segment)
    plain = b"".join([*parts, END])
    to_decode = plain if end == END else b"".join([*parts, end])
    return Bare(plain, bytes(profile), exif, to_decode=to_decode)


def _segments(data: bytes) -> Iterator[tuple[int, memoryview, bytes]]:
    """Each marker, its whole segment (with a scan's data) and its body, up to the end mark."""
    view = memoryview(data)
    offset = 2
    # Some writers leave a gap before a marker, or fill it up.
    while (fill := FILL.search(data, offset)) and fill.end() < len(data):
        offset = fill.end() - 1
        marker = data[offset + 1]
        if marker == EOI:
            yield marker, view[offset : offset + 2], b""
            return
        if marker == 0 or marker in WITHOUT_LENGTH:
            # Outside of a scan they mean nothing.
            offset += 2
            continue
        end = offset + 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
        body = data[offset + 4 : end]
        if marker == SOS:
            end = _scan_end(data, end)
        yield marker, view[offset:end], body
        offset = end


def _scan_end(data: bytes, offset: int) -> int:
    """Where a scan's data ends: at the next marker that is neither restart nor stuffed byte."""
    while (offset := data.find(b"\xff", offset)) >= 0 and offset + 1 < len(data):
        following = data[offset + 1]
        if following not in (0x00, 0xFF) and not 0xD0 <= following <= 0xD7:
            return offset
        offset += 1 if following == 0xFF else 2
    return len(data)


def _strip_webp(data: bytes) -> Bare:
    view = memoryview(data)
    parts, profile, exif, animated = list[bytes | memoryview](), b"", b"", False
    offset = 12
    # What follows the end is none of it.
    last = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while offset + 8 <= last:
        kind, length = struct.unpack("<4sI", data[offset : offset + 8])
        whole = view[offset : offset + 8 + length + length % 2]
        body = whole[8 : 8 + length]
        if kind == b"VP8X":
            parts += [whole[:8], bytes((body[0] & ~WEBP_METADATA_FLAGS,)), whole[9:]]
        elif kind == b"ICCP":
            profile = bytes(body[:PROFILE_BYTES_MAX])
        elif kind == b"EXIF":
            exif = bytes(body)
        elif kind in WEBP_CHUNKS:
            animated = animated or kind == b"ANMF"
            parts.append(whole)
        offset += len(whole)
    size_bytes = len(b"WEBP") + sum(len(part) for part in parts)
    plain = b"".join([b"RIFF", struct.pack("<I", size_bytes), b"WEBP", *parts])
    return Bare(plain, profile, exif, animated, plain)
