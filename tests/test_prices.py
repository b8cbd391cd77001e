"""The table of `easel prices`, against values worked out by hand from the vendors' lists."""

import tomllib

import pytest

from bot.app import SHIPPED_CATALOG
from bot.catalog import parse_catalog
from bot.prices import price_table
from bot.settings import GivenSettings

#: (model, route, quality) -> price of one image at 1K, 2K and 4K, and of a reference
BY_HAND = {
    ("gpt-image-2-beta", "apimodels/gpt-image-2-beta", "auto"): ("0.06 cr", "-", "-", "-"),
    # 6, 10 and 16 of kie.ai's credits at half a cent
    ("gpt-image-2-beta", "kie/gpt-image-2", "auto"): ("0.03 cr", "0.05 cr", "0.08 cr", "-"),
    ("gpt-image-2-beta", "maxapi/openai/gpt-image-2-beta@mix", "high"): (*("0.012 cr",) * 3, "-"),
    ("gpt-image-2", "apimodels/gpt-image-2", "auto"): ("0.025 cr", "0.03 cr", "0.05 cr", "-"),
    # a tenth of a yuan at seven to the dollar, rounded up to a hundredth of a cent
    ("gpt-image-2", "runninghub/rhart-image-g-2", "auto"): (*("0.0143 cr",) * 3, "-"),
    ("gpt-image-2-quality", "apimodels/gpt-image-2-all", "low"): (
        "0.01 cr", "0.025 cr", "0.06 cr", "-",
    ),
    ("gpt-image-2-quality", "apimodels/gpt-image-2-all", "auto"): (
        "0.025 cr", "0.04 cr", "0.06 cr", "-",
    ),
    ("gpt-image-2-quality", "apimodels/gpt-image-2-all", "high"): (
        "0.07 cr", "0.10 cr", "0.23 cr", "-",
    ),
    # 0.586, 0.926 and 1.373 CNY, and 4.738 for the dearest, at seven to the dollar
    ("gpt-image-2-quality", "runninghub/rhart-image-g-2-official", "auto"): (
        "0.0838 cr", "0.1323 cr", "0.1962 cr", "-",
    ),
    ("gpt-image-2-quality", "runninghub/rhart-image-g-2-official", "high"): (
        "0.2259 cr", "0.4212 cr", "0.6769 cr", "-",
    ),
    # 7,024 tokens at 30 USD a million are 0.211; measured at 2K 0.43, at 4K 0.68; a quarter more
    ("gpt-image-2-quality", "openai/gpt-image-2", "high"): (
        "0.27 cr", "0.55 cr", "0.85 cr", "0.015 cr",
    ),
    # 439 tokens; and for `low` of 2.6 four times the 196 of 2.5
    ("gpt-image-2.5-flare", "openai/gpt-image-2.5-flare", "medium"): (
        "0.018 cr", "0.04 cr", "0.065 cr", "0.015 cr",
    ),
    ("gpt-image-2.6-sunburst", "openai/gpt-image-2.6-sunburst", "low"): (
        "0.03 cr", "0.045 cr", "0.075 cr", "0.015 cr",
    ),
    # what OpenAI's own would be, at 0.70 instead of 30 USD a million
    ("gpt-image-2-beta", "maxapi/openai/gpt-image-2-beta@official-cheap", "high"): (
        "0.0063 cr", "0.0129 cr", "0.0199 cr", "0.0007 cr",
    ),
    # 1,120, 1,680 and 3,780 tokens at 30 USD a million, and a quarter more
    ("nano-banana", "google/gemini-nano-banana-2.1", "auto"): (
        "0.042 cr", "0.063 cr", "0.142 cr", "0.004 cr",
    ),
    ("nano-banana", "maxapi/gemini-nano-banana-2.1@official", "auto"): (
        "0.0336 cr", "-", "-", "-",
    ),
}  # fmt: skip

#: output tokens of one 1024x1024 image (OpenAI's model pages, read 2026-11-27)
TOKENS = {
    "gpt-image-2-quality": {"low": 196, "medium": 1_756, "high": 7_024},
    "gpt-image-2.5-flare": {
        "low": 196, "medium": 439, "high": 1_756, "xhigh": 3_122, "max": 7_024,
    },
    # three to four times those of 2.5
    "gpt-image-2.6-flare": {"low": 784, "medium": 1_756, "high": 1_756, "max": 7_024},
}  # fmt: skip


@pytest.mark.parametrize("model", TOKENS)
def test_what_is_held_covers_what_openai_bills_with_a_quarter_to_spare(model: str) -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED_CATALOG.read_text()))
    [route] = [each for each in catalog.models[model].routes if each.provider == "openai"]
    for quality, tokens in TOKENS[model].items():
        billed_ucr = tokens * 30
        assert route.price.images["1K", quality] >= 1.25 * billed_ucr, quality


def test_a_4k_of_the_best_quality_can_be_ordered_with_the_default_allowance() -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED_CATALOG.read_text()))
    allowance_ucr = GivenSettings().allowance_ucr
    dearest = {route.id: max(route.price.images.values()) for route in catalog.routes()}
    assert {route_id for route_id, price in dearest.items() if price > allowance_ucr} == set()


def test_the_table_agrees_with_what_was_worked_out_by_hand() -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED_CATALOG.read_text()))
    rows = {}
    for line in price_table(catalog, {}).splitlines()[1:]:
        model, route, quality, *prices = line.replace(" cr", "_cr").split()
        rows[model, route, quality] = tuple(price.replace("_cr", " cr") for price in prices)
    for key, prices in BY_HAND.items():
        assert rows[key] == prices, key
    assert {(model, route) for model, route, _ in rows} >= {key[:2] for key in BY_HAND}


def test_what_is_usual_stands_below_what_is_held() -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED_CATALOG.read_text()))
    usual = {("openai/gpt-image-2", "1K", "low"): 6_100}
    lines = [line.split() for line in price_table(catalog, usual).splitlines()]
    [at] = [n for n, line in enumerate(lines) if "usual" in line]
    assert lines[at - 1][1:3] == ["openai/gpt-image-2", "low"]
    assert lines[at][2:] == ["usual", "0.0061", "cr", "-", "-", "-"]
