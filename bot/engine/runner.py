"""Claims jobs that are due, carries each to its end under a cap, and stops cleanly."""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

from bot.about import about
from bot.domain.jobs import (
    OPEN_TASK_STATES,
    Failure,
    Job,
    JobState,
    Made,
    Problem,
    Task,
    TaskState,
    fields_of,
    latest,
)
from bot.domain.policy import hides
from bot.domain.ports import Messenger
from bot.domain.requests import UNREADABLE
from bot.engine.carrier import Carrier
from bot.engine.delivery import Delivery
from bot.engine.duties import Duties, guarded, within
from bot.engine.events import emit
from bot.engine.pacing import Pacing
from bot.engine.references import References, all_of
from bot.engine.stopping import Stopped
from bot.engine.workshop import Workshop
from bot.errors import BotError, StepLost, StoreBusy
from bot.pictures.folder import images_of, sheet_name
from bot.pictures.sheet import draw_sheet
from bot.store import jobs as job_steps
from bot.store import tasks as task_steps

#: seconds within which a job is found that nobody announced, or whose lease has run out
CLAIM_EVERY_S = 5.0
#: seconds between two claims at least: jobs that come together are claimed together
CLAIM_PAUSE_S = 0.1
#: seconds from the first order to the first update of a status message: a quick job needs none
PROGRESS_AFTER_S = 1.5
#: updates of a job that takes as long as usual, and the seconds between two of them. One answer may
#: have 5 edits in 5 s: this leaves one for the place in the queue and one for the result
PROGRESS_STEPS = 6
PROGRESS_S_MIN = 2.0
PROGRESS_S_MAX = 10.0
#: for all jobs together: Discord lets a bot make 50 requests a second, and results come first
UPDATES_A_SECOND_MAX = 15.0
#: sides of a reference, as the result shows it
REFERENCE_TILE_PX = 96
#: jobs claimed in one transaction; members who give commands meanwhile wait for it
CLAIMS_AT_ONCE = 8
#: claims after which a job that has not ended is given up
CLAIMS_MAX = 20
#: an image that was not submitted in this time is not wanted any more
WAIT_MAX = timedelta(hours=1)
#: seconds that short steps get to finish when the process is asked to stop
STOP_GRACE_S = 5.0


class Runner:
    def __init__(
        self, shop: Workshop, messenger: Messenger, delivery: Delivery, duties: Duties
    ) -> None:
        self._shop = shop
        self._messenger = messenger
        self._delivery = delivery
        self._duties = duties
        self._running: dict[str, asyncio.Task[None]] = {}
        #: whether jobs may be waiting that the last claim could not take
        self._others_wait = True
        self._pacing = Pacing(UPDATES_A_SECOND_MAX)

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The jobs under way in this process."""
        return tuple(self._running)

    async def run(self) -> None:
        """Work until cancelled; unfinished jobs go on at the next start."""
        duties: list[asyncio.Task[None]] = []
        try:
            while True:
                self._shop.due.clear()
                await self._hand_over()
                await self._claim()
                # Jobs that wait come before the duties, at the start too.
                duties = duties or self._duties.begin(lambda: self.job_ids)
                await asyncio.sleep(CLAIM_PAUSE_S)
                await within(CLAIM_EVERY_S, self._shop.due)
        finally:
            await self._stop()
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await self._messenger.close()
            await self._shop.routing.save()

    async def _hand_over(self) -> None:
        """
        Write whose members have their status messages, those that come together in one go; if the
        database is in trouble, try again later.
        """
        shop = self._shop
        if answered := dict(shop.answered):
            try:
                await shop.database.keep(job_steps.hand_over, shop.house, answered)
            except Exception:
                emit("hand_over_failed", "hand over failed", level=logging.ERROR, trace=True)
                return
            for job_id in answered:
                del shop.answered[job_id]

    async def hand_over_last(self) -> None:
        """As `_hand_over`, once no more answers are given; if the database is held, give up."""
        shop = self._shop
        if shop.answered:
            with contextlib.suppress(StoreBusy):
                await shop.database.write(job_steps.hand_over, shop.house, dict(shop.answered))

    async def _claim(self) -> None:
        """Start every job that may run; if the database is in trouble, try again later."""
        shop = self._shop
        self._others_wait = True
        running_max = shop.house.caps.running_max
        while free := min(CLAIMS_AT_ONCE, running_max - len(self._running)):
            try:
                claimed = await shop.database.write(
                    job_steps.claim, shop.house, shop.clock.now(), free
                )
            except Exception:
                emit("claim_failed", "claim failed", level=logging.ERROR, trace=True)
                return
            for job, tasks in claimed.jobs:
                if job.id not in self._running:
                    self._start(job, tasks)
                # Else this process stood still for longer than a lease, and goes on with the job.
            if len(claimed.jobs) < free:
                self._others_wait = claimed.others_wait
                return

    def _start(self, job: Job, tasks: Sequence[Task]) -> None:
        carrying = asyncio.create_task(self._carry(job, tasks), name=job.id)
        self._running[job.id] = carrying
        carrying.add_done_callback(self._ended)

    def _ended(self, carrying: asyncio.Task[None]) -> None:
        del self._running[carrying.get_name()]
        if self._others_wait:
            self._shop.due.set()

    async def _stop(self) -> None:
        """End every wait at once, let short steps finish, and cancel the rest."""
        self._shop.clock.stop()
        if self._running:
            carrying = set(self._running.values())
            _, late = await asyncio.wait(carrying, timeout=STOP_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _carry(self, job: Job, tasks: Sequence[Task]) -> None:
        """The outermost layer of a job: carry it from its committed state to its end."""
        with about(**fields_of(job)):
            emit("job_claimed", "job claimed", nsfw_checker=job.nsfw_checker, spoiler=job.spoiler)
            try:
                job, tasks = await self._give_up_if_hopeless(job, tasks)
                if job.state is JobState.RUNNING:
                    await self._delivery.deliver(await self._make(job, tasks))
                elif job.state is JobState.DELIVERING:
                    await self._delivery.resume(job)
            except Stopped:
                emit("job_left", "job left for the next start")
            except StepLost as error:
                emit("job_let_go", "job let go: %s", error)
                await self._duties.show_cancelled(job.id)
            except Exception:
                # A defect of ours, or a database in trouble. Once its lease has run out, the job
                # is claimed again and goes on from its last commit, so nothing billed is dropped.
                emit("job_interrupted", "job interrupted", level=logging.ERROR, trace=True)

    async def _give_up_if_hopeless(
        self, job: Job, tasks: Sequence[Task]
    ) -> tuple[Job, Sequence[Task]]:
        if job.claims > CLAIMS_MAX:
            emit("job_given_up", "job given up", level=logging.ERROR)
            if job.state is JobState.DELIVERING:
                return await self._delivery.fail(job), tasks
            return await self._fail_tasks(job, tasks, Failure.INTERNAL, OPEN_TASK_STATES)
        if job.state is not JobState.RUNNING:
            return job, tasks
        if self._shop.clock.now() - job.created_at > WAIT_MAX:
            return await self._fail_tasks(job, tasks, Failure.WAITED_TOO_LONG, (TaskState.PENDING,))
        if job.request is UNREADABLE:
            # Submitted images are paid, so they go on without their request.
            return await self._fail_tasks(job, tasks, Failure.INTERNAL, (TaskState.PENDING,))
        return job, tasks

    async def _fail_tasks(
        self, job: Job, tasks: Sequence[Task], failure: Failure, states: Collection[TaskState]
    ) -> tuple[Job, Sequence[Task]]:
        database, allowance = self._shop.database, self._shop.house.allowance
        for task in tasks:
            if task.state in states:
                now = self._shop.clock.now()
                await database.keep(task_steps.failed, allowance, task, Problem(failure), now)
        return await database.read(job_steps.look, job.id)

    async def _make(self, job: Job, tasks: Sequence[Task]) -> Made:
        ended, sent = asyncio.Event(), asyncio.Event()
        # Guarded, for no result waits until an update can be made.
        showing = asyncio.create_task(guarded(lambda: self._show_progress(job, ended, sent)))
        references = References(job, self._shop, self._messenger)
        try:
            after = await all_of(
                [
                    Carrier(self._shop, job, task, references, sent).carry()
                    for task in tasks
                    if task.state in OPEN_TASK_STATES
                ]
            )
            # The task that ended last moved the job on to its delivery.
            made = next(each for each in after if each)
            if made.job.problem is None:
                await self._draw_sheet(job, references)
            return made
        except asyncio.CancelledError:
            # The process stops, and no result follows here that the update could replace.
            showing.cancel()
            raise
        finally:
            references.remove()
            # Else awaited, never cancelled: an update in flight must not arrive after the result.
            ended.set()
            sent.set()
            await showing

    async def _draw_sheet(self, job: Job, references: References) -> None:
        """Draw the sheet of references that the result shows; the result can go without it."""
        path = self._shop.folder / sheet_name(job.id)
        if not references.paths or path.exists():
            return
        try:
            shown = await self._shown(job, references.paths)
            if any(shown):
                await draw_sheet(shown, path, self._shop.decoder, tile_px=REFERENCE_TILE_PX)
        except (OSError, BotError) as error:
            emit("no_sheet", "sheet not drawn: %s", error, level=logging.WARNING)

    async def _shown(self, job: Job, paths: Sequence[Path]) -> Sequence[Path | None]:
        """The files of the job's references; None for one that its result does not show."""
        pictures = job.request.references
        makers: dict[str, Job] = {}
        if any(each.job_id for each in pictures):
            makers = await self._shop.database.read(job_steps.makers, pictures)
        pairs = zip(pictures, paths, strict=True)
        return [
            None if hides(job, each, makers.get(each.kept_as)) else path for each, path in pairs
        ]

    async def _show_progress(self, job: Job, ended: asyncio.Event, sent: asyncio.Event) -> None:
        """
        Update the status message, beginning once an order was sent, because the job can no longer
        be cancelled then; wait for that no longer than PROGRESS_S_MAX.
        """
        await self._duties.let_land(job.id)
        await within(PROGRESS_S_MAX, sent)
        await within(PROGRESS_AFTER_S, ended)
        shown = 0
        while not ended.is_set():
            # Updates are for human eyes, so they follow real time, not the jobs' clock.
            await within(self._pacing.take(asyncio.get_running_loop().time()), ended)
            job, tasks = await self._shop.database.read(job_steps.look, job.id)
            if ended.is_set() or job.state is JobState.DELIVERING:
                return
            images = images_of(self._shop.folder, tasks)
            new = images if len(images) > shown else ()
            await self._messenger.show_progress(
                job, tasks, finished=self._shop.finished, images=new
            )
            shown = len(images)
            if job.unwatched or job.state is JobState.CANCELLED:
                return
            await within(self._pace_s(job, tasks), ended)

    def _pace_s(self, job: Job, tasks: Sequence[Task]) -> float:
        now = self._shop.clock.now()
        elapsed_s = (now - (job.started_at or now)).total_seconds()
        return own_pace_s(self._shop.routing.typical_s(latest(tasks)[0].route_id), elapsed_s)


def own_pace_s(typical_s: float, elapsed_s: float) -> float:
    """Seconds between two updates of a job: the longer it takes, the more rarely there is news."""
    return min(max(PROGRESS_S_MIN, max(typical_s, elapsed_s) / PROGRESS_STEPS), PROGRESS_S_MAX)
