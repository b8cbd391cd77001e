"""
Files that make a decoder take many times their bytes in memory, and others that look odd and are
pictures. None takes more than the decoder's process may have, and none ends more than that.
"""

import asyncio
import io
import struct
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from bot.domain.ports import ImageFile
from bot.errors import UnusableImage
from bot.pictures.check import HELD_BYTES_MAX, WEBP_PIXELS_MAX, check_image
from bot.pictures.containers import PROFILE_BYTES_MAX, SCANS_MAX, strip
from bot.pictures.decoder import Decoder
from bot.pictures.decoding import MEMORY_BYTES
from bot.pictures.photos import FRAMES_MAX, ORIENTATION, make_plain, orientation_in
from tests.pictures.test_check import GOOD
from tests.pictures.test_photos import ALL, LIMITS
from tests.support.memory import forget_peak_of, peak_bytes_of
from tests.support.photos import (
    chunk,
    drawn,
    exchanged,
    other_primaries,
    png_with,
    turned,
    written,
)

#: Pillow warns of damage; the decoder's process does not listen.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

#: types of a TIFF's values
SHORT, LONG, RATIONAL = 3, 4, 5
SIZES = {SHORT: 2, LONG: 4, RATIONAL: 8}
#: of a list; each becomes an object of some thirty bytes
VALUES = 6_000_000
PICTURE = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 279: 256}


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
    return tiff(tag(number, kind, VALUES, 1_000), behind=b"\7" * (VALUES * SIZES[kind]))


def with_list_in_exif() -> bytes:
    further = directory(tag(0x9101, LONG, VALUES * 2, 1_100))
    return tiff(tag(34665, LONG, 1, 1_000), behind=further.ljust(100) + b"\7" * (VALUES * 8))


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


def lying(side_px: int, said_px: int) -> bytes:
    """An AVIF that is larger than its boxes say."""
    data = written(Image.new("RGB", (side_px, side_px)), "AVIF", speed=10)
    true, said = (
        b"ispe" + bytes(4) + struct.pack(">II", side, side) for side in (side_px, said_px)
    )
    assert data.count(true) == 1
    return data.replace(true, said)


def tiles() -> bytes:
    """Larger than the picture."""
    numbers = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 277: 1, 322: 20_000, 323: 30_000}
    return tiff(picture=numbers | {324: 1_000, 325: 256}, behind=bytes(256))


def in_a_jpeg(added: bytes) -> bytes:
    return with_chunk(GOOD["jpg"], 2, added)


def with_chunk(data: bytes, place: int, added: bytes) -> bytes:
    return data[:place] + added + data[place:]


BOMBS: dict[str, Callable[[], bytes]] = {
    "TIFF with many strips": lambda: with_list(273, LONG),
    "TIFF with many bits": lambda: with_list(258, SHORT),
    "TIFF that is turned many times": lambda: with_list(ORIENTATION, RATIONAL),
    "TIFF with a list in its EXIF": with_list_in_exif,
    "TIFF with tiles": tiles,
    "PNG with a list in its EXIF": lambda: png_with(chunk(b"eXIf", exif_with_list())),
    "HEIC with a list in its EXIF": heic_with_list,
    "AVIF with a list in its EXIF": lambda: written(drawn(), "AVIF", exif=Forged()),
    "AVIF that is larger than it says": lambda: lying(8_000, 16),
    "GIF with a comment in small pieces": lambda: gif(
        blank(16), between=b"!\xfe" + b"\x02ab" * 4_000_000 + b"\0"
    ),
    "GIF that grows": lambda: gif(blank(16), blank(20_000)),
    "JPEG with many segments": lambda: in_a_jpeg(b"\xff\xe0\x00\x02" * VALUES),
    "PNG with many chunks": lambda: with_chunk(
        GOOD["png"], 33, chunk(b"juNk", b"") * (VALUES // 4)
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits memory so")
@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
async def test_no_file_takes_more_than_the_process_may(
    tmp_path: Path, decoder: Decoder, name: str
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(BOMBS[name]())
    before = await forget_peak_of(decoder)
    with suppress(UnusableImage):
        await decoder.run(make_plain, path, LIMITS, ALL)
    assert await peak_bytes_of(decoder) - before < MEMORY_BYTES


@pytest.mark.parametrize("work", ["photo", "result"])
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_jpeg_in_scans_that_is_too_large_is_told_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, work: str
) -> None:
    """A decoder holds two bytes for each value until it has read the last scan."""
    path, pixels = tmp_path / "print.jpg", 640 * 480
    held = 2 * len(mode) * pixels

    def check() -> ImageFile:
        Image.new(mode, (640, 480)).save(path, "JPEG", progressive=True)
        return make_plain(path, LIMITS, ALL) if work == "photo" else check_image(path, LIMITS)

    monkeypatch.setattr("bot.pictures.check.HELD_BYTES_MAX", held)
    assert check().width_px == 640
    monkeypatch.setattr("bot.pictures.check.HELD_BYTES_MAX", held // 2)
    with pytest.raises(UnusableImage, match=f"of_its_kind, pixels_max {pixels // 2}"):
        check()


def test_twenty_four_megapixels_in_scans_are_taken() -> None:
    assert 6_000 * 4_000 * 2 * len("RGB") < HELD_BYTES_MAX


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0II*\0"}])
def test_a_webp_that_is_too_large_is_told_its_limit(
    tmp_path: Path, options: dict[str, object]
) -> None:
    """Pillow makes room for all of it before it tells its size."""
    path = tmp_path / "large.webp"
    path.write_bytes(written(Image.new("RGB", (4_000, 2_370)), "WEBP", method=0, **options))
    for check in (lambda: make_plain(path, LIMITS, ALL), lambda: check_image(path, LIMITS)):
        with pytest.raises(UnusableImage, match=f"of_its_kind, pixels_max {WEBP_PIXELS_MAX}"):
            check()


@pytest.mark.parametrize("lossless", [False, True])
async def test_a_webp_in_wide_4k_is_taken(decoder: Decoder, tmp_path: Path, lossless: bool) -> None:
    path = tmp_path / "wide.webp"
    await asyncio.to_thread(
        Image.effect_noise((4_096, 2_304), 9).save, path, method=0, quality=0, lossless=lossless
    )
    image = await decoder.run(check_image, path, LIMITS)
    assert await decoder.run(make_plain, path, LIMITS, ALL) == replace(
        image, full_px=(4_096, 2_304)
    )


#: a name -> a picture, and the same with what makes Pillow, or a glance, find another size or none
ODD = {
    "PNG with more text than Pillow reads": with_chunk(
        GOOD["png"], 33, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 << 20)))
    ),
    "PNG whose head comes late": with_chunk(GOOD["png"], 8, chunk(b"juNk", bytes(8))),
    "JPEG with a damaged profile": in_a_jpeg(b"\xff\xe2\x00\x0eICC_PROFILE\0"),
    "JPEG with gaps": in_a_jpeg(b"\xff\xff\x00junk"),
    "JPEG with much before a marker": in_a_jpeg(b"\xff" * 100_000),
    "JPEG with bare markers": in_a_jpeg(b"\xff\xd0" * 100_000),
    "WebP with much behind its end": GOOD["webp"] + bytes(1_000_000),
}


@pytest.mark.parametrize("name", ODD)
def test_what_looks_odd_may_be_a_picture(tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(ODD[name])
    assert check_image(path, LIMITS).width_px == 97
    path.write_bytes(ODD[name])
    plain = make_plain(path, LIMITS, ALL)
    assert (plain.width_px, plain.height_px) == (97, 61)


def test_a_jpeg_of_endless_scans_is_damaged(tmp_path: Path) -> None:
    """Each takes a decoder through the whole picture."""
    path = tmp_path / "picture"
    scans = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" * (SCANS_MAX + 1)
    path.write_bytes(GOOD["jpg, progressive"][:-2] + scans + b"\xff\xd9")
    with pytest.raises(UnusableImage, match="damaged"):
        make_plain(path, LIMITS, ALL)


def test_frames_that_are_alike_are_compared_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "still.gif"
    alike = [drawn()] * FRAMES_MAX
    path.write_bytes(gif(*alike, blank(16)))
    assert make_plain(path, LIMITS, ALL).width_px == drawn().width
    path.write_bytes(gif(*alike[1:], blank(16)))
    with pytest.raises(UnusableImage, match="animated"):
        make_plain(path, LIMITS, ALL)


@pytest.mark.parametrize("length", range(0, 120, 3))
def test_a_gif_that_is_cut_off_is_damaged(tmp_path: Path, length: int) -> None:
    path = tmp_path / "picture"
    path.write_bytes(gif(drawn())[: 4 + length])
    with pytest.raises(UnusableImage):
        make_plain(path, LIMITS, ALL)


def test_a_tiff_of_many_strips_is_a_picture(tmp_path: Path) -> None:
    """Some writers give each row its own."""
    rows = 60_000
    path = tmp_path / "rows.tiff"
    path.write_bytes(
        tiff(
            tag(273, LONG, rows, 1_000),
            tag(279, LONG, rows, 1_000 + 4 * rows),
            tag(278, LONG, 1, 1),
            picture=PICTURE | {256: 1, 257: rows},
            behind=struct.pack(f"<{rows}I", *range(1_000 + 8 * rows, 1_000 + 9 * rows))
            + struct.pack(f"<{rows}I", *[1] * rows)
            + bytes(rows),
        )
    )
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


def test_a_profile_in_many_pieces_ends_somewhere() -> None:
    piece = b"\xff\xe2\xff\xff" + b"ICC_PROFILE\0\x01\x01" + bytes(65_519)
    assert len(strip(in_a_jpeg(piece * 100)).profile) == PROFILE_BYTES_MAX
