"""What is done now and then beside the jobs: tidying, and telling what a dead process did not."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from bot.about import about
from bot.domain.jobs import JobState, fields_of
from bot.domain.ports import Messenger
from bot.domain.stored import Jobs
from bot.engine.images import Stored, stored_images
from bot.engine.stopping import StoppableClock

log = logging.getLogger(__name__)

#: for so long an image may lie here before it is delivered
DELIVERIES_TAKE = timedelta(hours=2)
#: images that could not be posted, or not at their full size, are kept for their member
KEEP = timedelta(days=7)
#: how far back the members of cancelled jobs are told so at a start, at most; and how long a
#: process may have lived after its last sign of life
TELL_CANCELLED = timedelta(hours=24)
SIGN_AGE = timedelta(minutes=2)


class Housekeeping:
    """
    Args:
        folder: where stored images lie.
        last_sign: when the process before this one was last known to live.
        keep_bytes_max: of images that are kept for members.
    """

    def __init__(
        self,
        jobs: Jobs,
        messenger: Messenger,
        clock: StoppableClock,
        folder: Path,
        last_sign: datetime | None,
        keep_bytes_max: int,
    ) -> None:
        self._jobs = jobs
        self._messenger = messenger
        self._clock = clock
        self._folder = folder
        self._last_sign = last_sign
        self._keep_bytes_max = keep_bytes_max

    async def tidy_what_was_left(self) -> None:
        """By the process before this one, which was in the midst of deliveries as it died."""
        since = self._last_sign or self._clock.now()
        await self.tidy(since - DELIVERIES_TAKE)

    async def tidy(self, since: datetime | None = None) -> None:
        """
        Remove what a crash after a delivery left, and what was kept for long enough.

        Args:
            since: look only at what was stored then or later.
        """
        oldest = self._clock.now() - KEEP
        stored = await asyncio.to_thread(stored_images, self._folder)
        if since:
            stored = [image for image in stored if image.stored_at >= since]
        without_use = await self._jobs.without_use({image.job_id for image in stored})
        kept = []
        for image in sorted(stored, key=lambda each: each.stored_at):
            if image.job_id in without_use or image.stored_at < oldest:
                image.path.unlink(missing_ok=True)
            else:
                kept.append(image)
        await self._make_room(kept)

    async def _make_room(self, kept: Sequence[Stored]) -> None:
        """Remove the oldest of what is kept for members where that has become too much."""
        over_bytes = sum(image.size_bytes for image in kept) - self._keep_bytes_max
        if over_bytes <= 0:
            return
        # What is under way stays, however much it is.
        ended = await self._jobs.ended({image.job_id for image in kept})
        removed = 0
        for image in kept:
            if over_bytes <= 0:
                break
            if image.job_id in ended:
                image.path.unlink(missing_ok=True)
                over_bytes -= image.size_bytes
                removed += 1
        if removed:
            log.warning(
                "%d kept images removed before their time: KEEP_BYTES_MAX is reached",
                removed,
                extra={"action": "kept_removed"},
            )

    async def tell_cancelled(self) -> None:
        """Of jobs that were cancelled just before the last end: their members may not know yet."""
        since = self._clock.now() - TELL_CANCELLED
        if self._last_sign is not None:
            since = max(since, self._last_sign - SIGN_AGE)
        for job in await self._jobs.cancelled_since(since):
            await self.show_cancelled(job.id)

    async def show_cancelled(self, job_id: str) -> None:
        """An update that was under way may have painted over what the member saw on cancelling."""
        job, tasks = await self._jobs.look(job_id)
        if job.state is JobState.CANCELLED:
            with about(**fields_of(job)):
                await self._messenger.show_progress(job, tasks, self._clock.now())


async def every(seconds: float, duty: Callable[[], Awaitable[None]]) -> None:
    """Do it again and again; one failure does not end it."""
    while True:
        await asyncio.sleep(seconds)
        await guarded(duty)


async def guarded(duty: Callable[[], Awaitable[None]]) -> None:
    try:
        await duty()
    except Exception:
        log.exception("duty failed", extra={"action": "duty_failed"})


async def within(seconds: float, event: asyncio.Event) -> None:
    """Wait for the event, but not longer."""
    # Not wait_for: on Python 3.11 it swallows a cancellation that meets the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
