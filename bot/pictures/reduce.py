"""
Divides a decoded picture's sides by whole numbers, with little memory beside the picture's own.

Pillow alone would need more: it converts a whole picture first if parts of it are transparent, and
it does not reduce pictures with a palette or of sixteen bits.
"""

from typing import TYPE_CHECKING

from bot.pictures.photos import in_eight_bits, in_rgb

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: pixels of a strip that is converted at a time
STRIP_PIXELS = 250_000


def reduced(picture: "Picture", divisors: tuple[int, int]) -> "Picture":
    """
    Each new pixel is the mean of the pixels that it replaces; a smaller rest at an edge gets its
    own pixel.

    Args:
        picture: decoded.
        divisors: for the width and for the height; 1 or more.
    Returns:
        RGBA if the given picture may be transparent, else RGB; that one itself if it is so already
        and nothing is divided.
    """
    if divisors == (1, 1):
        return in_rgb(in_eight_bits(picture))
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
