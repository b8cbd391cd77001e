"""What a member has decided for themselves, and how they may name their presets."""

import json
from contextlib import suppress
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, convert
from msgspec.structs import asdict, fields

from bot.domain import words
from bot.domain.requests import Count, ImageRequest, Mode, Ratio, Resolution
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

    aspect_ratio: Ratio = "auto"
    resolution: Resolution = "1K"
    #: empty: any that can do it
    model: Annotated[str, Meta(max_length=MODEL_CHARS_MAX)] = ""
    count: Count = 1
    private: bool = False
    pings: Pings = Pings.LONG


FIELDS = fields(Preferences)


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
    for each in FIELDS if isinstance(kept, dict) else ():
        with suppress(ValueError, KeyError):
            values[each.name] = convert(kept[each.name], each.type)
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
