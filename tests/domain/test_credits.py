"""Amounts: read from text, shown as text, never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.credits import (
    format_credits,
    from_usd,
    left_cents,
    parse_credits,
    read_amount,
    tell_cost,
)


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_what_is_shown_reads_back_as_the_same_amount(amount: int) -> None:
    assert parse_credits(format_credits(amount).removesuffix(" cr")) == amount


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "0.00 cr"),
        (1, "0.000001 cr"),
        (60_000, "0.06 cr"),
        (25_000, "0.025 cr"),
        (500_000, "0.50 cr"),
        (10_000_000, "10.00 cr"),
        (-60_000, "-0.06 cr"),
    ],
)
def test_amounts_are_shown_with_two_decimals_and_no_needless_ones(amount: int, shown: str) -> None:
    assert format_credits(amount) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cheap",
        "0,06",
        "-0.01",
        "0.0000001",
        "NaN",
        "sNaN",
        "Infinity",
        "1e9",
        "1e999999",
        "1_000",
        "1.0000001",
        "1000000000",
        " 1",
        "\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_what_is_no_amount_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number of credits") as refused:
        parse_credits(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("usd", "amount"), [("0.06", 60_000), ("0.0000001", 1), ("0", 0), ("1.9999999", 2_000_000)]
)
def test_a_vendors_price_is_rounded_up_to_the_next_millionth(usd: str, amount: int) -> None:
    price = from_usd(Decimal(usd))
    assert (price, type(price)) == (amount, int)


@pytest.mark.parametrize(
    ("amount", "cost", "left"),
    [
        (0, "0.00 cr", 0),
        (1, "less than 0.01 cr", 1),
        (10_000, "0.01 cr", 1),
        (56_235, "0.06 cr", 5),
        (1_999_999, "2.00 cr", 199),
    ],
)
def test_a_reader_is_told_hundredths_and_never_less_than_it_costs(
    amount: int, cost: str, left: int
) -> None:
    assert (tell_cost(amount), left_cents(amount)) == (cost, left)


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("0.50", 500_000),
        ("1,5", 1_500_000),
        (" 2 ", 2_000_000),
        ("+0.25 cr", 250_000),
        ("-0,5CR", -500_000),
        ("\u22123", -3_000_000),
        ("0.000001", 1),
        ("0", 0),
    ],
)
def test_amounts_are_read_as_people_type_them(typed: str, amount: int) -> None:
    assert read_amount(typed) == amount


@pytest.mark.parametrize(
    "typed", ["", "-", "+-1", "--1", "1.2.3", "1,000.50", "1e3", "\u0661", "0.0000001", "$1", "1 2"]
)
def test_what_is_no_amount_is_not_guessed_at(typed: str) -> None:
    with pytest.raises(ValueError, match="not a number of credits"):
        read_amount(typed)
