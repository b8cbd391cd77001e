"""
Makes a decoded picture smaller by whole numbers, in the memory that it takes itself and a little.

Pillow converts a whole picture before it reduces it, if parts of it are transparent, and reduces
none with a palette or of sixteen bits.
"""

from typing import TYPE_CHECKING

from bot.pictures.photos import in_eight_bits

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: pixels that are converted at a time, or one row; what each takes: cut out, converted twice
STRIP_PIXELS = 500_000
STRIP_BYTES = 3 * 4 * STRIP_PIXELS


def reduced(picture: "Picture", divisors: tuple[int, int]) -> "Picture":
    """
    Each pixel is the mean of those that it stands for; a rest at the edge has one of its own.

    Args:
        picture: decoded.
        divisors: of its width and of its height; from 1.
    Returns:
        A new picture, RGBA if the given one may be transparent, else RGB.
    """
    from PIL import Image

    width_px, height_px = picture.size
    across, down = divisors
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    whole = Image.new(mode, (-(-width_px // across), -(-height_px // down)))
    rows = down * max(1, STRIP_PIXELS // (width_px * down))
    for top in range(0, height_px, rows):
        strip = picture.crop((0, top, width_px, min(top + rows, height_px)))
        whole.paste(in_eight_bits(strip).convert(mode).reduce(divisors), (0, top // down))
    return whole
