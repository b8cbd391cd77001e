"""Pixels for a shape: OpenAI's rules hold for every one that can be asked for."""

import pytest

from bot.domain.requests import ASPECT_RATIOS, RESOLUTIONS
from bot.domain.sizes import BOUNDS, pixels


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("ratio", [ratio for ratio in ASPECT_RATIOS if ratio != "auto"])
def test_every_size_is_one_that_openai_takes(ratio: str, resolution: str) -> None:
    size = pixels(ratio, resolution)
    assert size is not None
    width, height = size
    assert width % 16 == height % 16 == 0
    assert 655_360 <= width * height <= 8_294_400
    assert max(size) <= 3_840
    assert max(size) <= 3 * min(size)
    assert max(size) <= BOUNDS[resolution].side_px_max
    assert width * height <= BOUNDS[resolution].pixels_max
    wide, tall = (int(side) for side in ratio.split(":"))
    assert width / height == pytest.approx(wide / tall, rel=0.025)


def test_the_usual_shapes_have_the_usual_sizes() -> None:
    assert pixels("1:1", "1K") == (1024, 1024)
    assert pixels("16:9", "2K") == (2048, 1152)
    assert pixels("9:16", "4K") == (2160, 3840)
    assert pixels("1:1", "4K") == (2880, 2880)


def test_auto_is_left_to_the_model() -> None:
    assert pixels("auto", "4K") is None
