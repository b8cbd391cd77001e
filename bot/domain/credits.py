"""Credits: integers of a millionth, how they are read from text, and how they are shown."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import NewType

#: a millionth of a credit; 1 credit is 1 USD of list price
Microcredits = NewType("Microcredits", int)

UCR_PER_CREDIT = 1_000_000
UCR_PER_CENT = 10_000
AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


def parse_credits(text: str) -> Microcredits:
    """
    Read an amount such as "0.06".

    Raises:
        ValueError: not plain digits, a billion or more, or finer than a millionth.
    """
    if not AMOUNT.fullmatch(text):
        raise ValueError(f"{text!r} is not a number of credits, such as 0.06")
    return Microcredits(int(Decimal(text) * UCR_PER_CREDIT))


def read_amount(text: str) -> int:
    """
    Read an amount as a person types it: "0.50", "1,5", "-2", "+0.25 cr".

    Returns:
        Signed micro-credits.
    Raises:
        ValueError: not a number, or a number that `parse_credits` does not take.
    """
    plain = text.strip().lower().removesuffix("cr").strip().replace("\u2212", "-")
    sign = -1 if plain.startswith("-") else 1
    return sign * parse_credits(plain.removeprefix("-" if sign < 0 else "+").replace(",", "."))


def format_credits(amount: int) -> str:
    """Show an amount exactly, with at least two decimals and no needless ones: `0.06 cr`."""
    text = f"{Decimal(amount) / UCR_PER_CREDIT:.6f}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')} cr"


def cost_cents(amount: int) -> int:
    """What something costs, for a reader: whole hundredths, rounded up."""
    return -(-amount // UCR_PER_CENT)


def left_cents(amount: int) -> int:
    """What is left, for a reader: whole hundredths, rounded down unless none would be left."""
    return amount // UCR_PER_CENT if amount >= UCR_PER_CENT else cost_cents(amount)


def tell_cost(amount: int) -> str:
    """What something costs, in English; bot/chat/texts says it in members' languages."""
    return f"less than {_told(1)}" if 0 < amount < UCR_PER_CENT else _told(cost_cents(amount))


def _told(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02} cr"


def from_usd(amount: Decimal) -> Microcredits:
    """A vendor's price in USD, rounded up to the next millionth."""
    return Microcredits(int((amount * UCR_PER_CREDIT).to_integral_value(ROUND_CEILING)))
