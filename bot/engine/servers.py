"""Servers' settings: kept in the database, and held in memory as they were last read."""

from bot.domain.settings import UNDECIDED, Decide, ServerSettings, SettingChange
from bot.engine.workshop import Workshop
from bot.store import settings


class Servers:
    """
    The settings in memory serve for what is offered and shown. What decides about a job is read
    anew, in the transaction that accepts it.
    """

    def __init__(self, shop: Workshop) -> None:
        self._database = shop.database
        self._clock = shop.clock
        #: by server's id; a server without an entry has decided nothing
        self._known: dict[int, ServerSettings] = {}

    async def load(self) -> None:
        """Read all servers' settings, at start."""
        self._known = await self._database.read(settings.of_all_servers)

    def known(self, server_id: int) -> ServerSettings:
        """The settings as they were last read, without a look into the database."""
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
        self, server_id: int, decide: Decide, by: int
    ) -> tuple[ServerSettings, ServerSettings]:
        """
        Change settings, and record each change; the value that a setting has already records
        nothing.

        Args:
            decide: given the settings of that moment, so that another moderator's changes are not
                lost.
            by: the moderator's id.
        Returns:
            The settings before and after.
        """
        now = self._clock.now()
        before, after = await self._database.write(settings.change, server_id, decide, by, now)
        self.learn(server_id, after)
        return before, after

    async def changes(self, server_id: int, before: int = 0, limit: int = 5) -> list[SettingChange]:
        """
        The latest changes, newest first.

        Args:
            before: a change's id: only older ones; 0: from the latest on.
        """
        return await self._database.read(settings.changes, server_id, before, limit)
