"""What a member prefers reads back as it was, and what cannot be read is undecided."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.preferences import (
    MODEL_CHARS_MAX,
    Pings,
    Preferences,
    preset_name,
    read_preferences,
    write_preferences,
)
from bot.domain.requests import ASPECT_RATIOS, IMAGES_MAX, RESOLUTIONS
from bot.errors import Refusal

#: also halves of pairs, and zeros
hostile = st.text(st.characters(), max_size=MODEL_CHARS_MAX)
preferences = st.builds(
    Preferences,
    aspect_ratio=st.sampled_from(ASPECT_RATIOS),
    resolution=st.sampled_from(RESOLUTIONS),
    model=hostile,
    count=st.integers(1, IMAGES_MAX),
    private=st.booleans(),
    pings=st.sampled_from(Pings),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile, inner, max_size=3),
    max_leaves=5,
)


@given(preferences)
def test_preferences_read_back_as_they_were(decided: Preferences) -> None:
    text = write_preferences(decided)
    # Any database takes it.
    assert text.isascii()
    assert "\x00" not in text
    assert read_preferences(text) == decided


@given(st.dictionaries(st.sampled_from([*Preferences.__struct_fields__, "colour"]), anything))
def test_whatever_was_written_is_read_within_bounds(kept: dict[str, Any]) -> None:
    found = read_preferences(json.dumps(kept))
    assert found.aspect_ratio in ASPECT_RATIOS
    assert found.resolution in RESOLUTIONS
    assert isinstance(found.model, str)
    assert len(found.model) <= MODEL_CHARS_MAX
    assert type(found.count) is int
    assert 1 <= found.count <= IMAGES_MAX
    assert type(found.private) is bool
    assert type(found.pings) is Pings


def test_only_what_differs_is_written() -> None:
    assert write_preferences(Preferences()) == "{}"
    assert json.loads(write_preferences(Preferences(count=3, pings=Pings.NEVER))) == {
        "count": 3,
        "pings": "never",
    }


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"count"', "7", "[" * 5_000])
def test_what_is_no_table_decides_nothing(text: str) -> None:
    assert read_preferences(text) == Preferences()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aspect_ratio", "7:5"),
        ("aspect_ratio", ["1:1"]),
        ("aspect_ratio", None),
        ("resolution", "8K"),
        ("resolution", 1),
        ("model", "m" * (MODEL_CHARS_MAX + 1)),
        ("model", 5),
        ("count", 0),
        ("count", IMAGES_MAX + 1),
        ("count", True),
        ("count", "2"),
        ("count", 2.0),
        ("private", 1),
        ("private", "yes"),
        ("pings", "often"),
        ("pings", {}),
        ("colour", "blue"),
    ],
)
def test_one_that_cannot_be_read_leaves_the_others(name: str, value: object) -> None:
    others = {"resolution": "2K"} if name != "resolution" else {"model": "painter"}
    assert read_preferences(json.dumps({name: value} | others)) == Preferences(**others)


@given(st.text(st.characters(), max_size=60))
def test_a_preset_is_named_in_one_line_that_is_seen(text: str) -> None:
    try:
        name = preset_name(text)
    except Refusal:
        return
    assert 1 <= len(name) <= 50
    assert name == preset_name(name)
    assert len(name.splitlines()) == 1
    name.encode()
