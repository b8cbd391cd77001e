"""What a server's moderators may do to its members' credits."""

from collections.abc import Collection

from bot.domain.ledger import Account, Statement
from bot.domain.oversight import Done
from bot.domain.quota import Amendment
from bot.domain.settings import ServerSettings
from bot.engine.workshop import Workshop
from bot.store import quota as steps


class Quota:
    def __init__(self, shop: Workshop) -> None:
        self._database = shop.database
        self._house = shop.house
        self._clock = shop.clock

    async def amend(
        self, amendment: Amendment, role_ids: Collection[int]
    ) -> tuple[Account, Done | None]:
        """
        Grant, revoke or correct credits, and record it.

        Args:
            role_ids: the member's roles.
        Returns:
            The account afterwards, and what was done; None: it has less than is to be taken.
        """
        now = self._clock.now()
        return await self._database.write(
            steps.amend, self._house.allowance, amendment, role_ids, now
        )

    async def statement(self, server_id: int, user_id: int, role_ids: Collection[int]) -> Statement:
        """The member's account as a command given now would find it."""
        now = self._clock.now()
        return await self._database.read(
            steps.statement, self._house, server_id, user_id, role_ids, now
        )

    async def of_server(self, server_id: int) -> tuple[ServerSettings, Account | None]:
        """What a server has decided, and the account of its budget now; None: it has no budget."""
        now = self._clock.now()
        return await self._database.read(steps.of_server, self._house, server_id, now)
