"""Removes what was kept for long enough, in pieces between which others may write."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from bot.domain.jobs import id_at
from bot.domain.ports import Clock
from bot.engine.events import emit
from bot.pictures.folder import Stored, stored_images
from bot.store import privacy
from bot.store import retention as steps
from bot.store.database import Database, Step
from bot.store.jobs import House

#: seconds between two sweeps; each goes on where the last one stopped
SWEEP_EVERY_S = 3_600.0
#: how long a file that belongs to no job may be in use
IN_USE_MAX = timedelta(days=1)
#: ids in one statement
IDS_MAX = 500


class Retention:
    """
    Args:
        folder: where stored images lie.
        keep_prompts: how long prompts and references are kept; None: for ever.
        keep_jobs: how long jobs are kept whole; then only what the ledger needs stays. None: for
            ever.
    """

    def __init__(
        self,
        database: Database,
        house: House,
        clock: Clock,
        folder: Path,
        keep_prompts: timedelta | None,
        keep_jobs: timedelta | None,
    ) -> None:
        self._database = database
        self._house = house
        self._clock = clock
        self._folder = folder
        self._keep_prompts = keep_prompts
        self._keep_jobs = keep_jobs

    async def sweep(self) -> None:
        now = self._clock.now()
        await self._run(steps.empty_some, now, self._keep_prompts)
        await self._run(steps.reduce_some, now, self._keep_jobs)
        allowance = self._house.allowance
        await self._database.write(privacy.forget_accounts, allowance, now)
        await self._remove_orphans(now)

    async def _run(
        self,
        step: Step[[str], bool],
        now: datetime,
        keep: timedelta | None,
    ) -> None:
        if keep is None:
            return
        until = id_at(now - keep)
        while await self._database.write(step, until):
            # Others who wait for the database are served before the next piece.
            pass

    async def _remove_orphans(self, now: datetime) -> None:
        """Remove files that belong to no job, as a crash or a restored database leaves them."""
        stored = await asyncio.to_thread(stored_images, self._folder)
        old = [each for each in stored if each.stored_at < now - IN_USE_MAX]
        orphans: list[Stored] = []
        for start in range(0, len(old), IDS_MAX):
            some = old[start : start + IDS_MAX]
            known = await self._database.read(steps.known, {each.job_id for each in some})
            orphans += [each for each in some if each.job_id not in known]
        for each in orphans:
            each.path.unlink(missing_ok=True)
        if orphans:
            emit("orphans_removed", "%d files removed that were no job's", len(orphans))
