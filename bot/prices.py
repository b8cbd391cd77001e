"""`easel prices`: what each route holds for an image, by resolution and quality."""

from collections.abc import Iterator

from bot.domain.catalog import Catalog, Route
from bot.domain.credits import format_credits
from bot.domain.requests import QUALITIES, RESOLUTIONS


def price_table(catalog: Catalog) -> str:
    """A line for each model, route and quality."""
    head = f"{'model':<24}{'route':<52}{'quality':<9}" + "".join(
        f"{each:>14}" for each in (*RESOLUTIONS, "a reference")
    )
    lines = [head]
    for model in catalog.models.values():
        for route in model.routes:
            for quality, prices in _rows(route):
                lines.append(f"{model.id:<24}{route.id:<52}{quality:<9}{prices}")
    return "\n".join(lines)


def _rows(route: Route) -> Iterator[tuple[str, str]]:
    for quality in QUALITIES:
        amounts = [route.price.images.get((resolution, quality)) for resolution in RESOLUTIONS]
        if any(amount is not None for amount in amounts):
            yield (
                quality,
                "".join(
                    f"{'-' if amount is None else format_credits(amount):>14}"
                    for amount in (*amounts, route.price.reference or None)
                ),
            )
