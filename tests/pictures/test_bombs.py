"""
Small files that make a decoder take many times their bytes in memory: lists as long as a tag says,
comments in pieces, frames larger than the picture. They are stopped before Pillow sees them.
"""

import io
import struct
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from bot.errors import Flaw, UnusableImage
from bot.pictures import containers
from bot.pictures.containers import FRAMES_MAX, PROFILE_BYTES_MAX, strip
from bot.pictures.photos import make_plain, memory_of_plain, orientation_of
from bot.pictures.pool import BUDGET_BYTES
from bot.pictures.tags import LISTS_BYTES_MAX, ORIENTATION, orientation_in
from tests.pictures.test_photos import ALL, LIMITS
from tests.support.photos import (
    chunk,
    drawn,
    exchanged,
    other_primaries,
    png_with,
    turned,
    written,
)

#: types of a TIFF's values
SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7
SIZES = {SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1}
VALUES = 200_000
PICTURE = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 279: 256}
#: for each byte of a file: it is read, taken apart, and read again by a decoder
TIMES_MAX = 8
#: pieces of a GIF that these tests allow: to count as many as Easel does takes seconds here, where
#: each is traced
PIECES_FEWER = 20_000


def tag(number: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", number, kind, count, value)


def directory(*tags: bytes) -> bytes:
    return struct.pack("<H", len(tags)) + b"".join(tags) + bytes(4)


def tiff(*more: bytes, picture: dict[int, int] = PICTURE, behind: bytes = b"") -> bytes:
    """A grey picture of 16 pixels each way, further tags, and room for their values at 1,000."""
    tags = {number: tag(number, LONG, 1, value) for number, value in picture.items()}
    tags |= {int.from_bytes(each[:2], "little"): each for each in more}
    data = b"II*\0" + struct.pack("<I", 8) + directory(*(tags[each] for each in sorted(tags)))
    return data.ljust(1_000, b"\0") + behind


def with_list(number: int, kind: int) -> bytes:
    count = LISTS_BYTES_MAX // SIZES[kind] + 1
    return tiff(tag(number, kind, count, 1_000), behind=b"\7" * (count * SIZES[kind]))


def with_list_in_exif() -> bytes:
    further = directory(tag(0x9101, LONG, VALUES * 2, 1_100))
    return tiff(tag(34665, LONG, 1, 1_000), behind=further.ljust(100) + b"\7" * (VALUES * 8))


def with_shared_values() -> bytes:
    shared = [tag(60_000 + number, UNDEFINED, VALUES, 1_000) for number in range(50)]
    return tiff(*shared, behind=bytes(VALUES))


def in_circles() -> bytes:
    return tiff(tag(34665, LONG, 1, 8))


def exif_with_list() -> bytes:
    many = directory(tag(ORIENTATION, RATIONAL, VALUES, 100))
    return b"II*\0" + struct.pack("<I", 8) + many.ljust(92) + b"\7" * (VALUES * 8)


class Forged(Image.Exif):
    """EXIF that Pillow writes as it is."""

    def __bool__(self) -> bool:
        return True

    def __contains__(self, tag: object) -> bool:
        return False

    def tobytes(self, offset: int = 8) -> bytes:
        return exif_with_list()


def heic_with_list() -> bytes:
    from pillow_heif import from_pillow

    file = io.BytesIO()
    from_pillow(drawn()).save(file, quality=90, exif=b"Exif\0\0" + exif_with_list())
    return file.getvalue()


def gif(*frames: Image.Image, between: bytes = b"") -> bytes:
    """The frames as they are, whatever size the first one has, which a viewer makes room for."""
    head, parts = b"", []
    for frame in frames:
        whole = written(frame.convert("P"), "GIF")
        start = 13 + (3 << (whole[10] & 7) + 1 if whole[10] & 0x80 else 0)
        head = head or whole[:start]
        parts.append(whole[whole.index(b",", start) : -1])
    return head + between + between.join(parts) + b";"


def blank(side_px: int) -> Image.Image:
    return Image.new("P", (side_px, side_px))


REFUSED = {
    "TIFF with many strips": with_list(273, LONG),
    "TIFF with many bits": with_list(258, SHORT),
    "TIFF that is turned many times": with_list(ORIENTATION, RATIONAL),
    "TIFF with a list in its EXIF": with_list_in_exif(),
    "TIFF whose tags share their values": with_shared_values(),
    "TIFF whose EXIF is the picture itself": in_circles(),
    "TIFF whose EXIF is a list": tiff(tag(34665, LONG, 2, 1_000), behind=bytes(100)),
    "GIF with a comment in small pieces": gif(
        blank(16), between=b"!\xfe" + b"\x02ab" * (PIECES_FEWER + 1) + b"\0"
    ),
    "GIF with many extensions": gif(blank(16), between=b"!\x01\0" * (PIECES_FEWER + 1)),
}
SHOWN = {
    "PNG": png_with(chunk(b"eXIf", exif_with_list())),
    "HEIC": heic_with_list(),
    "AVIF": written(drawn(), "AVIF", exif=Forged()),
    "GIF with a comment": gif(drawn(), between=b"!\xfe" + b"\x02ab" * 100_000 + b"\0"),
}


def peak_bytes(path: Path) -> int:
    """What Python's own objects take at most, while a picture is judged and made plain."""
    tracemalloc.start()
    try:
        memory_of_plain(path)
        make_plain(path, LIMITS, ALL)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_endless_lists_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(containers, "PIECES_MAX", PIECES_FEWER)
    path = tmp_path / "picture"
    path.write_bytes(REFUSED[name])
    tracemalloc.start()
    try:
        memory_of_plain(path)
        with pytest.raises(UnusableImage) as refused:
            make_plain(path, LIMITS, ALL)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.flaw is Flaw.DAMAGED
    assert peak < TIMES_MAX * len(REFUSED[name]) + 200_000


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_no_part_of_the_picture_takes_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(written(drawn(), "PNG"))
    peak_bytes(path)
    path.write_bytes(SHOWN[name])
    assert peak_bytes(path) < TIMES_MAX * len(SHOWN[name])
    with Image.open(path) as plain:
        assert plain.size == drawn().size


def test_a_result_is_turned_without_reading_a_list() -> None:
    picture = drawn()
    picture.info["exif"] = exif_with_list()
    assert orientation_of(picture) == 0
    assert picture._exif is None


def test_a_gif_is_judged_by_its_largest_frame(tmp_path: Path) -> None:
    path = tmp_path / "growing.gif"
    path.write_bytes(gif(blank(16), blank(4_000)))
    assert memory_of_plain(path).pixels == 4_000 * 4_000
    assert memory_of_plain(path).size_bytes > BUDGET_BYTES


def test_a_gif_keeps_the_frames_that_are_compared() -> None:
    data = gif(*[blank(1)] * (FRAMES_MAX + 50))
    with Image.open(io.BytesIO(strip(data).to_decode)) as picture:
        assert picture.n_frames == FRAMES_MAX


@pytest.mark.parametrize("length", range(0, 120, 3))
def test_a_gif_that_is_cut_off_is_damaged(tmp_path: Path, length: int) -> None:
    path = tmp_path / "picture"
    path.write_bytes(gif(drawn())[: 4 + length])
    memory_of_plain(path)
    with pytest.raises(UnusableImage):
        make_plain(path, LIMITS, ALL)


def test_a_tiff_of_many_strips_is_a_picture(tmp_path: Path) -> None:
    """Some writers give each row its own."""
    rows = 60_000
    lists = tiff(
        tag(273, LONG, rows, 1_000),
        tag(279, LONG, rows, 1_000 + 4 * rows),
        tag(278, LONG, 1, 1),
        picture=PICTURE | {256: 1, 257: rows},
        behind=struct.pack(f"<{rows}I", *range(1_000 + 8 * rows, 1_000 + 9 * rows))
        + struct.pack(f"<{rows}I", *[1] * rows)
        + bytes(rows),
    )
    assert 8 * rows < LISTS_BYTES_MAX
    path = tmp_path / "rows.tiff"
    path.write_bytes(lists)
    assert make_plain(path, LIMITS, ALL).height_px == rows


@pytest.mark.parametrize("orientation", range(2, 9))
def test_orientation_is_read_in_both_orders(orientation: int) -> None:
    for order in ("<", ">"):
        _, exif = turned(orientation)
        exif.endian = order
        for data in (exif.tobytes(), exif.tobytes().removeprefix(b"Exif\0\0")):
            assert orientation_in(data) == orientation


@pytest.mark.parametrize("length", range(30))
def test_exif_that_is_cut_off_tells_nothing(length: int) -> None:
    assert orientation_in(turned(6)[1].tobytes()[:length]) == 0


def test_a_profile_larger_than_any_camera_writes_is_ignored(tmp_path: Path) -> None:
    """Of one with 41 MB of tables, applying it took 395 MiB."""
    path = tmp_path / "picture"
    for room, shown in ((0, drawn()), (PROFILE_BYTES_MAX, exchanged())):
        profile = other_primaries() + bytes(room)
        path.write_bytes(written(exchanged(), "TIFF", icc_profile=profile))
        make_plain(path, LIMITS, ALL)
        with Image.open(path) as plain:
            seen, meant = (each.convert("RGB").getpixel((2, 2)) for each in (plain, shown))
        assert all(abs(one - other) < 30 for one, other in zip(seen, meant, strict=True))
