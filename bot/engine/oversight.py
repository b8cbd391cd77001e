"""What moderators may ask of Easel, and what members may ask of moderators."""

import asyncio
from datetime import datetime

from bot.domain.jobs import Job
from bot.domain.oversight import Act, Block, Done, Unreported, read_reason
from bot.engine.events import emit
from bot.engine.workshop import Workshop
from bot.pictures.folder import drop_named, sheet_name
from bot.store import oversight as steps


class Oversight:
    """
    The caller makes sure first that a moderator of the server asks, except for `reportable` and
    `report`, which serve members. Each act is recorded in the transaction that does it. Jobs of
    other servers and of direct messages are never touched.
    """

    def __init__(self, shop: Workshop) -> None:
        self._database = shop.database
        self._clock = shop.clock
        self._shop = shop

    async def block(
        self, server_id: int, user_id: int, by_id: int, reason: str, until: datetime | None
    ) -> Done:
        """
        Block a member's commands here; a block that they have here already is replaced.

        Args:
            until: None: until a moderator ends the block.
        """
        now = self._clock.now()
        blocked = Block(server_id, user_id, by_id, read_reason(reason), now, until)
        return await self._database.write(steps.block, blocked)

    async def unblock(self, server_id: int, user_id: int, by_id: int) -> Done | None:
        """End a member's block here; None: the member is not blocked here."""
        now = self._clock.now()
        return await self._database.write(steps.unblock, server_id, user_id, by_id, now)

    async def blocks(self, server_id: int, *, after: int = 0, limit: int) -> list[Block]:
        """A server's blocks that still last, by member's id; `after`: only higher ids."""
        now = self._clock.now()
        return await self._database.read(
            steps.list_blocks, server_id, now, after=after, limit=limit
        )

    async def acts(self, server_id: int, *, before: int = 0, limit: int) -> list[Act]:
        """A server's acts, newest first; `before`: an act's id, only older acts."""
        return await self._database.read(steps.list_acts, server_id, before=before, limit=limit)

    async def recent(
        self, server_id: int, *, user_id: int = 0, before: str = "", limit: int
    ) -> tuple[list[Job], str]:
        """
        A server's latest jobs with images, as its moderators may see them, newest first.

        Args:
            user_id: only this member's jobs; 0: all members'.
            before: a job's id: only older ones; empty: from the latest on.
        Returns:
            The jobs, and the `before` of the next page; empty: there is no next page.
        """
        return await self._database.read(
            steps.recent, server_id, user_id=user_id, before=before, limit=limit
        )

    async def job(self, server_id: int, job_id: str) -> Job | None:
        """The job, if it is this server's."""
        return await self._database.read(steps.of_server, server_id, job_id)

    async def is_seen(self, job: Job) -> bool:
        """Whether moderators may see the job: it is public, or they see private ones."""
        return await self._database.read(steps.is_seen, job)

    async def cover(self, server_id: int, job_id: str, by_id: int) -> Done | None:
        """
        Cover a result's images wherever they are shown from now on.

        Returns:
            None: they are covered already, or the job is not this server's.
        """
        now = self._clock.now()
        return await self._database.write(steps.cover, server_id, job_id, by_id, now)

    async def note_deleted(self, server_id: int, job_id: str, by_id: int) -> Done | None:
        """
        Record that a result's message was deleted, while its member keeps the images.

        Returns:
            None: the job is not this server's.
        """
        now = self._clock.now()
        return await self._database.keep(steps.note_deleted, server_id, job_id, by_id, now)

    async def remove(self, server_id: int, job_id: str, by_id: int, reason: str) -> Done | None:
        """
        Take a result out of every history, then delete its files. In this order, a crash in between
        leaves files that nothing leads to, and they are tidied away; in the other order, it would
        leave a history of files that are gone.

        Returns:
            None: it was removed before, and any files left are deleted all the same; or the job is
            not this server's.
        """
        now, why = self._clock.now(), read_reason(reason)
        done, names = await self._database.write(steps.remove, server_id, job_id, by_id, why, now)
        if names:
            names.append(sheet_name(job_id))
            await asyncio.to_thread(drop_named, self._shop.folder, names)
        if done:
            emit("result_removed", "result removed by a moderator")
        return done

    async def refund(self, server_id: int, job_id: str, by_id: int) -> Done | None:
        """
        Give back what a job was charged.

        Returns:
            None: the job has not ended, cost nothing, was refunded before, or is not this server's.
        """
        now = self._clock.now()
        done = (server_id, job_id, by_id, now)
        return await self._database.write(steps.refund, self._shop.house, *done)

    async def cancel(self, server_id: int, job_id: str, by_id: int, reason: str) -> Done:
        """
        Cancel another member's job of which nothing was submitted.

        Raises:
            StepLost: something was submitted, the job has ended, or it is not this server's.
        """
        done = (server_id, job_id, by_id, read_reason(reason), self._clock.now())
        cancelled = await self._database.keep(steps.cancel, self._shop.house, *done)
        self._shop.traffic.let_go(job_id)
        return cancelled

    async def reportable(self, server_id: int, job_id: str, by_id: int) -> Job | Unreported:
        """The job, or why this member cannot report it now."""
        now = self._clock.now()
        return await self._database.read(steps.check_report, server_id, job_id, by_id, now)

    async def report(
        self, server_id: int, job_id: str, by_id: int, reason: str
    ) -> Done | Unreported:
        """Record a member's report that moderators should look at a result."""
        now, why = self._clock.now(), read_reason(reason)
        return await self._database.write(steps.report, server_id, job_id, by_id, why, now)
