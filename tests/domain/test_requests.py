"""Every bound of a request, at the bound and one beyond it."""

from typing import Any

import pytest
from msgspec.structs import replace

from bot.domain.requests import (
    ASPECT_RATIOS,
    IMAGES_MAX,
    PHOTO_BYTES_MAX,
    PHOTO_PIXELS_MAX,
    PROMPT_CHARS_MAX,
    QUALITIES,
    REFERENCES_MAX,
    RESOLUTIONS,
    ImageRequest,
    Mode,
    Reference,
    check_request,
)
from bot.errors import InvalidRequest
from tests.support.words import told

LANTERN = ImageRequest(Mode.GENERATE, "a paper lantern", "gpt-image-2")
PHOTO = Reference("https://cdn.example/photo.png", "photo.png", 1_000, "image/png", 640, 480)


def photo(**changes: Any) -> dict[str, tuple[Reference, ...]]:
    return {"references": (PHOTO, replace(PHOTO, **{"option": "reference7"} | changes))}


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "x"},
        {"prompt": "🏮" * PROMPT_CHARS_MAX},
        {"count": IMAGES_MAX},
        {"references": (PHOTO,) * REFERENCES_MAX},
        {"mode": Mode.EDIT, "references": (PHOTO,)},
        photo(size_bytes=PHOTO_BYTES_MAX),
        photo(width_px=PHOTO_PIXELS_MAX, height_px=1),
        # Discord does not always know: the bytes decide when they are fetched.
        photo(content_type=None, width_px=None, height_px=None),
        # Nor is its word taken for what a file is.
        photo(content_type="text/html", filename="photo.txt"),
        *({"aspect_ratio": ratio} for ratio in ASPECT_RATIOS),
        *({"resolution": resolution} for resolution in RESOLUTIONS),
        *({"quality": quality} for quality in QUALITIES),
    ],
)
def test_a_request_within_every_bound_is_taken(changes: dict[str, Any]) -> None:
    check_request(replace(LANTERN, **changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt": ""}, "The prompt is empty."),
        ({"prompt": "\u200b\ufeff"}, "The prompt is empty."),
        ({"prompt": " \n\t　"}, "The prompt is empty."),
        ({"prompt": "x" * (PROMPT_CHARS_MAX + 1)}, "has 4,001 characters; at most 4,000 fit."),
        ({"count": 0}, "One command makes 1 to 4 images."),
        ({"count": IMAGES_MAX + 1}, "One command makes 1 to 4 images."),
        ({"aspect_ratio": "7:5"}, "There is no such aspect ratio. Choose one of auto, 1:1,"),
        ({"resolution": "8K"}, "There is no such resolution. Choose one of 1K, 2K, 4K."),
        ({"quality": "best"}, "There is no such quality. Choose one of auto, low,"),
        ({"mode": Mode.EDIT}, "There is no image to edit."),
        ({"references": (PHOTO,) * (REFERENCES_MAX + 1)}, "At most 16 references"),
        (photo(size_bytes=PHOTO_BYTES_MAX + 1), "`reference7` is larger than 50 MB."),
        (photo(size_bytes=PHOTO_BYTES_MAX + 1, option=""), "The image photo.png is larger than"),
        (photo(width_px=PHOTO_PIXELS_MAX + 1, height_px=1), "more than 250 megapixels."),
    ],
)
def test_a_request_beyond_a_bound_is_refused_with_a_sentence(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_request(replace(LANTERN, **changes))
    assert sentence in told(refused.value)
