"""Models, their routes and prices: which routes can do a request, and what it may cost."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.domain import pricing
from bot.domain.credits import Microcredits
from bot.domain.pricing import Price
from bot.domain.requests import ImageRequest, Mode
from bot.errors import InvalidRequest, NotAllowed


class NsfwSwitch(StrEnum):
    """How a route is told to filter adult content."""

    NONE = "none"
    NSFW_CHECKER = "nsfw_checker"
    #: OpenAI's: `auto`, or `low` where the filter is off
    MODERATION = "moderation"


class RouteOrder(StrEnum):
    """`ROUTE_ORDER`: which of the routes that can do a request comes first."""

    LISTED = "listed"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many calls in any such time."""

    calls: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Route:
    """One way to get a model."""

    #: "provider/upstream", with "@route mode" where there is one; unique in the catalog
    id: str
    provider: str
    #: the vendor's own name of the model
    upstream: str
    #: the vendor's name for its own way to the model, such as MaxAPI's "mix"; empty: none is sent
    route_mode: str
    modes: frozenset[Mode]
    references_max: int
    #: media types of the references that the vendor takes
    reference_types: tuple[str, ...]
    #: whether an edit can be confined to a part
    mask: bool
    #: ratio -> resolutions it can be had in
    sizes: Mapping[str, tuple[str, ...]]
    #: empty: the route has no such setting
    qualities: tuple[str, ...]
    price: Price
    #: whether the vendor takes a resolution at all; where not, 1K is what it makes
    sends_resolution: bool
    nsfw_switch: NsfwSwitch
    #: seconds; the vendor's measured median, shown to the member and the prior for polling
    typical_s: int
    #: seconds after the submit; an unfinished task is given up then
    deadline_s: int
    #: images under way at once; further ones wait
    running_max: int
    #: of submits; None: the vendor names no limit
    rate: Rate | None
    #: of polls; None: the vendor names no limit
    poll_rate: Rate | None

    def quote(self, request: ImageRequest) -> Microcredits:
        """What is held for one image of the request."""
        return pricing.quote(
            self.price, request.resolution, request.quality, len(request.references)
        )


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    #: one line for the member who chooses
    summary: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    models: Mapping[str, Model]

    def routes(self) -> Iterator[Route]:
        for model in self.models.values():
            yield from model.routes

    def route(self, route_id: str) -> Route | None:
        return next((route for route in self.routes() if route.id == route_id), None)

    def candidates(
        self, request: ImageRequest, *, providers: Collection[str], nsfw_checker: bool
    ) -> tuple[Route, ...]:
        """
        The routes that can do the request, as the catalog lists them; at least one.

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
        able = tuple(
            route for route, problem in zip(routes, problems, strict=True) if problem is None
        )
        if not able:
            raise InvalidRequest(f"{model.id} {problems[0]}")
        return able


def problem_with(route: Route, request: ImageRequest) -> str | None:
    """The end of a sentence that says why the route cannot do the request; None if it can."""
    if request.mode not in route.modes:
        return "cannot edit images." if request.mode is Mode.EDIT else "only edits images."
    if len(request.references) > route.references_max:
        return f"takes at most {route.references_max} references."
    if any(each.media_type not in ("", *route.reference_types) for each in request.references):
        names = [media_type.removeprefix("image/").upper() for media_type in route.reference_types]
        return f"takes references as {' or '.join(names)} only."
    if request.mask is not None and not route.mask:
        return "cannot confine an edit to a mask."
    return _problem_with_size(route, request) or _problem_with_quality(route, request)


def _problem_with_size(route: Route, request: ImageRequest) -> str | None:
    ratio, resolution = request.aspect_ratio, request.resolution
    if ratio not in route.sizes:
        return f"cannot do {ratio}; it does {', '.join(route.sizes)}."
    if resolution in route.sizes[ratio]:
        return None
    ratios = [each for each, resolutions in route.sizes.items() if resolution in resolutions]
    at_ratio = f"it does {ratio} at {', '.join(route.sizes[ratio])}"
    if not ratios:
        offered = dict.fromkeys(
            each for resolutions in route.sizes.values() for each in resolutions
        )
        return f"cannot do {resolution}; it does {', '.join(offered)}."
    return (
        f"cannot do {ratio} at {resolution}; {at_ratio}, and {resolution} at {', '.join(ratios)}."
    )


def _problem_with_quality(route: Route, request: ImageRequest) -> str | None:
    if request.quality == "auto" or request.quality in route.qualities:
        return None
    if not route.qualities:
        return "has no quality setting; leave it out."
    return f"has no quality {request.quality}; it has {', '.join(route.qualities)}."
