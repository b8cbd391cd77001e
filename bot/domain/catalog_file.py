"""Reads a catalog file; every complaint names its key."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime

from bot.domain.catalog import Catalog, Model, NsfwSwitch, Rate, Route
from bot.domain.credits import Microcredits, parse_credits
from bot.domain.pricing import Price, TokenRates
from bot.domain.requests import (
    ASPECT_RATIOS,
    QUALITIES,
    REFERENCE_TYPES,
    RESOLUTIONS,
    Mode,
)
from bot.errors import StartupError

#: choices of one option (Discord docs, Application Command Option)
MODELS_MAX = 25
#: what `auto` is priced as (apimodels.app docs, gpt-image-2-all)
AUTO_QUALITY = "medium"


def parse_catalog(document: Mapping[str, object]) -> Catalog:
    """
    Read a decoded catalog file: `read`, the day its prices are of, and `[models.<id>]` with
    `summary`, `retires` and `[[models.<id>.routes]]`.

    Raises:
        StartupError: names the key that is missing or wrong.
    """
    models = {}
    top = _Table("", document)
    for model_id, table in top.table("models").tables():
        routes = tuple(_parse_route(entry) for entry in table.list_of_tables("routes"))
        if not routes:
            raise table.wrong("routes", "needs at least one route")
        models[model_id] = Model(
            model_id, table.text("summary"), routes, table.optional_day("retires")
        )
        table.end()
    read = top.optional_day("read")
    top.end()
    if not models:
        raise StartupError("Catalog: models is empty.", usage=True)
    if len(models) > MODELS_MAX:
        raise StartupError(f"Catalog: models has more than {MODELS_MAX} entries.", usage=True)
    catalog = Catalog(models, read)
    ids = [route.id for route in catalog.routes()]
    for route_id in ids:
        if ids.count(route_id) > 1:
            raise StartupError(f"Catalog: the route {route_id} stands there twice.", usage=True)
    return catalog


def _parse_route(table: "_Table") -> Route:
    provider, upstream = table.text("provider"), table.text("upstream")
    route_mode = table.optional_text("route_mode")
    qualities = table.words("qualities", QUALITIES)
    sends_resolution = table.flag("sends_resolution")
    resolutions = RESOLUTIONS if sends_resolution else RESOLUTIONS[:1]
    price = _parse_price(table, resolutions, qualities)
    route = Route(
        id=f"{provider}/{upstream}" + (f"@{route_mode}" if route_mode else ""),
        provider=provider,
        upstream=upstream,
        api=table.optional_text("api"),
        route_mode=route_mode,
        modes=frozenset(Mode(word) for word in table.words("modes", tuple(Mode), least=1)),
        references_max=table.number("references_max", 0, 16),
        reference_types=table.words(
            "reference_types", REFERENCE_TYPES, least=1, default=REFERENCE_TYPES
        ),
        mask=table.flag("mask", default=False),
        transparency=table.flag("transparency", default=False),
        sizes=_parse_sizes(table, {resolution for resolution, _ in price.images}),
        qualities=qualities,
        price=price,
        sends_resolution=sends_resolution,
        nsfw_switch=NsfwSwitch(
            table.word("nsfw_switch", tuple(switch.value for switch in NsfwSwitch))
        ),
        typical_s=table.number("typical_s", 1, 3_600),
        deadline_s=table.number("deadline_s", 1, 86_400),
        running_max=table.number("running_max", 1, 10_000),
        rate=_parse_rate(table, "rate", "submits"),
        poll_rate=_parse_rate(table, "poll_rate", "polls"),
    )
    table.end()
    if Mode.EDIT in route.modes and route.references_max == 0:
        raise table.wrong("references_max", "must not be 0 where modes has edit")
    if route.deadline_s < route.typical_s:
        raise table.wrong("deadline_s", "must not be less than typical_s")
    return route


def _parse_sizes(table: "_Table", priced: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """`aspect_ratios`, each in every priced resolution unless `[limits]` says less."""
    ratios = table.words("aspect_ratios", ASPECT_RATIOS, least=1)
    everything = tuple(resolution for resolution in RESOLUTIONS if resolution in priced)
    sizes = dict.fromkeys(ratios, everything)
    if "limits" in table.content:
        limits = table.table("limits")
        for ratio in limits.content:
            if ratio not in sizes:
                raise limits.wrong(ratio, "is none of the route's aspect_ratios")
            sizes[ratio] = limits.words(ratio, everything, least=1)
    return sizes


def _parse_price(
    route: "_Table", resolutions: Collection[str], qualities: Collection[str]
) -> Price:
    table = route.table("price")
    by_use = "rates" in route.content or "credit" in route.content
    if "rates" in route.content and "credit" in route.content:
        raise route.wrong("credit", "and rates exclude each other")
    images: dict[tuple[str, str], Microcredits] = {}
    for resolution, entry in table.content.items():
        if resolution not in resolutions:
            raise table.wrong(resolution, f"is none of {', '.join(resolutions)}")
        if isinstance(entry, dict):
            if not qualities:
                raise table.wrong(resolution, "must be a text: the route has no qualities")
            of_quality = table.table(resolution)
            for quality in qualities:
                images[resolution, quality] = of_quality.amount(quality)
            # Billed by use, `auto` may turn out as the best of them, and the hold must cover it.
            images[resolution, "auto"] = (
                max(images[resolution, quality] for quality in qualities)
                if by_use
                else of_quality.amount(AUTO_QUALITY)
            )
            of_quality.end()
        else:
            amount = table.amount(resolution)
            images |= {(resolution, quality): amount for quality in ("auto", *qualities)}
    if not images:
        raise table.wrong(None, "needs a price for at least one resolution")
    return Price(
        images=images,
        rates=_parse_rates(route.table("rates")) if "rates" in route.content else None,
        credit=route.amount("credit") if "credit" in route.content else None,
        reference=route.amount("reference_price", default="0"),
    )


def _parse_rates(table: "_Table") -> TokenRates:
    rates = TokenRates(
        text_in=table.amount("text_in"),
        image_in=table.amount("image_in"),
        image_out=table.amount("image_out"),
    )
    table.end()
    return rates


def _parse_rate(route: "_Table", key: str, calls: str) -> Rate | None:
    if key not in route.content:
        return None
    table = route.table(key)
    rate = Rate(table.number(calls, 1, 100_000), table.number("seconds", 1, 86_400))
    table.end()
    return rate


class _Table:
    """A table of the document that knows its own path, so that each complaint names its key."""

    def __init__(self, path: str, content: Mapping[str, object]) -> None:
        self.path = path
        self.content = content
        self._read: set[str] = set()

    def end(self) -> None:
        """All of it that is known has been read; what is left is misspelt."""
        for key in self.content:
            if key not in self._read:
                known = ", ".join(sorted(self._read))
                raise self.wrong(key, f"is not a key here; there are {known}")

    def _value(self, key: str, default: object = None) -> object:
        self._read.add(key)
        return self.content.get(key, default)

    def wrong(self, key: str | None, complaint: str) -> StartupError:
        name = ".".join(part for part in (self.path, key) if part)
        return StartupError(f"Catalog: {name} {complaint}.", usage=True)

    def table(self, key: str) -> "_Table":
        value = self._value(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return _Table(".".join(part for part in (self.path, key) if part), value)

    def tables(self) -> Iterator[tuple[str, "_Table"]]:
        for key in self.content:
            yield key, self.table(key)

    def list_of_tables(self, key: str) -> Iterator["_Table"]:
        value = self._value(key)
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list of tables")
        for number, entry in enumerate(value):
            if not isinstance(entry, dict):
                raise self.wrong(f"{key}[{number}]", "must be a table")
            yield _Table(f"{self.path}.{key}[{number}]", entry)

    def text(self, key: str) -> str:
        value = self._value(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "must be a text")
        return value

    def optional_text(self, key: str) -> str:
        self._read.add(key)
        return self.text(key) if key in self.content else ""

    def optional_day(self, key: str) -> date | None:
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.wrong(key, "must be a day, as in 2026-12-01")
        return value

    def amount(self, key: str, default: str | None = None) -> Microcredits:
        self._read.add(key)
        if default is not None and key not in self.content:
            return parse_credits(default)
        try:
            return parse_credits(self.text(key))
        except ValueError as error:
            raise self.wrong(key, str(error)) from error

    def flag(self, key: str, default: bool | None = None) -> bool:
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def number(self, key: str, least: int, most: int) -> int:
        value = self._value(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, f"must be a whole number from {least} to {most}")
        return value

    def word(self, key: str, allowed: Collection[str]) -> str:
        value = self._value(key)
        if not isinstance(value, str) or value not in allowed:
            raise self.wrong(key, f"must be one of {', '.join(allowed)}")
        return value

    def words(
        self,
        key: str,
        allowed: Collection[str],
        least: int = 0,
        default: tuple[str, ...] | None = None,
    ) -> tuple[str, ...]:
        value = self._value(key, None if default is None else list(default))
        if not isinstance(value, list) or any(word not in allowed for word in value):
            raise self.wrong(key, f"must be a list of {', '.join(allowed)}")
        if len(value) < least:
            raise self.wrong(key, "must not be empty")
        return tuple(value)
