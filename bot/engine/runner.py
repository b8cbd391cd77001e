"""Claims jobs that are due, carries each to its end under a cap, and stops cleanly."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from bot.domain.jobs import OPEN_TASK_STATES, Failure, Job, JobState, Problem, Task
from bot.domain.ports import Accounts, ImageFile, ImageFormat, Jobs, Messenger
from bot.engine.making import Making, all_of
from bot.engine.stopping import StoppableClock, Stopped
from bot.errors import DeliveryError, StepLost

log = logging.getLogger(__name__)

#: seconds; a job that nobody announced, or whose owner died, is found within this time
CLAIM_EVERY_S = 5.0
#: seconds; a third of the lease, so that two renewals may fail
RENEW_EVERY_S = 20.0
#: seconds between two updates of a status message
PROGRESS_EVERY_S = 5.0
#: seconds that short steps get to finish when the process is asked to stop
STOP_GRACE_S = 8.0


class Runner:
    """
    Args:
        running_max: jobs under way at once in this process.
        folder: where stored images lie.
        progress_every_s: seconds between two updates of a status message.
    """

    def __init__(
        self,
        jobs: Jobs,
        accounts: Accounts,
        making: Making,
        messenger: Messenger,
        clock: StoppableClock,
        folder: Path,
        running_max: int,
        progress_every_s: float = PROGRESS_EVERY_S,
    ) -> None:
        self._jobs = jobs
        self._accounts = accounts
        self._making = making
        self._messenger = messenger
        self._clock = clock
        self._folder = folder
        self._running_max = running_max
        self._progress_every_s = progress_every_s
        self._running: dict[str, asyncio.Task[None]] = {}
        self._due = asyncio.Event()

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The jobs under way in this process."""
        return tuple(self._running)

    def wake(self) -> None:
        """A job was accepted or ended: look for the next one now."""
        self._due.set()

    async def run(self) -> None:
        """Work until cancelled; what is unfinished then goes on at the next start."""
        renewing = asyncio.create_task(self._renew())
        try:
            while True:
                self._due.clear()
                await self._claim()
                await _within(CLAIM_EVERY_S, self._due)
        finally:
            await self._stop()
            renewing.cancel()

    async def _claim(self) -> None:
        """Start every job that may run; a database in trouble is tried again later."""
        while len(self._running) < self._running_max:
            try:
                job = await self._jobs.claim(self._clock.now())
            except Exception:
                log.exception("claim failed", extra={"action": "claim_failed"})
                return
            if job is None:
                return
            log.info("job claimed", extra=_fields(job, "job_claimed"))
            carrying = asyncio.create_task(self._carry(job), name=job.id)
            self._running[job.id] = carrying
            carrying.add_done_callback(self._ended)

    def _ended(self, carrying: asyncio.Task[None]) -> None:
        del self._running[carrying.get_name()]
        self.wake()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._jobs.renew_leases(self.job_ids, self._clock.now())
            except Exception:
                log.exception("leases not renewed", extra={"action": "renew_failed"})

    async def _stop(self) -> None:
        """End every wait at once, let what is between two commits finish, cancel the rest."""
        self._clock.stop()
        if self._running:
            carrying = set(self._running.values())
            _, late = await asyncio.wait(carrying, timeout=STOP_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _carry(self, job: Job) -> None:
        """Carry a job on from its committed state to its end: the outermost layer of a job."""
        try:
            if job.state is JobState.RUNNING:
                job = await self._make(job)
            if job.state is JobState.DELIVERING:
                await self._deliver(job)
        except Stopped:
            log.info("job left for the next start", extra=_fields(job, "job_left"))
        except StepLost as error:
            log.warning("job let go: %s", error, extra=_fields(job, "job_let_go"))
        except Exception:
            # A defect of ours: no member pays for it.
            log.exception("job failed", extra=_fields(job, "job_failed"))
            await self._give_up(job)

    async def _make(self, job: Job) -> Job:
        ended = asyncio.Event()
        showing = asyncio.create_task(self._show_progress(job, ended))
        try:
            references = self._making.references(job)
            open_tasks = [
                task for task in await self._jobs.tasks(job.id) if task.state in OPEN_TASK_STATES
            ]
            await all_of([self._making.carry(job, task, references) for task in open_tasks])
        finally:
            # Awaited, never cancelled: an update still in flight must not land after the result.
            ended.set()
            await showing
        return await self._jobs.job(job.id)

    async def _show_progress(self, job: Job, ended: asyncio.Event) -> None:
        # The loop is for eyes, so it follows real time, not the jobs' clock.
        while not ended.is_set():
            tasks = await self._jobs.tasks(job.id)
            await self._messenger.show_progress(job, tasks, self._clock.now())
            await _within(self._progress_every_s, ended)

    async def _deliver(self, job: Job) -> None:
        tasks = await self._jobs.tasks(job.id)
        images = [self._image(task) for task in tasks if task.image_name]
        account = await self._accounts.show(job.server_id, job.user_id, self._clock.now())
        try:
            delivered = await self._messenger.deliver(job, tasks, images, account.available_ucr)
        except DeliveryError as error:
            log.error("job undeliverable: %s", error, extra=_fields(job, "job_undeliverable"))
            await self._jobs.undeliverable(job, self._clock.now())
            return
        await self._jobs.finish(job, delivered.message_id, self._clock.now())
        log.info("job delivered", extra=_fields(job, "job_delivered"))
        if not delivered.reduced:
            _remove(images)

    def _image(self, task: Task) -> ImageFile:
        assert task.image_name is not None
        path = self._folder / task.image_name
        return ImageFile(
            path=path,
            format=ImageFormat(path.suffix.removeprefix(".")),
            width_px=task.width_px or 0,
            height_px=task.height_px or 0,
            size_bytes=task.size_bytes or 0,
        )

    async def _give_up(self, job: Job) -> None:
        try:
            for task in await self._jobs.tasks(job.id):
                if task.state in OPEN_TASK_STATES:
                    job = await self._jobs.failed(
                        task, Problem(Failure.INTERNAL), self._clock.now()
                    )
            if job.state is JobState.DELIVERING:
                await self._deliver(job)
        except Exception:
            log.exception("job not given up", extra=_fields(job, "give_up_failed"))


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for the event, but not longer."""
    # Not wait_for: on Python 3.11 it swallows a cancellation that meets the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _remove(images: Sequence[ImageFile]) -> None:
    for image in images:
        image.path.unlink(missing_ok=True)


def _fields(job: Job, action: str) -> dict[str, object]:
    return {"job_id": job.id, "server_id": job.server_id, "action": action}
