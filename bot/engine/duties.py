"""
Recurring duties beside the jobs: renewing leases, showing places in the queue, tidying, and telling
members what a dead process did not tell them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Container, Sequence
from datetime import datetime, timedelta

from bot.about import about
from bot.domain.jobs import JobState, fields_of
from bot.domain.ports import Messenger
from bot.domain.queue import QueuePosition
from bot.engine.events import emit
from bot.engine.workshop import Workshop
from bot.pictures.folder import Stored, drop_named, stored_images
from bot.store import jobs as job_steps
from bot.store import members
from bot.store.lock import Use
from bot.store.queue import list_queue

#: seconds between two renewals; a third of the lease, so that two of them may fail
RENEW_EVERY_S = 20.0
#: seconds between two looks at the queue, and how many status messages one look may update
QUEUE_EVERY_S = 10.0
QUEUE_SHOWN_MAX = 25
#: seconds between two writes of what was learned about the routes
LEARN_EVERY_S = 60.0
TIDY_EVERY_S = 3_600.0
#: how long before a model's end the log begins to warn of it, and the seconds between two warnings
WARN_BEFORE = timedelta(days=30)
WARN_EVERY_S = 86_400.0
#: seconds between two looks at what images cost
LEARN_COSTS_EVERY_S = 3_600.0
#: how long an image may lie here before it is delivered
DELIVERIES_TAKE = timedelta(hours=2)
#: how far back, at most, a start looks for cancelled jobs whose members may not know; and how long
#: a process may have lived after its last sign of life
TELL_CANCELLED = timedelta(hours=24)
SIGN_AGE = timedelta(minutes=2)

Duty = Callable[[], Awaitable[object]]


class Duties:
    """
    Args:
        use: when the process before this one was last known to live, and how the next one learns
            the same of this one.
    """

    def __init__(self, shop: Workshop, messenger: Messenger, use: Use) -> None:
        self._shop = shop
        self._messenger = messenger
        self._use = use
        #: updates of positions in the queue that are under way
        self._updates: dict[str, asyncio.Task[None]] = {}
        #: job id -> the place in the queue that its member was last told
        self._told: dict[str, QueuePosition | None] = {}
        #: further duties, each with the seconds between two times
        self._others: list[tuple[float, Duty]] = []
        self._at_once: list[Duty] = []

    def also(self, seconds: float, duty: Duty, *, at_once: bool = True) -> None:
        """
        Add a duty; to be called before `begin`.

        Args:
            seconds: between two times.
            at_once: do it at the start already.
        """
        self._others.append((seconds, duty))
        if at_once:
            self._at_once.append(duty)

    def begin(self, job_ids: Callable[[], Sequence[str]]) -> list[asyncio.Task[None]]:
        """
        Start all duties.

        Args:
            job_ids: gives the jobs under way in this process, whose leases are renewed.
        """
        duties = (
            every(RENEW_EVERY_S, lambda: self._renew(job_ids())),
            every(QUEUE_EVERY_S, self._show_queue),
            every(LEARN_EVERY_S, self._shop.routing.save),
            every(TIDY_EVERY_S, self.tidy),
            every(WARN_EVERY_S, self.warn_of_endings),
            every(LEARN_COSTS_EVERY_S, self._shop.routing.learn_costs),
            guarded(self.warn_of_endings),
            guarded(self._shop.routing.learn_costs),
            guarded(self.tidy_what_was_left),
            guarded(self.tell_cancelled),
            *(every(seconds, duty) for seconds, duty in self._others),
            *map(guarded, self._at_once),
        )
        return [asyncio.create_task(duty) for duty in duties]

    async def warn_of_endings(self) -> None:
        """Warn the host of models that end soon or have ended, so that they choose others."""
        today = self._shop.clock.now().date()
        for model in self._shop.routing.retiring(WARN_BEFORE):
            emit(
                "model_retires",
                "the makers of %s %s it on %s",
                model.id,
                "ended" if model.is_retired(today) else "end",
                model.retires,
                level=logging.WARNING,
            )

    async def _renew(self, job_ids: Sequence[str]) -> None:
        self._use.give_sign()
        if job_ids:
            now = self._shop.clock.now()
            await self._shop.database.write(job_steps.renew_leases, self._shop.house, job_ids, now)

    async def let_land(self, job_id: str) -> None:
        """
        Wait for an update of the job's place in the queue that is under way, so that it does not
        replace what is shown next.
        """
        if update := self._updates.get(job_id):
            await asyncio.wait({update})

    async def _show_queue(self) -> None:
        """Tell the members of queued jobs their places in the queue, where these have changed."""
        queue = await self._shop.database.read(list_queue)
        positions = {
            each.job_id: QueuePosition.after(
                each.ahead,
                self._shop.house.caps,
                self._shop.routing.typical_s(each.route_id),
                each.own,
            )
            for each in queue
        }
        told = {job_id: self._told.get(job_id) for job_id in positions}
        moved = [each for each in positions.items() if told[each[0]] != each[1]]
        for job_id, position in moved[:QUEUE_SHOWN_MAX]:
            update = asyncio.create_task(self._show_position(job_id, position))
            self._updates[job_id] = update
            try:
                await update
            finally:
                del self._updates[job_id]
            told[job_id] = position
        self._told = told

    async def _show_position(self, job_id: str, position: QueuePosition) -> None:
        job, tasks = await self._shop.database.read(job_steps.look, job_id)
        # The queue may have changed since it was read, and a result must not be replaced.
        if job.state is JobState.QUEUED:
            await self._messenger.show_progress(job, tasks, position)
            await self.show_cancelled(job.id)

    async def tidy_what_was_left(self) -> None:
        """Tidy what the process before this one left if it died in the midst of deliveries."""
        since = self._use.last_sign or self._shop.clock.now()
        await self.tidy(since - DELIVERIES_TAKE)

    async def tidy(self, since: datetime | None = None) -> None:
        """
        Remove images that a crash left after their delivery, and images, drafts and baskets that
        were kept for long enough. Images of jobs under way stay, however old they are.

        Args:
            since: look only at images stored at that time or later; None: at all.
        """
        oldest = self._shop.clock.now() - timedelta(days=self._shop.house.keep.results_days)
        stored = await asyncio.to_thread(stored_images, self._shop.folder)
        if since:
            stored = [image for image in stored if image.stored_at >= since]
        job_ids = {image.job_id for image in stored}
        ended = await self._shop.database.read_of(job_steps.ended, job_ids)
        without_use = await self._shop.database.read_of(job_steps.without_use, ended)
        gone: list[Stored] = []
        kept: list[Stored] = []
        for image in sorted(stored, key=lambda each: each.stored_at):
            is_old = image.stored_at < oldest and image.job_id in ended
            (gone if is_old or image.job_id in without_use else kept).append(image)
        await self._remove(gone)
        await self._make_room(kept, ended)
        now = self._shop.clock.now()
        while await self._shop.database.write(members.sweep, now):
            # Others who wait for the database are served before the next piece.
            pass

    async def _make_room(self, kept: Sequence[Stored], ended: Container[str]) -> None:
        """
        Remove the oldest images kept for members while all together take too many bytes.

        Args:
            ended: ids of jobs; images of others stay, however many bytes they take.
        """
        bytes_max = self._shop.house.keep.results_bytes_max
        over_bytes = sum(image.size_bytes for image in kept) - bytes_max
        too_many: list[Stored] = []
        for image in kept:
            if over_bytes <= 0:
                break
            if image.job_id in ended:
                too_many.append(image)
                over_bytes -= image.size_bytes
        await self._remove(too_many)
        if too_many:
            emit(
                "kept_removed",
                "%d kept images removed before their time: KEEP_BYTES_MAX is reached",
                len(too_many),
                level=logging.WARNING,
            )

    async def _remove(self, images: Sequence[Stored]) -> None:
        names = [image.path.name for image in images]
        await asyncio.to_thread(drop_named, self._shop.folder, names)

    async def tell_cancelled(self) -> None:
        """Tell members of jobs that were cancelled just before the last process ended."""
        since = self._shop.clock.now() - TELL_CANCELLED
        if self._use.last_sign is not None:
            since = max(since, self._use.last_sign - SIGN_AGE)
        for job in await self._shop.database.read(job_steps.cancelled_since, since):
            await self.show_cancelled(job.id)

    async def show_cancelled(self, job_id: str) -> None:
        """Show again that a job is cancelled: a late update may have replaced that message."""
        job, _ = await self._shop.database.read(job_steps.look, job_id)
        if job.state is JobState.CANCELLED:
            with about(**fields_of(job)):
                await self._messenger.show_progress(job)


async def every(seconds: float, duty: Duty) -> None:
    """Do the duty again and again; a failure is logged and does not end this."""
    while True:
        await asyncio.sleep(seconds)
        await guarded(duty)


async def guarded(duty: Duty) -> None:
    try:
        await duty()
    except Exception:
        emit("duty_failed", "duty failed", level=logging.ERROR, trace=True)


async def within(seconds: float, event: asyncio.Event) -> None:
    """Wait for the event, for that many seconds at most."""
    # Not wait_for: on Python 3.11 it swallows a cancellation that comes together with the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
