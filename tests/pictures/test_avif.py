"""
What an AVIF takes is judged by the pictures coded in it, whatever its boxes say: two files of
3.5 KB, of 16 pixels each way by their boxes, took 1,040 MiB.
"""

import struct
from pathlib import Path

import pytest
from PIL import Image

from bot.errors import Flaw, UnusableImage
from bot.pictures.avif import BESIDE_BYTES, DECODER_BYTES, ITEMS_MAX, coded_bytes
from bot.pictures.photos import AVIF_BYTES, make_plain, memory_of_plain
from bot.pictures.pool import BUDGET_BYTES
from tests.pictures.test_photos import ALL, LIMITS
from tests.support.photos import HEIGHT_PX, WIDTH_PX, drawn, written

SIDE_PX = 64
PIXELS = SIDE_PX * SIDE_PX
#: bytes for each pixel of a frame of eight bits: with colours at half the sides, in full, and grey
HALVED, FULL, GREY = (samples + BESIDE_BYTES for samples in (1.5, 3, 1))
TIME, SEQUENCE, FRAME = 2, 1, 6


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def unit(kind: int, body: bytes = b"") -> bytes:
    """A part of a coded picture; its length has one byte."""
    return bytes((kind << 3 | 2, len(body))) + body


def bits(text: str) -> bytes:
    text = text.replace(" ", "")
    text += "1" + "0" * (-(len(text) + 1) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def sequence(colours: str = "0 0 0 0 00 0 0", side_px: int = SIDE_PX) -> bytes:
    """
    The head of a still picture.

    Args:
        colours: depth, grey, and so on, up to whether there is grain.
    """
    size = f"{15:04b}{15:04b}{side_px - 1:016b}{side_px - 1:016b}"
    return unit(SEQUENCE, bits(f"000 1 1 00000 {size} 000 000 {colours}"))


def full_sequence(times: str = "0 0", point: str = "", tools: str = "0000 0 1 1") -> bytes:
    """
    The head of a film, whose frames have numbers of four bits.

    Args:
        times: when frames are shown, up to whether there are delays.
        point: of a way to decode it, what follows its level.
        tools: up to those for screens.
    """
    size = f"{15:04b}{15:04b}{SIDE_PX - 1:016b}{SIDE_PX - 1:016b}"
    level = "11111 1" if point else "00000"
    head = f"000 0 0 {times} 00000 {0:012b} {level} {point} {size} 1 0001 000 000 {tools} 000"
    return unit(SEQUENCE, bits(f"{head} 0 0 0 0 00 0 0"))


STILL = sequence() + unit(FRAME, bytes(9))


def avif(*items: bytes, method: int = 0, lists: int = 1, wide: bool = False) -> bytes:
    """Boxes around coded pictures; each has its own place, in the file or in a box."""
    entries = b"".join(
        box(b"infe", b"\2\0\0\0", struct.pack(">HH", number, 0), b"av01\0")
        for number, _ in enumerate(items)
    )

    def whole(starts: list[int]) -> bytes:
        places = b"".join(
            struct.pack(">HHHHII", number, method, 0, 1, start, len(item))
            for number, (start, item) in enumerate(zip(starts, items, strict=True))
        )
        content = b"\1\0\0\0\x44\0" + struct.pack(">H", len(items)) + places
        iloc = box(b"iloc", content)
        if wide:
            iloc = b"\0\0\0\1iloc" + struct.pack(">Q", 16 + len(content)) + content
        inside = box(b"idat", *items) if method == 1 else b""
        infos = box(b"iinf", bytes(4), struct.pack(">H", len(items)), entries)
        return box(b"ftyp", b"avif\0\0\0\0avif") + box(
            b"meta", bytes(4), iloc, infos, inside * lists
        )

    starts, place = [], 0 if method else len(whole([0] * len(items))) + 8
    for item in items:
        starts.append(place)
        place += len(item)
    return whole(starts) + (b"" if method else box(b"mdat", *items))


def flaw_of(data: bytes, pixels: int = PIXELS) -> Flaw:
    with pytest.raises(UnusableImage) as refused:
        coded_bytes(data, pixels)
    return refused.value.flaw


def lying(side_px: int, said_px: int) -> bytes:
    data = written(Image.new("RGB", (side_px, side_px)), "AVIF", speed=10)
    true, said = (
        b"ispe" + bytes(4) + struct.pack(">II", side, side) for side in (side_px, said_px)
    )
    assert data.count(true) == 1
    return data.replace(true, said)


def test_a_picture_that_is_larger_than_it_says_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "lying.avif"
    path.write_bytes(lying(1_024, 16))
    assert memory_of_plain(path).pixels == 0
    with pytest.raises(UnusableImage) as refused:
        make_plain(path, LIMITS, ALL)
    assert refused.value.flaw is Flaw.DAMAGED


def test_a_picture_that_is_coded_larger_is_judged_so(tmp_path: Path) -> None:
    path = tmp_path / "scaled.avif"
    path.write_bytes(lying(1_024, 512))
    need = memory_of_plain(path)
    assert need.pixels == 512 * 512
    coded = need.size_bytes - need.file_bytes - need.pixels * AVIF_BYTES
    assert coded == pytest.approx(1_024 * 1_024 * HALVED)
    assert make_plain(path, LIMITS, ALL).width_px == 512


def test_transparency_counts() -> None:
    clear = drawn()
    clear.putalpha(99)
    needs = [
        coded_bytes(written(each, "AVIF", subsampling="4:4:4"), WIDTH_PX * HEIGHT_PX)
        for each in (drawn(), clear)
    ]
    meant = [WIDTH_PX * HEIGHT_PX * each for each in (FULL, FULL + GREY)]
    assert needs == pytest.approx(meant, abs=2)


@pytest.mark.parametrize(
    ("data", "bytes_a_pixel"),
    [
        (avif(STILL), HALVED),
        (avif(STILL, method=1), HALVED),
        (avif(STILL, wide=True), HALVED),
        (avif(STILL, STILL), 2 * HALVED),
        (avif(unit(TIME) + STILL), HALVED),
        (avif(sequence(side_px=1) + STILL), HALVED),
        (avif(STILL + sequence(side_px=1)), HALVED),
        (avif(STILL + unit(FRAME, bytes(9)) + unit(3) + unit(7)), 4 * HALVED),
        (avif(sequence("0 1 0 0 0") + unit(FRAME)), GREY),
        (avif(sequence("1 0 0 0 00 0 0") + unit(FRAME)), 3 + BESIDE_BYTES),
        (avif(sequence("0 0 0 0 00 0 1") + unit(FRAME)), 3 + BESIDE_BYTES),
        (avif(sequence(f"0 0 1 {1:08b}{13:08b}{0:08b} 0 0") + unit(FRAME)), FULL),
    ],
)
def test_all_coded_pictures_count(data: bytes, bytes_a_pixel: float) -> None:
    assert coded_bytes(data, PIXELS) == pytest.approx(PIXELS * bytes_a_pixel, abs=2)


TICKS = f"{1:032b} {1:032b}"
#: heads of films, and the flags of a frame of each, from the first to its number
FILMS = [
    (full_sequence(), "0 00 1 0 0"),
    (full_sequence(), "0 00 1 0 1 0"),
    (full_sequence(), "0 00 0 0 1 0 0"),
    (full_sequence(), "0 01 1 1 0 0"),
    (full_sequence(tools="0000 1 11 1 0 1 000"), "0 00 1 0 1"),
    (full_sequence(tools="0000 0 0 0"), "0 00 1 0"),
    (full_sequence(times=f"1 {TICKS} 1 0001 111 0 0"), "0 00 1 0 0"),
    (
        full_sequence(
            times=f"1 {TICKS} 0 1 00100 {1:032b} 00000 00010 1", point="1 00000 00000 0 1 0000"
        ),
        "0 00 1 101 0 0",
    ),
]


@pytest.mark.parametrize(("head", "flags"), FILMS)
def test_a_frame_with_a_size_of_its_own_is_damaged(head: bytes, flags: str) -> None:
    """Decoders do not compare it with the size that the head of all frames tells."""
    for own, number in ((0, "0000"), (0, "1111"), (1, "0000"), (1, "1111")):
        data = avif(head + unit(FRAME, bits(f"{flags} {number} {own}") + bytes(4)))
        if own:
            assert flaw_of(data) is Flaw.DAMAGED
        else:
            assert coded_bytes(data, PIXELS) == round(PIXELS * HALVED)
    switched = unit(FRAME, bits("0 11 1 111 0 0 0 0000 0") + bytes(4))
    assert flaw_of(avif(head + switched)) is Flaw.DAMAGED


def test_a_grid_whose_pictures_have_decoders_of_their_own_takes_more() -> None:
    """One of a hundred pictures took 65 MiB for 100 decoders."""
    for marks, decoders in ((b"grid", 0), (b"a1op", 0), (b"grid, a1op", 2), (b"auxl, grid", 2)):
        data = avif(STILL, STILL) + box(b"free", marks)
        meant = 2 * PIXELS * HALVED * (2 if decoders else 1) + decoders * DECODER_BYTES
        assert coded_bytes(data, PIXELS) == pytest.approx(meant, abs=4)


def test_a_first_frame_of_a_film_is_read_as_encoders_write_it() -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    film = written(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert flaw_of(film) is Flaw.ANIMATED
    assert coded_bytes(film.replace(b"moov", b"free"), 64 * 48) == round(64 * 48 * HALVED)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        avif(),
        avif(STILL)[:-1],
        avif(STILL)[:60],
        avif(unit(FRAME)),
        avif(sequence()),
        avif(STILL + b"\x30"),
        avif(STILL + b"\x32\x05"),
        avif(b"\x0a" + b"\xff" * 9),
        avif(unit(SEQUENCE, b"\0")),
        avif(STILL, method=1, lists=2),
        avif(STILL, method=2),
        avif(*[STILL] * (ITEMS_MAX + 1)),
        avif(STILL).replace(b"av01", b"hvc1"),
        avif(STILL).replace(b"iloc", b"none"),
        avif(sequence() + unit(FRAME) * 30_000),
    ],
)
def test_what_cannot_be_followed_is_damaged(data: bytes) -> None:
    assert flaw_of(data, pixels=1 << 40) is Flaw.DAMAGED


def test_the_largest_picture_that_people_have_fits() -> None:
    """Of twelve megapixels, of ten bits or with a gain map at half its sides."""
    pixels = 4_000 * 3_000
    for coded in (3 + BESIDE_BYTES, HALVED * 1.25):
        assert pixels * (coded + AVIF_BYTES) < BUDGET_BYTES
