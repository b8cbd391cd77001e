"""The last step of a job: puts its images, or its failure, in front of its member."""

import logging
from collections.abc import Container, Sequence

from msgspec.structs import replace

from bot.domain.jobs import KEPT, Failure, Job, Made, Problem, Task
from bot.domain.ports import ImageFile, Messenger
from bot.engine.events import emit
from bot.engine.workshop import Workshop
from bot.errors import DeliveryError, Facts
from bot.pictures.folder import drop, images_of, sheet_name
from bot.store import jobs as job_steps
from bot.store import tasks as task_steps

#: tries of one delivery while Discord is down; they take about an hour and a half
DELIVERIES_MAX = 24
#: seconds before the second try; doubles up to the maximum
DELIVERY_WAIT_S = 5.0
DELIVERY_WAIT_S_MAX = 300.0


class Delivery:
    """
    Args:
        gone: ids of the servers that the bot was removed from.
    """

    def __init__(self, shop: Workshop, messenger: Messenger, gone: Container[int]) -> None:
        self._shop = shop
        self._messenger = messenger
        self._keep_days = shop.house.keep.results_days
        self._gone = gone

    async def resume(self, job: Job) -> None:
        """Deliver a job that is in delivery already, as after a restart."""
        await self.deliver(await self._look(job))

    async def deliver(self, made: Made) -> None:
        """Deliver a job whose tasks have ended, and end it."""
        job, tasks = made.job, made.tasks
        images = images_of(self._shop.folder, tasks)
        if self._is_withdrawn(job):
            await self._withdraw(job, images)
            return
        if job.problem is None and not all(image.path.exists() for image in images):
            emit("images_gone", "images are gone from disk", level=logging.ERROR)
            job = await self._refund(job, Failure.RESULT_LOST)
        if job.unwatched and self._keep_days:
            await self._keep(job, images)
            return
        try:
            shown = () if job.problem else images
            made = made if job is made.job else replace(made, job=job)
            job, message_id = await self._post(made, shown)
        except DeliveryError as error:
            await self.fail(job, not_shown=error.not_shown)
            return
        if message_id is None:
            await self._withdraw(job, images)
            return
        wanted = job.problem is None or job.problem.failure in KEPT
        await self._finish(job, message_id, images, wanted=wanted)
        emit("job_delivered", "job delivered")

    def _is_withdrawn(self, job: Job) -> bool:
        return job.removed or job.server_id in self._gone

    async def _withdraw(self, job: Job, images: Sequence[ImageFile]) -> None:
        """End a job whose images nobody is shown: a moderator removed it, or its server is gone."""
        told = None
        if job.server_id in self._gone:
            if job.problem is None:
                job = await self._refund(job, Failure.REMOVED)
            if not job.removed:
                # Whoever has installed the bot for themselves still sees their status message.
                told = await self._say(job)
        await self._finish(job, told, images, wanted=False)
        emit("job_withdrawn", "job withdrawn: it was removed, or its server is gone")

    async def _keep(self, job: Job, images: Sequence[ImageFile]) -> None:
        """End a job whose member has stopped waiting: its images are for /history alone."""
        # A late update may have replaced what the member saw when they pressed the button.
        await self._messenger.show_progress(job)
        await self._finish(job, None, images, wanted=job.problem is None)
        emit("job_kept", "job kept for its member, who awaits it no longer")

    async def fail(self, job: Job, *, not_shown: bool = False) -> Job:
        """
        Refund the job, leave its images to /history, and tell the member, if Discord takes words.

        Args:
            not_shown: Discord will not show the images, but may show words.
        """
        emit("job_undeliverable", "job undeliverable", level=logging.ERROR)
        told = None
        if job.problem is None:
            job = await self._refund(job, Failure.NOT_SHOWN if not_shown else Failure.UNDELIVERABLE)
            told = await self._say(job)
        images = images_of(self._shop.folder, await self._tasks(job))
        return await self._finish(job, told, images, wanted=True)

    async def _post(self, made: Made, images: Sequence[ImageFile]) -> tuple[Job, int | None]:
        """
        Post the result, and try again while Discord is down.

        Returns:
            The job as it was posted; None: it was withdrawn between two tries, of which one may
            have been seen though it seemed to fail.
        Raises:
            DeliveryError: Discord takes the result nowhere.
        """
        attempt, wait_s = 1, DELIVERY_WAIT_S
        while True:
            try:
                return made.job, await self._messenger.deliver(
                    made.job, made.tasks, images, made.balance_ucr
                )
            except DeliveryError as error:
                emit("not_delivered", "not delivered: %s", error, level=logging.WARNING)
                if not error.retryable or attempt == DELIVERIES_MAX:
                    raise
            await self._shop.clock.sleep(wait_s)
            attempt, wait_s = attempt + 1, min(wait_s * 2, DELIVERY_WAIT_S_MAX)
            made = await self._look(made.job)
            if self._is_withdrawn(made.job):
                return made.job, None

    async def _say(self, job: Job) -> int | None:
        """Try once to post the job's problem in words; None: Discord does not take them either."""
        try:
            tasks = await self._tasks(job)
            return await self._messenger.deliver(job, tasks, (), 0)
        except DeliveryError as error:
            emit("not_told", "not told: %s", error, level=logging.WARNING)
            return None

    async def _look(self, job: Job) -> Made:
        return await self._shop.database.read(
            job_steps.to_deliver, self._shop.house, job.id, self._shop.clock.now()
        )

    async def _refund(self, job: Job, failure: Failure) -> Job:
        kept = failure in KEPT and self._keep_days
        facts: Facts = {"keep_days": self._keep_days} if kept else {}
        return await self._shop.database.keep(
            job_steps.refund, self._shop.house, job, Problem(failure, facts), self._shop.clock.now()
        )

    async def _tasks(self, job: Job) -> list[Task]:
        return await self._shop.database.read(task_steps.of_job, job.id)

    async def _finish(
        self, job: Job, message_id: int | None, images: Sequence[ImageFile], *, wanted: bool
    ) -> Job:
        """
        End the job, and keep or remove its images and the sheet of its references.

        Args:
            wanted: whether the images are kept, if results are kept at all.
        """
        keeps = wanted and bool(images) and self._keep_days > 0
        ended = job
        while ended.finished_at is None:
            if ended.removed or ended.covered:
                # What was put there before that was decided may stand, even if the try seemed to
                # fail. Done before the end, it is done after a crash as well.
                posted = replace(ended, message_id=message_id or ended.message_id)
                await self._messenger.catch_up(posted)
            ended = await self._shop.database.keep(
                job_steps.finish, ended, message_id, self._shop.clock.now(), keeps_images=keeps
            )
        if not ended.keeps_images:
            for path in (*(image.path for image in images), self._shop.folder / sheet_name(job.id)):
                drop(path)
        return ended
