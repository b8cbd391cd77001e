"""Costs: quoted, billed, and never more than quoted."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.credits import Microcredits
from bot.domain.pricing import Bill, Cost, Price, TokenRates, Usage, final_cost, quote

FLAT = Price({("1K", "auto"): Microcredits(60_000)})
RATES = TokenRates(Microcredits(5_000_000), Microcredits(8_000_000), Microcredits(30_000_000))
BY_TOKENS = Price(
    {("1K", "high"): Microcredits(240_000)}, rates=RATES, reference=Microcredits(15_000)
)
#: Google's for Nano Banana 2.1: 1.50 in, 30 for images and 7.50 for words and thoughts
THINKING = Price(
    {("1K", "auto"): Microcredits(42_000)},
    rates=TokenRates(
        text_in=Microcredits(1_500_000),
        image_in=Microcredits(1_500_000),
        image_out=Microcredits(30_000_000),
        text_out=Microcredits(7_500_000),
    ),
)
BY_CREDITS = Price({("1K", "auto"): Microcredits(30_000)}, credit=Microcredits(5_000))


def test_references_are_held_for_where_they_are_billed() -> None:
    assert quote(FLAT, "1K", "auto", references=16, prompt_bytes=8_000) == 60_000
    assert quote(BY_TOKENS, "1K", "high", references=2, prompt_bytes=0) == 270_000


def test_a_long_prompt_is_held_for_where_its_tokens_are_billed() -> None:
    held = quote(BY_TOKENS, "1K", "high", references=0, prompt_bytes=8_000)
    assert held == 240_000 + 4_000 * 5


@pytest.mark.parametrize(
    ("price", "bill", "cost"),
    [
        (FLAT, Bill(), Cost(Microcredits(60_000), known=True)),
        # What a flat route says of credits is of no known unit.
        (FLAT, Bill(credits=Decimal("0.01")), Cost(Microcredits(60_000), known=True)),
        # OpenAI's price list: 7,033 tokens are 0.211 USD.
        (BY_TOKENS, Bill(usage=Usage(100, 0, 7_033)), Cost(Microcredits(211_490), known=True)),
        (BY_TOKENS, Bill(usage=Usage(1, 1_500, 200)), Cost(Microcredits(18_005), known=True)),
        (BY_TOKENS, Bill(usage=Usage(0, 0, 1_000_000)), Cost(Microcredits(240_000), known=True)),
        (THINKING, Bill(usage=Usage(9, 0, 1_120, 800)), Cost(Microcredits(39_614), known=True)),
        (BY_TOKENS, Bill(), Cost(Microcredits(240_000), known=False)),
        (BY_CREDITS, Bill(credits=Decimal(6)), Cost(Microcredits(30_000), known=True)),
        (BY_CREDITS, Bill(credits=Decimal("3.3333")), Cost(Microcredits(16_667), known=True)),
        # Tokens say nothing of a cost where credits are what is billed.
        (BY_CREDITS, Bill(Usage(1, 2, 3), Decimal(4)), Cost(Microcredits(20_000), known=True)),
        (BY_CREDITS, Bill(), Cost(Microcredits(30_000), known=False)),
    ],
)
def test_the_vendors_bill_decides_where_it_is_to(price: Price, bill: Bill, cost: Cost) -> None:
    quoted = next(iter(price.images.values()))
    assert final_cost(price, quoted, bill) == cost


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_no_bill_costs_more_than_was_held(text: int, images: int, out: int) -> None:
    cost = final_cost(BY_TOKENS, Microcredits(240_000), Bill(usage=Usage(text, images, out)))
    assert 0 <= cost.amount_ucr <= 240_000
    assert isinstance(cost.amount_ucr, int)
