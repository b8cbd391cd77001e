"""Removes what was kept for long enough, in pieces between which others may write."""

import asyncio
from datetime import datetime, timedelta

from bot.domain.jobs import id_at
from bot.engine.events import emit
from bot.engine.workshop import Workshop
from bot.pictures.folder import drop_named, sheet_name, stored_images
from bot.store import privacy
from bot.store import retention as steps
from bot.store.database import Step

#: seconds between two sweeps; each goes on where the last one stopped
SWEEP_EVERY_S = 3_600.0
#: how long a file that belongs to no job may be in use
IN_USE_MAX = timedelta(days=1)


async def sweep(shop: Workshop) -> None:
    now, house = shop.clock.now(), shop.house
    if house.keep.prompts_days:
        until = id_at(now - timedelta(days=house.keep.prompts_days))
        await _run(shop, steps.empty_some, until)
        await _remove_sheets(shop, until)
    if house.keep.jobs_days:
        until = id_at(now - timedelta(days=house.keep.jobs_days))
        await _run(shop, steps.reduce_some, until)
    await shop.database.write(privacy.forget_accounts, house.allowance, now)
    await _remove_orphans(shop, now)


async def _run(shop: Workshop, step: Step[[str], bool], until: str) -> None:
    while await shop.database.write(step, until):
        # Others who wait for the database are served before the next piece.
        pass


async def _remove_sheets(shop: Workshop, until: str) -> None:
    """Remove the sheets that show references, which are kept no longer than these."""
    stored = await asyncio.to_thread(stored_images, shop.folder)
    sheets = {sheet_name(each.job_id) for each in stored if each.job_id < until}
    await asyncio.to_thread(drop_named, shop.folder, sheets)


async def _remove_orphans(shop: Workshop, now: datetime) -> None:
    """Remove files that belong to no job, as a crash or a restored database leaves them."""
    stored = await asyncio.to_thread(stored_images, shop.folder)
    old = [each for each in stored if each.stored_at < now - IN_USE_MAX]
    known = await shop.database.read_of(steps.known, {each.job_id for each in old})
    orphans = [each.path.name for each in old if each.job_id not in known]
    await asyncio.to_thread(drop_named, shop.folder, orphans)
    if orphans:
        emit("orphans_removed", "%d files removed that were no job's", len(orphans))
