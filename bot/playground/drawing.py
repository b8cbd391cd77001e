"""Draws the playground's sample pictures with Pillow; knows nothing of HTTP, vendors or tasks."""

import hashlib
import io
import math
import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from PIL import Image, ImageDraw, ImageFont, ImageOps

from bot.playground.scenery import Palette, fill_air, landscape, palette_for

#: Pixels of each ratio at 1K: about one megapixel, both sides multiples of 16, the ratio exact.
SIZES_1K_PX = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1152),
    "4:3": (1152, 864),
    "4:5": (896, 1120),
    "5:4": (1120, 896),
    "9:16": (720, 1280),
    "16:9": (1280, 720),
    "21:9": (1344, 576),
}
#: The factor from a side at 1K to the side at each resolution: 16:9 is 3840x2160 at 4K.
SCALE = {"1K": 1, "2K": 2, "4K": 3}
#: A wider or taller reference is cropped to this ratio if `auto` is asked for.
AUTO_RATIO_MAX = 3.0
#: A reference with more pixels is not decoded, to save memory; it gets an empty card.
REFERENCE_PIXELS_MAX = 50_000_000
CAPTION_CHARS_MAX = 600
CAPTION_LINES_MAX = 3
CARDS_PER_ROW_MAX = 8


class Picture(Struct, frozen=True):
    """Everything a drawing depends on: equal Pictures give the same bytes."""

    prompt: str
    width_px: int
    height_px: int
    #: In the order of the request; None stands for a reference that is not on disk.
    references: tuple[Path | None, ...] = ()
    #: Tells repeats of the same request apart.
    variation: int = 0
    #: The first reference stays as it is wherever the mask is opaque.
    mask: Path | None = None


def size_px(
    aspect_ratio: str, resolution: str, first_reference: Path | None = None
) -> tuple[int, int]:
    """
    Width and height of a result.

    `auto` means the first reference's ratio, or a square if there is no reference. Every other
    ratio must be a key of SIZES_1K_PX, and the resolution a key of SCALE.
    """
    scale = SCALE[resolution]
    if aspect_ratio != "auto":
        width_px, height_px = SIZES_1K_PX[aspect_ratio]
        return width_px * scale, height_px * scale
    reference = _opened(first_reference)
    ratio = reference.width / reference.height if reference else 1.0
    ratio = min(max(ratio, 1 / AUTO_RATIO_MAX), AUTO_RATIO_MAX)
    width_px = round(1024 * math.sqrt(ratio) / 16) * 16
    height_px = round(1024 / math.sqrt(ratio) / 16) * 16
    return width_px * scale, height_px * scale


def draw(picture: Picture) -> bytes:
    """
    Draw a PNG: the first reference, changed, or a landscape if there is none.

    This takes about 0.1 s of processor time at 1K; call it off the event loop.
    """
    asked = f"{picture.prompt}|{picture.width_px}x{picture.height_px}|{picture.variation}"
    rng = random.Random(hashlib.sha256(asked.encode()).digest())  # noqa: S311 - not a secret
    size = (picture.width_px, picture.height_px)
    palette = palette_for(picture.prompt, rng)
    references = [_opened(path) for path in picture.references]
    base = references[0] if references else None
    if base is None:
        image = landscape(picture.prompt, size, palette, rng)
    else:
        image = _changed(base, picture.prompt, size, palette, rng)
        if mask := _opened(picture.mask, "RGBA"):
            kept = ImageOps.fit(base.convert("RGB"), size, Image.Resampling.BILINEAR)
            image.paste(kept, mask=ImageOps.fit(mask.getchannel("A"), size))
    strip_px = _write_caption(image, picture.prompt, palette, edited=bool(references))
    _paste_cards(image, references, strip_px, rng)
    png = io.BytesIO()
    image.save(png, "PNG", compress_level=1)
    return png.getvalue()


def _changed(
    base: Image.Image, prompt: str, size: tuple[int, int], palette: Palette, rng: random.Random
) -> Image.Image:
    """The first reference, tinted with the palette, with something new in the air."""
    source = ImageOps.fit(base.convert("RGB"), size, Image.Resampling.BILINEAR)
    graded = ImageOps.colorize(
        ImageOps.autocontrast(source.convert("L"), cutoff=1),
        black=palette.near,
        mid=palette.sky[1],
        white=palette.light,
    )
    image = Image.blend(source, graded, 0.72)
    fill_air(image, prompt, palette, rng)
    return image


def _write_caption(image: Image.Image, prompt: str, palette: Palette, *, edited: bool) -> int:
    """Write the label and the prompt on a strip at the foot; returns the strip's height."""
    unit = min(image.size) / 1000
    margin = round(unit * 30)
    font = ImageFont.load_default(size=max(round(unit * 33), 12))
    small = ImageFont.load_default(size=max(round(unit * 24), 11))
    lines = _wrapped(prompt, font, image.width - 2 * margin)
    line_px = round(unit * 42)
    height_px = round(unit * 76) + line_px * len(lines) + margin // 2
    top = image.height - height_px
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, top, image.width, image.height), fill=(14, 16, 28))
    pen.rectangle((0, top, image.width, top + max(round(unit * 4), 1)), fill=palette.light)
    label = "Easel sample, edited" if edited else "Easel sample"
    pill = (margin, top + unit * 22, margin + small.getlength(label) + unit * 32, top + unit * 64)
    pen.rounded_rectangle(pill, radius=unit * 21, fill=palette.light)
    pen.text((margin + unit * 16, top + unit * 43), label, (20, 20, 34), small, anchor="lm")
    for row, line in enumerate(lines):
        y = top + unit * 76 + line_px * (row + 0.5)
        pen.text((margin, y), line, (246, 246, 250), font, anchor="lm")
    return height_px


def _wrapped(
    prompt: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int
) -> list[str]:
    """The prompt in at most CAPTION_LINES_MAX lines; a word longer than a line is broken."""
    lines: list[str] = []
    rest = _in_ascii(prompt[:CAPTION_CHARS_MAX]) or "(in letters that the sample's font lacks)"
    while rest and len(lines) < CAPTION_LINES_MAX:
        fitting = len(rest)
        while fitting > 1 and font.getlength(rest[:fitting]) > width_px:
            fitting -= max(fitting // 20, 1)
        space = rest.rfind(" ", 0, fitting + 1)
        if fitting < len(rest) and space > 0:
            fitting = space
        lines.append(rest[:fitting])
        rest = rest[fitting:].lstrip()
    if rest:
        lines[-1] = lines[-1][:-1].rstrip() + "…"
    return lines


def _in_ascii(text: str) -> str:
    """The text without accents and other non-ASCII letters, which Pillow's own font lacks."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join("".join(char if char.isprintable() else " " for char in plain).split())


def _paste_cards(
    image: Image.Image,
    references: Sequence[Image.Image | None],
    strip_px: int,
    rng: random.Random,
) -> None:
    """Lay the references above the strip as numbered instant photographs."""
    if not references:
        return
    per_row = min(len(references), CARDS_PER_ROW_MAX)
    rows = math.ceil(len(references) / CARDS_PER_ROW_MAX)
    side = min(image.width * 0.94 / max(per_row, 5), image.height * 0.2)
    for index, reference in enumerate(references):
        row, column = divmod(index, CARDS_PER_ROW_MAX)
        card = _card(reference, index + 1, round(side * 0.9))
        card = card.rotate(rng.uniform(-6, 6), Image.Resampling.BICUBIC, expand=True)
        x = image.width * 0.03 + side * column
        y = image.height - strip_px - side * 1.16 * (rows - row)
        image.paste(card, (round(x), round(y)), card)


def _card(reference: Image.Image | None, number: int, width_px: int) -> Image.Image:
    card = Image.new("RGBA", (width_px, round(width_px * 1.16)), (250, 249, 244, 255))
    border = max(width_px // 16, 2)
    photo_px = width_px - 2 * border
    if reference is None:
        photo = Image.new("RGB", (photo_px, photo_px), (196, 198, 206))
    else:
        photo = ImageOps.fit(reference.convert("RGB"), (photo_px, photo_px))
    card.paste(photo, (border, border))
    font = ImageFont.load_default(size=max(width_px // 6, 10))
    middle = (width_px / 2, border + photo_px + (card.height - border - photo_px) / 2)
    ImageDraw.Draw(card).text(middle, str(number), (52, 52, 66), font, anchor="mm")
    return card


def _opened(path: Path | None, mode: str = "RGB") -> Image.Image | None:
    """The decoded reference or mask; None if the file holds no picture, or too large a one."""
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            if image.width * image.height > REFERENCE_PIXELS_MAX:
                return None
            image.draft("RGB", (1024, 1024))
            image.load()
            return image.convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
