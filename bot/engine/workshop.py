"""What all jobs of this process share while their images are made."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.catalog import Catalog
from bot.domain.jobs import Job
from bot.domain.ports import ImageFetcher, LinkRefresher, Provider
from bot.engine.identity import MemberHash
from bot.engine.references import References
from bot.engine.routing import Routing
from bot.engine.stopping import StoppableClock
from bot.engine.traffic import Traffic
from bot.pictures.pool import Pool
from bot.store.database import Database
from bot.store.jobs import House


@dataclass(frozen=True, slots=True)
class Workshop:
    """
    Args:
        refresher: for links to references that have aged.
        folder: images and references in flight.
    """

    database: Database
    house: House
    #: by vendor and API, as a route names them
    providers: Mapping[tuple[str, str], Provider]
    catalog: Catalog
    routing: Routing
    traffic: Traffic
    fetcher: ImageFetcher
    refresher: LinkRefresher
    clock: StoppableClock
    folder: Path
    #: where pictures are decoded
    pool: Pool
    member_hash: MemberHash
    #: provider's task id -> set when its vendor called back
    hints: dict[str, asyncio.Event] = field(default_factory=dict)
    #: ids of tasks that their vendors have finished, and whose images are not here yet
    finished: set[str] = field(default_factory=set)

    def hint(self, provider_task_id: str) -> None:
        """A vendor says that this task has ended: ask it now. An id that is not ours is nothing."""
        if event := self.hints.get(provider_task_id):
            event.set()

    def references(self, job: Job) -> References:
        return References(job, self.fetcher, self.refresher, self.clock, self.folder)
