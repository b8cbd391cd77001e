"""Which route makes an image: the order, the breakers, the rates, and what was learned of each."""

from collections import defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.catalog import Catalog, Route, RouteOrder
from bot.domain.ports import Clock, Latencies
from bot.domain.requests import ImageRequest
from bot.domain.waiting import LEARNED_MIN, Latency
from bot.errors import Busy

#: faults in a row that open a route's breaker
FAULTS_MAX = 5
#: how long a breaker stays open before one job may probe the route; doubles up to the maximum
OPEN_FOR = timedelta(seconds=60)
OPEN_FOR_MAX = timedelta(minutes=15)
#: our key or our money mends itself only when somebody acts
MISCONFIGURED_FOR = timedelta(minutes=10)
#: of a route that the operator has taken out of the catalog
TYPICAL_S = 60.0


@dataclass(slots=True)
class Breaker:
    """Keeps jobs away from a route that fails; advisory, so it is not stored."""

    faults: int = 0
    open_until: datetime | None = None
    open_for: timedelta = OPEN_FOR

    def lets_through(self, now: datetime) -> bool:
        return self.open_until is None or now >= self.open_until

    def probe(self, now: datetime) -> None:
        """One job goes through; the next one only if nothing was heard of it for as long again."""
        if self.open_until is not None:
            self.open_until = now + self.open_for

    def fault(self, now: datetime, *, at_once: bool) -> None:
        self.faults += 1
        if at_once:
            self.open_until = now + MISCONFIGURED_FOR
        elif self.faults >= FAULTS_MAX or self.open_until is not None:
            self.open_until = now + self.open_for
            self.open_for = min(self.open_for * 2, OPEN_FOR_MAX)

    def success(self) -> None:
        self.faults = 0
        self.open_until = None
        self.open_for = OPEN_FOR


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
        #: provider -> when its latest submits were sent, or will be
        self._sent: dict[str, deque[datetime]] = defaultdict(deque)
        #: provider -> when it wants to hear from us again
        self._not_before: dict[str, datetime] = {}

    async def load(self) -> None:
        self._known = await self._latencies.load()

    async def save(self) -> None:
        """Write what was learned since the last time."""
        unsaved, self._unsaved = self._unsaved, set()
        if unsaved:
            await self._latencies.save({route_id: self._known[route_id] for route_id in unsaved})

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
            raise Busy(
                "The image services behind this model are down at the moment."
                " Please try again in a few minutes."
            )
        match self._order:
            case RouteOrder.CHEAPEST:
                ready.sort(key=lambda route: route.quote(request))
            case RouteOrder.FASTEST:
                ready.sort(key=lambda route: self.typical_s(route.id))
            case RouteOrder.LISTED:
                pass
        return tuple(ready)

    async def turn(self, route: Route) -> None:
        """
        Wait until the route may be sent another submit, and count it.

        Raises:
            Stopped: the process stops.
        """
        now = self._clock.now()
        self._breakers[route.id].probe(now)
        slot = self._next_slot(route, now)
        self._sent[route.provider].append(slot)
        if slot > now:
            await self._clock.sleep((slot - now).total_seconds())

    def lets_through(self, route: Route) -> bool:
        return self._breakers[route.id].lets_through(self._clock.now())

    def accepted(self, route: Route) -> None:
        """The vendor answered as it should, be it with a refusal."""
        self._breakers[route.id].success()

    def fault(self, route: Route, *, misconfigured: bool = False) -> None:
        self._breakers[route.id].fault(self._clock.now(), at_once=misconfigured)

    def busy(self, route: Route, retry_after_s: float) -> None:
        """The vendor said when to come back."""
        self._not_before[route.provider] = self._clock.now() + timedelta(seconds=retry_after_s)

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

    def _next_slot(self, route: Route, now: datetime) -> datetime:
        slot = max(now, self._not_before.get(route.provider, now))
        sent = self._sent[route.provider]
        if route.rate is None:
            sent.clear()
            return slot
        window = timedelta(seconds=route.rate.seconds)
        while sent and sent[0] <= now - window:
            sent.popleft()
        if len(sent) >= route.rate.submits:
            slot = max(slot, sent[-route.rate.submits] + window)
        return slot
