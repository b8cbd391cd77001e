"""
Reads from an AVIF what a decoder makes room for, which its boxes need not say: the coded pictures
in it tell their sizes themselves (AV1 Bitstream Specification, 5.3 to 5.9). Decodes nothing. What
cannot be followed, or is never seen in a photo, is refused.
"""

import mmap
import re
import struct
from collections.abc import Iterator

from bot.errors import Flaw, UnusableImage

#: coded pictures, as of a grid and its transparency, for each of which a decoder may be set up
ITEMS_MAX = 100
#: entries of lists, and parts of coded pictures
PARTS_MAX = 20_000
#: ISO/IEC 14496-12, 8.11.6: an item's number, of two or four bytes, and what it is
ENTRY = re.compile(rb"infe(?:\x02...(..)|\x03...(....))..(....)", re.DOTALL)
CODED = b"av01"
#: The entry of the EXIF, and the name that it is given instead. Pillow would read all of that as it
#: opens the file, and the picture is turned by other entries.
EXIF = re.compile(rb"(infe[\x02\x03].{7}(?:..)?)Exif", re.DOTALL)
NO_EXIF = b"none"
#: where an item's data stands, by its construction method (8.11.3): in the file, or in a box
IN_FILE, IN_BOX = 0, 1
#: kinds of parts (AV1, 6.2.2), three of which begin a frame
SEQUENCE = 1
FRAMES = frozenset({3, 6, 7})
#: bytes that a sequence's head may have: 32 operating points of 12 bytes, and less than 40 others
HEAD_BYTES = 512
#: of flags that frames may set for themselves (6.4.2)
CHOSEN = 2
KEY, SWITCH = 0, 3
#: kinds of sequences (6.4.1), and what says that three bands are RGB (6.4.2)
FULL, PROFESSIONAL = 1, 2
AS_RGB = (1, 13, 0)
#: bytes for each pixel that decoding takes beside the picture; half of them if it has thousands of
#: tiles (measured with dav1d 1.5)
BESIDE_BYTES = 3.3
#: bytes for each pixel of any true picture; one of twelve bits, with grain and transparency, has 31
CODED_BYTES_MAX = 60
#: what joins coded pictures, and what may keep libavif from decoding them with the same decoder:
#: layers (AV1 Image File Format, 2.3), and transparency; and what a decoder takes
GRID = b"grid"
ALONE = re.compile(rb"a1op|a1lx|lsel|auxl")
DECODER_BYTES = 768 * 1024

Data = bytes | mmap.mmap


def coded_bytes(data: Data, pixels: int) -> int:
    """
    Args:
        data: an AVIF.
        pixels: of the picture, as its boxes tell them.
    Returns:
        The bytes that decoding takes, but for what is made of the coded pictures then.
    Raises:
        UnusableImage: it moves, is damaged, or the coded pictures are much larger than it says.
    """
    try:
        meta = _without_media(data)
        pictures = [_bytes_of(item) for item in _coded(data, meta)]
        total = sum(pictures)
        if not 0 < total <= pixels * CODED_BYTES_MAX:
            raise UnusableImage(Flaw.DAMAGED)
        if GRID in meta and ALONE.search(meta):
            # Its pictures are kept until they are put together.
            total += total + len(pictures) * DECODER_BYTES
        return total
    except (struct.error, IndexError) as error:
        raise UnusableImage(Flaw.DAMAGED) from error


def _coded(data: Data, meta: bytes) -> Iterator[bytes]:
    """The data of each coded picture."""
    if b"moov" in meta:
        raise UnusableImage(Flaw.ANIMATED)
    coded = {
        int.from_bytes(found[1] or found[2], "big")
        for found in ENTRY.finditer(meta)
        if found[3] == CODED
    }
    boxes = [meta[place:] for place in _bodies(meta, b"idat")]
    ranges = [each for place in _bodies(meta, b"iloc") for each in _ranges(meta, place)]
    places = [(method, parts) for number, method, parts in ranges if number in coded]
    if not 1 <= len(places) <= ITEMS_MAX:
        raise UnusableImage(Flaw.DAMAGED)
    for method, parts in places:
        if method not in (IN_FILE, IN_BOX) or (method == IN_BOX and len(boxes) != 1):
            raise UnusableImage(Flaw.DAMAGED)
        source = boxes[0] if method == IN_BOX else data
        if sum(length for _, length in parts) > len(source):
            raise UnusableImage(Flaw.DAMAGED)
        pieces = [source[start : start + length] for start, length in parts]
        if any(len(piece) < part[1] for piece, part in zip(pieces, parts, strict=True)):
            raise UnusableImage(Flaw.DAMAGED)
        yield b"".join(pieces)


def _without_media(data: Data) -> bytes:
    """The file's outermost boxes, but for those with the coded pictures."""
    kept: list[bytes] = []
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        if length == 1:
            length = int.from_bytes(data[place + 8 : place + 16], "big")
        end = place + length if length else len(data)
        if end < place + 8 or len(kept) == PARTS_MAX:
            raise UnusableImage(Flaw.DAMAGED)
        kept.append(b"" if kind == b"mdat" else data[place:end])
        place = end
    return b"".join(kept)


def _bodies(meta: bytes, kind: bytes) -> Iterator[int]:
    """Where the content of each box of that kind begins, and of what looks like one."""
    for found in re.finditer(kind, meta):
        has_long_length = meta[found.start() - 4 : found.start()] == b"\0\0\0\1"
        yield found.end() + (8 if has_long_length else 0)


def _ranges(meta: bytes, place: int) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Each item's number, construction method, and parts, by start and length."""
    version, sizes = meta[place], int.from_bytes(meta[place + 4 : place + 6], "big")
    start_bytes, length_bytes, base_bytes, index_bytes = (
        sizes >> shift & 0xF for shift in (12, 8, 4, 0)
    )
    place += 6

    def number(size_bytes: int) -> int:
        nonlocal place
        place += size_bytes
        if place > len(meta):
            raise UnusableImage(Flaw.DAMAGED)
        return int.from_bytes(meta[place - size_bytes : place], "big")

    seen = 0
    for _ in range(number(4 if version == 2 else 2)):
        item = number(4 if version == 2 else 2)
        method = number(2) & 0xF if version else IN_FILE
        # What is said of another file is no part of this one.
        number(2)
        base, parts = number(base_bytes), []
        for _ in range(number(2)):
            number(index_bytes if version else 0)
            parts.append((base + number(start_bytes), number(length_bytes)))
        seen += 1 + len(parts)
        if seen > PARTS_MAX:
            raise UnusableImage(Flaw.DAMAGED)
        yield item, method, parts


class Bits:
    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise UnusableImage(Flaw.DAMAGED)
        return self._value >> self._left & ((1 << count) - 1)


def _bytes_of(item: bytes) -> int:
    """What the frames of a coded picture take, each as much as one of its largest sequence."""
    sequence, frame_bytes, frames, place, seen = None, 0, 0, 0, 0
    while place < len(item):
        head = item[place]
        # Parts without a length may end elsewhere for a decoder.
        if not head & 0x02 or seen == PARTS_MAX:
            raise UnusableImage(Flaw.DAMAGED)
        length, place = _leb128(item, place + 1 + (head >> 2 & 1))
        body = item[place : place + min(length, HEAD_BYTES)]
        kind = head >> 3 & 0xF
        if kind == SEQUENCE:
            sequence = Sequence(Bits(body))
            frame_bytes = max(frame_bytes, sequence.frame_bytes)
        elif kind in FRAMES:
            if sequence is None:
                raise UnusableImage(Flaw.DAMAGED)
            sequence.check_frame(Bits(body))
            frames += 1
        place += length
        seen += 1
    if place != len(item):
        raise UnusableImage(Flaw.DAMAGED)
    return frame_bytes * frames


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    """A number (AV1, 4.10.5), and where it ends."""
    value = 0
    for index in range(8):
        byte = data[place + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, place + index + 1
    raise UnusableImage(Flaw.DAMAGED)


class Sequence:
    """What a sequence's head says of its frames (AV1, 5.5)."""

    def __init__(self, bits: Bits) -> None:
        profile = bits.read(3)
        bits.read(1)
        self._reduced = bool(bits.read(1))
        #: bits of the time at which a frame is shown, and of its number
        self._time_bits = self._number_bits = 0
        if self._reduced:
            bits.read(5)
        else:
            self._read_times(bits)
        width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
        pixels = (bits.read(width_bits) + 1) * (bits.read(height_bits) + 1)
        if not self._reduced and bits.read(1):
            self._number_bits = bits.read(4) + 2
            self._number_bits += bits.read(3) + 1
        # Superblocks and two filters, then tools, then three filters.
        bits.read(3)
        if not self._reduced:
            self._read_tools(bits)
        bits.read(3)
        #: what decoding one of its frames takes
        self.frame_bytes = round(pixels * (_bytes_a_pixel(bits, profile) + BESIDE_BYTES))

    def _read_times(self, bits: Bits) -> None:
        delay_bits = 0
        if bits.read(1):
            bits.read(64)
            is_even = bits.read(1)
            if is_even:
                zeros = 0
                while not bits.read(1):
                    zeros += 1
                bits.read(zeros)
            if bits.read(1):
                delay_bits = bits.read(5) + 1
                bits.read(37)
                time_bits = bits.read(5) + 1
                self._time_bits = 0 if is_even else time_bits
        has_delay = bits.read(1)
        for _ in range(bits.read(5) + 1):
            bits.read(12)
            if bits.read(5) > 7:
                bits.read(1)
            if delay_bits and bits.read(1):
                bits.read(2 * delay_bits + 1)
            if has_delay and bits.read(1):
                bits.read(4)

    def _read_tools(self, bits: Bits) -> None:
        bits.read(4)
        has_order = bits.read(1)
        if has_order:
            bits.read(2)
        self._screen_tools = CHOSEN if bits.read(1) else bits.read(1)
        self._whole_moves = CHOSEN
        if self._screen_tools and not bits.read(1):
            self._whole_moves = bits.read(1)
        if has_order:
            bits.read(3)

    def check_frame(self, bits: Bits) -> None:
        """
        Raises:
            UnusableImage: the frame has a size of its own (AV1, 5.9.2), which decoders do not
                compare with the sequence's.
        """
        if self._reduced or bits.read(1):
            return
        kind, is_shown = bits.read(2), bits.read(1)
        bits.read(self._time_bits if is_shown else 1)
        if kind != SWITCH and not (kind == KEY and is_shown):
            bits.read(1)
        bits.read(1)
        tools = bits.read(1) if self._screen_tools == CHOSEN else self._screen_tools
        if tools and self._whole_moves == CHOSEN:
            bits.read(1)
        bits.read(self._number_bits)
        if kind == SWITCH or bits.read(1):
            raise UnusableImage(Flaw.DAMAGED)


def _bytes_a_pixel(bits: Bits, profile: int) -> float:
    """What a pixel takes, by depth, bands, and whether grain is put on a copy (AV1, 5.5.2)."""
    is_deep = bits.read(1)
    has_twelve = profile == PROFESSIONAL and is_deep and bits.read(1)
    is_grey = profile != FULL and bits.read(1)
    as_rgb = bits.read(1) and (bits.read(8), bits.read(8), bits.read(8)) == AS_RGB
    halved = profile != FULL, profile == 0
    if is_grey or not as_rgb:
        bits.read(1)
    if as_rgb and not is_grey:
        halved = False, False
    elif has_twelve and not is_grey:
        is_narrow = bool(bits.read(1))
        halved = is_narrow, is_narrow and bool(bits.read(1))
    if all(halved) and not is_grey:
        bits.read(2)
    if not is_grey:
        bits.read(1)
    samples = 1.0 if is_grey else 3 - halved[0] - halved[1] / 2
    return samples * (1 + is_deep) * (1 + bits.read(1))
