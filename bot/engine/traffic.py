"""
Whether a route may be used now: breakers for routes that fail, rates for vendors' keys, and slots
for images under way. None of this is stored, because all of it is only advice.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Set
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime, timedelta

from msgspec import Struct

from bot.domain.catalog import Catalog, Rate, Route
from bot.domain.requests import TRANSPARENT, ImageRequest
from bot.engine.stopping import StoppableClock

#: faults in a row that open a route's breaker
FAULTS_MAX = 5
#: how long a breaker stays open before one job may probe the route; doubles up to the maximum
OPEN_FOR = timedelta(seconds=60)
OPEN_FOR_MAX = timedelta(minutes=15)
#: how long a breaker stays open for our key or our account, which only a person can mend
MISCONFIGURED_FOR = timedelta(minutes=10)
#: no breaker stays open for longer; one that seems to was opened while the clock was fast
OPEN_AHEAD_MAX = max(OPEN_FOR_MAX, MISCONFIGURED_FOR)
#: seconds; the longest wait of a key's polls, even where the vendor asks for more
POLL_WAIT_S_MAX = 60.0
#: seconds; the wait after a first "too many" that names none; each further one doubles it
WAIT_S = 5.0
WAIT_S_MAX = 60.0
#: share of our own wait that is kept at least, where the vendor asks for a shorter one
WAIT_SHARE_MIN = 0.2
#: time between two calls after a "too many", so that not all come back at once
SPACING = timedelta(seconds=0.5)
#: no call is put off for longer; one booked further ahead was booked while the clock was fast
AHEAD_MAX = timedelta(minutes=30)


class Breaker(Struct):
    """Keeps jobs away from a route that fails."""

    faults: int = 0
    open_until: datetime | None = None
    open_for: timedelta = OPEN_FOR
    probing: bool = False

    def lets_through(self, now: datetime) -> bool:
        if self.open_until is not None and self.open_until - now > OPEN_AHEAD_MAX:
            self.open_until = now
        return self.open_until is None or now >= self.open_until

    def probe(self, now: datetime) -> None:
        """Let one job through; the next follows only if this one is not heard of for `open_for`."""
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
        # Else the job was under way when the breaker opened, and its fault says nothing new.

    def success(self) -> None:
        self.faults = 0
        self.open_until = None
        self.open_for = OPEN_FOR
        self.probing = False

    def _open(self, until: datetime) -> None:
        self.open_until = until if self.open_until is None else max(self.open_until, until)
        self.probing = False


class Gate:
    """
    Says when the next call to a vendor may be made, for all jobs that share its key.

    Args:
        rate: None: the vendor names no limit.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._window = timedelta(seconds=rate.seconds) if rate else None
        #: when the latest calls were made or will be made; as many as fit into the window
        self._booked: deque[datetime] = deque(maxlen=rate.calls if rate else 1)
        self._not_before: datetime | None = None
        self._wait_s = WAIT_S

    def book(self, now: datetime, before: datetime) -> datetime | None:
        """Book a call, and return its moment; None: it is after `before` or too far ahead."""
        ahead = [*self._booked, self._not_before or now]
        if max(ahead) > now + AHEAD_MAX:
            self._booked.clear()
            self._not_before = None
        closed = self._is_closed(now)
        if not closed and self._window is None:
            return now
        moment, last = now, self._booked[-1] if self._booked else now
        if closed and self._not_before is not None:
            moment = self._not_before if last < self._not_before else last + SPACING
        moment = max(moment, last)
        if self._window is not None and len(self._booked) == self._booked.maxlen:
            moment = max(moment, self._booked[0] + self._window)
        if moment > min(before, now + AHEAD_MAX):
            return None
        self._booked.append(moment)
        return moment

    def holds(self, moment: datetime) -> bool:
        """Whether a booking still stands: the vendor has not asked for a longer wait since."""
        return self._not_before is None or moment >= self._not_before

    def close(self, now: datetime, retry_after_s: float | None) -> None:
        """
        The vendor said "too many".

        Args:
            retry_after_s: when it wants to hear from us again; None: it did not say.
        """
        closed = self._is_closed(now)
        if closed and retry_after_s is None:
            # The call was sent before the present wait began.
            return
        wait_s = self._wait_s
        if retry_after_s is not None:
            wait_s = max(retry_after_s, self._wait_s * WAIT_SHARE_MIN)
        if not closed:
            self._wait_s = min(self._wait_s * 2, WAIT_S_MAX)
        until = now + timedelta(seconds=wait_s)
        self._not_before = until if self._not_before is None else max(self._not_before, until)

    def open(self) -> None:
        """The vendor took a call."""
        self._wait_s = WAIT_S

    def _is_closed(self, now: datetime) -> bool:
        return self._not_before is not None and self._not_before > now


class Traffic:
    def __init__(self, catalog: Catalog, clock: StoppableClock) -> None:
        self._clock = clock
        #: ids of routes that have refused a transparent background since the start
        self._opaque: set[str] = set()
        #: jobs that wait until they may submit, each with an event that ends the wait
        self._waiting: set[tuple[str, asyncio.Event]] = set()
        self._breakers: dict[str, Breaker] = defaultdict(Breaker)
        routes = tuple(catalog.routes())
        self._slots = {route.id: asyncio.Semaphore(route.running_max) for route in routes}
        self._submits = _gates((route.provider, route.rate) for route in routes)
        self._polls = _gates((route.provider, route.poll_rate) for route in routes)

    def ready(self, request: ImageRequest | None = None) -> Set[str]:
        """
        The ids of the routes whose breakers let a job through.

        Args:
            request: leaves out the routes whose vendors have refused what it asks for.
        """
        now = self._clock.now()
        shut = {its for its, breaker in self._breakers.items() if not breaker.lets_through(now)}
        if request is not None and request.background == TRANSPARENT:
            shut |= self._opaque
        return self._slots.keys() - shut

    def is_opaque(self, route: Route) -> None:
        """The vendor makes no transparent background on this route, whatever the catalog says."""
        self._opaque.add(route.id)

    def lets_through(self, route: Route) -> bool:
        return self._breakers[route.id].lets_through(self._clock.now())

    def reopens_at(self) -> datetime | None:
        """When the first route whose breaker is open may be tried again; None: none is open."""
        now = self._clock.now()
        shut = [each for each in self._breakers.values() if not each.lets_through(now)]
        return min((each.open_until for each in shut if each.open_until), default=None)

    def slot(self, route: Route, *, waits: bool) -> AbstractAsyncContextManager[None]:
        """
        A slot to hold while an image is under way on the route.

        Args:
            waits: whether to wait for a slot if the route is full; if not, the image is under way
                there already, and goes on without a slot.
        """
        slots = self._slots[route.id]
        return nullcontext() if slots.locked() and not waits else slots

    async def may_submit(self, route: Route, before: datetime, job_id: str = "") -> bool:
        """
        Wait until another submit may go to the route, and count it; or until the job is let go.

        Returns:
            False: the moment would come after `before`, so it was not waited for.
        Raises:
            Stopped: the process stops.
        """
        waiting = (job_id, asyncio.Event())
        self._waiting.add(waiting)
        try:
            if not await self._pass(self._submits[route.provider], before, waiting[1]):
                return False
        finally:
            self._waiting.discard(waiting)
        self._breakers[route.id].probe(self._clock.now())
        return True

    def let_go(self, job_id: str) -> None:
        """The job was cancelled: nothing of it waits any more."""
        for waiting, gone in self._waiting:
            if waiting == job_id:
                gone.set()

    async def may_poll(self, route: Route) -> None:
        """Wait until the route may be polled; a poll may wait up to AHEAD_MAX."""
        await self._pass(self._polls[route.provider], self._clock.now() + AHEAD_MAX)

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
        """The same for polls; these wait less, so that no task is given up meanwhile."""
        wait_s = None if retry_after_s is None else min(retry_after_s, POLL_WAIT_S_MAX)
        self._polls[route.provider].close(self._clock.now(), wait_s)

    async def _pass(
        self, gate: Gate, before: datetime, unless: asyncio.Event | None = None
    ) -> bool:
        while True:
            now = self._clock.now()
            moment = gate.book(now, before)
            if moment is None:
                return False
            if moment > now:
                await self._clock.sleep((moment - now).total_seconds(), unless)
            if gate.holds(moment) or (unless and unless.is_set()):
                return True


def _gates(rates: Iterable[tuple[str, Rate | None]]) -> dict[str, Gate]:
    """Vendor -> its gate: the lowest rate counts for all routes, because they share a key."""
    named: dict[str, list[Rate]] = defaultdict(list)
    for vendor, rate in rates:
        named[vendor] += [rate] if rate else []
    return {
        vendor: Gate(min(its, key=lambda rate: rate.calls / rate.seconds, default=None))
        for vendor, its in named.items()
    }
