"""Models, their routes and prices: which routes can do a request, and what it may cost."""

import math
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import cache

from msgspec import Struct
from msgspec.structs import replace

from bot.domain import pricing
from bot.domain.credits import Microcredits
from bot.domain.pricing import Price
from bot.domain.requests import (
    ASPECT_RATIOS,
    RESOLUTIONS,
    TRANSPARENT,
    ImageRequest,
    Mode,
    words_of,
)
from bot.errors import Facts, InvalidRequest, NotAllowed, Reason

#: why no route of a model can do a request, and the facts of that besides the model
Lack = tuple[Reason, Facts]


class NsfwSwitch(StrEnum):
    """How a route is told to filter adult content."""

    NONE = "none"
    NSFW_CHECKER = "nsfw_checker"
    #: OpenAI's: `auto`, or `low` where the filter is off; edits say neither, which means `auto`
    MODERATION = "moderation"

    def serves(self, *, nsfw_checker: bool) -> bool:
        """Whether a route with this switch may be used; without one, its filter cannot be on."""
        return not nsfw_checker or self is not NsfwSwitch.NONE

    def fields(self, *, nsfw_checker: bool) -> dict[str, bool | str]:
        """What the vendor is told of the filter, whichever its wire format."""
        match self:
            case NsfwSwitch.NSFW_CHECKER:
                return {"nsfw_checker": nsfw_checker}
            case NsfwSwitch.MODERATION:
                return {"moderation": "auto" if nsfw_checker else "low"}
            case NsfwSwitch.NONE:
                return {}


class RouteOrder(StrEnum):
    """`ROUTE_ORDER`: which of the routes that can do a request comes first."""

    LISTED = "listed"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"


class Rate(Struct, frozen=True):
    """At most this many calls within any such number of seconds."""

    calls: int
    seconds: int


class Route(Struct, frozen=True):
    """One way to get a model."""

    #: "provider/upstream", with "@route mode" where there is one; unique in the catalog
    id: str
    provider: str
    #: the vendor's own name of the model
    upstream: str
    #: which of its vendor's wire formats it speaks; empty: the vendor's first
    api: str
    #: the vendor's name for its own route to the model, such as MaxAPI's "mix"; empty: none is sent
    route_mode: str
    modes: frozenset[Mode]
    references_max: int
    #: media types of references that the vendor takes; others are converted to one of them
    reference_types: tuple[str, ...]
    #: whether an edit can be confined to a part
    mask: bool
    #: whether it can be asked for a transparent background
    transparency: bool
    #: ratio -> resolutions it can be had in
    sizes: Mapping[str, tuple[str, ...]]
    #: (ratio, resolution) -> `WxH`, where the vendor makes another size than OpenAI would
    own_sizes: Mapping[tuple[str, str], str]
    #: empty: the route has no such setting
    qualities: tuple[str, ...]
    price: Price
    #: whether the vendor takes a resolution at all; if not, it makes 1K
    sends_resolution: bool
    nsfw_switch: NsfwSwitch
    #: seconds that an image usually takes, until the bot has learned that for itself
    typical_s: int
    #: seconds after the submit; an unfinished task is given up then
    deadline_s: int
    #: images under way at once; further ones wait
    running_max: int
    #: limit of submits; None: the vendor names none
    rate: Rate | None
    #: limit of polls; None: the vendor names none
    poll_rate: Rate | None

    def quote(self, request: ImageRequest) -> Microcredits:
        """What is held for one image of the request."""
        return pricing.quote(
            self.price,
            request.resolution,
            request.quality,
            references=len(request.references) + (request.mask is not None),
            prompt_bytes=len(words_of(request).encode()),
        )


class Model(Struct, frozen=True):
    id: str
    #: one line for the member who chooses
    summary: str
    routes: tuple[Route, ...]
    #: from this day on (UTC) its makers make no more images with it; None: no such day is known
    retires: date | None = None

    def is_retired(self, today: date) -> bool:
        return self.retires is not None and today >= self.retires


class Here(Struct, frozen=True):
    """What decides which routes can do a request, besides the request."""

    #: those that are switched on
    providers: Collection[str]
    #: whether the filter must be on; a route without a switch is then out
    nsfw_checker: bool
    today: date


class Catalog(Struct, frozen=True):
    models: Mapping[str, Model]
    #: when its prices were read; None: the catalog does not say
    read: date | None = None

    def retiring(self, providers: Collection[str], until: date) -> list[Model]:
        """The models that these providers offer and that their makers end by that day."""
        return [
            model
            for model in self.offered(providers).models.values()
            if model.retires is not None and model.retires <= until
        ]

    def routes(self) -> Iterator[Route]:
        for model in self.models.values():
            yield from model.routes

    def route(self, route_id: str) -> Route | None:
        return next((route for route in self.routes() if route.id == route_id), None)

    def candidates(self, request: ImageRequest, here: Here) -> tuple[Route, ...]:
        """
        The routes that can do the request, as the catalog lists them; at least one.

        Raises:
            InvalidRequest: no route of the model can do this; says what is possible.
            NotAllowed: the filter rules the model out, no provider of it is configured, or its
                makers have ended it.
        """
        able = self._able_but_for_size(request, here)
        if routes := tuple(route for route in able if _fits_size(route, request)):
            return routes
        refusal = self._refusal(request, here)
        if request.model in self.models:
            others = self._others(request, here)
            unfiltered = self._others(request, replace(here, nsfw_checker=False))
            refusal.facts.update(others=others, unfiltered=[] if others else unfiltered)
        raise refusal

    def _others(self, request: ImageRequest, here: Here) -> list[str]:
        """The other models that can do the request, if need be in a shape of their own."""
        named = (replace(request, model=model) for model in self.models if model != request.model)
        return [each.model for each in named if self.shaped(each, here)[1]]

    def _able_but_for_size(self, request: ImageRequest, here: Here) -> list[Route]:
        model = self.models.get(request.model)
        if model is None or model.is_retired(here.today):
            return []
        return [
            route
            for route in model.routes
            if route.provider in here.providers
            and route.nsfw_switch.serves(nsfw_checker=here.nsfw_checker)
            and all(fits(route, request) for fits, _ in CHECKS if fits is not _fits_size)
        ]

    def shaped(self, request: ImageRequest, here: Here) -> tuple[ImageRequest, tuple[Route, ...]]:
        """
        The request, with a ratio in place of `auto` if it edits an image of known shape, or if
        `auto` cannot be had at its resolution: the ratio nearest to the first reference's shape, or
        to a square without one. With it come the routes that can do it, if there are any.
        """
        routes = self._able_but_for_size(request, here)
        if request.aspect_ratio == "auto":
            request = _shaped(request, routes)
        return request, tuple(route for route in routes if _fits_size(route, request))

    def offered(self, providers: Collection[str]) -> "Catalog":
        """The catalog with the models that these providers offer; with all if they offer none."""
        found = [
            model.id
            for model in self.models.values()
            if any(route.provider in providers for route in model.routes)
        ]
        return self.only(found or self.models)

    def only(self, models: Container[str]) -> "Catalog":
        """The catalog with these models alone."""
        return Catalog({model.id: model for model in self.models.values() if model.id in models})

    def without(self, models: Collection[str]) -> "Catalog":
        """The catalog with all but these models."""
        return self.only(self.models.keys() - models)

    def lasting(self, today: date) -> list[str]:
        """The ids of the models that their makers have not ended; all, if none is left."""
        left = [model.id for model in self.models.values() if not model.is_retired(today)]
        return left or list(self.models)

    def default_model(self, providers: Collection[str], today: date) -> str:
        """The model for a member who names none: the first on offer, if possible with a filter."""

        def suits(model_id: str) -> tuple[bool, bool]:
            routes = [each for each in self.models[model_id].routes if each.provider in providers]
            return any(each.nsfw_switch.serves(nsfw_checker=True) for each in routes), bool(routes)

        return max(self.lasting(today), key=suits)

    def _refusal(self, request: ImageRequest, here: Here) -> InvalidRequest | NotAllowed:
        """Why no route can do the request: the first check that none of the routes left passes."""
        model = self.models.get(request.model)
        if model is None:
            offered = list(self.offered(here.providers).models)
            return InvalidRequest(Reason.NO_SUCH_MODEL, allowed=offered)
        if model.is_retired(here.today):
            return NotAllowed(Reason.RETIRED, model=model.id, since=str(model.retires))
        routes = [route for route in model.routes if route.provider in here.providers]
        if not routes:
            return NotAllowed(Reason.NO_PROVIDER, model=model.id)
        checker = here.nsfw_checker
        routes = [each for each in routes if each.nsfw_switch.serves(nsfw_checker=checker)]
        if not routes:
            return NotAllowed(Reason.NO_FILTER, model=model.id)
        for fits, lack_of in CHECKS:
            able = [route for route in routes if fits(route, request)]
            if not able:
                reason, facts = lack_of(routes, request)
                return InvalidRequest(reason, model=model.id, **facts)
            routes = able
        raise AssertionError(f"{routes[0].id} can do it")


def _shaped(request: ImageRequest, routes: Sequence[Route]) -> ImageRequest:
    ratios = {
        ratio
        for route in routes
        for ratio, resolutions in route.sizes.items()
        if request.resolution in resolutions
    }
    first_px = _first_px(request)
    if "auto" in ratios and not (request.mode is Mode.EDIT and first_px):
        return request
    named = _in_order(ASPECT_RATIOS, ratios - {"auto"})
    if not named:
        return request
    width_px, height_px = first_px or (1, 1)
    shape = math.log(width_px / height_px)
    nearest = min(named, key=lambda ratio: abs(_shape(ratio) - shape))
    return replace(request, aspect_ratio=nearest)


@cache
def _shape(ratio: str) -> float:
    """The logarithm of its width over its height; differences of these are distances."""
    across, down = map(int, ratio.split(":"))
    return math.log(across / down)


def _first_px(request: ImageRequest) -> tuple[int, int] | None:
    """Width and height of the first reference, if Discord tells them."""
    first = request.references[0] if request.references else None
    if first and first.width_px and first.height_px:
        return first.width_px, first.height_px
    return None


def _fits_size(route: Route, request: ImageRequest) -> bool:
    return request.resolution in route.sizes.get(request.aspect_ratio, ())


def _about_mode(routes: Sequence[Route], request: ImageRequest) -> Lack:
    return Reason.EDITS_NOTHING if request.mode is Mode.EDIT else Reason.ONLY_EDITS, {}


def _about_references(routes: Sequence[Route], request: ImageRequest) -> Lack:
    references_max = max(route.references_max for route in routes)
    return Reason.MODEL_REFERENCES, {"references_max": references_max}


def _about_quality(routes: Sequence[Route], request: ImageRequest) -> Lack:
    qualities = list(dict.fromkeys(each for route in routes for each in route.qualities))
    if not qualities:
        return Reason.MODEL_WITHOUT_QUALITIES, {}
    return Reason.MODEL_QUALITY, {"quality": request.quality, "qualities": qualities}


def _about_size(routes: Sequence[Route], request: ImageRequest) -> Lack:
    """Says which pairs of ratio and resolution work, whichever of the routes makes them."""
    ratio, resolution = request.aspect_ratio, request.resolution
    pairs = {(each, size) for route in routes for each in route.sizes for size in route.sizes[each]}
    ratios = _in_order(ASPECT_RATIOS, (each for each, size in pairs if size == resolution))
    sizes = _in_order(RESOLUTIONS, (size for each, size in pairs if each == ratio))
    if not sizes:
        offered = _in_order(ASPECT_RATIOS, (each for each, _ in pairs))
        return Reason.MODEL_RATIO, {"ratio": ratio, "ratios": offered}
    if not ratios:
        known = _in_order(RESOLUTIONS, (size for _, size in pairs))
        return Reason.MODEL_RESOLUTION, {"resolution": resolution, "resolutions": known}
    pair = {"ratio": ratio, "resolution": resolution}
    return Reason.MODEL_SIZE, pair | {"resolutions": sizes, "ratios": ratios}


def _in_order(known: Sequence[str], found: Iterable[str]) -> list[str]:
    return sorted(set(found), key=known.index)


#: what a route must be able to do, and what is said if none of the routes left is
CHECKS: Sequence[
    tuple[Callable[[Route, ImageRequest], bool], Callable[[Sequence[Route], ImageRequest], Lack]]
] = (
    (lambda route, request: request.mode in route.modes, _about_mode),
    (lambda route, request: len(request.references) <= route.references_max, _about_references),
    (lambda route, request: request.mask is None or route.mask, lambda *_: (Reason.MODEL_MASK, {})),
    (
        lambda route, request: request.background != TRANSPARENT or route.transparency,
        lambda *_: (Reason.MODEL_BACKGROUND, {}),
    ),
    (lambda route, request: request.quality in ("auto", *route.qualities), _about_quality),
    (_fits_size, _about_size),
)
