"""From a ratio and a resolution to pixels, for routes that want `WxH`."""

import math
from collections.abc import Mapping

from msgspec import Struct

#: both sides are multiples of this (OpenAI Images API, gpt-image-2, snapshot 2026-08-21); with
#: the bounds below, every ratio from 3:1 to 1:3 then lies within 655,360 to 8,294,400 pixels
SIDE_STEP_PX = 16


class Bounds(Struct, frozen=True):
    side_px_max: int
    pixels_max: int


#: the longer side decides which resolution is billed (apimodels.app docs, gpt-image-2-all)
BOUNDS: Mapping[str, Bounds] = {
    "1K": Bounds(side_px_max=1_536, pixels_max=1_024 * 1_024),
    "2K": Bounds(side_px_max=2_048, pixels_max=2_048 * 2_048),
    "4K": Bounds(side_px_max=3_840, pixels_max=8_294_400),
}


def pixels(aspect_ratio: str, resolution: str) -> tuple[int, int] | None:
    """The largest width and height of this shape within the bounds; None for `auto`."""
    if aspect_ratio == "auto":
        return None
    wide, tall = (int(side) for side in aspect_ratio.split(":"))
    long, short = max(wide, tall), min(wide, tall)
    bounds = BOUNDS[resolution]
    side = min(bounds.side_px_max, math.sqrt(bounds.pixels_max * long / short))
    long_px = int(side / SIDE_STEP_PX) * SIDE_STEP_PX
    # Rounded up, so that 3:1 does not become longer than 3:1.
    short_px = math.ceil(long_px * short / long / SIDE_STEP_PX) * SIDE_STEP_PX
    return (long_px, short_px) if wide >= tall else (short_px, long_px)
