"""What was learned of each route: how long an image takes, and what it costs."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median_low

import sqlalchemy as sa

from bot.domain.credits import Microcredits
from bot.domain.jobs import TaskState, id_at
from bot.domain.waiting import Latency
from bot.store.schema import jobs, route_latencies, tasks

#: which images say what is usual: so many of the latest, and how many of a kind at least
COSTS_OF = timedelta(days=30)
COSTS_READ_MAX = 5_000
COSTS_MIN = 10

LEARNED = sa.select(route_latencies)
FORGET = sa.delete(route_latencies).where(
    route_latencies.c.route_id.in_(sa.bindparam("routes", expanding=True))
)
LEARN = sa.insert(route_latencies)
COSTS = (
    sa.select(tasks.c.route_id, tasks.c.cost_ucr, jobs.c.request)
    .join(jobs, jobs.c.id == tasks.c.job_id)
    .where(
        tasks.c.id > sa.bindparam("since"), tasks.c.state == TaskState.STORED, tasks.c.cost_known
    )
    .order_by(tasks.c.id.desc())
    .limit(COSTS_READ_MAX)
)


def load(tx: sa.Connection) -> dict[str, Latency]:
    return {
        row.route_id: Latency(row.images, row.mean, row.variance) for row in tx.execute(LEARNED)
    }


def save(tx: sa.Connection, known: Mapping[str, Latency]) -> None:
    tx.execute(FORGET, {"routes": list(known)})
    tx.execute(
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


def usual_costs(tx: sa.Connection, now: datetime) -> dict[tuple[str, str, str], Microcredits]:
    """(route id, resolution, quality) -> the median of what its latest images cost."""
    costs = defaultdict(list)
    for row in tx.execute(COSTS, {"since": id_at(now - COSTS_OF)}):
        try:
            request = json.loads(row.request)
            kind = (row.route_id, request["resolution"], request["quality"])
        except (ValueError, KeyError, TypeError, RecursionError):
            # Of another version of Easel; it says nothing of what is usual.
            continue
        costs[kind].append(row.cost_ucr)
    return {kind: median_low(each) for kind, each in costs.items() if len(each) >= COSTS_MIN}
