"""The table of `easel prices`, against values worked out by hand from the vendors' lists."""

import tomllib

from bot.app import SHIPPED_CATALOG
from bot.domain.catalog_file import parse_catalog
from bot.prices import price_table

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
    # 0.211 USD for 1024x1024 and a margin; 2048x2048 has four times the pixels, 4K 7.9 times
    ("gpt-image-2-quality", "openai/gpt-image-2", "high"): (
        "0.24 cr", "0.94 cr", "1.85 cr", "0.015 cr",
    ),
}  # fmt: skip


def test_the_table_agrees_with_what_was_worked_out_by_hand() -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED_CATALOG.read_text()))
    rows = {}
    for line in price_table(catalog).splitlines()[1:]:
        model, route, quality, *prices = line.replace(" cr", "_cr").split()
        rows[model, route, quality] = tuple(price.replace("_cr", " cr") for price in prices)
    for key, prices in BY_HAND.items():
        assert rows[key] == prices, key
    assert {(model, route) for model, route, _ in rows} >= {key[:2] for key in BY_HAND}
