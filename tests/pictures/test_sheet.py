"""Pictures on one sheet: each in its place with its number, and none that spoils the others."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from bot.pictures.decoder import Decoder
from bot.pictures.decoding import MEMORY_BYTES
from bot.pictures.sheet import GAP_PX, TILE_PX, draw_sheet
from tests.support.memory import forget_peak_of, peak_bytes_of
from tests.support.photos import BLUE, GREEN, RED, drawn, jpeg, turned, written
from tests.support.pictures import animation, noise

STEP_PX = TILE_PX + GAP_PX
LIGHT, DARK = (255, 255, 255), (49, 51, 56)
#: colours that are far from each other and from the grey of an empty tile
COLOURS = [(r, g, b) for r in (0, 120, 255) for g in (0, 255) for b in (0, 120, 255)][:16]


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        path.write_bytes(data)
        return path

    return write


Put = Callable[[bytes], Path]


async def sheet_of(pictures: list[Path | None], folder: Path, decoder: Decoder) -> Image.Image:
    path = folder / "sheet.webp"
    await draw_sheet(pictures, path, decoder)
    with Image.open(path) as sheet:
        assert sheet.format == "WEBP"
        return sheet.convert("RGBA")


def tile(sheet: Image.Image, number: int) -> Image.Image:
    left, top = (number - 1) % 4 * STEP_PX, (number - 1) // 4 * STEP_PX
    return sheet.crop((left, top, left + TILE_PX, top + TILE_PX))


def is_empty(tile: Image.Image) -> bool:
    """Nothing below the number but the see-through grey."""
    return tile.crop((0, TILE_PX // 3, TILE_PX, TILE_PX)).getextrema()[3][1] < 100


def assert_near(seen: tuple[int, ...], colour: tuple[int, ...]) -> None:
    assert all(abs(a - b) < 40 for a, b in zip(seen[:3], colour, strict=True)), (seen, colour)


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [(1, 1, 1), (2, 2, 1), (4, 4, 1), (5, 4, 2), (8, 4, 2), (9, 4, 3), (16, 4, 4)],
)
async def test_each_picture_stands_in_its_place(
    tmp_path: Path, decoder: Decoder, put: Put, count: int, columns: int, rows: int
) -> None:
    paths = [put(written(Image.new("RGB", (300, 300), each), "PNG")) for each in COLOURS[:count]]
    sheet = await sheet_of([*paths], tmp_path, decoder)
    assert sheet.size == (columns * STEP_PX - GAP_PX, rows * STEP_PX - GAP_PX)
    for number in range(1, count + 1):
        shown = tile(sheet, number)
        for place in ((150, 5), (80, 80), (5, 150), (155, 155)):
            seen = shown.getpixel(place)
            assert seen[3] == 255
            assert_near(seen, COLOURS[number - 1])
    if columns > 1:
        assert sheet.getpixel((TILE_PX + GAP_PX // 2, 80))[3] == 0
    if count % 4 and rows > 1:
        assert sheet.getpixel((sheet.width - 1, sheet.height - 1))[3] == 0


async def test_numbers_are_read_on_light_and_on_dark(
    tmp_path: Path, decoder: Decoder, put: Put
) -> None:
    white, black = (written(Image.new("RGB", (9, 9), each), "PNG") for each in ("white", "black"))
    given = [put(white), put(black), None] * 5
    sheet = await sheet_of(given, tmp_path, decoder)
    badges = []
    for number in range(1, 16):
        badge = tile(sheet, number).crop((6, 6, 34, 34))
        assert badge.getextrema()[3] == (255, 255) or number % 3 == 0
        dark, bright = badge.convert("L").crop((6, 4, 22, 24)).getextrema()
        assert dark < 60
        assert bright > 220
        badges.append(badge.convert("RGB").crop((6, 4, 22, 24)))
    for number in range(9):
        others = [badges[other] for other in range(9) if other != number]
        # None looks like another.
        assert all(
            ImageChops.difference(badges[number], other).convert("L").getextrema()[1] > 100
            for other in others
        )


@pytest.mark.parametrize("count", [0, 17])
async def test_a_sheet_has_one_to_sixteen(tmp_path: Path, decoder: Decoder, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} pictures"):
        await draw_sheet([None] * count, tmp_path / "sheet.webp", decoder)


def large_sides(width_px: int, height_px: int) -> bytes:
    """A PNG that says it has such sides, and has no pixels."""
    data = bytearray(noise())
    data[16:24] = width_px.to_bytes(4, "big") + height_px.to_bytes(4, "big")
    return bytes(data)


SPOILT = {
    "text": lambda: b"It is a lighthouse, they said.",
    "a web page": lambda: b"<html><body>Not found</body></html>",
    "nothing": lambda: b"",
    "a PNG that breaks off": lambda: noise()[:3_000],
    "a PNG's head": lambda: noise()[:33],
    "a JPEG's first bytes": lambda: jpeg()[:10],
    "a WebP's head": lambda: written(drawn(), "WEBP")[:30],
    "a WebP that breaks off": lambda: written(drawn(), "WEBP")[:-50],
    "more pixels than there is memory for": lambda: large_sides(60_000, 60_000),
    "rows without end": lambda: large_sides(1, 30_000_000),
    "no pixels": lambda: large_sides(0, 0),
    "a GIF": lambda: written(drawn(), "GIF"),
    "a PNG that moves": lambda: animation("PNG"),
    "a WebP that moves": lambda: animation("WEBP"),
}


@pytest.mark.parametrize("name", SPOILT)
async def test_a_spoilt_file_leaves_its_tile_empty_and_the_others_as_they_are(
    tmp_path: Path, decoder: Decoder, put: Put, name: str
) -> None:
    good = put(written(Image.new("RGB", (300, 300), BLUE), "PNG"))
    sheet = await sheet_of([good, put(SPOILT[name]()), good], tmp_path, decoder)
    assert is_empty(tile(sheet, 2))
    for number in (1, 3):
        assert_near(tile(sheet, number).getpixel((80, 80)), BLUE)


async def test_what_is_not_there_leaves_its_tile_empty(
    tmp_path: Path, decoder: Decoder, put: Put
) -> None:
    good = put(written(Image.new("RGB", (300, 300), BLUE), "PNG"))
    given = [None, tmp_path / "vanished.png", tmp_path, good]
    sheet = await sheet_of(given, tmp_path, decoder)
    assert [is_empty(tile(sheet, number)) for number in (1, 2, 3, 4)] == [True, True, True, False]


LARGE = (1200, 800)
AS_DRAWN = {
    "PNG": lambda: written(drawn(*LARGE), "PNG"),
    "a small PNG": lambda: written(drawn(24, 16), "PNG"),
    "JPEG": lambda: jpeg(drawn(*LARGE)),
    "progressive JPEG": lambda: jpeg(drawn(*LARGE), progressive=True),
    "WebP": lambda: written(drawn(*LARGE), "WEBP"),
    "palette": lambda: written(drawn(*LARGE).quantize(8), "PNG"),
    "RGBA": lambda: written(drawn(*LARGE).convert("RGBA"), "PNG"),
    "CMYK JPEG": lambda: jpeg(drawn(*LARGE).convert("CMYK")),
    **{
        f"JPEG held {held}": lambda held=held: jpeg(turned(held)[0], exif=turned(held)[1])
        for held in range(2, 9)
    },
    "PNG held 6": lambda: written(turned(6)[0], "PNG", exif=turned(6)[1]),
}


@pytest.mark.parametrize("name", AS_DRAWN)
async def test_each_kind_is_seen_whole_and_upright(
    tmp_path: Path, decoder: Decoder, put: Put, name: str
) -> None:
    sheet = await sheet_of([None, put(AS_DRAWN[name]())], tmp_path, decoder)
    shown = tile(sheet, 2)
    # Three by two in a square: 160 x 107, below 26 pixels that are left free.
    assert_near(shown.getpixel((37, 49)), GREEN)
    assert_near(shown.getpixel((120, 36)), RED)
    assert_near(shown.getpixel((8, 72)), RED)
    assert_near(shown.getpixel((8, 124)), BLUE)
    assert_near(shown.getpixel((152, 124)), BLUE)
    assert shown.getpixel((80, 150))[3] < 100
    assert shown.getpixel((150, 10))[3] < 100


async def test_a_line_is_seen_as_a_line(tmp_path: Path, decoder: Decoder, put: Put) -> None:
    lying = put(written(Image.new("RGB", (16_000, 1), RED), "PNG"))
    standing = put(written(Image.new("RGB", (1, 16_000), RED), "PNG"))
    wide = put(written(Image.new("RGB", (65_000, 600), RED), "JPEG"))
    sheet = await sheet_of([lying, standing, wide], tmp_path, decoder)
    for number, place in ((1, (100, 79)), (2, (79, 100)), (3, (100, 79))):
        shown = tile(sheet, number)
        assert shown.getpixel(place)[3] == 255
        assert shown.getpixel(place)[0] > shown.getpixel(place)[2] + 60
        assert shown.getpixel((100, 100) if number != 2 else (100, 79))[3] < 100


async def test_what_is_transparent_lies_on_a_checkerboard(
    tmp_path: Path, decoder: Decoder, put: Put
) -> None:
    clear = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    clear.paste(RED, (0, 0, 200, 400))
    keyed = Image.new("P", (400, 400), 1)
    keyed.putpalette([*BLUE, *RED])
    keyed.paste(0, (200, 0, 400, 400))
    given = [
        put(written(clear, "PNG")),
        put(written(clear, "WEBP", lossless=True)),
        put(written(keyed, "PNG", transparency=0)),
    ]
    sheet = await sheet_of([*given], tmp_path, decoder)
    for number in (1, 2, 3):
        shown = tile(sheet, number)
        assert_near(shown.getpixel((40, 120)), RED)
        free = shown.crop((96, 0, 160, 160))
        assert free.getextrema()[3] == (255, 255)
        dark, light = free.convert("L").getextrema()
        assert 180 < dark < 225
        assert light > 245


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what the process took at most")
@pytest.mark.parametrize(
    ("image_format", "mode", "side_px"),
    [("PNG", "RGBA", 6_324), ("PNG", "P", 6_324), ("JPEG", "RGB", 6_324), ("WEBP", "RGBA", 3_060)],
)
async def test_forty_megapixels_keep_within_the_budget(
    tmp_path: Path, decoder: Decoder, put: Put, image_format: str, mode: str, side_px: int
) -> None:
    colour = {"RGBA": (*RED, 99), "RGB": RED, "P": 0}[mode]
    options = {"lossless": True, "method": 0} if image_format == "WEBP" else {}
    path = put(written(Image.new(mode, (side_px, side_px), colour), image_format, **options))
    before = await forget_peak_of(decoder)
    sheet = await sheet_of([path, path], tmp_path, decoder)
    assert await peak_bytes_of(decoder) - before < MEMORY_BYTES
    assert not is_empty(tile(sheet, 1))
    assert not is_empty(tile(sheet, 2))
