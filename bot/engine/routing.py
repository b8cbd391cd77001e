"""Which route makes an image: the order, the breakers, the rates, and what was learned of each."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.catalog import Catalog, Rate, Route, RouteOrder
from bot.domain.ports import Clock, Provider
from bot.domain.requests import ImageRequest
from bot.domain.stored import Latencies
from bot.domain.waiting import LEARNED_MIN, Latency
from bot.engine.gates import AHEAD_MAX, Gate
from bot.errors import Busy, Reason

#: faults in a row that open a route's breaker
FAULTS_MAX = 5
#: how long a breaker stays open before one job may probe the route; doubles up to the maximum
OPEN_FOR = timedelta(seconds=60)
OPEN_FOR_MAX = timedelta(minutes=15)
#: our key or our money mends itself only when somebody acts
MISCONFIGURED_FOR = timedelta(minutes=10)
#: no breaker stays open for longer; one that seems to was opened by a clock that stood ahead
OPEN_AHEAD_MAX = max(OPEN_FOR_MAX, MISCONFIGURED_FOR)
#: seconds; the longest that a vendor's wish is followed by all polls of its key
POLL_WAIT_S_MAX = 60.0
#: of a route that the operator has taken out of the catalog
TYPICAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Way:
    """A route and the provider that speaks to its vendor."""

    route: Route
    provider: Provider


@dataclass(slots=True)
class Breaker:
    """Keeps jobs away from a route that fails; advisory, so it is not stored."""

    faults: int = 0
    open_until: datetime | None = None
    open_for: timedelta = OPEN_FOR
    probing: bool = False

    def lets_through(self, now: datetime) -> bool:
        if self.open_until is not None and self.open_until - now > OPEN_AHEAD_MAX:
            self.open_until = now
        return self.open_until is None or now >= self.open_until

    def probe(self, now: datetime) -> None:
        """One job goes through; the next one only if nothing was heard of it for as long again."""
        if self.open_until is not None and self.lets_through(now):
            self.open_until = now + self.open_for
            self.probing = True

    def fault(self, now: datetime, *, at_once: bool) -> None:
        self.faults += 1
        if at_once:
            self._open(now + MISCONFIGURED_FOR)
        elif self.open_until is None:
            if self.faults >= FAULTS_MAX:
                self._open(now + self.open_for)
        elif self.probing:
            self.open_for = min(self.open_for * 2, OPEN_FOR_MAX)
            self._open(now + self.open_for)
        # Else it was under way already when the breaker opened, and says nothing new.

    def success(self) -> None:
        self.faults = 0
        self.open_until = None
        self.open_for = OPEN_FOR
        self.probing = False

    def _open(self, until: datetime) -> None:
        self.open_until = until if self.open_until is None else max(self.open_until, until)
        self.probing = False


class Routing:
    """
    Args:
        providers: names of those that are switched on.
    """

    def __init__(
        self,
        catalog: Catalog,
        providers: Collection[str],
        order: RouteOrder,
        latencies: Latencies,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._providers = providers
        self._order = order
        self._latencies = latencies
        self._clock = clock
        self._breakers: dict[str, Breaker] = defaultdict(Breaker)
        self._known: dict[str, Latency] = {}
        self._unsaved: set[str] = set()
        routes = list(catalog.routes())
        self._places = {route.id: asyncio.Semaphore(route.running_max) for route in routes}
        names = {route.provider for route in routes}
        self._submits = {
            name: Gate(_strictest(each.rate for each in routes if each.provider == name))
            for name in names
        }
        self._polls = {
            name: Gate(_strictest(each.poll_rate for each in routes if each.provider == name))
            for name in names
        }

    async def load(self) -> None:
        self._known = await self._latencies.load()

    async def save(self) -> None:
        """Write what was learned since the last time."""
        unsaved, self._unsaved = self._unsaved, set()
        if unsaved:
            await self._latencies.save({route_id: self._known[route_id] for route_id in unsaved})

    def shaped(self, request: ImageRequest, *, nsfw_checker: bool) -> ImageRequest:
        """See Catalog.shaped."""
        return self._catalog.shaped(request, providers=self._providers, nsfw_checker=nsfw_checker)

    def candidates(
        self, request: ImageRequest, *, nsfw_checker: bool, tried: Collection[str] = ()
    ) -> tuple[Route, ...]:
        """
        The routes that may make this image now, the best first.

        Args:
            tried: ids of routes that failed for this image.
        Raises:
            Refusal: none can do it at all, or those that can are all down.
        """
        able = self._catalog.candidates(
            request, providers=self._providers, nsfw_checker=nsfw_checker
        )
        ready = [route for route in able if route.id not in tried and self.lets_through(route)]
        if not ready:
            raise Busy(Reason.ROUTES_DOWN)
        match self._order:
            case RouteOrder.CHEAPEST:
                ready.sort(key=lambda route: route.quote(request))
            case RouteOrder.FASTEST:
                ready.sort(key=lambda route: self.typical_s(route.id))
            case RouteOrder.LISTED:
                pass
        return tuple(ready)

    def place(self, route: Route) -> asyncio.Semaphore:
        """Held while an image is under way there: a route that is full is waited for."""
        return self._places[route.id]

    @asynccontextmanager
    async def place_if_free(self, route: Route) -> AsyncIterator[None]:
        """For what is under way there already, and cannot wait."""
        place = self._places[route.id]
        if place.locked():
            yield
            return
        async with place:
            yield

    async def turn(self, route: Route, before: datetime) -> bool:
        """
        Wait until the route may be sent another submit, and count it.

        Returns:
            Whether that was before the time that is given; if not, it was not waited for.
        Raises:
            Stopped: the process stops.
        """
        if not await self._pass(self._submits[route.provider], before):
            return False
        self._breakers[route.id].probe(self._clock.now())
        return True

    async def poll_turn(self, route: Route) -> None:
        """The same for a poll, which has the time."""
        await self._pass(self._polls[route.provider], self._clock.now() + AHEAD_MAX)

    def lets_through(self, route: Route) -> bool:
        return self._breakers[route.id].lets_through(self._clock.now())

    def accepted(self, route: Route) -> None:
        """The vendor took an order; whether it makes an image is not known yet."""
        self._submits[route.provider].open()

    def polled(self, route: Route) -> None:
        """The vendor answered a poll."""
        self._polls[route.provider].open()

    def success(self, route: Route) -> None:
        """The vendor made an image."""
        self._breakers[route.id].success()

    def fault(self, route: Route, *, misconfigured: bool = False) -> None:
        self._breakers[route.id].fault(self._clock.now(), at_once=misconfigured)

    def too_many(self, route: Route, retry_after_s: float | None) -> None:
        """The vendor takes no more submits for now; see Gate.close."""
        self._submits[route.provider].close(self._clock.now(), retry_after_s)

    def too_many_polls(self, route: Route, retry_after_s: float | None) -> None:
        """The same for polls, none of which waits for so long that its task would be given up."""
        wait_s = None if retry_after_s is None else min(retry_after_s, POLL_WAIT_S_MAX)
        self._polls[route.provider].close(self._clock.now(), wait_s)

    def latency(self, route: Route) -> Latency:
        return self._known.get(route.id, Latency())

    def observe(self, route: Route, after_s: float, by_s: float) -> None:
        """An image was not done `after_s` seconds after its submit, and done at `by_s`."""
        self._known[route.id] = self.latency(route).observe(after_s, by_s)
        self._unsaved.add(route.id)

    def typical_s(self, route_id: str) -> float:
        """Seconds an image usually takes: the learned median, or the catalog's until then."""
        known = self._known.get(route_id, Latency())
        if known.images >= LEARNED_MIN:
            return known.quantile_s(0.5)
        route = self._catalog.route(route_id)
        return route.typical_s if route else TYPICAL_S

    async def _pass(self, gate: Gate, before: datetime) -> bool:
        while True:
            now = self._clock.now()
            slot = gate.reserve(now, before)
            if slot is None:
                return False
            if slot > now:
                await self._clock.sleep((slot - now).total_seconds())
            if gate.holds(slot):
                return True


def _strictest(rates: Iterable[Rate | None]) -> Rate | None:
    """Of the routes that share a key."""
    named = [rate for rate in rates if rate is not None]
    return min(named, key=lambda rate: rate.calls / rate.seconds, default=None)
