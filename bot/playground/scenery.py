"""Draws the landscapes in sample pictures; knows only words, colours and chance."""

import math
import random
from collections.abc import Sequence

from msgspec import Struct
from PIL import Image, ImageChops, ImageDraw, ImageFilter

#: Scenes are drawn twice as large as their picture, at 1K at most, and then scaled down, which
#: smooths their edges.
OVERSAMPLING = 2

Colour = tuple[int, int, int]
Point = tuple[float, float]


class Palette(Struct, frozen=True):
    #: words of a prompt that choose this palette
    words: str
    #: zenith, middle, horizon
    sky: tuple[Colour, Colour, Colour]
    light: Colour
    far: Colour
    near: Colour
    dark: bool = False


_PALETTES = (
    Palette(
        "night midnight moon star stars dark dream space lantern lanterns",
        ((9, 13, 42), (38, 44, 104), (132, 98, 152)),
        (255, 240, 208),
        (74, 70, 128),
        (9, 11, 32),
        dark=True,
    ),
    Palette(
        "sunset dusk evening fire autumn fall red orange warm",
        ((46, 32, 98), (206, 86, 114), (255, 188, 120)),
        (255, 228, 170),
        (160, 82, 122),
        (32, 16, 46),
    ),
    Palette(
        "dawn morning spring rose pink blossom flower flowers cat",
        ((104, 140, 200), (240, 186, 190), (255, 232, 200)),
        (255, 250, 232),
        (160, 152, 196),
        (46, 50, 92),
    ),
    Palette(
        "day summer noon blue sky sea ocean beach harbour",
        ((38, 116, 204), (128, 194, 238), (238, 246, 246)),
        (255, 250, 220),
        (122, 170, 200),
        (14, 62, 78),
    ),
    Palette(
        "forest wood jungle green tree trees garden fox",
        ((22, 76, 88), (112, 170, 146), (238, 236, 190)),
        (255, 246, 206),
        (104, 152, 136),
        (8, 38, 40),
    ),
    Palette(
        "desert sand canyon gold yellow dune",
        ((64, 92, 140), (236, 162, 104), (255, 220, 158)),
        (255, 244, 212),
        (214, 130, 96),
        (78, 34, 40),
    ),
    Palette(
        "aurora winter ice snow cold teal",
        ((5, 18, 44), (14, 82, 104), (122, 214, 178)),
        (236, 255, 244),
        (52, 112, 134),
        (4, 18, 36),
        dark=True,
    ),
)
#: What stands in front, and what floats in the air, each with the words that choose it.
_GROUNDS = {
    "water": "water canal lake river sea ocean boat harbour beach island pond rain",
    "city": "city town street tower castle house skyline village robot station market",
    "trees": "forest tree trees wood pine mountain mountains hill garden jungle fox deer",
}
_FLOATING = {
    "lanterns": "lantern lanterns festival candle light lights lamp fireflies",
    "balloons": "balloon balloons air travel adventure party flight",
    "birds": "bird birds crane gull crow sky wind freedom",
    "snow": "snow winter ice cold snowy christmas",
}
_ONLY_WHEN_ASKED = {"snow"}


def palette_for(prompt: str, rng: random.Random) -> Palette:
    """The palette that shares most words with the prompt; chance decides between equals."""
    words = _words(prompt)
    by_chance = list(_PALETTES)
    rng.shuffle(by_chance)
    return max(by_chance, key=lambda palette: len(words & set(palette.words.split())))


def landscape(
    prompt: str, size: tuple[int, int], palette: Palette, rng: random.Random
) -> Image.Image:
    """Draw sky, light, hills, something in front and something in the air, from back to front."""
    shrink = max(math.sqrt(size[0] * size[1]) / 1024, 1) / OVERSAMPLING
    canvas = _sky((round(size[0] / shrink), round(size[1] / shrink)), palette)
    if palette.dark:
        _scatter_stars(canvas, rng)
    _hang_light(canvas, palette, rng)
    ground = _chosen(prompt, _GROUNDS, rng)
    _stack_hills(canvas, palette, rng, layers=3 if ground == "city" else 4)
    if ground == "water":
        _flood(canvas, palette, rng)
    elif ground == "city":
        _build_city(canvas, palette, rng)
    else:
        _plant_trees(canvas, palette, rng)
    fill_air(canvas, prompt, palette, rng)
    return canvas.resize(size, Image.Resampling.BICUBIC, reducing_gap=1.0)


def fill_air(canvas: Image.Image, prompt: str, palette: Palette, rng: random.Random) -> None:
    """Draw something that floats in front of the picture so far."""
    kind = _chosen(prompt, _FLOATING, rng)
    unit = min(canvas.size) / 1000
    if kind == "lanterns":
        for nearness, at in enumerate(_airy_points(canvas, 9, rng)):
            _hang_lantern(canvas, at, unit * (16 + 5 * nearness), rng)
    elif kind == "balloons":
        for nearness, at in enumerate(_airy_points(canvas, 4, rng)):
            _float_balloon(canvas, at, unit * (24 + 16 * nearness), palette, rng)
    elif kind == "birds":
        pen = ImageDraw.Draw(canvas)
        for x, y in _airy_points(canvas, 11, rng):
            wing = unit * rng.uniform(9, 24)
            for left in (x - 2 * wing, x):
                box = (left, y - wing * 0.6, left + 2 * wing, y + wing)
                pen.arc(box, 200, 340, fill=palette.near, width=max(round(unit * 4), 2))
    else:
        pen = ImageDraw.Draw(canvas)
        for _ in range(260):
            x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height)
            pen.ellipse(_round(x, y, unit * rng.uniform(1.2, 4.6)), fill=(244, 248, 255))


def _chosen(prompt: str, kinds: dict[str, str], rng: random.Random) -> str:
    words = _words(prompt)
    by_chance = [kind for kind in kinds if kind not in _ONLY_WHEN_ASKED]
    rng.shuffle(by_chance)
    by_chance += _ONLY_WHEN_ASKED & kinds.keys()
    return max(by_chance, key=lambda kind: len(words & set(kinds[kind].split())))


def _words(prompt: str) -> set[str]:
    kept = "".join(char if char.isalnum() else " " for char in prompt.lower())
    return set(kept.split())


def _sky(size: tuple[int, int], palette: Palette) -> Image.Image:
    column = Image.new("RGB", (1, size[1]))
    horizon = size[1] * 0.72
    for y in range(size[1]):
        share = min(y / horizon, 1.0)
        if share < 0.55:
            colour = _mixed(palette.sky[0], palette.sky[1], share / 0.55)
        else:
            colour = _mixed(palette.sky[1], palette.sky[2], (share - 0.55) / 0.45)
        column.putpixel((0, y), colour)
    return column.resize(size, Image.Resampling.NEAREST)


def _scatter_stars(canvas: Image.Image, rng: random.Random) -> None:
    pen = ImageDraw.Draw(canvas)
    unit = min(canvas.size) / 1000
    for _ in range(160):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height * 0.55)
        radius = rng.choice((0.8, 1.1, 1.6, 2.4)) * unit
        pen.ellipse(_round(x, y, radius), fill=rng.choice(((255, 255, 255), (200, 214, 255))))


def _hang_light(canvas: Image.Image, palette: Palette, rng: random.Random) -> None:
    """Draw the sun or the moon with its glow."""
    x = canvas.width * rng.choice((0.24, 0.32, 0.68, 0.76))
    y = canvas.height * rng.uniform(0.2, 0.4)
    radius = min(canvas.size) * rng.uniform(0.06, 0.09)
    _glow(canvas, (x, y), radius * 6, palette.light, strength=0.62)
    pen = ImageDraw.Draw(canvas)
    pen.ellipse(_round(x, y, radius), fill=palette.light)
    if palette.dark:
        for dx, dy, size in ((-0.3, -0.2, 0.22), (0.25, 0.3, 0.16), (0.3, -0.35, 0.1)):
            crater = _mixed(palette.light, palette.far, 0.16)
            pen.ellipse(_round(x + dx * radius, y + dy * radius, size * radius), fill=crater)


def _stack_hills(canvas: Image.Image, palette: Palette, rng: random.Random, *, layers: int) -> None:
    """Draw ridges from far and hazy to near and dark, each fading into mist at its foot."""
    for layer in range(layers):
        share = layer / max(layers - 1, 1)
        top = canvas.height * (0.46 + 0.27 * share)
        swing = canvas.height * (0.085 - 0.03 * share)
        ridge = _ridge(canvas.width, top, swing, rng)
        colour = _mixed(palette.far, palette.near, share**0.9)
        foot = _mixed(colour, palette.sky[2], 0.42 * (1 - share))
        _fill_below(canvas, ridge, colour, foot)


def _ridge(width_px: int, top: float, swing: float, rng: random.Random) -> list[Point]:
    waves = [
        (rng.uniform(0.7, 1.3) * 2**octave, rng.uniform(0, math.tau), 0.55**octave)
        for octave in range(5)
    ]
    step = max(width_px // 240, 1)
    return [
        (x, top - swing * sum(a * math.sin(math.tau * f * x / width_px + p) for f, p, a in waves))
        for x in range(0, width_px + step, step)
    ]


def _fill_below(canvas: Image.Image, ridge: Sequence[Point], top: Colour, foot: Colour) -> None:
    highest = max(int(min(y for _, y in ridge)), 0)
    height_px = canvas.height - highest
    shade = Image.new("RGB", (1, 2), top)
    shade.putpixel((0, 1), foot)
    shade = shade.resize((canvas.width, height_px), Image.Resampling.BILINEAR)
    mask = Image.new("L", shade.size)
    outline = [(x, y - highest) for x, y in ridge]
    ImageDraw.Draw(mask).polygon([*outline, (canvas.width, height_px), (0, height_px)], fill=255)
    canvas.paste(shade, (0, highest), mask)


def _flood(canvas: Image.Image, palette: Palette, rng: random.Random) -> None:
    """Draw still water: the picture above the shore, upside down, darker and rippled."""
    shore = round(canvas.height * 0.7)
    depth = canvas.height - shore
    mirrored = canvas.crop((0, shore - depth, canvas.width, shore))
    mirrored = mirrored.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    mirrored = mirrored.filter(ImageFilter.BoxBlur((canvas.width // 160, canvas.height // 400)))
    canvas.paste(
        Image.blend(mirrored, Image.new("RGB", mirrored.size, palette.near), 0.3), (0, shore)
    )
    pen = ImageDraw.Draw(canvas)
    for _ in range(110):
        nearness = rng.random() ** 1.6
        y = shore + depth * nearness
        half = canvas.width * rng.uniform(0.01, 0.05) * (0.4 + nearness)
        x = rng.uniform(0, canvas.width)
        colour = _mixed(palette.near, palette.sky[rng.choice((1, 2))], rng.uniform(0.3, 0.7))
        pen.line([(x - half, y), (x + half, y)], fill=colour, width=1 + round(3 * nearness))


def _build_city(canvas: Image.Image, palette: Palette, rng: random.Random) -> None:
    pen = ImageDraw.Draw(canvas)
    for row, share in enumerate((0.45, 0.85)):
        wall = _mixed(palette.far, palette.near, share)
        x = -canvas.width * 0.02
        while x < canvas.width:
            width = canvas.width * rng.uniform(0.045, 0.085)
            top = canvas.height * (rng.uniform(0.44, 0.64) + 0.12 * row)
            pen.rectangle((x, top, x + width, canvas.height), fill=wall)
            if rng.random() < 0.4:
                peak = (x + width / 2, top - width * rng.uniform(0.3, 0.9))
                pen.polygon([(x, top), peak, (x + width, top)], fill=wall)
            _light_windows(pen, (x, top, width, canvas.height - top), palette, rng)
            x += width + canvas.width * rng.uniform(0.0, 0.012)


def _light_windows(
    pen: ImageDraw.ImageDraw,
    house: tuple[float, float, float, float],
    palette: Palette,
    rng: random.Random,
) -> None:
    left, top, width, height = house
    pane = width / 9
    for row in range(1, min(int(height / (pane * 2.6)), 30)):
        for column in range(1, 8, 2):
            if rng.random() < 0.45:
                x, y = left + column * pane, top + row * pane * 2.6
                glass = _mixed(palette.light, (255, 176, 84), rng.uniform(0.2, 0.8))
                pen.rectangle((x, y, x + pane * 1.1, y + pane * 1.5), fill=glass)


def _plant_trees(canvas: Image.Image, palette: Palette, rng: random.Random) -> None:
    """Draw firs on the near hills, denser towards the edges so that the view stays open."""
    pen = ImageDraw.Draw(canvas)
    for layer in (0.4, 1.0):
        colour = _mixed(palette.far, palette.near, 0.55 + 0.45 * layer)
        for _ in range(46):
            side = rng.betavariate(0.55, 0.55)
            x = canvas.width * side
            height = canvas.height * rng.uniform(0.07, 0.15) * (0.6 + layer * abs(side - 0.5) * 2)
            foot = canvas.height * (0.7 + 0.12 * layer + 0.05 * rng.random())
            for tier in range(4):
                tip = foot - height * (1 - tier * 0.2)
                half = height * (0.09 + 0.055 * tier)
                skirt = tip + height * 0.38
                pen.polygon([(x, tip), (x - half, skirt), (x + half, skirt)], fill=colour)
            pen.rectangle(
                (x - height * 0.02, foot - height * 0.1, x + height * 0.02, foot + 9), colour
            )


def _airy_points(canvas: Image.Image, count: int, rng: random.Random) -> list[Point]:
    """Points in the sky, one in each of `count` columns, in random order."""
    columns = rng.sample(range(count), count)
    return [
        (
            canvas.width * (0.04 + 0.92 * (column + rng.uniform(0.2, 0.8)) / count),
            canvas.height * rng.uniform(0.1, 0.54),
        )
        for column in columns
    ]


def _hang_lantern(canvas: Image.Image, at: Point, radius: float, rng: random.Random) -> None:
    paper = rng.choice(((255, 170, 84), (255, 140, 92), (255, 196, 110)))
    _glow(canvas, at, radius * 3.4, paper, strength=0.6)
    x, y = at
    pen = ImageDraw.Draw(canvas)
    pen.ellipse((x - radius * 0.8, y - radius, x + radius * 0.8, y + radius), fill=paper)
    heart = _mixed(paper, (255, 250, 220), 0.62)
    pen.ellipse((x - radius * 0.5, y - radius * 0.7, x + radius * 0.5, y + radius * 0.7), heart)
    for edge in (-1.0, 0.86):
        band = (x - radius * 0.34, y + radius * edge, x + radius * 0.34, y + radius * (edge + 0.14))
        pen.rectangle(band, fill=(112, 44, 36))
    pen.line([(x, y + radius), (x, y + radius * 1.5)], (112, 44, 36), max(round(radius / 12), 1))


def _float_balloon(
    canvas: Image.Image, at: Point, radius: float, palette: Palette, rng: random.Random
) -> None:
    x, y = at
    pen = ImageDraw.Draw(canvas)
    cloth = rng.choice(((232, 84, 84), (246, 178, 72), (72, 148, 196), (150, 98, 190)))
    throat = y + radius * 1.55
    pen.polygon(
        [(x - radius * 0.86, y + radius * 0.5), (x + radius * 0.86, y + radius * 0.5), (x, throat)],
        fill=cloth,
    )
    for step, shade in enumerate((0.0, 0.55, 0.1)):
        half = radius * (1 - step * 0.36)
        colour = _mixed(cloth, (255, 248, 230), shade)
        pen.ellipse((x - half, y - radius, x + half, y + radius), fill=colour)
    basket = (x - radius * 0.17, throat, x + radius * 0.17, throat + radius * 0.26)
    pen.rectangle(basket, fill=_mixed((120, 78, 46), palette.near, 0.3))


def _glow(
    canvas: Image.Image, at: Point, radius: float, colour: Colour, *, strength: float
) -> None:
    """Blend a disc towards a colour, most strongly in its middle."""
    side = max(round(radius * 2), 2)
    ring = ImageChops.invert(Image.radial_gradient("L"))
    mask = ring.point([round(strength * max(v - 75, 0) ** 2 / 127) // 1 for v in range(256)])
    mask = mask.resize((side, side), Image.Resampling.BILINEAR)
    corner = (round(at[0] - side / 2), round(at[1] - side / 2))
    canvas.paste(Image.new("RGB", (side, side), colour), corner, mask)


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    r, g, b = (round(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return r, g, b


def _round(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return (x - radius, y - radius, x + radius, y + radius)
