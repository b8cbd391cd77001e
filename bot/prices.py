"""`easel prices`: what each route holds for an image, and what it usually costs."""

from collections.abc import Iterator, Mapping

from bot.domain.catalog import Catalog, Route
from bot.domain.credits import Microcredits, format_credits
from bot.domain.requests import QUALITIES, RESOLUTIONS

#: (route id, resolution, quality) -> the median of what such images did cost
Usual = Mapping[tuple[str, str, str], Microcredits]


def price_table(catalog: Catalog, usual: Usual) -> str:
    """A line for each model, route and quality; below it the usual costs, if they are known."""
    head = f"{'model':<24}{'route':<52}{'quality':<9}" + "".join(
        f"{each:>14}" for each in (*RESOLUTIONS, "a reference")
    )
    lines = [head]
    for model in catalog.models.values():
        for route in model.routes:
            for quality, prices in _rows(route, usual):
                lines.append(f"{model.id:<24}{route.id:<52}{quality:<9}{prices}")
    return "\n".join(lines)


def _rows(route: Route, usual: Usual) -> Iterator[tuple[str, str]]:
    for quality in QUALITIES:
        held = [route.price.images.get((resolution, quality)) for resolution in RESOLUTIONS]
        if any(amount is not None for amount in held):
            yield quality, _cells(*held, route.price.reference or None)
        cost = [usual.get((route.id, resolution, quality)) for resolution in RESOLUTIONS]
        if any(amount is not None for amount in cost):
            yield "  usual", _cells(*cost, None)


def _cells(*amounts: Microcredits | None) -> str:
    return "".join(f"{'-' if amount is None else format_credits(amount):>14}" for amount in amounts)
