"""Draws several pictures small and numbered on one sheet, to choose from at a glance."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import Flaw, UnusableImage
from bot.pictures.check import HEAD_BYTES, opened, read_format
from bot.pictures.decoder import Decoder
from bot.pictures.folder import FETCHED
from bot.pictures.kinds import KINDS
from bot.pictures.photos import UNLIMITED, orientation_of, upright
from bot.pictures.reduce import STRIP_PIXELS, reduced

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

TILES_MAX = 16
COLUMNS_MAX = 4
TILE_PX = 160
GAP_PX = 6
#: pixels at most of each side of a picture, because each row takes memory beside its pixels
SIDE_PX_MAX = 65_535
#: a picture is first reduced by whole numbers, to at least this many times its sides in the tile
REDUCED_TO = 2
SHEET_QUALITY = 85
#: the part of a tile that its picture leaves free: a grey that shows on light and dark pages
FREE = (128, 128, 128, 72)
CHECKS_PX = 8
CHECKS = ((255, 255, 255), (204, 204, 204))
#: the number, in a corner of its tile
BADGE_PX = 28
BADGE_MARGIN_PX = 6
BADGE_RADIUS_PX = 8
BADGE_PADDING_PX = 8
NUMBER_PX = 20
BADGE = (24, 25, 28, 255)
NUMBER = (255, 255, 255, 255)


async def draw_sheet(
    pictures: Sequence[Path | None], path: Path, decoder: Decoder, *, tile_px: int = TILE_PX
) -> None:
    """
    Write a WebP of numbered tiles, in the order given, up to four in a row.

    Each picture is shown whole and upright, with its transparent parts on a checkerboard. A tile
    stays empty if its picture is None, is gone, moves, or is no PNG, JPEG or WebP that can be
    decoded.

    Args:
        pictures: 1 to `TILES_MAX`.
        path: where the sheet is written.
        tile_px: side of a tile, up to `TILE_PX`.
    Raises:
        ValueError: no pictures, or too many.
        OSError: the sheet cannot be written.
        UnusableImage: a picture crashed the decoder.
    """
    if not 1 <= len(pictures) <= TILES_MAX:
        raise ValueError(f"{len(pictures)} pictures on a sheet of 1 to {TILES_MAX}")
    await decoder.run(_draw, list(pictures), path, tile_px / TILE_PX)


def _draw(pictures: list[Path | None], path: Path, scale: float) -> None:
    _write([_tile(picture) for picture in pictures], path, scale)


def _tile(path: Path | None) -> "Picture | None":
    # Whatever a decoder raises at a hostile file, the other pictures are still shown.
    with contextlib.suppress(Exception):
        return None if path is None else _scaled(path)
    return None


def _scaled(path: Path) -> "Picture":
    """
    The picture as large as its tile allows, in RGB.

    Raises:
        UnusableImage: it is no PNG, JPEG or WebP, it moves, or a side is too long.
    """
    from PIL import Image

    with path.open("rb") as file:
        image_format = read_format(file.read(HEAD_BYTES))
        picture = opened(file, KINDS[image_format], UNLIMITED)
        if getattr(picture, "is_animated", False):
            raise UnusableImage(Flaw.ANIMATED)
        if max(picture.size) > SIDE_PX_MAX:
            raise UnusableImage(Flaw.TOO_MANY_PIXELS, pixels_max=SIDE_PX_MAX)
        scale = TILE_PX / max(picture.size)
        width_px, height_px = (max(1, round(side * scale)) for side in picture.size)
        picture.draft(None, (REDUCED_TO * width_px, REDUCED_TO * height_px))
        picture.load()
        across = max(1, picture.width // (REDUCED_TO * width_px))
        down = picture.height // (REDUCED_TO * height_px)
        # A strip has to hold at least the rows that become one.
        down = max(1, min(down, STRIP_PIXELS // picture.width))
        smaller = reduced(picture, (across, down))
        orientation = orientation_of(picture)
    tile = upright(
        smaller.resize((width_px, height_px), Image.Resampling.LANCZOS),
        orientation,
    )
    return _on_checks(tile) if tile.mode == "RGBA" else tile


def _on_checks(picture: "Picture") -> "Picture":
    from PIL import Image, ImageDraw

    checks = Image.new("RGB", picture.size, CHECKS[0])
    draw = ImageDraw.Draw(checks)
    for top in range(0, picture.height, CHECKS_PX):
        for left in range((top // CHECKS_PX % 2) * CHECKS_PX, picture.width, 2 * CHECKS_PX):
            draw.rectangle((left, top, left + CHECKS_PX - 1, top + CHECKS_PX - 1), CHECKS[1])
    checks.paste(picture, mask=picture.getchannel("A"))
    return checks


def _sheet_size(tiles: int) -> tuple[int, int]:
    columns = min(tiles, COLUMNS_MAX)
    rows = -(-tiles // COLUMNS_MAX)
    step = TILE_PX + GAP_PX
    return columns * step - GAP_PX, rows * step - GAP_PX


def _write(tiles: Sequence["Picture | None"], path: Path, scale: float) -> None:
    from PIL import Image, ImageDraw, ImageFont

    sheet = Image.new("RGBA", _sheet_size(len(tiles)), (0, 0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(NUMBER_PX)
    for index, tile in enumerate(tiles):
        left = index % COLUMNS_MAX * (TILE_PX + GAP_PX)
        top = index // COLUMNS_MAX * (TILE_PX + GAP_PX)
        draw.rectangle((left, top, left + TILE_PX - 1, top + TILE_PX - 1), FREE)
        if tile is not None:
            spare = (TILE_PX - tile.width) // 2, (TILE_PX - tile.height) // 2
            sheet.paste(tile, (left + spare[0], top + spare[1]))
        number = str(index + 1)
        left, top = left + BADGE_MARGIN_PX, top + BADGE_MARGIN_PX
        width_px = max(BADGE_PX, round(font.getlength(number)) + 2 * BADGE_PADDING_PX)
        corners = (left, top, left + width_px - 1, top + BADGE_PX - 1)
        draw.rounded_rectangle(corners, BADGE_RADIUS_PX, BADGE)
        middle = (left + width_px / 2, top + BADGE_PX / 2)
        draw.text(middle, number, NUMBER, font, anchor="mm")
    if scale < 1:
        sides = [round(side * scale) for side in sheet.size]
        sheet = sheet.resize((sides[0], sides[1]), Image.Resampling.LANCZOS)
    # Who finds the file may take it for whole.
    unfinished = path.with_name(path.name + FETCHED)
    sheet.save(unfinished, "WEBP", quality=SHEET_QUALITY)
    unfinished.replace(path)
