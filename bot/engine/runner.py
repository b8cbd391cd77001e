"""Claims jobs that are due, carries each to its end under a cap, and stops cleanly."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from pathlib import Path

from bot.about import about
from bot.domain.jobs import (
    KEPT,
    OPEN_TASK_STATES,
    Failure,
    Job,
    JobState,
    Problem,
    Task,
    TaskState,
    fields_of,
)
from bot.domain.ports import Delivered, ImageFile, Messenger
from bot.domain.queue import QueuePlace
from bot.domain.requests import UNREADABLE
from bot.domain.stored import Jobs
from bot.engine.duties import Housekeeping, every, guarded, within
from bot.engine.images import stored_image
from bot.engine.making import Making
from bot.engine.references import all_of
from bot.engine.routing import Routing
from bot.engine.stopping import StoppableClock, Stopped
from bot.errors import DeliveryError, StepLost

log = logging.getLogger(__name__)

#: seconds; a job that nobody announced, or whose owner died, is found within this time
CLAIM_EVERY_S = 5.0
#: seconds; a third of the lease, so that two renewals may fail
RENEW_EVERY_S = 20.0
#: seconds between two updates of a status message, and before the first one: a quick job needs none
PROGRESS_EVERY_S = 5.0
PROGRESS_AFTER_S = 1.5
#: seconds between two looks at the queue, and how many status messages one look may update
QUEUE_EVERY_S = 10.0
QUEUE_SHOWN_MAX = 25
#: jobs claimed in one transaction; members who give commands meanwhile wait for it
CLAIMS_AT_ONCE = 8
#: a job that was taken on so often and never came to its end is given up
CLAIMS_MAX = 20
#: what has waited for longer without being submitted is not wanted any more
WAIT_MAX = timedelta(hours=1)
#: while Discord is down, a delivery is tried so often: for about an hour and a half
DELIVERIES_MAX = 24
#: seconds before the second try; doubles up to the maximum
DELIVERY_WAIT_S = 5.0
DELIVERY_WAIT_S_MAX = 300.0
TIDY_EVERY_S = 3_600.0
#: seconds between two savings of what was learned of the routes
LEARN_EVERY_S = 60.0
#: seconds that short steps get to finish when the process is asked to stop
STOP_GRACE_S = 6.0


class Runner:
    """
    Args:
        running_max: jobs under way at once in this process.
        folder: where stored images lie.
        give_sign: lets the next process know how long this one lived.
        progress_every_s: seconds between two updates of a running job's status message.
        queue_every_s: seconds between two looks at the queue.
    """

    def __init__(
        self,
        jobs: Jobs,
        making: Making,
        routing: Routing,
        messenger: Messenger,
        clock: StoppableClock,
        folder: Path,
        running_max: int,
        keeping: Housekeeping,
        give_sign: Callable[[], None],
        progress_every_s: float = PROGRESS_EVERY_S,
        queue_every_s: float = QUEUE_EVERY_S,
    ) -> None:
        self._jobs = jobs
        self._making = making
        self._routing = routing
        self._messenger = messenger
        self._clock = clock
        self._folder = folder
        self._running_max = running_max
        self._give_sign = give_sign
        self._keeping = keeping
        self._progress_every_s = progress_every_s
        self._queue_every_s = queue_every_s
        #: updates of places in the queue that are under way; whoever claims such a job lets its
        #: update land before painting over it
        self._updates: dict[str, asyncio.Task[None]] = {}
        #: what those who wait were last told; only for the eyes
        self._places: dict[str, QueuePlace | None] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        #: whether jobs may wait that could not be claimed the last time
        self._others_wait = True
        self._due = asyncio.Event()

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The jobs under way in this process."""
        return tuple(self._running)

    def wake(self) -> None:
        """A job was accepted: look for the next one now."""
        self._due.set()

    async def run(self) -> None:
        """Work until cancelled; what is unfinished then goes on at the next start."""
        duties: list[asyncio.Task[None]] = []
        try:
            while True:
                self._due.clear()
                await self._claim()
                # Whoever waits comes first, at the start too.
                duties = duties or self._begin_duties()
                await within(CLAIM_EVERY_S, self._due)
        finally:
            await self._stop()
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await self._routing.save()

    def _begin_duties(self) -> list[asyncio.Task[None]]:
        duties = (
            every(RENEW_EVERY_S, self._renew),
            every(self._queue_every_s, self._show_queue),
            every(LEARN_EVERY_S, self._routing.save),
            every(TIDY_EVERY_S, self._keeping.tidy),
            guarded(self._keeping.tidy_what_was_left),
            guarded(self._keeping.tell_cancelled),
        )
        return [asyncio.create_task(duty) for duty in duties]

    async def _claim(self) -> None:
        """Start every job that may run; a database in trouble is tried again later."""
        self._others_wait = True
        while places := min(CLAIMS_AT_ONCE, self._running_max - len(self._running)):
            try:
                claimed = await self._jobs.claim(self._clock.now(), places)
            except Exception:
                log.exception("claim failed", extra={"action": "claim_failed"})
                return
            for job, tasks in claimed.jobs:
                if job.id not in self._running:
                    self._start(job, tasks)
                # Else this process stood still for longer than a lease, and goes on with it now.
            if len(claimed.jobs) < places:
                self._others_wait = claimed.others_wait
                return

    def _start(self, job: Job, tasks: Sequence[Task]) -> None:
        log.info("job claimed", extra={**fields_of(job), "action": "job_claimed"})
        carrying = asyncio.create_task(self._carry(job, tasks), name=job.id)
        self._running[job.id] = carrying
        carrying.add_done_callback(self._ended)

    def _ended(self, carrying: asyncio.Task[None]) -> None:
        del self._running[carrying.get_name()]
        if self._others_wait:
            self._due.set()

    async def _renew(self) -> None:
        self._give_sign()
        await self._jobs.renew_leases(self.job_ids, self._clock.now())

    async def _show_queue(self) -> None:
        """Tell those who wait where they stand, where that has changed."""
        queue = await self._jobs.queue()
        shown = {job_id: self._places.get(job_id) for job_id, _ in queue}
        moved = [(job_id, place) for job_id, place in queue if shown[job_id] != place]
        for job_id, place in moved[:QUEUE_SHOWN_MAX]:
            update = asyncio.create_task(self._show_place(job_id, place))
            self._updates[job_id] = update
            try:
                await update
            finally:
                del self._updates[job_id]
            shown[job_id] = place
        self._places = shown

    async def _show_place(self, job_id: str, place: QueuePlace) -> None:
        job, tasks = await self._jobs.look(job_id)
        # The look at the queue may be old by now, and a result is not to be painted over.
        if job.state is JobState.QUEUED:
            await self._messenger.show_progress(job, tasks, self._clock.now(), place)
            await self._keeping.show_cancelled(job.id)

    async def _stop(self) -> None:
        """End every wait at once, let what is between two commits finish, cancel the rest."""
        self._clock.stop()
        if self._running:
            carrying = set(self._running.values())
            _, late = await asyncio.wait(carrying, timeout=STOP_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _carry(self, job: Job, tasks: Sequence[Task]) -> None:
        """Carry a job on from its committed state to its end: the outermost layer of a job."""
        with about(**fields_of(job)):
            await self._carry_on(job, tasks)

    async def _carry_on(self, job: Job, tasks: Sequence[Task]) -> None:
        try:
            job, tasks = await self._give_up_if_hopeless(job, tasks)
            if job.state is JobState.RUNNING:
                job = await self._make(job, tasks)
            if job.state is JobState.DELIVERING:
                await self._deliver(job)
        except Stopped:
            log.info("job left for the next start", extra={"action": "job_left"})
        except StepLost as error:
            log.info("job let go: %s", error, extra={"action": "job_let_go"})
            await self._keeping.show_cancelled(job.id)
        except Exception:
            # A defect of ours, or a database in trouble. The job is taken on again from its last
            # committed step once its lease has run out, so nothing that was billed is dropped.
            log.exception("job interrupted", extra={"action": "job_interrupted"})

    async def _give_up_if_hopeless(
        self, job: Job, tasks: Sequence[Task]
    ) -> tuple[Job, Sequence[Task]]:
        if job.claims > CLAIMS_MAX:
            log.error("job given up", extra={"action": "job_given_up"})
            if job.state is JobState.DELIVERING:
                return await self._fail_undelivered(job), tasks
            return await self._fail_tasks(job, tasks, Failure.INTERNAL, OPEN_TASK_STATES)
        if job.state is JobState.RUNNING and self._clock.now() - job.created_at > WAIT_MAX:
            return await self._fail_tasks(job, tasks, Failure.WAITED_TOO_LONG, (TaskState.PENDING,))
        if job.state is JobState.RUNNING and job.request is UNREADABLE:
            # What was submitted is paid, and goes on without its request.
            return await self._fail_tasks(job, tasks, Failure.INTERNAL, (TaskState.PENDING,))
        return job, tasks

    async def _fail_tasks(
        self,
        job: Job,
        tasks: Sequence[Task],
        failure: Failure,
        states: Collection[TaskState],
    ) -> tuple[Job, Sequence[Task]]:
        for task in tasks:
            if task.state in states:
                await self._jobs.failed(task, Problem(failure), self._clock.now())
        return await self._jobs.look(job.id)

    async def _make(self, job: Job, tasks: Sequence[Task]) -> Job:
        ended, sent = asyncio.Event(), asyncio.Event()
        showing = asyncio.create_task(self._show_progress(job, ended, sent))
        references = self._making.references(job)
        try:
            after = await all_of(
                [
                    self._making.carry(job, task, references, sent)
                    for task in tasks
                    if task.state in OPEN_TASK_STATES
                ]
            )
        finally:
            # Awaited, never cancelled: an update still in flight must not land after the result.
            ended.set()
            sent.set()
            await showing
            references.remove()
        # Whichever task ended last took the job on to its delivery.
        return next(each for each in after if each.state is not JobState.RUNNING)

    async def _show_progress(self, job: Job, ended: asyncio.Event, sent: asyncio.Event) -> None:
        """From when the vendor is asked on, so that the button does not promise what is over."""
        if update := self._updates.get(job.id):
            await asyncio.wait({update})
        await within(self._progress_every_s, sent)
        await within(PROGRESS_AFTER_S, ended)
        # The loop is for eyes, so it follows real time, not the jobs' clock.
        while not ended.is_set():
            job, tasks = await self._jobs.look(job.id)
            await self._messenger.show_progress(
                job, tasks, self._clock.now(), finished=self._making.finished
            )
            await within(self._progress_every_s, ended)

    async def _deliver(self, job: Job) -> None:
        tasks, account = await self._jobs.to_deliver(job, self._clock.now())
        found = [stored_image(self._folder, task) for task in tasks]
        images = [image for image in found if image]
        if job.problem is None and not all(image.path.exists() for image in images):
            log.error("images are gone from disk", extra={"action": "images_gone"})
            lost = Problem(Failure.RESULT_LOST)
            job = await self._jobs.refund(job, lost, self._clock.now())
        if job.problem:
            images = []
        try:
            delivered = await self._post(job, tasks, images, account.available_ucr)
        except DeliveryError as error:
            await self._fail_undelivered(job, not_shown=error.not_shown)
            return
        kept = delivered.reduced or (job.problem is not None and job.problem.failure in KEPT)
        await self._jobs.finish(job, delivered.message_id, self._clock.now(), keeps_images=kept)
        log.info("job delivered", extra={"action": "job_delivered"})
        if not kept:
            _remove(images)

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
                log.warning("not delivered: %s", error, extra={"action": "not_delivered"})
                if not error.retryable or attempt == DELIVERIES_MAX:
                    raise
            await self._clock.sleep(wait_s)
            wait_s = min(wait_s * 2, DELIVERY_WAIT_S_MAX)
            _, account = await self._jobs.to_deliver(job, self._clock.now())
            balance_ucr = account.available_ucr
        raise AssertionError("unreachable")

    async def _fail_undelivered(self, job: Job, *, not_shown: bool = False) -> Job:
        """Refund, leave the images to /history, and say so where words can still go."""
        log.error("job undeliverable", extra={"action": "job_undeliverable"})
        told = None
        if job.problem is None:
            failure = Failure.NOT_SHOWN if not_shown else Failure.UNDELIVERABLE
            job = await self._jobs.refund(job, Problem(failure), self._clock.now())
            told = await self._say(job)
        return await self._jobs.finish(job, told, self._clock.now(), keeps_images=True)

    async def _say(self, job: Job) -> int | None:
        """Post the job's problem in words alone, with one try; None: Discord takes that neither."""
        tasks = await self._jobs.tasks(job.id)
        try:
            return (await self._messenger.deliver(job, tasks, (), 0)).message_id
        except DeliveryError as error:
            log.warning("not told: %s", error, extra={"action": "not_told"})
            return None


def _remove(images: Sequence[ImageFile]) -> None:
    for image in images:
        image.path.unlink(missing_ok=True)
