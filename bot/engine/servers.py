"""What servers' moderators have decided: kept in the database, and at hand as it was last read."""

from collections.abc import Callable

from bot.domain.ports import Clock
from bot.domain.settings import UNDECIDED, ServerSettings, SettingChange
from bot.store import settings
from bot.store.database import Database


class Servers:
    """
    What is at hand is for what is offered and shown; what decides about a job is read anew, in the
    transaction that accepts it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        #: of the servers that have decided something
        self._known: dict[int, ServerSettings] = {}

    async def load(self) -> None:
        """At start."""
        self._known = await self._database.read(settings.of_all_servers)

    def known(self, server_id: int) -> ServerSettings:
        """As they were last read, without a look into the database."""
        return self._known.get(server_id, UNDECIDED)

    def learn(self, server_id: int, decided: ServerSettings) -> None:
        if decided == UNDECIDED:
            self._known.pop(server_id, None)
        else:
            self._known[server_id] = decided

    async def settings(self, server_id: int) -> ServerSettings:
        decided = await self._database.read(settings.of_server, server_id)
        self.learn(server_id, decided)
        return decided

    async def change(
        self, server_id: int, decide: Callable[[ServerSettings], dict[str, object]], by: int
    ) -> tuple[ServerSettings, ServerSettings]:
        """
        Change settings, and record each change; setting what is set records nothing.

        Args:
            decide: of the settings as they are at that moment, what is to be set, by fields of
                ServerSettings; so that what another moderator does meanwhile is not lost. A pure
                function, which may raise to change nothing.
            by: the moderator's id.
        Returns:
            The settings before and after.
        """
        now = self._clock.now()
        before, after = await self._database.write(
            settings.change_several, server_id, decide, by, now
        )
        self.learn(server_id, after)
        return before, after

    async def changes(self, server_id: int, before: int = 0, limit: int = 5) -> list[SettingChange]:
        """
        The latest changes, newest first.

        Args:
            before: id of a change: only older ones; 0: from the latest on.
        """
        return await self._database.read(settings.changes, server_id, before, limit)
