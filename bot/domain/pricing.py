"""What an image costs: quoted before it is made, final once the vendor has sent its bill."""

import math
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from msgspec import Struct

from bot.domain.credits import Microcredits

TOKENS_PER_PRICE = 1_000_000
#: the fewest in a prompt: about four in English, three in Chinese, fewer in a row of symbols
BYTES_PER_TOKEN = 2


class Usage(Struct, frozen=True):
    """Tokens of one image, as OpenAI's `usage` counts them."""

    text_in: int
    image_in: int
    image_out: int
    #: of words and thoughts beside the image, which Google bills apart
    text_out: int = 0


class Bill(Struct, frozen=True):
    """What the vendor said of an image's cost; both None where it said nothing."""

    usage: Usage | None = None
    #: in the vendor's own credits
    credits: Decimal | None = None


class TokenRates(Struct, frozen=True):
    """Micro-credits for a million tokens."""

    text_in: Microcredits
    image_in: Microcredits
    image_out: Microcredits
    text_out: Microcredits = Microcredits(0)


class Price(Struct, frozen=True):
    """
    The price of one image. `images` is the list price. If the vendor bills by tokens or by credits
    of its own, `images` is what is held, and `rates` or `credit` turns the bill into the cost.
    """

    #: (resolution, quality) -> price
    images: Mapping[tuple[str, str], Microcredits]
    rates: TokenRates | None = None
    #: what one credit of the vendor is worth
    credit: Microcredits | None = None
    #: held in addition for each reference, if references are billed
    reference: Microcredits = Microcredits(0)


class Cost(Struct, frozen=True):
    amount_ucr: Microcredits
    #: False: the vendor bills by use and did not send its bill, so the quote stands
    known: bool


def quote(
    price: Price, resolution: str, quality: str, *, references: int, prompt_bytes: int
) -> Microcredits:
    """
    What is held for one image: the most that it may cost.

    Args:
        prompt_bytes: the prompt's, in UTF-8; a vendor that bills by tokens bills the prompt, too.
    """
    amount = price.images[resolution, quality] + price.reference * references
    if price.rates:
        tokens = math.ceil(prompt_bytes / BYTES_PER_TOKEN)
        amount += math.ceil(price.rates.text_in * tokens / TOKENS_PER_PRICE)
    return Microcredits(amount)


def final_cost(price: Price, quoted: Microcredits, bill: Bill) -> Cost:
    """What one image cost; never more than was quoted."""
    if price.rates is None and price.credit is None:
        return Cost(quoted, known=True)
    if price.rates and bill.usage:
        amount = _of_tokens(price.rates, bill.usage)
    elif price.credit is not None and bill.credits is not None:
        amount = Decimal(price.credit) * bill.credits
    else:
        return Cost(quoted, known=False)
    rounded = int(amount.to_integral_value(ROUND_CEILING))
    return Cost(Microcredits(min(max(rounded, 0), quoted)), known=True)


def _of_tokens(rates: TokenRates, usage: Usage) -> Decimal:
    total = (
        rates.text_in * usage.text_in
        + rates.image_in * usage.image_in
        + rates.image_out * usage.image_out
        + rates.text_out * usage.text_out
    )
    return Decimal(total) / TOKENS_PER_PRICE
