"""
What work on a picture takes is judged by its head, and no file talks that down: whatever stands
around the head, a decoder finds it, if need be once the metadata is taken out.
"""

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from bot.errors import Flaw, UnusableImage
from bot.pictures.check import BASELINE_BYTES, memory_of_check
from bot.pictures.containers import (
    PARTS_MAX,
    PROFILE_BYTES_MAX,
    SCANS_MAX,
    Head,
    read_head,
    strip,
)
from bot.pictures.photos import (
    DEEP_HEIC_BYTES,
    KEPT_BYTES,
    MOVING_BYTES,
    WORKED_BYTES,
    make_plain,
    memory_of_plain,
)
from bot.pictures.pool import BUDGET_BYTES
from tests.pictures.test_check import GOOD
from tests.pictures.test_photos import ALL, LIMITS

PIXELS = 97 * 61
#: for each pixel of a JPEG in scans: two for each band, and what else it takes
SCAN_BYTES, SCAN_BYTES_WITH_BLACK = 6.5, 8.5
SOS = b"\xff\xda"


def chunk(kind: bytes, body: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data: bytes, place: int, added: bytes) -> bytes:
    return data[:place] + added + data[place:]


#: a name -> a picture, and the same with what makes Pillow, or a glance, find another size or none
HOSTILE = {
    "PNG with more text than Pillow reads": (
        GOOD["png"],
        with_chunk(GOOD["png"], 33, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 << 20)))),
    ),
    "PNG whose head comes late": (
        GOOD["png"],
        with_chunk(GOOD["png"], 8, chunk(b"juNk", bytes(8))),
    ),
    "JPEG with a damaged profile": (
        GOOD["jpg"],
        with_chunk(GOOD["jpg"], 2, b"\xff\xe2\x00\x0eICC_PROFILE\0"),
    ),
    "JPEG with gaps": (GOOD["jpg"], with_chunk(GOOD["jpg"], 2, b"\xff\xff\x00junk")),
    "WebP whose head comes late": (
        GOOD["webp"],
        with_chunk(GOOD["webp"], 12, b"JUNK" + struct.pack("<I", 10) + bytes(10)),
    ),
    "lossless WebP whose head comes late": (
        GOOD["webp, lossless"],
        with_chunk(GOOD["webp, lossless"], 12, b"JUNK" + struct.pack("<I", 10) + bytes(10)),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_judged_as_what_is_decoded_of_it(tmp_path: Path, name: str) -> None:
    good, hostile = HOSTILE[name]
    judged = []
    for data in (good, hostile):
        path = tmp_path / "picture"
        path.write_bytes(data)
        judged.append([memory_of_check(path), memory_of_plain(path)])
        assert [need.pixels for need in judged[-1]] == [PIXELS, PIXELS]
        assert {need.bytes_a_pixel for need in judged[-1]} == {
            need.bytes_a_pixel for need in judged[0]
        }
    assert read_head(strip(hostile).to_decode) == read_head(good)
    plain = make_plain(path, LIMITS, ALL)
    assert (plain.width_px, plain.height_px) == (97, 61)


def test_a_jpeg_in_several_scans_is_held_as_a_whole(tmp_path: Path) -> None:
    """Also where it is no progressive one: 70 MiB for 24 megapixels, measured."""
    before, _, after = GOOD["jpg"].partition(SOS)
    length, components = struct.unpack(">HB", after[:3])
    assert components == 3
    one_of_them = struct.pack(">HB", length - 4, 1) + after[3:5] + after[9:]
    path = tmp_path / "picture"
    path.write_bytes(before + SOS + one_of_them)
    assert memory_of_check(path).bytes_a_pixel == SCAN_BYTES
    path.write_bytes(GOOD["jpg"])
    assert memory_of_check(path).bytes_a_pixel == BASELINE_BYTES


def test_of_several_heads_the_largest_counts() -> None:
    small = GOOD["png"][8:33]
    large = chunk(b"IHDR", struct.pack(">II", 9_000, 7_000) + bytes(5))
    for heads in (small + large, large + small):
        assert read_head(GOOD["png"][:8] + heads) == Head(9_000, 7_000)


@pytest.mark.parametrize("kind", GOOD)
def test_a_file_that_is_cut_off_has_its_head_or_none(kind: str) -> None:
    whole = read_head(GOOD[kind])
    assert (whole.width_px, whole.height_px) == (97, 61)
    for place in range(len(GOOD[kind])):
        try:
            assert read_head(GOOD[kind][:place]) in (whole, Head(97, 61))
        except ValueError:
            continue


def in_a_jpeg(added: bytes) -> bytes:
    return with_chunk(GOOD["jpg"], 2, added)


#: what takes a decoder, or the taking apart, many times longer than its bytes
ENDLESS = {
    "bare markers": in_a_jpeg(b"\xff\xd0" * (PARTS_MAX + 1)),
    "empty segments": in_a_jpeg(b"\xff\xe0\x00\x02" * (PARTS_MAX + 1)),
    "empty chunks": with_chunk(GOOD["png"], 33, chunk(b"juNk", b"") * (PARTS_MAX + 1)),
    "empty scans": GOOD["jpg, progressive"][:-2]
    + b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" * (SCANS_MAX + 1)
    + b"\xff\xd9",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_file_of_endless_parts_is_damaged(tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(ENDLESS[name])
    memory_of_plain(path)
    with pytest.raises(UnusableImage) as refused:
        make_plain(path, LIMITS, ALL)
    assert refused.value.flaw is Flaw.DAMAGED


def test_what_means_nothing_is_no_part(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    nothing = b"\xff" * (2 * PARTS_MAX)
    for data in (in_a_jpeg(nothing), GOOD["webp"] + bytes(16 * PARTS_MAX)):
        path.write_bytes(data)
        assert make_plain(path, LIMITS, ALL).width_px == 97


def test_a_large_gif_of_one_frame_fits(tmp_path: Path) -> None:
    path = tmp_path / "still.gif"
    Image.new("P", (4_000, 3_000)).save(path)
    assert memory_of_plain(path).size_bytes < BUDGET_BYTES


def test_a_profile_in_many_pieces_ends_somewhere() -> None:
    piece = b"\xff\xe2\xff\xff" + b"ICC_PROFILE\0\x01\x01" + bytes(65_519)
    bare = strip(in_a_jpeg(piece * 100))
    assert len(bare.profile) == PROFILE_BYTES_MAX


def test_what_has_frames_is_judged_by_what_comparing_them_takes(tmp_path: Path) -> None:
    for kind in ("GIF", "PNG"):
        path = tmp_path / kind
        frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
        frames[0].save(path, kind, save_all=True, append_images=frames[1:])
        assert memory_of_plain(path).bytes_a_pixel == MOVING_BYTES


def test_a_tiff_is_judged_by_its_tiles(tmp_path: Path) -> None:
    """They may be larger than the picture."""
    numbers = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 277: 1, 322: 20_000, 323: 30_000}
    numbers |= {324: 8 + 2 + 12 * (len(numbers) + 2) + 4, 325: 256}
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in numbers.items())
    path = tmp_path / "tiles"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(numbers)) + tags + bytes(4) + bytes(256))
    assert memory_of_plain(path).pixels == 20_000 * 30_000
    with pytest.raises(UnusableImage) as refused:
        make_plain(path, LIMITS, ALL)
    assert refused.value.flaw is Flaw.TOO_MANY_PIXELS_BUT_AS_JPEG


def test_a_jpeg_in_scans_with_black_takes_more(tmp_path: Path) -> None:
    """One of thirty megapixels took 233 MiB."""
    path = tmp_path / "print.jpg"
    needs = []
    for mode in ("L", "RGB", "CMYK"):
        Image.new(mode, (64, 64)).save(path, "JPEG", progressive=True)
        needs.append(memory_of_check(path).bytes_a_pixel)
        assert memory_of_plain(path).bytes_a_pixel == needs[-1] + WORKED_BYTES
    assert needs == [SCAN_BYTES, SCAN_BYTES, SCAN_BYTES_WITH_BLACK]


@pytest.mark.parametrize(
    ("mode", "bytes_a_pixel"), [("RGBA", DEEP_HEIC_BYTES), ("RGB", KEPT_BYTES)]
)
def test_a_deep_heic_with_transparency_takes_more(
    tmp_path: Path, mode: str, bytes_a_pixel: float
) -> None:
    """One of twelve megapixels took 232 MiB."""
    from pillow_heif import from_bytes

    path, size = tmp_path / "picture.heic", (64, 48)
    samples = bytes(2 * len(mode) * size[0] * size[1])
    from_bytes(mode=f"{mode};16", size=size, data=samples).save(path, quality=90)
    need = memory_of_plain(path)
    assert (need.pixels, need.bytes_a_pixel) == (64 * 48, bytes_a_pixel)
