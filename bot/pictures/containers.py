"""
What stands around the pixels in a PNG, JPEG or WebP: profiles, orientation, and all that no vendor
needs; knows no vendor and decodes nothing.

A file is taken apart and put together again without its metadata, and without what hangs behind
its end, so that the pixels stay as they were to the bit.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
#: chunks that decide how the pixels look
PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
#: bytes of a colour profile that is read; those of cameras have some kilobytes
PROFILE_BYTES_MAX = 4 * 1024 * 1024
END = b"\xff\xd9"
#: Behind the blocks of a JPEG that lacks its end mark: it completes what is all there, and hardly
#: more than a block of what is not.
NOTHING = bytes(4)
#: JPEG markers (ITU-T T.81, table B.1): start, end, start of scan; those without a length
SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
#: application segments and comments hold metadata, but JFIF's and Adobe's say how to read colours
APP1, APP2 = 0xE1, 0xE2
METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})
KEPT_APPS = frozenset({0xE0, 0xEE})
EXIF_HEAD, PROFILE_HEAD = b"Exif\x00\x00", b"ICC_PROFILE\x00"
WEBP_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
#: of VP8X's flags, those that announce a profile, EXIF and XMP (RFC 9649, 2.7.1)
WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04


@dataclass(frozen=True, slots=True)
class Bare:
    """A file without its metadata, and what of that says how the pixels are to be shown."""

    data: bytes
    profile: bytes = b""
    exif: bytes = b""
    #: the pixels stand in the frames of an animation, be it one frame
    animated: bool = False
    #: the data as a decoder is given it, which is to complain of what is cut off
    to_decode: bytes = b""


def strip(data: bytes) -> Bare:
    """
    Args:
        data: a PNG, JPEG or WebP; one that breaks off is put together as far as it goes.
    """
    if data.startswith(PNG_HEAD):
        return _strip_png(data)
    if data.startswith(b"\xff\xd8"):
        return _strip_jpeg(data)
    return _strip_webp(data)


def _strip_png(data: bytes) -> Bare:
    parts, profile, exif, animated = [PNG_HEAD], b"", b"", False
    place = len(PNG_HEAD)
    while place + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        if kind in PNG_CHUNKS:
            parts.append(data[place : place + 12 + length])
        elif kind == b"iCCP":
            profile = _inflated(body.partition(b"\x00")[2][1:])
        elif kind == b"eXIf":
            exif = body
        elif kind == b"acTL":
            animated = int.from_bytes(body[:4], "big") > 1
        place += 12 + length
        if kind == b"IEND":
            break
    # Its frames stand in chunks of their own.
    plain = data if animated else b"".join(parts)
    return Bare(plain, profile, exif, animated, plain)


def _inflated(packed: bytes) -> bytes:
    try:
        plain = zlib.decompressobj().decompress(packed, PROFILE_BYTES_MAX + 1)
    except zlib.error:
        return b""
    return plain if len(plain) <= PROFILE_BYTES_MAX else b""


def _strip_jpeg(data: bytes) -> Bare:
    """The first picture alone: others, gain maps and trailers stand behind its end."""
    parts, profile, exif, end = [data[:2]], b"", b"", NOTHING
    for marker, segment, body in _segments(data):
        if marker == EOI:
            end = segment
        elif marker in PROGRESSIVE:
            # Only its end mark says that all passes are there.
            end = b""
        if marker == APP1 and body.startswith(EXIF_HEAD) and not exif:
            exif = body
        elif marker == APP2 and body.startswith(PROFILE_HEAD):
            profile += body[len(PROFILE_HEAD) + 2 :]
        elif marker != EOI and (marker in KEPT_APPS or marker not in METADATA):
            parts.append(segment)
    drawn = b"".join(parts)
    return Bare(drawn + END, profile, exif, to_decode=drawn + end)


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, whole segment, with a scan's data, and its body, up to the end mark."""
    place = 2
    while place + 2 <= len(data):
        if data[place] != 0xFF:
            # Some writers leave a gap before a marker.
            place = data.find(b"\xff", place)
            if place < 0:
                return
            continue
        marker = data[place + 1]
        if marker in (0xFF, 0x00):
            place += 1
            continue
        if marker == EOI:
            yield marker, data[place : place + 2], b""
            return
        if marker in WITHOUT_LENGTH:
            yield marker, data[place : place + 2], b""
            place += 2
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : end]
        if marker == SOS:
            end = _scan_end(data, end)
        yield marker, data[place:end], body
        place = end


def _scan_end(data: bytes, place: int) -> int:
    """Where a scan's data ends: at the next marker that is no restart and no stuffed byte."""
    while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
        following = data[place + 1]
        if following not in (0x00, 0xFF) and not 0xD0 <= following <= 0xD7:
            return place
        place += 1 if following == 0xFF else 2
    return len(data)


def _strip_webp(data: bytes) -> Bare:
    parts, profile, exif, animated = [], b"", b"", False
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[place : place + 8])
        whole = data[place : place + 8 + length + length % 2]
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
        place += len(whole)
    content = b"WEBP" + b"".join(parts)
    plain = b"RIFF" + struct.pack("<I", len(content)) + content
    return Bare(plain, profile, exif, animated, plain)
