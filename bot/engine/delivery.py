"""The last stretch of a job: its images, or its failure, put in front of its member."""

import logging
from collections.abc import Sequence
from pathlib import Path

from bot.domain.jobs import KEPT, Failure, Job, Problem, Task
from bot.domain.ports import Delivered, ImageFile, Messenger
from bot.engine.events import emit
from bot.engine.stopping import StoppableClock
from bot.errors import DeliveryError
from bot.pictures.folder import stored_image
from bot.store import jobs as job_steps
from bot.store import tasks as task_steps
from bot.store.database import Database
from bot.store.jobs import House

#: while Discord is down, a delivery is tried so often: for about an hour and a half
DELIVERIES_MAX = 24
#: seconds before the second try; doubles up to the maximum
DELIVERY_WAIT_S = 5.0
DELIVERY_WAIT_S_MAX = 300.0


class Delivery:
    """
    Args:
        folder: where stored images lie.
    """

    def __init__(
        self,
        database: Database,
        house: House,
        messenger: Messenger,
        clock: StoppableClock,
        folder: Path,
    ) -> None:
        self._database = database
        self._house = house
        self._messenger = messenger
        self._clock = clock
        self._folder = folder

    async def deliver(self, job: Job) -> None:
        """Bring a job in delivery to its end."""
        tasks, balance_ucr = await self._look(job)
        found = [stored_image(self._folder, task) for task in tasks]
        images = [image for image in found if image]
        if job.problem is None and not all(image.path.exists() for image in images):
            emit("images_gone", "images are gone from disk", level=logging.ERROR)
            job = await self._refund(job, Failure.RESULT_LOST)
        if job.problem:
            images = []
        try:
            delivered = await self._post(job, tasks, images, balance_ucr)
        except DeliveryError as error:
            await self.fail(job, not_shown=error.not_shown)
            return
        kept = delivered.reduced or (job.problem is not None and job.problem.failure in KEPT)
        await self._finish(job, delivered.message_id, keeps_images=kept)
        emit("job_delivered", "job delivered")
        if not kept:
            for image in images:
                image.path.unlink(missing_ok=True)

    async def fail(self, job: Job, *, not_shown: bool = False) -> Job:
        """
        Refund, leave the images to /history, and say so where words can still go.

        Args:
            not_shown: Discord will not show the images; words it may.
        """
        emit("job_undeliverable", "job undeliverable", level=logging.ERROR)
        told = None
        if job.problem is None:
            job = await self._refund(job, Failure.NOT_SHOWN if not_shown else Failure.UNDELIVERABLE)
            told = await self._say(job)
        return await self._finish(job, told, keeps_images=True)

    async def _post(
        self, job: Job, tasks: Sequence[Task], images: Sequence[ImageFile], balance_ucr: int
    ) -> Delivered:
        """
        Raises:
            DeliveryError: Discord takes it nowhere.
        """
        wait_s = DELIVERY_WAIT_S
        for attempt in range(1, DELIVERIES_MAX + 1):
            try:
                return await self._messenger.deliver(job, tasks, images, balance_ucr)
            except DeliveryError as error:
                emit("not_delivered", "not delivered: %s", error, level=logging.WARNING)
                if not error.retryable or attempt == DELIVERIES_MAX:
                    raise
            await self._clock.sleep(wait_s)
            wait_s = min(wait_s * 2, DELIVERY_WAIT_S_MAX)
            _, balance_ucr = await self._look(job)
        raise AssertionError("unreachable")

    async def _say(self, job: Job) -> int | None:
        """Post the job's problem in words alone, with one try; None: Discord takes that neither."""
        tasks = await self._database.read(task_steps.of_job, job.id)
        try:
            return (await self._messenger.deliver(job, tasks, (), 0)).message_id
        except DeliveryError as error:
            emit("not_told", "not told: %s", error, level=logging.WARNING)
            return None

    async def _look(self, job: Job) -> tuple[list[Task], int]:
        """The job's tasks, and what its member has left."""
        tasks, account = await self._database.read(
            job_steps.to_deliver, self._house, job, self._clock.now()
        )
        return tasks, account.available_ucr

    async def _refund(self, job: Job, failure: Failure) -> Job:
        return await self._database.keep(
            job_steps.refund, self._house, job, Problem(failure), self._clock.now()
        )

    async def _finish(self, job: Job, message_id: int | None, *, keeps_images: bool) -> Job:
        return await self._database.keep(
            job_steps.finish, job, message_id, self._clock.now(), keeps_images=keeps_images
        )
