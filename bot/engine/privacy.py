"""Erases what is stored of a member when they ask for it."""

import asyncio
import logging
import secrets

from msgspec import Struct

from bot.domain.ports import Messenger
from bot.engine.easel import Easel
from bot.engine.events import emit
from bot.engine.workshop import Workshop
from bot.errors import StepLost, StoreBusy
from bot.pictures.folder import remove_named, sheet_name
from bot.store import privacy as steps
from bot.store.privacy import Erasure

#: seconds between two looks at erasures that wait for jobs or were cut short by a crash
LOOK_EVERY_S = 30.0


class Begun(Struct, frozen=True):
    """What becomes of a member's jobs under way when their data is erased: how many of each."""

    #: nothing of them was submitted
    cancelled: int
    #: being made; they are finished before the erasure
    finishing: int


class Privacy:
    def __init__(self, shop: Workshop, easel: Easel, messenger: Messenger) -> None:
        self._database = shop.database
        self._easel = easel
        self._messenger = messenger
        self._clock = shop.clock
        self._folder = shop.folder
        self._erasing = asyncio.Lock()
        #: whether the write-ahead log may hold what was erased
        self._to_fold = True

    async def erase(self, user_id: int) -> Begun:
        """
        Erase what is stored of a member: at once, or once the jobs that can no longer be cancelled
        are finished. Until then no new job of theirs is accepted.

        Raises:
            OSError: a file cannot be removed; the erasure waits for it.
        """
        erased_id = -1 - secrets.randbelow(steps.ERASED_ID_MAX)
        now = self._clock.now()
        found = await self._database.keep(steps.begin, user_id, erased_id, now)
        emit("erasure_begun", "erasure begun: %d jobs under way", len(found))
        cancelled = 0
        for job_id in found:
            cancelled += await self._cancel(job_id)
        held_up = await self.go_on()
        if user_id in held_up:
            raise held_up[user_id]
        left = await self._database.read(steps.under_way, user_id)
        return Begun(cancelled, len(left))

    async def go_on(self) -> dict[int, OSError]:
        """
        Finish each erasure that waits for no job, even one that a crash cut short.

        Returns:
            Member's id -> why a file of theirs cannot be removed, for which their erasure waits.
        """
        held_up: dict[int, OSError] = {}
        async with self._erasing:
            for erasure in await self._database.read(steps.pending):
                if await self._database.read(steps.under_way, erasure.user_id):
                    continue
                try:
                    await self._erase(erasure)
                except OSError as error:
                    emit("not_erased", "erasure held up: %s", error, level=logging.ERROR)
                    held_up[erasure.user_id] = error
            if self._to_fold:
                await self._fold()
        return held_up

    async def _cancel(self, job_id: str) -> bool:
        try:
            job = await self._easel.cancel(job_id)
        except StepLost:
            return False
        await self._messenger.show_progress(job)
        return True

    async def _erase(self, erasure: Erasure) -> None:
        """Each piece may be repeated, for it finds only what was not erased yet."""
        database, user_id = self._database, erasure.user_id
        for server_id in await database.read(steps.servers_of, user_id):
            while True:
                # The files go first: once the rows are changed, nothing names them.
                ids, images = await database.read(steps.next_jobs, user_id, server_id)
                if not ids:
                    break
                names = [*images, *map(sheet_name, ids)]
                await asyncio.to_thread(remove_named, self._folder, names)
                await database.keep(steps.erase_jobs, erasure, server_id)
            while await database.keep(steps.move_entries, erasure, server_id, self._clock.now()):
                pass
        await database.keep(steps.settle_up, erasure)
        while await database.keep(steps.erase_authorship, erasure):
            pass
        after = ""
        while after := await database.keep(steps.erase_named, erasure, after):
            pass
        self._to_fold = True
        await database.keep(steps.finish, erasure)
        self._easel.forget_preferences(user_id)
        emit("erased", "what was stored of a member is erased")

    async def _fold(self) -> None:
        try:
            self._to_fold = not await self._database.fold()
        except StoreBusy as error:
            emit("not_folded", "log not folded: %s", error.__cause__, level=logging.WARNING)
