"""What was learned of each route: how long an image takes, and what it costs."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median_low

from bot.domain.credits import Microcredits
from bot.domain.jobs import TaskState, id_at
from bot.domain.waiting import Latency
from bot.store.sql import Transaction, among, insert, listed

#: which images say what is usual: so many of the latest, and how many of a kind at least
COSTS_OF = timedelta(days=30)
COSTS_READ_MAX = 5_000
COSTS_MIN = 10

LEARNED = "SELECT route_id, images, mean, variance FROM route_latencies"
FORGET = f"DELETE FROM route_latencies WHERE route_id IN {among('routes')}"
LEARN = insert("route_latencies", "route_id", "images", "mean", "variance")
COSTS = f"""
    SELECT tasks.route_id, tasks.cost_ucr, jobs.request
    FROM tasks JOIN jobs ON jobs.id = tasks.job_id
    WHERE tasks.id > :since AND tasks.state = '{TaskState.STORED}' AND tasks.cost_known
    ORDER BY tasks.id DESC LIMIT {COSTS_READ_MAX}
"""


def load(tx: Transaction) -> dict[str, Latency]:
    return {row.route_id: Latency(row.images, row.mean, row.variance) for row in tx.rows(LEARNED)}


def save(tx: Transaction, known: Mapping[str, Latency]) -> None:
    tx.execute(FORGET, {"routes": listed(known)})
    tx.executemany(
        LEARN,
        [
            {
                "route_id": route_id,
                "images": latency.images,
                "mean": latency.mean,
                "variance": latency.variance,
            }
            for route_id, latency in known.items()
        ],
    )


def usual_costs(tx: Transaction, now: datetime) -> dict[tuple[str, str, str], Microcredits]:
    """(route id, resolution, quality) -> the median of what its latest images cost."""
    costs = defaultdict(list)
    for row in tx.rows(COSTS, {"since": id_at(now - COSTS_OF)}):
        try:
            request = json.loads(row.request)
            kind = (row.route_id, request["resolution"], request["quality"])
        except (ValueError, KeyError, TypeError, RecursionError):
            # Of another version of Easel; it says nothing of what is usual.
            continue
        costs[kind].append(row.cost_ucr)
    return {kind: median_low(each) for kind, each in costs.items() if len(each) >= COSTS_MIN}
