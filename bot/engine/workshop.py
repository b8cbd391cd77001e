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
        refresher: renews links to references that have expired.
        folder: where images and references lie while their jobs are under way.
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
    #: provider's task id -> an event that is set when the vendor calls back
    hints: dict[str, asyncio.Event] = field(default_factory=dict)
    #: ids of tasks that their vendors have finished, but whose images are not stored yet
    finished: set[str] = field(default_factory=set)

    def hint(self, provider_task_id: str) -> None:
        """A vendor says that this task has ended: poll it now. An unknown id does nothing."""
        if event := self.hints.get(provider_task_id):
            event.set()

    def references(self, job: Job) -> References:
        return References(job, self.fetcher, self.refresher, self.clock, self.folder)
