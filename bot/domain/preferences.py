"""What a member has decided for themselves, and how they may name their presets."""

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from bot.domain import words
from bot.domain.requests import ASPECT_RATIOS, IMAGES_MAX, RESOLUTIONS, ImageRequest, Mode
from bot.errors import Reason, Refusal

#: characters of a model's name, whatever the catalog has
MODEL_CHARS_MAX = 100
#: presets per member
PRESETS_MAX = 50
PRESET_NAME_CHARS_MAX = 50


class Pings(StrEnum):
    """When a member is pinged about a result of theirs."""

    NEVER = "never"
    #: when it took longer than 30 s
    LONG = "long"
    ALWAYS = "always"


class Preferences(Struct, frozen=True):
    """The defaults are those of a member who has decided nothing."""

    aspect_ratio: str = "auto"
    resolution: str = "1K"
    #: empty: any that can do it
    model: str = ""
    count: int = 1
    private: bool = False
    pings: Pings = Pings.LONG


def read_preferences(text: str) -> Preferences:
    """
    Args:
        text: JSON of what is decided; what this version does not know, or cannot read, counts as
            undecided.
    """
    try:
        kept = json.loads(text)
    except (ValueError, RecursionError):
        return Preferences()
    values = {}
    for name in READERS.keys() & kept.keys() if isinstance(kept, dict) else ():
        with suppress(ValueError):
            values[name] = READERS[name](kept[name])
    return Preferences(**values)


def write_preferences(preferences: Preferences) -> str:
    """JSON of what differs from the default."""
    default = asdict(Preferences())
    decided = {name: each for name, each in asdict(preferences).items() if each != default[name]}
    return json.dumps(decided)


def preferred(preferences: Preferences, mode: Mode) -> ImageRequest:
    """A request without words, whose member leaves all options out."""
    # An edited picture keeps its shape, whatever the member prefers.
    ratio = "auto" if mode is Mode.EDIT else preferences.aspect_ratio
    shape_and_size = {"aspect_ratio": ratio, "resolution": preferences.resolution}
    undecided = Preferences()
    wishes = {
        name: word for name, word in shape_and_size.items() if word != getattr(undecided, name)
    }
    return ImageRequest(
        mode=mode,
        prompt="",
        model="",
        aspect_ratio=ratio,
        resolution=preferences.resolution,
        count=preferences.count,
        private=preferences.private,
        prefers=preferences.model,
        wishes=wishes,
    )


def preset_name(text: str) -> str:
    """
    A preset's name as it is stored: in one line.

    Raises:
        Refusal: it has no visible characters, or is too long.
    """
    name = " ".join(words.clean(text).split())
    if not words.is_seen(name) or len(name) > PRESET_NAME_CHARS_MAX:
        raise Refusal(Reason.PRESET_NAME, chars_max=PRESET_NAME_CHARS_MAX)
    return name


def _one_of(allowed: Collection[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError("not one of the words")
        return str(value)

    return read


def _read_model(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MODEL_CHARS_MAX:
        raise ValueError("not the name of a model")
    return value


def _read_count(value: Any) -> int:
    # `true` is a number to Python.
    if type(value) is not int or not 1 <= value <= IMAGES_MAX:
        raise ValueError("not a number of images")
    return value


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


#: a field of Preferences -> how its value is read; raises ValueError where it cannot be
READERS: Mapping[str, Callable[[Any], Any]] = {
    "aspect_ratio": _one_of(ASPECT_RATIOS),
    "resolution": _one_of(RESOLUTIONS),
    "model": _read_model,
    "count": _read_count,
    "private": _read_flag,
    "pings": Pings,
}
