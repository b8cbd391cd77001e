"""What was learned of each route's latency."""

from collections.abc import Mapping

import sqlalchemy as sa

from bot.domain.waiting import Latency
from bot.store.schema import route_latencies

LEARNED = sa.select(route_latencies)
FORGET = sa.delete(route_latencies).where(
    route_latencies.c.route_id.in_(sa.bindparam("routes", expanding=True))
)
LEARN = sa.insert(route_latencies)


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
