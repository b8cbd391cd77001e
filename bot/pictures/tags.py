"""
Walks through the tags of a TIFF, and of EXIF, which is written like one (TIFF 6.0, section 2).

Pillow makes a list of as many values as a tag says that it has, and of a value of four bytes in the
file it makes an object of thirty or more. So a TIFF is looked through before Pillow sees it, and
EXIF is not shown to it at all.
"""

import mmap
import struct
from collections.abc import Iterator

from msgspec import Struct

from bot.errors import Flaw, UnusableImage

ORIENTATION = 0x0112
#: what a TIFF begins with -> its byte order, as struct names it
ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
#: a type of values -> the bytes of one
SHORT, LONG, DIRECTORY = 3, 4, 13
TYPE_BYTES = {
    1: 1, 2: 1, SHORT: 2, LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, DIRECTORY: 4,
    16: 8,
}  # fmt: skip
#: types of bytes and of text, of which no list is made
WHOLE = frozenset({1, 2, 7})
#: tags that say where further tags stand (EXIF 2.32: EXIF, GPS and interoperability), and how many
#: such places there are, with the first
FURTHER = frozenset({34665, 34853, 40965})
DIRECTORIES_MAX = 4
#: bytes of all lists; a picture of twelve megapixels has hardly 65,000 strips, with the place and
#: the length of each
LISTS_BYTES_MAX = 1024 * 1024
VALUE_BYTES = 4


class Tag(Struct, frozen=True):
    number: int
    kind: int
    count: int
    #: if all values together have VALUE_BYTES at most, these; else where they stand
    value: bytes

    @property
    def size_bytes(self) -> int:
        return self.count * TYPE_BYTES.get(self.kind, 0)


def orientation_in(exif: bytes) -> int:
    """The orientation, 1 to 8 (EXIF 2.32, tag 0x0112); 0 if EXIF does not tell it."""
    data = exif.lstrip(b"Exif\x00")
    order = ORDERS.get(data[:4])
    if order is None:
        return 0
    for tag in _tags(data, order, _number(order, data[4:8])):
        if tag.number == ORIENTATION and tag.count == 1 and tag.kind in (SHORT, LONG):
            return _number(order, tag.value[: tag.size_bytes])
    return 0


def check_tags(data: bytes | mmap.mmap) -> None:
    """
    Args:
        data: a TIFF.
    Raises:
        UnusableImage: its tags have more or longer lists than any picture needs.
    """
    order = ORDERS[data[:4]]
    offsets, held_bytes, lists_bytes = [_number(order, data[4:8])], 0, 0
    for offset in offsets:
        for tag in _tags(data, order, offset):
            if tag.number in FURTHER:
                if tag.count != 1 or tag.kind not in (LONG, DIRECTORY):
                    raise UnusableImage(Flaw.DAMAGED)
                offsets.append(_number(order, tag.value))
            if tag.size_bytes <= VALUE_BYTES:
                continue
            held_bytes += tag.size_bytes
            lists_bytes += 0 if tag.kind in WHOLE else tag.size_bytes
            # Tags may share their values, so that Pillow would read these again and again.
            if held_bytes > len(data) or lists_bytes > LISTS_BYTES_MAX:
                raise UnusableImage(Flaw.DAMAGED)
        if len(offsets) > DIRECTORIES_MAX:
            raise UnusableImage(Flaw.DAMAGED)


def _tags(data: bytes | mmap.mmap, order: str, offset: int) -> Iterator[Tag]:
    """The tags that stand together in one place, as far as the data goes."""
    first = offset + 2
    end = min(first + 12 * _number(order, data[offset:first]), len(data) - 11)
    for start in range(first, end, 12):
        yield Tag(*struct.unpack(f"{order}HHI4s", data[start : start + 12]))


def _number(order: str, data: bytes) -> int:
    return int.from_bytes(data, "little" if order == "<" else "big")
