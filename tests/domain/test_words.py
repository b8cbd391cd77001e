"""Texts of members: what stays of them, and when nothing is seen of them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.words import clean, is_seen, set_apart

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "\u200b",
        "\u2060\ufeff",
        "\ufe0f\ufe0e",
        "\U000e0041\U000e0042",
        "\u0301\u0308",
        "\u3164\u115f\u1160\uffa0",
        "\u2800\u2800",
        "\u00ad\u200d\u200c",
        "\u202e\u2066",
        "\u00a0\u2003\u3000",
        "\x00\x07",
        "\ud83c",
        "\u200e\u200f\u061c",
    ],
    ids=lambda text: text.encode("unicode_escape").decode(),
)
def test_what_shows_nothing_is_empty(text: str) -> None:
    assert not is_seen(clean(text))
    assert not is_seen(text)


@pytest.mark.parametrize(
    "text",
    [
        "a lantern",
        "👩🏽‍🎨 paints 🏳️‍🌈",
        "❤️",
        ENGLAND,
        "1️⃣",
        "می‌خواهم یک فانوس کاغذی ببینم",
        "فانوس ورقي فوق قناة هادئة، 2026",
        "פנס נייר מעל תעלה (שקטה)",
        "हिन्दी में एक दीपक",
        "纸灯笼",
        "two\nlines\tand a tab",
        "?",
    ],
)
def test_what_people_write_stays_whole(text: str) -> None:
    assert clean(text) == text
    assert is_seen(text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("gnp.exe\u202ecat", "gnp.execat"),
        ("a\u2066b\u2069c", "abc"),
        ("nul\x00 and bell\x07", "nul and bell"),
        ("half \ud83c lantern", "half  lantern"),
        ("la\u200bn\u2060tern\ufeff", "lantern"),
        ("hidden\U000e0068\U000e0069", "hidden"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("  a cat \n", "a cat"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_what_is_no_text_or_turns_or_hides_is_left_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text())
def test_a_clean_text_is_text_and_clean_already(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert cleaned.encode() == clean(cleaned).encode()
    assert not any(unicodedata.category(letter) == "Cs" for letter in cleaned)
    assert "\x00" not in cleaned


def test_letters_from_right_to_left_are_set_apart_from_what_follows() -> None:
    lantern = "פנס"
    assert set_apart(lantern) == f"\u2068{lantern}\u2069"
    assert set_apart("lantern") == "lantern"
