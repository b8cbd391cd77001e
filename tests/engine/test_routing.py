"""Choosing a route: order, breakers, rates, and what is kept of the learning."""

import asyncio
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from bot.app import SHIPPED_CATALOG
from bot.catalog import parse_catalog
from bot.domain.catalog import Catalog, Rate, Route, RouteOrder
from bot.domain.requests import ImageRequest, Mode
from bot.domain.waiting import Latency
from bot.engine.routing import Routing, Terms
from bot.engine.stopping import StoppableClock
from bot.engine.traffic import (
    AHEAD_MAX,
    FAULTS_MAX,
    MISCONFIGURED_FOR,
    OPEN_FOR,
    POLL_WAIT_S_MAX,
    Gate,
    Traffic,
)
from bot.errors import Busy
from bot.store.database import Database, open_database
from tests.support.clock import InstantClock

LANTERN = ImageRequest(Mode.GENERATE, "a lantern", "gpt-image-2-beta", aspect_ratio="1:1")
ALL = ("apimodels", "kie", "maxapi")


class Moving(InstantClock):
    """What sleeps moves the time."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.advance(seconds)


class Roads(Struct, frozen=True):
    """Both halves: what can make an image, and whether it may be used now."""

    routing: Routing
    traffic: Traffic

    def candidates(self, *, nsfw_checker: bool = False) -> tuple[Route, ...]:
        return self.routing.candidates(LANTERN, Terms(nsfw_checker, self.traffic.ready()))


@pytest.fixture
def catalog() -> Catalog:
    return parse_catalog(tomllib.loads(SHIPPED_CATALOG.read_text()))


@pytest.fixture
def clock() -> InstantClock:
    return InstantClock()


def lay(
    catalog: Catalog,
    clock: InstantClock,
    order: RouteOrder = RouteOrder.LISTED,
    database: Database | None = None,
) -> Roads:
    return Roads(
        Routing(catalog, ALL, "gpt-image-2-beta", order, database, clock),
        Traffic(catalog, StoppableClock(clock)),
    )


def providers(roads: Roads) -> list[str]:
    return list(dict.fromkeys(route.provider for route in roads.candidates()))


async def submit(traffic: Traffic, route: Route) -> None:
    """However long it takes."""
    assert await traffic.may_submit(route, datetime.now(UTC) + timedelta(days=1))


def first(roads: Roads) -> Route:
    return roads.candidates()[0]


def test_the_operators_order_is_followed(catalog: Catalog, clock: InstantClock) -> None:
    assert providers(lay(catalog, clock)) == ["apimodels", "kie", "maxapi"]
    assert providers(lay(catalog, clock, RouteOrder.CHEAPEST)) == ["maxapi", "kie", "apimodels"]
    roads = lay(catalog, clock, RouteOrder.FASTEST)
    kie = roads.candidates()[1]
    for _ in range(10):
        roads.routing.observe(kie, 4, 6)
    assert providers(roads)[0] == "kie"


def test_faults_in_a_row_open_the_breaker_and_one_job_probes(
    catalog: Catalog, clock: InstantClock
) -> None:
    roads = lay(catalog, clock)
    route = first(roads)
    for _ in range(FAULTS_MAX - 1):
        roads.traffic.fault(route)
    roads.traffic.success(route)
    for _ in range(FAULTS_MAX):
        assert providers(roads)[0] == "apimodels"
        roads.traffic.accepted(route)
        roads.traffic.fault(route)
    assert providers(roads) == ["kie", "maxapi"]

    clock.advance(OPEN_FOR.total_seconds())
    assert providers(roads)[0] == "apimodels"
    asyncio.run(submit(roads.traffic, route))
    assert providers(roads)[0] == "kie"
    roads.traffic.fault(route)
    clock.advance(OPEN_FOR.total_seconds())
    assert providers(roads)[0] == "kie"
    clock.advance(OPEN_FOR.total_seconds())
    asyncio.run(submit(roads.traffic, route))
    roads.traffic.accepted(route)
    assert providers(roads)[0] == "kie"
    roads.traffic.success(route)
    assert providers(roads)[0] == "apimodels"


def test_faults_of_what_was_under_way_already_do_not_keep_it_open_for_longer(
    catalog: Catalog, clock: InstantClock
) -> None:
    roads = lay(catalog, clock)
    route = first(roads)
    for _ in range(4 * FAULTS_MAX):
        roads.traffic.fault(route)
    clock.advance(OPEN_FOR.total_seconds())
    assert providers(roads)[0] == "apimodels"
    roads.traffic.fault(route, misconfigured=True)
    roads.traffic.fault(route)
    clock.advance(MISCONFIGURED_FOR.total_seconds() - 1)
    assert providers(roads)[0] == "kie"


def test_a_breaker_from_a_clock_that_stood_ahead_closes(
    catalog: Catalog, clock: InstantClock
) -> None:
    roads = lay(catalog, clock)
    route = first(roads)
    clock.advance(30 * 86_400)
    roads.traffic.fault(route, misconfigured=True)
    clock.advance(-30 * 86_400)
    assert providers(roads)[0] == "apimodels"
    roads.traffic.fault(route, misconfigured=True)
    assert providers(roads)[0] == "kie"
    clock.advance(MISCONFIGURED_FOR.total_seconds())
    assert providers(roads)[0] == "apimodels"


def test_a_try_before_its_time_is_no_probe(catalog: Catalog, clock: InstantClock) -> None:
    """Those that failed while the breaker was closed try again while it is open."""
    roads = lay(catalog, clock)
    route = first(roads)
    for _ in range(FAULTS_MAX):
        roads.traffic.fault(route)
    for _ in range(FAULTS_MAX):
        asyncio.run(submit(roads.traffic, route))
        roads.traffic.fault(route)
    clock.advance(OPEN_FOR.total_seconds())
    assert providers(roads)[0] == "apimodels"


def test_a_probe_that_nothing_is_heard_of_does_not_close_the_route_for_ever(
    catalog: Catalog, clock: InstantClock
) -> None:
    roads = lay(catalog, clock)
    route = first(roads)
    for _ in range(FAULTS_MAX):
        roads.traffic.fault(route)
    clock.advance(2 * OPEN_FOR.total_seconds())
    asyncio.run(submit(roads.traffic, route))
    assert providers(roads)[0] == "kie"
    clock.advance(2 * OPEN_FOR.total_seconds())
    assert providers(roads)[0] == "apimodels"


def test_a_bad_key_or_an_empty_account_opens_it_at_once(
    catalog: Catalog, clock: InstantClock
) -> None:
    roads = lay(catalog, clock)
    roads.traffic.fault(first(roads), misconfigured=True)
    assert providers(roads)[0] == "kie"
    clock.advance(MISCONFIGURED_FOR.total_seconds())
    assert providers(roads)[0] == "apimodels"


def test_when_all_are_down_the_member_hears_it(catalog: Catalog, clock: InstantClock) -> None:
    roads = lay(catalog, clock)
    for route in roads.candidates():
        roads.traffic.fault(route, misconfigured=True)
    with pytest.raises(Busy, match="routes_down"):
        roads.candidates()


def ending(catalog: Catalog, model_id: str, day: date) -> Catalog:
    models = dict(catalog.models)
    models[model_id] = replace(models[model_id], retires=day)
    return Catalog(models)


def test_the_first_model_is_the_default_until_the_day_on_which_it_ends(
    catalog: Catalog, clock: InstantClock
) -> None:
    day = clock.now().date()
    first = catalog.default_model(ALL, day)
    later = ending(catalog, first, day + timedelta(days=1))
    assert later.default_model(ALL, day) == first
    assert ending(catalog, first, day).default_model(ALL, day) != first


def test_a_default_that_ends_while_the_bot_runs_is_one_no_more(
    catalog: Catalog, clock: InstantClock
) -> None:
    """Its members are not told at each image what they did not ask for."""
    roads = lay(ending(catalog, "gpt-image-2-beta", clock.now().date() + timedelta(days=1)), clock)
    unnamed = replace(LANTERN, model="")
    made_by = []
    for _ in range(2):
        asked, routes = roads.routing.best(unnamed, Terms(False, roads.traffic.ready()))
        assert routes
        assert not asked.instead_of
        made_by.append(asked.model)
        clock.advance(86_400)
    assert made_by[0] == "gpt-image-2-beta"
    assert made_by[1] != "gpt-image-2-beta"


def test_the_default_model_is_kept_while_it_is_down_and_a_preferred_one_is_not(
    catalog: Catalog, clock: InstantClock
) -> None:
    """Who names no model is told that the default is down, and gets no dearer one in its place."""
    roads = lay(catalog, clock)
    unnamed = replace(LANTERN, model="")
    preferring = replace(unnamed, prefers="nano-banana")

    def best(request: ImageRequest) -> tuple[str, bool]:
        asked, routes = roads.routing.best(request, Terms(False, roads.traffic.ready()))
        return asked.model, bool(routes)

    def goes_down(model: str) -> None:
        for route in catalog.models[model].routes:
            roads.traffic.fault(route, misconfigured=True)

    assert best(preferring) == ("nano-banana", True)
    goes_down("nano-banana")
    assert best(preferring) == ("gpt-image-2-beta", True)
    goes_down("gpt-image-2-beta")
    assert best(preferring) == best(unnamed) == ("gpt-image-2-beta", False)


def test_a_preferred_size_is_left_out_while_what_makes_it_is_down(
    catalog: Catalog, clock: InstantClock
) -> None:
    """With the filter on, one route makes 1K and another one more."""
    roads = lay(catalog, clock)
    asked_for = replace(LANTERN, model="", aspect_ratio="auto", resolution="4K")
    preferred = replace(asked_for, wishes={"resolution": "4K"})

    def best(request: ImageRequest) -> tuple[str, str, list[str]]:
        asked, routes = roads.routing.best(request, Terms(True, roads.traffic.ready()))
        return asked.model, asked.resolution, [route.provider for route in routes]

    def goes_down(route_id: str) -> None:
        route = catalog.route(route_id)
        assert route is not None
        roads.traffic.fault(route, misconfigured=True)

    model = LANTERN.model
    assert best(preferred) == best(asked_for) == (model, "4K", ["kie"])
    goes_down("kie/gpt-image-2")
    assert best(preferred) == (model, "1K", ["apimodels"])
    assert best(asked_for) == (model, "4K", [])
    goes_down("apimodels/gpt-image-2-beta")
    assert best(preferred) == best(asked_for)


def test_with_the_filter_on_a_route_without_one_is_out(
    catalog: Catalog, clock: InstantClock
) -> None:
    routes = lay(catalog, clock).candidates(nsfw_checker=True)
    assert [route.provider for route in routes] == ["apimodels", "kie"]


async def test_a_rate_is_shared_by_all_jobs_of_the_key(catalog: Catalog) -> None:
    clock = Moving()
    naps = clock.naps
    roads = lay(catalog, clock)
    kie = roads.candidates()[1]
    for _ in range(18):
        await submit(roads.traffic, kie)
    assert naps == []
    await submit(roads.traffic, replace(kie, id="kie/another"))
    assert sum(naps) == pytest.approx(10, abs=1)


async def test_polls_have_a_rate_of_their_own(catalog: Catalog) -> None:
    clock = Moving()
    roads = lay(catalog, clock)
    kie = roads.candidates()[1]
    for _ in range(8 * 3):
        await roads.traffic.may_poll(kie)
    assert sum(clock.naps) == pytest.approx(2, abs=0.2)
    await submit(roads.traffic, kie)
    assert sum(clock.naps) == pytest.approx(2, abs=0.2)


async def test_a_wish_to_wait_holds_for_those_who_wait_already(catalog: Catalog) -> None:
    clock = Moving()
    roads = lay(catalog, clock)
    route = first(roads)
    roads.traffic.too_many(route, 30)
    began = clock.now()
    sleeping = asyncio.create_task(submit(roads.traffic, route))
    await asyncio.sleep(0)
    roads.traffic.too_many(route, 90)
    roads.traffic.too_many(route, 10)
    await sleeping
    assert (clock.now() - began).total_seconds() == pytest.approx(90, abs=1)


async def test_after_a_wish_to_wait_not_all_come_back_at_once(catalog: Catalog) -> None:
    clock = InstantClock()
    roads = lay(catalog, clock)
    route = first(roads)
    for expected in (5, 10, 20, 40, 60, 60):
        roads.traffic.too_many(route, None)
        roads.traffic.too_many(route, None)
        await submit(roads.traffic, route)
        assert clock.naps.pop() == pytest.approx(expected, abs=0.1)
        clock.advance(expected)
    roads.traffic.accepted(route)
    roads.traffic.too_many(route, None)
    for _ in range(20):
        await submit(roads.traffic, route)
    assert clock.naps == pytest.approx([5 + n / 2 for n in range(20)], abs=0.1)


async def test_once_a_wish_to_wait_is_over_the_rate_alone_counts(catalog: Catalog) -> None:
    clock = Moving()
    roads = lay(catalog, clock)
    kie = roads.candidates()[1]
    roads.traffic.too_many(kie, 5)
    await submit(roads.traffic, kie)
    clock.advance(60)
    clock.naps.clear()
    for _ in range(18):
        await submit(roads.traffic, kie)
    assert clock.naps == []
    await submit(roads.traffic, kie)
    assert sum(clock.naps) == pytest.approx(10, abs=1)


async def test_what_was_learned_outlives_a_restart(
    catalog: Catalog, clock: InstantClock, tmp_path: Path
) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'easel.db'}") as database:
        roads = lay(catalog, clock, database=database)
        route = first(roads)
        for _ in range(40):
            roads.routing.observe(route, 20, 22)
        await roads.routing.save()
        await roads.routing.save()

        again = lay(catalog, clock, database=database).routing
        await again.load()
        assert again.latency(route) == roads.routing.latency(route)
        assert again.typical_s(route.id) == pytest.approx(21, rel=0.05)


def test_a_scouts_image_that_is_done_far_too_soon_ends_what_was_known(
    catalog: Catalog, clock: InstantClock
) -> None:
    routing = lay(catalog, clock).routing
    route = first(lay(catalog, clock))
    for _ in range(100):
        routing.observe(route, 47, 49)

    assert not routing.observe(route, 0, 40, scouts=True)
    assert routing.latency(route).images > 100
    assert routing.observe(route, 0, 0, scouts=True)
    assert routing.latency(route) == Latency.expected(0)
    assert routing.typical_s(route.id) == 1


@pytest.mark.parametrize("every", [5, 20])
def test_fast_images_that_vendors_call_back_for_leave_the_others_as_they_are_known(
    catalog: Catalog, clock: InstantClock, every: int
) -> None:
    """Some take little time always, such as those of low quality."""
    routing = lay(catalog, clock).routing
    route = first(lay(catalog, clock))
    usual_s = []
    for image in range(200):
        done_s = 5 if image % every == 0 else 48
        assert not routing.observe(route, 0, done_s)
        usual_s.append(routing.typical_s(route.id))
    assert max(usual_s[100:]) < 1.2 * min(usual_s[100:])


async def test_a_submit_that_would_come_too_late_is_not_waited_for(
    catalog: Catalog, clock: InstantClock
) -> None:
    roads = lay(catalog, clock)
    route = first(roads)
    roads.traffic.too_many(route, 90)
    assert not await roads.traffic.may_submit(route, clock.now() + timedelta(seconds=60))
    assert clock.naps == []
    assert await roads.traffic.may_submit(route, clock.now() + timedelta(seconds=100))
    assert clock.naps == [pytest.approx(90, abs=1)]


async def test_a_wish_for_no_wait_at_all_does_not_use_up_the_tries(catalog: Catalog) -> None:
    clock = Moving()
    roads = lay(catalog, clock)
    route = first(roads)
    for _ in range(5):
        roads.traffic.too_many(route, 0.0)
        await submit(roads.traffic, route)
    assert clock.naps == pytest.approx([1, 2, 4, 8, 12], abs=0.1)


async def test_an_answered_poll_ends_the_growth_of_waits(catalog: Catalog) -> None:
    clock = Moving()
    roads = lay(catalog, clock)
    route = first(roads)
    for _ in range(3):
        roads.traffic.too_many_polls(route, None)
        await roads.traffic.may_poll(route)
        roads.traffic.polled(route)
    roads.traffic.too_many_polls(route, 600)
    await roads.traffic.may_poll(route)
    assert clock.naps == pytest.approx([5, 5, 5, POLL_WAIT_S_MAX], abs=0.1)


def test_a_slow_rate_is_kept_however_many_wait() -> None:
    """What is booked as far ahead as may be is not taken for a clock that was fast."""
    gate, now = Gate(Rate(1, 60)), datetime.now(UTC)
    wished = now + AHEAD_MAX + timedelta(seconds=60)
    booked = [gate.book(now, wished) for _ in range(40)]
    minutes = [moment and (moment - now).total_seconds() / 60 for moment in booked]
    assert minutes == [*range(31), *[None] * 9]


@pytest.mark.parametrize("rate", [None, Rate(1, 10)])
def test_a_clock_that_is_set_back_holds_nobody_up(rate: Rate | None) -> None:
    gate = Gate(rate)
    now = datetime.now(UTC)
    assert gate.book(now, now) == now
    gate.close(now, 600)
    back = now - timedelta(hours=1)
    assert gate.book(back, back) == back
