"""What was learned of each route's latency."""

from collections.abc import Mapping

import sqlalchemy as sa

from bot.domain.waiting import Latency
from bot.store.database import Database
from bot.store.schema import route_latencies


class LatencyStore:
    """The engine's port `Latencies`, on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> dict[str, Latency]:
        async with self._database.reading() as connection:
            rows = await connection.execute(sa.select(route_latencies))
            return {row.route_id: Latency(row.images, row.mean, row.variance) for row in rows}

    async def save(self, known: Mapping[str, Latency]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.delete(route_latencies).where(route_latencies.c.route_id.in_(known))
            )
            await connection.execute(
                sa.insert(route_latencies),
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
