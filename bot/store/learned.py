"""What was learned of each route: how long an image takes, and what it costs."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median_low

from msgspec.structs import asdict

from bot.domain.credits import Microcredits
from bot.domain.jobs import TaskState, id_at
from bot.domain.waiting import PRIOR_SPREAD, Latency
from bot.store.sql import Transaction, upsert

#: usual costs are those of the images made within this time,
COSTS_OF = timedelta(days=30)
#: of at most so many of the latest,
COSTS_READ_MAX = 5_000
#: and of at least so many of a kind
COSTS_MIN = 10

LEARNED = "SELECT route_id, images, mean, variance FROM route_latencies"
LEARN = upsert("route_latencies", ("route_id",), "images", "mean", "variance")
COSTS = f"""
    SELECT tasks.route_id, tasks.cost_ucr, jobs.request
    FROM tasks JOIN jobs ON jobs.id = tasks.job_id
    WHERE tasks.id > :since AND tasks.state = '{TaskState.STORED}' AND tasks.cost_known
    ORDER BY tasks.id DESC LIMIT {COSTS_READ_MAX}
"""


def load(tx: Transaction) -> dict[str, Latency]:
    known = {}
    for row in tx.rows(LEARNED):
        # An earlier version learned from nothing: of its first images, it had no spread.
        least = PRIOR_SPREAD**2 / max(row.images, 1)
        known[row.route_id] = Latency(row.images, row.mean, max(row.variance, least))
    return known


def save(tx: Transaction, known: Mapping[str, Latency]) -> None:
    tx.executemany(LEARN, [asdict(known[route]) | {"route_id": route} for route in known])


def usual_costs(tx: Transaction, now: datetime) -> dict[tuple[str, str, str], Microcredits]:
    """(route id, resolution, quality) -> the median cost of recent images of that kind."""
    costs = defaultdict(list)
    for row in tx.rows(COSTS, {"since": id_at(now - COSTS_OF)}):
        try:
            request = json.loads(row.request)
            kind = (row.route_id, request["resolution"], request["quality"])
        except (ValueError, KeyError, TypeError, RecursionError):
            # Another version of Easel wrote it, so it does not count.
            continue
        costs[kind].append(row.cost_ucr)
    return {kind: median_low(each) for kind, each in costs.items() if len(each) >= COSTS_MIN}
