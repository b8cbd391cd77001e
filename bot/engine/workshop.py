"""What all jobs of this process share: the database, the routes, and where pictures lie."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from bot.domain.catalog import Catalog
from bot.domain.ports import Provider
from bot.engine.identity import MemberHash
from bot.engine.routing import Routing
from bot.engine.stopping import StoppableClock
from bot.engine.traffic import Traffic
from bot.pictures.decoder import Decoder
from bot.pictures.fetch import Fetcher
from bot.store.database import Database
from bot.store.jobs import House


class Wait(Struct, frozen=True):
    """A task that is waited for."""

    route_id: str
    #: is set to have it polled now
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Workshop(Struct, frozen=True):
    """
    Args:
        folder: where images and references lie while their jobs are under way.
    """

    database: Database
    house: House
    #: by vendor and API, as a route names them
    providers: Mapping[tuple[str, str], Provider]
    catalog: Catalog
    routing: Routing
    traffic: Traffic
    fetcher: Fetcher
    clock: StoppableClock
    folder: Path
    #: where pictures are decoded
    decoder: Decoder
    member_hash: MemberHash
    #: by provider and its task id
    waits: dict[tuple[str, str], Wait] = field(default_factory=dict)
    #: is set once there is a job to work on
    due: asyncio.Event = field(default_factory=asyncio.Event)
    #: id of a job whose member has its status message, but of which that is not written yet -> the
    #: message's id; None: it is not known
    answered: dict[str, int | None] = field(default_factory=dict)
    #: ids of tasks that their vendors have finished, but whose images are not stored yet
    finished: set[str] = field(default_factory=set)

    def hint(self, provider: str, provider_task_id: str) -> None:
        """A vendor says that this task has ended: poll it now. An unknown id does nothing."""
        if wait := self.waits.get((provider, provider_task_id)):
            wait.over.set()

    def hurry(self, route_id: str) -> None:
        """The route has become much faster: poll all its tasks now."""
        for wait in self.waits.values():
            if wait.route_id == route_id:
                wait.over.set()
