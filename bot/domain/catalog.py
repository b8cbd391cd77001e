"""Models, their routes and prices: reading the catalog, choosing a route, quoting its price."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.credits import Microcredits, parse_credits
from bot.domain.requests import ASPECT_RATIOS, QUALITIES, RESOLUTIONS, ImageRequest, Mode
from bot.errors import InvalidRequest, NotAllowed, StartupError


class NsfwSwitch(StrEnum):
    """How a route is told to filter adult content."""

    NONE = "none"
    NSFW_CHECKER = "nsfw_checker"


@dataclass(frozen=True, slots=True)
class Route:
    """One way to get a model."""

    #: "provider/upstream", unique in the catalog
    id: str
    provider: str
    #: the vendor's own name of the model
    upstream: str
    modes: frozenset[Mode]
    references_max: int
    aspect_ratios: tuple[str, ...]
    #: resolution -> price of one image
    price_ucr: Mapping[str, Microcredits]
    #: empty: the route has no such setting
    qualities: tuple[str, ...]
    #: whether the vendor takes a resolution at all; where not, 1K is what it makes
    sends_resolution: bool
    nsfw_switch: NsfwSwitch
    #: seconds; the vendor's measured median, shown to the member and the prior for polling
    typical_s: int
    #: seconds after the submit; an unfinished task is given up then
    deadline_s: int
    #: jobs under way at once; further ones wait
    running_max: int

    @property
    def resolutions(self) -> tuple[str, ...]:
        return tuple(self.price_ucr)


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    #: one line for the member who chooses
    summary: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    route: Route
    #: for one image
    price_ucr: Microcredits
    #: for all images of the request: what is held
    total_ucr: Microcredits


@dataclass(frozen=True, slots=True)
class Catalog:
    models: Mapping[str, Model]

    def routes(self) -> Iterator[Route]:
        for model in self.models.values():
            yield from model.routes

    def route(self, route_id: str) -> Route | None:
        return next((route for route in self.routes() if route.id == route_id), None)

    def quote(
        self, request: ImageRequest, *, providers: Collection[str], nsfw_checker: bool
    ) -> Quote:
        """
        Choose the first listed route that can do the request and price it.

        Args:
            providers: those that are switched on.
            nsfw_checker: whether the filter must be on; a route without a switch is then out.
        Raises:
            InvalidRequest: no route of the model can do this; says what is possible.
            NotAllowed: the filter rules the model out, or no provider of it is configured.
        """
        model = self.models.get(request.model)
        if model is None:
            raise InvalidRequest(f"There is no such model. Choose one of {', '.join(self.models)}.")
        routes = [route for route in model.routes if route.provider in providers]
        if not routes:
            raise NotAllowed(
                f"{model.id} is not available here: whoever hosts this bot has not set up"
                " a provider for it."
            )
        if nsfw_checker:
            routes = [route for route in routes if route.nsfw_switch is not NsfwSwitch.NONE]
            if not routes:
                raise NotAllowed(
                    f"{model.id} has no NSFW filter, and the filter is on here."
                    " Choose another model."
                )
        problems = [problem_with(route, request) for route in routes]
        for route, problem in zip(routes, problems, strict=True):
            if problem is None:
                price = route.price_ucr[request.resolution]
                return Quote(route, price, Microcredits(price * request.count))
        raise InvalidRequest(f"{model.id} {problems[0]}")


def problem_with(route: Route, request: ImageRequest) -> str | None:
    """The end of a sentence that says why the route cannot do the request; None if it can."""
    if request.mode not in route.modes:
        return "cannot edit images." if request.mode is Mode.EDIT else "only edits images."
    if len(request.references) > route.references_max:
        return f"takes at most {route.references_max} references."
    if request.aspect_ratio not in route.aspect_ratios:
        return f"cannot do {request.aspect_ratio}; it does {', '.join(route.aspect_ratios)}."
    if request.resolution not in route.price_ucr:
        return f"cannot do {request.resolution}; it does {', '.join(route.resolutions)}."
    if request.quality != "auto" and request.quality not in route.qualities:
        if not route.qualities:
            return "has no quality setting; leave it out."
        return f"has no quality {request.quality}; it has {', '.join(route.qualities)}."
    return None


def parse_catalog(document: Mapping[str, object]) -> Catalog:
    """
    Read a decoded catalog file: `[models.<id>]` with `summary` and `[[models.<id>.routes]]`.

    Raises:
        StartupError: names the key that is missing or wrong.
    """
    models = {}
    for model_id, table in _Table("", document).table("models").tables():
        routes = tuple(_parse_route(entry) for entry in table.list_of_tables("routes"))
        if not routes:
            raise table.wrong("routes", "needs at least one route")
        models[model_id] = Model(model_id, table.text("summary"), routes)
    if not models:
        raise StartupError("Catalog: models is empty.", usage=True)
    catalog = Catalog(models)
    ids = [route.id for route in catalog.routes()]
    for route_id in ids:
        if ids.count(route_id) > 1:
            raise StartupError(f"Catalog: the route {route_id} stands there twice.", usage=True)
    return catalog


def _parse_route(table: "_Table") -> Route:
    provider, upstream = table.text("provider"), table.text("upstream")
    switches = tuple(switch.value for switch in NsfwSwitch)
    return Route(
        id=f"{provider}/{upstream}",
        provider=provider,
        upstream=upstream,
        modes=frozenset(Mode(word) for word in table.words("modes", tuple(Mode), least=1)),
        references_max=table.number("references_max", 0, 16),
        aspect_ratios=table.words("aspect_ratios", ASPECT_RATIOS, least=1),
        price_ucr=_parse_prices(table),
        qualities=table.words("qualities", QUALITIES),
        sends_resolution=table.flag("sends_resolution"),
        nsfw_switch=NsfwSwitch(table.word("nsfw_switch", switches)),
        typical_s=table.number("typical_s", 1, 3_600),
        deadline_s=table.number("deadline_s", 1, 86_400),
        running_max=table.number("running_max", 1, 10_000),
    )


def _parse_prices(route: "_Table") -> Mapping[str, Microcredits]:
    table = route.table("price")
    possible = RESOLUTIONS if route.flag("sends_resolution") else RESOLUTIONS[:1]
    prices = {}
    for resolution in table.content:
        if resolution not in possible:
            raise table.wrong(resolution, f"is none of {', '.join(possible)}")
        try:
            prices[resolution] = parse_credits(table.text(resolution))
        except ValueError as error:
            raise table.wrong(resolution, str(error)) from error
    if not prices:
        raise table.wrong(None, "needs a price for at least one resolution")
    return prices


class _Table:
    """A table of the document that knows its own path, so that each complaint names its key."""

    def __init__(self, path: str, content: Mapping[str, object]) -> None:
        self.path = path
        self.content = content

    def wrong(self, key: str | None, complaint: str) -> StartupError:
        name = ".".join(part for part in (self.path, key) if part)
        return StartupError(f"Catalog: {name} {complaint}.", usage=True)

    def table(self, key: str) -> "_Table":
        value = self.content.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return _Table(".".join(part for part in (self.path, key) if part), value)

    def tables(self) -> Iterator[tuple[str, "_Table"]]:
        for key in self.content:
            yield key, self.table(key)

    def list_of_tables(self, key: str) -> Iterator["_Table"]:
        value = self.content.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list of tables")
        for number, entry in enumerate(value):
            if not isinstance(entry, dict):
                raise self.wrong(f"{key}[{number}]", "must be a table")
            yield _Table(f"{self.path}.{key}[{number}]", entry)

    def text(self, key: str) -> str:
        value = self.content.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "must be a text")
        return value

    def flag(self, key: str) -> bool:
        value = self.content.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def number(self, key: str, least: int, most: int) -> int:
        value = self.content.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, f"must be a whole number from {least} to {most}")
        return value

    def word(self, key: str, allowed: Collection[str]) -> str:
        value = self.content.get(key)
        if not isinstance(value, str) or value not in allowed:
            raise self.wrong(key, f"must be one of {', '.join(allowed)}")
        return value

    def words(self, key: str, allowed: Collection[str], least: int = 0) -> tuple[str, ...]:
        value = self.content.get(key)
        if not isinstance(value, list) or any(word not in allowed for word in value):
            raise self.wrong(key, f"must be a list of {', '.join(allowed)}")
        if len(value) < least:
            raise self.wrong(key, "must not be empty")
        return tuple(value)
