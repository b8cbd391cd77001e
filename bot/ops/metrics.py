"""`/metrics`: what happened in this process, and what waits, as Prometheus reads it."""

import sqlite3
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from bot.domain.credits import UCR_PER_CREDIT
from bot.domain.jobs import JobState
from bot.engine import events
from bot.engine.workshop import Workshop
from bot.store.queue import Backlog, backlog

#: Counter or Gauge, its name, what it is, the names of its labels, and their values -> its value
Figure = tuple[type[Counter] | type[Gauge], str, str, Sequence[str], Mapping[Any, float]]

#: what jobs are that have not ended
STATES = (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING)

# Counters are made anew for each answer, so the time of their making would mean nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Gateway(Struct, frozen=True):
    """The connection to Discord as it is now."""

    connected: bool
    #: seconds from the last heartbeat to its answer; not a number before the first
    latency_s: float
    servers: int


async def measure(shop: Workshop, gateway: Gateway) -> bytes:
    """All metrics in Prometheus's text format; without those of jobs if they cannot be read."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    figures = _of_process(shop, gateway) + _of_routes(shop)
    try:
        figures += _of_jobs(shop, await shop.database.read(backlog))
        readable = True
    except sqlite3.Error:
        # Whoever has work to do with it logs that.
        readable = False
    text = "0: what stands in it is left out."
    figures.append((Gauge, "database_readable", text, (), {(): readable}))
    for kind, name, text, labels, values in figures:
        metric = kind(f"easel_{name}", text, labels, registry=registry)
        for its, value in values.items():
            (metric.labels(*its) if its else metric).inc(value)
    return generate_latest(registry)


def _of_process(shop: Workshop, gateway: Gateway) -> list[Figure]:
    database = shop.database
    costs = {(its,): ucr / UCR_PER_CREDIT for its, ucr in events.cost_ucr_of_routes.items()}
    actions = ("action", "route")
    return [
        (Gauge, "build_info", "Always 1.", ("version",), {(version("easel-bot"),): 1}),
        (Counter, "events", "What happened, as the log names it.", actions, events.happened),
        (Counter, "image_cost_credits", "What stored images cost.", ("route",), costs),
        (Counter, "database_transactions", "Reading ones too.", (), {(): database.trips}),
        (Counter, "database_statements", "In transactions.", (), {(): database.statements}),
        (Gauge, "discord_connected", "1: it has let us in.", (), {(): gateway.connected}),
        (Gauge, "discord_latency_seconds", "Of a heartbeat.", (), {(): gateway.latency_s}),
        (Gauge, "servers", "That the bot is in.", (), {(): gateway.servers}),
    ]


def _of_routes(shop: Workshop) -> list[Figure]:
    ready = shop.traffic.ready()
    may_be_used = {(its,): its in ready for its in _routes(shop)}
    usual_s = {(its,): shop.routing.typical_s(its) for its in _routes(shop)}
    return [
        (Gauge, "route_ready", "0: its breaker is open.", ("route",), may_be_used),
        (Gauge, "route_usual_seconds", "That an image takes there.", ("route",), usual_s),
    ]


def _of_jobs(shop: Workshop, found: Backlog) -> list[Figure]:
    jobs = {(state,): found.jobs.get(state, 0) for state in STATES}
    oldest = found.oldest_queued_at
    age_s = (shop.clock.now() - oldest).total_seconds() if oldest else 0.0
    images = {(its,): found.images.get(its, 0) for its in _routes(shop)}
    return [
        (Gauge, "jobs", "That have not ended.", ("state",), jobs),
        (Gauge, "oldest_queued_seconds", "Age of the oldest queued job.", (), {(): age_s}),
        (Gauge, "images", "That are being made.", ("route",), images),
    ]


def _routes(shop: Workshop) -> list[str]:
    return [each.id for each in shop.catalog.routes() if each.provider in shop.routing.providers]
