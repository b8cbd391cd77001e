"""Chooses the routes that can make an image, in the operator's order, and learns their latency."""

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from bot.domain import policy
from bot.domain.catalog import Catalog, Here, Model, Route, RouteOrder
from bot.domain.credits import Microcredits
from bot.domain.ports import Clock
from bot.domain.requests import ImageRequest, asking, yielding
from bot.domain.settings import UNDECIDED, ServerSettings
from bot.domain.waiting import SCOUT_EVERY, Latency
from bot.errors import Busy, NotAllowed, Reason
from bot.store import learned
from bot.store.database import Database

#: seconds, for a route that the operator has taken out of the catalog
TYPICAL_S = 60.0


class Terms(Struct, frozen=True):
    """On what terms an image is asked for, besides its request."""

    nsfw_checker: bool
    #: ids of routes that may be used now; see Traffic.ready
    ready: Container[str]
    #: the server's settings; models and sizes that they do not allow are left out
    decided: ServerSettings = UNDECIDED


class Routing:
    """
    Args:
        providers: names of the providers that are switched on.
        default_model: its id.
        database: keeps what was learned, beyond restarts.
    """

    def __init__(
        self,
        catalog: Catalog,
        providers: Collection[str],
        default_model: str,
        order: RouteOrder,
        database: Database,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self.providers = providers
        self.default_model = default_model
        self._order = order
        self._database = database
        self._clock = clock
        self._known: dict[str, Latency] = {}
        self._unsaved: set[str] = set()
        #: tasks by their route's id
        self._submitted: Counter[str] = Counter()
        self._costs: Mapping[tuple[str, str, str], Microcredits] = {}

    async def load(self) -> None:
        self._known = await self._database.read(learned.load)

    async def learn_costs(self) -> None:
        self._costs = await self._database.read(learned.usual_costs, self._clock.now())

    async def save(self) -> None:
        """Write what was learned since the last call."""
        unsaved, self._unsaved = self._unsaved, set()
        if unsaved:
            known = {route_id: self._known[route_id] for route_id in unsaved}
            await self._database.write(learned.save, known)

    def chosen(self, request: ImageRequest, terms: Terms) -> tuple[ImageRequest, tuple[Route, ...]]:
        """
        The request as it can be made, and its routes, the best first.

        If the request names no model, it gets the one that the member prefers, else the default,
        else the first that can make it. What cannot be had of the member's wishes now is left out.

        Raises:
            Refusal: no route can make it at all, or those that can are all down.
        """
        asked, routes = self.best(request, terms)
        if not asked.model:
            allowed = sorted(terms.decided.allowed_models)
            raise NotAllowed(Reason.NO_ALLOWED_MODEL, allowed=allowed)
        return asked, routes or self.candidates(asked, terms)

    def best(self, request: ImageRequest, terms: Terms) -> tuple[ImageRequest, tuple[Route, ...]]:
        """
        As `chosen`, but without raising: there may be no routes, and no model if the server allows
        none of those that exist. It is quicker, because it does not say why.
        """
        here, catalog = self._here(terms), self._allowed(terms)
        models, preferred = [request.model], []
        if not request.model:
            lasting = catalog.lasting(here.today)
            models = policy.models_here(terms.decided, lasting, self.default_model)
            preferred = [request.prefers] if request.prefers in catalog.models else []
        fallback = models[0] if models else ""
        first = preferred[0] if preferred else fallback
        down = None
        sizes = policy.resolutions_here(terms.decided)
        for wanted in yielding(request):
            if wanted.resolution not in sizes:
                continue
            for model in dict.fromkeys([*preferred, *models]):
                instead_of = wanted.instead_of if model == first else first
                asked = wanted
                if (model, instead_of) != (wanted.model, wanted.instead_of):
                    asked = replace(wanted, model=model, instead_of=instead_of)
                asked, able = catalog.shaped(asked, here)
                if usable := self._usable(asked, able, terms.ready):
                    return asked, usable
                if able and model not in preferred:
                    # The default model is kept while it is down; what is only preferred is not.
                    down = down or asked
                    break
        return down or replace(wanted, model=fallback), ()

    def kinds(
        self,
        request: ImageRequest,
        terms: Terms,
        resolutions: Iterable[str],
        qualities: Sequence[str],
    ) -> Iterator[tuple[ImageRequest, tuple[Route, ...]]]:
        """The kinds of an image that can be made now, each with its routes; see `best`."""
        for resolution in resolutions:
            for quality in qualities:
                kind = asking(request, resolution=resolution, quality=quality)
                asked, routes = self.best(kind, terms)
                if routes:
                    yield asked, routes

    def candidates(
        self, request: ImageRequest, terms: Terms, tried: Container[str] = ()
    ) -> tuple[Route, ...]:
        """
        The routes that may make this image now, the best first.

        Args:
            tried: ids of routes that failed for this image.
        Raises:
            Refusal: no route can make it at all, or those that can are all down or tried.
        """
        able = self._allowed(terms).candidates(request, self._here(terms))
        routes = self._usable(request, able, terms.ready, tried)
        if not routes:
            raise Busy(Reason.ROUTES_DOWN)
        return routes

    def _allowed(self, terms: Terms) -> Catalog:
        allowed = terms.decided.allowed_models
        return self._catalog.only(allowed) if allowed else self._catalog

    def _here(self, terms: Terms) -> Here:
        return Here(self.providers, terms.nsfw_checker, self._clock.now().date())

    def _usable(
        self,
        request: ImageRequest,
        able: Sequence[Route],
        ready: Container[str],
        tried: Container[str] = (),
    ) -> tuple[Route, ...]:
        routes = [route for route in able if route.id not in tried and route.id in ready]
        if self._order is RouteOrder.CHEAPEST:
            routes.sort(key=lambda route: route.quote(request))
        elif self._order is RouteOrder.FASTEST:
            routes.sort(key=lambda route: self.typical_s(route.id))
        return tuple(routes)

    def retiring(self, within: timedelta) -> list[Model]:
        """The models in use here whose makers end them within that time."""
        until = (self._clock.now() + within).date()
        return self._catalog.retiring(self.providers, until)

    def ended(self) -> set[str]:
        """The ids of the models that their makers have ended."""
        return {model.id for model in self.retiring(timedelta(0))}

    def latency(self, route: Route) -> Latency:
        return self._known.get(route.id) or Latency.expected(route.typical_s)

    def observe(self, route: Route, after_s: float, by_s: float, *, scouts: bool = False) -> bool:
        """
        Learn that an image was not done `after_s` seconds after its submit, but by `by_s`.

        Args:
            scouts: whether its task was a scout. Where a vendor calls back, or answers an order
                with the image, each that is done early is seen early, and says nothing of others.
        Returns:
            Whether the route has become much faster than it was known to be.
        """
        known = self.latency(route)
        faster = scouts and known.is_outdated_by(by_s)
        self._known[route.id] = Latency.expected(by_s) if faster else known.observe(after_s, by_s)
        self._unsaved.add(route.id)
        return faster

    def scouts(self, route: Route) -> bool:
        """Whether the route's next task is a scout; see bot/domain/waiting.py."""
        self._submitted[route.id] += 1
        return self._submitted[route.id] % SCOUT_EVERY == 1

    def typical_s(self, route_id: str) -> float:
        """
        Seconds that an image usually takes, at least one: the learned median, or the catalog's
        before that.
        """
        if known := self._known.get(route_id):
            return max(known.quantile_s(0.5), 1.0)
        route = self._catalog.route(route_id)
        return route.typical_s if route else TYPICAL_S

    def usual_cost(self, request: ImageRequest, route: Route) -> Microcredits | None:
        """What all the request's images usually cost; None: too few of that kind were made."""
        cost = self._costs.get((route.id, request.resolution, request.quality))
        return None if cost is None else Microcredits(cost * request.count)
