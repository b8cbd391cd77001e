"""A picture is reduced strip by strip to what Pillow makes of it whole, and of more kinds."""

import random

import pytest
from PIL import Image

from bot.pictures import reduce
from bot.pictures.reduce import reduced

WIDTH_PX, HEIGHT_PX = 101, 67


def drawn(mode: str) -> Image.Image:
    """The same noise in each mode."""
    noise = random.Random(7).randbytes(4 * WIDTH_PX * HEIGHT_PX)
    whole = Image.frombytes("RGBA", (WIDTH_PX, HEIGHT_PX), noise)
    match mode:
        case "P":
            return whole.convert("RGB").quantize(64)
        case "I;16":
            return whole.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
        case _:
            return whole.convert(mode)


@pytest.mark.parametrize("strip_pixels", [1, 1_000, 500_000])
@pytest.mark.parametrize("divisors", [(1, 1), (2, 2), (7, 3), (200, 200)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P", "CMYK"])
def test_strips_make_the_same_as_the_whole(
    monkeypatch: pytest.MonkeyPatch, mode: str, divisors: tuple[int, int], strip_pixels: int
) -> None:
    monkeypatch.setattr(reduce, "STRIP_PIXELS", strip_pixels)
    picture = drawn(mode)
    kept = "RGBA" if mode in ("RGBA", "LA") else "RGB"
    smaller = reduced(picture, divisors)
    whole = picture.convert(kept).reduce(divisors)
    assert (smaller.mode, smaller.size) == (kept, whole.size)
    assert smaller.tobytes() == whole.tobytes()


def test_sixteen_bits_of_grey_are_not_cut_off() -> None:
    picture = drawn("I;16")
    assert reduced(picture, (1, 1)).tobytes() == drawn("L").convert("RGB").tobytes()


def test_a_colour_that_is_declared_transparent_is_so() -> None:
    for picture, colour in ((drawn("RGB"), (1, 2, 3)), (drawn("P"), 5)):
        picture.paste(colour, (0, 0, 10, 10))
        picture.info["transparency"] = colour
        smaller = reduced(picture, (10, 10))
        assert smaller.mode == "RGBA"
        assert smaller.getpixel((0, 0))[3] == 0
        assert smaller.getpixel((5, 5))[3] > 200
